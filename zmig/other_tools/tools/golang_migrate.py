"""golang-migrate: a file for each direction, and a table with one row: the version up to which all is applied."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from zmig.errors import Location
from zmig.other_tools import commands
from zmig.other_tools import files as project_files
from zmig.other_tools.files import is_for_tests, name_of
from zmig.other_tools.history import AppliedMigration, HistoryTable, ToolHistory, ToolLock, in_order
from zmig.other_tools.problems import nothing_to_import, unclear, unfinished
from zmig.other_tools.source import Change, Remark, Script, Source, SourceMigration
from zmig.other_tools.tool import Language, Tool
from zmig.text.places import Source as Places

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.errors import Problem
    from zmig.other_tools.files import ProjectFiles
    from zmig.other_tools.history import Place, Row

_TITLE = "golang-migrate"
_NAME = re.compile(r"(?P<version>[0-9]+)_(?P<title>.*)\.(?P<direction>down|up)\.(?P<suffix>.*)", re.DOTALL)
_MODULE = re.compile(r"github\.com/(?:golang-migrate|mattes)/migrate\b")
_FILE_URL = re.compile(r"file://(?P<path>[\w./-]+)")
_TABLE = re.compile(r"x-migrations-table=(?P<table>[^&\s\"'`)]+)")
_MULTIPLE = re.compile(r"x-multi-statement=(?:true|1|t)\b", re.IGNORECASE)
_MAX = 1 << 64
_SALT, _WORD = 1486364155, 1 << 32


class _File(NamedTuple):
    """A file that the tool takes for a migration."""

    path: str
    version: int
    title: str
    direction: str
    digits: str

    @property
    def name(self) -> str:
        """What it is called without direction and suffix."""
        return f"{self.digits}_{self.title}"


def _find(files: ProjectFiles) -> str | None:
    """Return the folder of a project that says it uses the tool; the names alone might be another's."""
    folders = {
        path.rpartition("/")[0] or "."
        for path in files.paths
        if not is_for_tests(path) and (found := _file(path)) is not None and found.direction == "up"
    }
    if not folders:
        return None
    named = _named(files)
    if named is None:
        return None

    def order(folder: str) -> tuple[bool, bool, int, str]:
        is_named = any(folder == name or name.endswith(f"/{folder}") for name in named)
        return not is_named, not name_of(folder).startswith(("migration", "postgres")), folder.count("/"), folder

    return min(folders, key=order)


def _named(files: ProjectFiles) -> set[str] | None:
    """Return the folders that a project's commands give the tool; None where it does not use the tool."""
    options = list(commands.options(files, "migrate", ("path", "source", "database")))
    texts = [text for _, text in commands.texts(files)]
    is_used = bool(options) or any("migrate/migrate" in text or _TITLE in text for text in texts)
    if not is_used and not any(name_of(path) == "go.mod" and _MODULE.search(files.text(path)) for path in files.paths):
        return None
    urls = [found["path"] for text in texts for found in _FILE_URL.finditer(text)]
    return {_plain(path) for path in [*urls, *(value for name, value in options if name == "path")]}


def _plain(path: str) -> str:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    return "/".join(parts) or "."


def _file(path: str) -> _File | None:
    name = _NAME.fullmatch(name_of(path))
    if name is None or int(name["version"]) >= _MAX:
        return None
    return _File(path, int(name["version"]), name["title"], name["direction"], name["version"])


def _read(files: ProjectFiles, folder: str) -> Source:
    found = [one for path in project_files.children(files, folder) if (one := _file(path)) is not None]
    if not found:
        raise nothing_to_import(folder, _TITLE, "000001_add_users.up.sql")
    versions: dict[int, list[_File]] = {}
    for one in found:
        versions.setdefault(one.version, []).append(one)
    table, remarks = _said(files)
    taken = {one.path for one in found}
    others = (
        Remark(Change.LEFT_OUT, "its name is none of a migration, so that the tool passes it over", Location(path))
        for path in project_files.children(files, folder)
        if path.endswith(".sql") and path not in taken
    )
    migrations = tuple(_migration(files, versions[version]) for version in sorted(versions))
    return Source(_TITLE, folder, migrations, history_table=table, remarks=(*remarks, *others))


def _migration(files: ProjectFiles, found: list[_File]) -> SourceMigration:
    by_direction: dict[str, _File] = {}
    remarks: list[Remark] = []
    for one in found:
        first = by_direction.setdefault(one.direction, one)
        if first is not one:
            message = f"the same version and direction as `{first.path}`, which the tool refuses"
            remarks.append(Remark(Change.REFUSED, message, Location(one.path)))
    up, down = by_direction.get("up"), by_direction.get("down")
    script = _script(files, up, remarks)
    if script is None and down is not None:
        message = "a version without a file that migrates up, which the tool counts as applied without doing anything"
        remarks.append(Remark(Change.KEPT, message, Location(down.path)))
        script = Script("", down.path)
    named = up or down
    assert named is not None
    return SourceMigration(
        str(named.version),
        named.name,
        script,
        number=named.version,
        down=_script(files, down, remarks),
        remarks=tuple(remarks),
    )


def _script(files: ProjectFiles, one: _File | None, remarks: list[Remark]) -> Script | None:
    if one is None:
        return None
    is_sql = one.path.endswith(".sql")
    if not is_sql:
        message = "SQL under another suffix: zmig's file has `.sql`"
        remarks.append(Remark(Change.REWRITTEN, message, Location(one.path)))
    return Script(files.text(one.path), one.path, is_whole_file=is_sql)


def _said(files: ProjectFiles) -> tuple[str | None, list[Remark]]:
    """Return the table, and what is to be known, of the URLs in the project's own commands."""
    table: str | None = None
    remarks: list[Remark] = []
    for path, text in commands.texts(files):
        named = _TABLE.search(text)
        if named is not None and table is None and "$" not in named["table"]:
            table = unquote(named["table"]).replace('"', "")
        if multiple := _MULTIPLE.search(text):
            where = Places(path, text).location(*multiple.span())
            message = (
                "each statement was a transaction of its own: zmig runs a file in one, unless its statements forbid it"
            )
            remarks.append(Remark(Change.DROPPED, message, where))
    return table, remarks


def _queries(place: Place) -> Sequence[str]:
    """Return the query for the row; a table of version 1 has one for each migration, and no `dirty`."""
    dirty = "dirty" if "dirty" in place.columns else "null::boolean"
    return (f"select version, {dirty} from {place.quoted} order by version",)


def _read_history(results: Sequence[Sequence[Row]], source: Source) -> ToolHistory:
    rows = [(version, dirty) for version, dirty in results[0] if isinstance(version, int)]
    if all(dirty is None for _, dirty in rows):
        return ToolHistory(in_order([AppliedMigration(str(version)) for version, _ in rows], source))
    if len(rows) > 1:
        return ToolHistory((), problems=(_several([version for version, _ in rows]),))
    version, is_dirty = rows[0]
    if is_dirty:
        return ToolHistory((), problems=(_dirty(version, source),))
    return ToolHistory(tuple(_up_to(version, source)), notes=tuple(_notes(version, source)))


def _up_to(version: int, source: Source) -> Iterator[AppliedMigration]:
    """Yield what is applied: all up to the one number there is."""
    for one in source.migrations:
        if one.number is not None and one.number <= version:
            yield AppliedMigration(one.id, is_concluded=one.number < version)
    if source.find(str(version)) is None:
        yield AppliedMigration(str(version))


def _notes(version: int, source: Source) -> Iterator[str]:
    if source.migrations:
        yield (
            f"the table holds no more than the number {version}: a file with a smaller one that was merged late "
            "counts as applied, whether it was run or not; `zmig import --verify` finds that"
        )
        if source.find(str(version)) is None:
            yield f"there is no file of version {version}, so the tool itself would not go on from it"


def _several(versions: list[int]) -> Problem:
    return unclear(
        f"the table holds {len(versions)} versions, and the tool reads any one of them",
        facts=(f"versions: {', '.join(map(str, versions))}",),
        hint=f"find out which is right, and run `migrate force {max(versions)}`, or whichever that is",
    )


def _dirty(version: int, source: Source) -> Problem:
    """Return the problem of a version that was begun, upwards from the one before or downwards from the one after."""
    numbers = sorted(one.number for one in source.migrations if one.number is not None)
    before = max((number for number in numbers if number < version), default=-1)
    after = min((number for number in numbers if number > version), default=None)
    names = {one.number: one.name for one in source.migrations}
    began = f"`{names[version]}.up`" if version in names else f"the file of version {version}"
    facts = [f"going up, {began} was begun: find out whether what it makes is in the database"]
    if after is not None:
        facts.append(f"going down, `{names[after]}.down` was begun: find out whether what it drops is gone")
    return unfinished(
        f"version {version} is dirty: the tool began it, and the table does not say whether it took effect",
        facts=tuple(facts),
        hint=f"complete or undo it by hand; then run `migrate force {version}` if it is complete, "
        f"`migrate force {before}` if nothing of it is there",
    )


def _lock(place: Place) -> ToolLock:
    """Return both of its locks: where it is given a URL, the database's name begins with the path's slash."""
    return ToolLock(
        tuple(_lock_key(place.schema, place.table, name) for name in (place.database, f"/{place.database}"))
    )


def _lock_key(*names: str) -> int:
    return zlib.crc32("\0".join(names).encode()) * _SALT % _WORD


TOOL = Tool(
    _TITLE,
    _TITLE,
    language=Language.SQL,
    find=_find,
    read=_read,
    history=HistoryTable(
        "public.schema_migrations",
        queries=_queries,
        read=_read_history,
        lock=_lock,
        has_one_number=True,
    ),
)
