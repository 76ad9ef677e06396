"""sqlx of Rust: a file, or a pair of files, for each version, and a table with the checksum of each."""

from __future__ import annotations

import hashlib
import re
import tomllib
import zlib
from typing import TYPE_CHECKING, NamedTuple, cast

from zmig.errors import Location, UsageError
from zmig.other_tools import cargo
from zmig.other_tools import files as project_files
from zmig.other_tools.checksums import line_ends
from zmig.other_tools.files import name_of
from zmig.other_tools.history import AppliedMigration, HistoryTable, ToolHistory, ToolLock, in_order, moment
from zmig.other_tools.problems import nothing_to_import, unfinished, unusable
from zmig.other_tools.source import Change, Remark, Script, Source, SourceMigration
from zmig.other_tools.tool import Language, Tool

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.errors import Problem
    from zmig.other_tools.files import ProjectFiles
    from zmig.other_tools.history import Place, Row

_NAME = re.compile(r"(?P<version>[^_]*)_(?P<rest>.*\.sql)")
_VERSION = re.compile(r"[+-]?[0-9]+")
_UP, _DOWN = ".up.sql", ".down.sql"
_TABLE = "_sqlx_migrations"
_SETTINGS = "sqlx.toml"
_MACRO = re.compile(r"\bmigrate!\(\s*\"(?P<path>[^\"]+)\"")
_NO_TRANSACTION = b"-- no-transaction"
_LOCK_FACTOR = 0x3D32AD9E
_MIN, _MAX = -(1 << 63), (1 << 63) - 1
_NANOSECONDS = 1_000_000


class _Settings(NamedTuple):
    """What `sqlx.toml` says of migrations."""

    path: str
    folder: str
    """Where the migrations are, relative to the project."""
    table: str | None = None
    ignored: frozenset[str] = frozenset()
    """Characters that do not count in checksums."""
    schemas: tuple[str, ...] = ()
    """What is created before all migrations."""


def _settings(files: ProjectFiles) -> list[_Settings]:
    paths = [path for path in files.paths if name_of(path) == _SETTINGS]
    return [_read_settings(path, files.text(path)) for path in sorted(paths, key=lambda one: (one.count("/"), one))]


def _read_settings(path: str, text: str) -> _Settings:
    base = path.removesuffix(_SETTINGS).rstrip("/") or "."
    try:
        root = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise unusable(path, f"it is no TOML: {error}") from None
    table = root.get("migrate")
    migrate = cast("dict[str, object]", table) if isinstance(table, dict) else {}
    name = migrate.get("table-name")
    return _Settings(
        path,
        cargo.joined(base, str(migrate.get("migrations-dir", "migrations"))),
        str(name).replace('"', "") if name is not None else None,
        frozenset(_texts(migrate.get("ignored-chars"))),
        _texts(migrate.get("create-schemas")),
    )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, cast("list[object]", value))) if isinstance(value, list) else ()


class _File(NamedTuple):
    """A file that sqlx takes for a migration."""

    path: str
    version: int
    name: str
    """Without direction and suffix."""
    is_down: bool


def _find(files: ProjectFiles) -> str | None:
    """Return the folder that a configuration or a crate with sqlx names, or that is beside such a crate."""
    folders = {path.rpartition("/")[0] or "." for path in files.paths if _file(path) is not None}
    return next((folder for folder in _candidates(files) if folder in folders), None) if folders else None


def _candidates(files: ProjectFiles) -> Iterator[str]:
    for path in files.paths:
        if name_of(path) == _SETTINGS:
            try:
                yield _read_settings(path, files.text(path)).folder
            except UsageError:
                yield cargo.joined(path.removesuffix(_SETTINGS).rstrip("/") or ".", "migrations")
    crates = list(cargo.crates_with(files, "sqlx"))
    for crate in crates:
        prefix = project_files.prefix_of(crate)
        for path in files.paths:
            if path.startswith(prefix) and path.endswith(".rs"):
                yield from (cargo.joined(crate, found["path"]) for found in _MACRO.finditer(files.text(path)))
    yield from (cargo.joined(crate, "migrations") for crate in crates)
    cached = {path.partition(".sqlx/query-")[0] for path in files.paths if ".sqlx/query-" in path}
    yield from (cargo.joined(one or ".", "migrations") for one in sorted(cached))


def _file(path: str) -> _File | None:
    """Return what sqlx takes a file for; None for one that it passes over or refuses."""
    found = _NAME.fullmatch(name_of(path))
    if found is None or not _VERSION.fullmatch(found["version"]) or not _MIN <= int(found["version"]) <= _MAX:
        return None
    is_down = found["rest"].endswith(_DOWN)
    suffix = _DOWN if is_down else _UP if found["rest"].endswith(_UP) else ".sql"
    return _File(path, int(found["version"]), name_of(path).removesuffix(suffix), is_down)


def _read(files: ProjectFiles, folder: str) -> Source:
    taken: list[_File] = []
    remarks: list[Remark] = []
    for path in project_files.children(files, folder):
        if (one := _file(path)) is not None:
            taken.append(one)
        elif _NAME.fullmatch(name_of(path)):
            message = "its name begins with no whole number, so that sqlx refuses the folder"
            remarks.append(Remark(Change.REFUSED, message, Location(path)))
        elif path.endswith(".sql"):
            message = "its name is none of a migration, so that sqlx passes it over"
            remarks.append(Remark(Change.LEFT_OUT, message, Location(path)))
    forward = sorted((one for one in taken if not one.is_down), key=lambda one: (one.version, one.path))
    if not forward:
        raise nothing_to_import(folder, "sqlx", "20240131120000_add_users.sql")
    down = {one.version: one for one in reversed(taken) if one.is_down}
    first: dict[int, str] = {}
    settings = _settings_of(files, folder)
    ignored = settings.ignored if settings is not None else frozenset[str]()
    migrations = [
        _migration(files, one, down.pop(one.version, None), first.setdefault(one.version, one.path), ignored)
        for one in forward
    ]
    for one in down.values():
        remarks.append(Remark(Change.LEFT_OUT, "undoes a version of which there is no file", Location(one.path)))
    if settings is not None and settings.schemas:
        message = f"sqlx creates {', '.join(settings.schemas)} before all migrations: do it in the first one"
        remarks.append(Remark(Change.LEFT_OUT, message, Location(settings.path)))
    table = settings.table if settings is not None else None
    return Source("sqlx", folder, tuple(migrations), history_table=table, remarks=tuple(remarks))


def _settings_of(files: ProjectFiles, folder: str) -> _Settings | None:
    """Return the configuration for a folder; the only one where its folder is not known here."""
    found = _settings(files)
    return next((one for one in found if one.folder == folder), found[0] if found else None)


def _migration(
    files: ProjectFiles, one: _File, down: _File | None, first: str, ignored: frozenset[str]
) -> SourceMigration:
    id = str(one.version)
    remarks: list[Remark] = []
    if first != one.path:
        id = f"{one.version} ({one.name})"
        message = f"the same version as `{first}`, so that sqlx cannot record both"
        remarks.append(Remark(Change.REFUSED, message, Location(one.path)))
    up = _script(files, one.path, remarks)
    back = _script(files, down.path, remarks) if down is not None else None
    return SourceMigration(
        id,
        one.name,
        up,
        number=one.version,
        down=back,
        # With the line ends of either system.
        checksums=tuple(_checksum(content, ignored) for content in line_ends(files.read(one.path))),
        remarks=tuple(remarks),
    )


def _script(files: ProjectFiles, path: str, remarks: list[Remark]) -> Script:
    """Return the SQL of a file; the mark has to be the first that is in it."""
    text = files.text(path)
    is_marked = files.read(path).startswith(_NO_TRANSACTION)
    if is_marked:
        where = project_files.location(path, text, 0, width=len(_NO_TRANSACTION))
        remarks.append(Remark(Change.KEPT, "zmig runs it outside of a transaction, too", where))
    return Script(text, path, is_whole_file=True, transactional=False if is_marked else None)


def _queries(place: Place) -> Sequence[str]:
    return (f"select version, installed_on, success, checksum, execution_time from {place.quoted} order by version",)


def _read_history(results: Sequence[Sequence[Row]], source: Source) -> ToolHistory:
    applied: list[AppliedMigration] = []
    problems: list[Problem] = []
    for version, at, success, checksum, nanoseconds in results[0]:
        if not success:
            problems.append(_failed(str(version), source))
            continue
        is_known = isinstance(nanoseconds, int) and nanoseconds >= 0
        applied.append(
            AppliedMigration(
                str(version),
                at=moment(at),
                duration_ms=round(cast("int", nanoseconds) / _NANOSECONDS) if is_known else None,
                checksum=checksum.hex() if isinstance(checksum, bytes) else None,
            )
        )
    return ToolHistory(in_order(applied, source), problems=tuple(problems))


def _failed(version: str, source: Source) -> Problem:
    table = source.history_table or _TABLE
    migration = source.find(version)
    return unfinished(
        f"`{migration.name if migration is not None else version}` failed in sqlx, and what of it took effect is not "
        "in its history",
        hint=f"look what of it is in the database; if nothing is, `delete from {table} where version = {version}`, "
        f"if all is, `update {table} set success = true where version = {version}`",
    )


def _lock(place: Place) -> ToolLock:
    return ToolLock((zlib.crc32(place.database.encode()) * _LOCK_FACTOR,))


def _checksum(content: bytes, ignored: frozenset[str]) -> str:
    if ignored:
        content = "".join(one for one in content.decode() if one not in ignored).encode()
    return hashlib.sha384(content).hexdigest()


TOOL = Tool(
    "sqlx",
    "sqlx",
    language=Language.SQL,
    find=_find,
    read=_read,
    history=HistoryTable(
        f"public.{_TABLE}",
        queries=_queries,
        read=_read_history,
        lock=_lock,
    ),
)
