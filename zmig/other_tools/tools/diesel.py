"""Diesel of Rust: a folder with `up.sql` and `down.sql` for each version, and a table of versions."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, cast

from zmig.errors import Location
from zmig.other_tools import cargo
from zmig.other_tools import files as project_files
from zmig.other_tools.files import name_of, prefix_of
from zmig.other_tools.history import AppliedMigration, HistoryTable, ToolHistory, in_order, local_time, moment
from zmig.other_tools.problems import nothing_to_import
from zmig.other_tools.source import Change, Remark, Script, Source, SourceMigration
from zmig.other_tools.tool import Language, Tool

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.other_tools.files import ProjectFiles
    from zmig.other_tools.history import Place, Row

_UP, _DOWN, _METADATA = "up.sql", "down.sql", "metadata.toml"
_SETTINGS = "diesel.toml"
_SETUP = "_diesel_initial_setup"
_DIGITS = re.compile(r"[0-9]+")
_KEY = "run_in_transaction"


def _find(files: ProjectFiles) -> str | None:
    """Return the folder that Diesel's configuration names, or one of a crate with it, or with its first migration."""
    folders: set[str] = set()
    for path in files.paths:
        folder, _, name = path.rpartition("/")
        if name == _UP and folder:
            folders.add(folder.rpartition("/")[0] or ".")
    return next((folder for folder in _candidates(files) if folder in folders), None) if folders else None


def _candidates(files: ProjectFiles) -> Iterator[str]:
    for path in files.paths:
        if name_of(path) == _SETTINGS:
            base = path.removesuffix(_SETTINGS).rstrip("/") or "."
            yield cargo.joined(base, _named(files.text(path)) or "migrations")
    # From a crate Diesel looks upwards for the nearest folder of that name.
    for crate in cargo.crates_with(files, "diesel"):
        parts = [] if crate == "." else crate.split("/")
        for count in range(len(parts), -1, -1):
            yield cargo.joined("/".join(parts[:count]) or ".", "migrations")
    for path in files.paths:
        folder, _, name = path.rpartition("/")
        if name == _UP and folder.endswith(_SETUP):
            yield folder.rpartition("/")[0] or "."


def _named(text: str) -> str | None:
    try:
        table = tomllib.loads(text).get("migrations_directory")
    except tomllib.TOMLDecodeError:
        return None
    folder = cast("dict[str, object]", table).get("dir") if isinstance(table, dict) else None
    return str(folder) if folder is not None else None


def _read(files: ProjectFiles, folder: str) -> Source:
    prefix = prefix_of(folder)
    inside: dict[str, list[str]] = {}
    remarks: list[Remark] = []
    for path in project_files.below(files, folder):
        name, separator, _ = path[len(prefix) :].partition("/")
        if separator and not name.startswith("."):
            inside.setdefault(name, []).append(path)
        elif not separator and name.endswith(".sql"):
            message = "not in a folder of its own: Diesel does not look at it"
            remarks.append(Remark(Change.LEFT_OUT, message, Location(path)))
    names = [name for name, paths in inside.items() if f"{prefix}{name}/{_UP}" in paths]
    if not names:
        raise nothing_to_import(folder, "Diesel", f"2024-01-31-120000_add_users/{_UP}")
    for name, paths in inside.items():
        remarks += _others(f"{prefix}{name}", paths, is_migration=name in names)
    first: dict[str, str] = {}
    migrations = [
        _migration(files, f"{prefix}{name}", inside[name], first.setdefault(_version(name), name))
        for name in sorted(names, key=lambda one: (_version(one), one))
    ]
    return Source("diesel", folder, tuple(migrations), remarks=tuple(remarks))


def _version(name: str) -> str:
    """Return what the table has: what is before the first underscore, without hyphens."""
    return name.partition("_")[0].replace("-", "")


def _others(folder: str, paths: list[str], *, is_migration: bool) -> Iterator[Remark]:
    if not is_migration:
        yield Remark(Change.REFUSED, f"a folder without `{_UP}`, which Diesel refuses", Location(paths[0]))
        return
    for path in paths:
        if path.endswith(".sql") and path not in (f"{folder}/{_UP}", f"{folder}/{_DOWN}"):
            yield Remark(Change.LEFT_OUT, f"Diesel runs `{_UP}` and `{_DOWN}` alone", Location(path))


def _migration(files: ProjectFiles, folder: str, paths: list[str], first: str) -> SourceMigration:
    name = name_of(folder)
    id = version = _version(name)
    remarks: list[Remark] = []
    if first != name:
        id = f"{version} ({name})"
        message = f"the same version as `{first}`, of which Diesel runs one or the other"
        remarks.append(Remark(Change.REFUSED, message, Location(f"{folder}/{_UP}")))
    metadata = f"{folder}/{_METADATA}"
    transactional = _transactional(metadata, files.text(metadata), remarks) if metadata in paths else None
    up, down = (
        Script(files.text(path), path, is_whole_file=True, transactional=transactional) if path in paths else None
        for path in (f"{folder}/{_UP}", f"{folder}/{_DOWN}")
    )
    number = int(version) if _DIGITS.fullmatch(version) else None
    return SourceMigration(id, name, up, number=number, down=down, remarks=tuple(remarks))


def _transactional(path: str, text: str, remarks: list[Remark]) -> bool | None:
    """Return what a migration's own file says: false where it does not say it, and nothing where it is no TOML."""
    try:
        metadata = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        remarks.append(Remark(Change.DROPPED, "it is no TOML, so that Diesel passes it over", Location(path)))
        return None
    said = metadata.get(_KEY)
    if _KEY in metadata and not isinstance(said, bool):
        remarks.append(Remark(Change.DROPPED, f"`{_KEY}` is no boolean, so that Diesel passes it over", Location(path)))
        return None
    where = project_files.location(path, text, max(text.find(_KEY), 0))
    if said is None:
        message = f"without `{_KEY}` in it, Diesel runs the migration outside of a transaction, and zmig, too"
        remarks.append(Remark(Change.KEPT, message, where))
    elif not said:
        remarks.append(Remark(Change.KEPT, "zmig runs it outside of a transaction, too", where))
    return bool(said)


def _queries(place: Place) -> Sequence[str]:
    return (f"select version, {local_time('run_on')} from {place.quoted} order by version",)


def _read_history(results: Sequence[Sequence[Row]], source: Source) -> ToolHistory:
    applied = [AppliedMigration(str(version), at=moment(at)) for version, at in results[0]]
    return ToolHistory(in_order(applied, source))


TOOL = Tool(
    "diesel",
    "Diesel",
    language=Language.SQL,
    find=_find,
    read=_read,
    history=HistoryTable(
        "public.__diesel_schema_migrations",
        queries=_queries,
        read=_read_history,
    ),
)
