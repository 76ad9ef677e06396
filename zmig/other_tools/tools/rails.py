"""Rails: Ruby files with a version each, and a table with one row for each version."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, cast

from zmig.errors import Location
from zmig.other_tools import code
from zmig.other_tools import files as project_files
from zmig.other_tools.files import name_of
from zmig.other_tools.history import AppliedMigration, HistoryTable, ToolHistory, ToolLock, in_order
from zmig.other_tools.problems import nothing_to_import
from zmig.other_tools.source import Change, Remark, Source
from zmig.other_tools.tool import Language, Tool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig.other_tools.files import ProjectFiles
    from zmig.other_tools.history import Place, Row

_FILE = re.compile(r"(?P<version>[0-9]++)_[_a-z0-9]*+(?:\.[_a-z0-9]*+)?\.rb")
_BASE = "ActiveRecord::Migration"
_SALT = 2053462845
_STRUCTURE = re.compile(r"(?:.*_)?structure\.sql")


def _find(files: ProjectFiles) -> str | None:
    """Return the folder whose files are migrations of Active Record."""
    folders = sorted({path.rpartition("/")[0] or "." for path in files.paths if _FILE.fullmatch(name_of(path))})
    for folder in sorted(folders, key=lambda one: (not one.endswith("db/migrate"), one)):
        if any(_BASE in files.text(path) for path in _migrations(files, folder)):
            return folder
    return None


def _migrations(files: ProjectFiles, folder: str) -> list[str]:
    found = [path for path in project_files.children(files, folder) if _FILE.fullmatch(name_of(path))]
    return sorted(found, key=lambda path: int(_version(path)))


def _version(path: str) -> str:
    return cast("re.Match[str]", _FILE.fullmatch(name_of(path)))["version"]


def _read(files: ProjectFiles, folder: str) -> Source:
    paths = _migrations(files, folder)
    if not paths:
        raise nothing_to_import(folder, "Rails", "db/migrate/20240131120000_add_users.rb")
    migrations = tuple(code.migration(path, str(int(_version(path))), "Ruby") for path in paths)
    above = folder.rpartition("/")[0] or "."
    text = "the schema that the migrations make: it can be the first migration here"
    structures = tuple(
        Remark(Change.LEFT_OUT, text, Location(path))
        for path in project_files.children(files, above)
        if _STRUCTURE.fullmatch(name_of(path))
    )
    return Source("rails", folder, migrations, remarks=structures)


def _queries(place: Place) -> Sequence[str]:
    return (f"select version::text from {place.quoted} order by version",)


def _read_history(results: Sequence[Sequence[Row]], source: Source) -> ToolHistory:
    versions = sorted(str(row[0]) for row in results[0])
    return ToolHistory(in_order(map(AppliedMigration, versions), source))


def _lock(place: Place) -> ToolLock:
    return ToolLock((_SALT * zlib.crc32(place.database.encode()),))


TOOL = Tool(
    "rails",
    "Rails",
    language=Language.CODE,
    find=_find,
    read=_read,
    history=HistoryTable(
        "public.schema_migrations",
        queries=_queries,
        read=_read_history,
        lock=_lock,
    ),
    structure="db/structure.sql",
)
