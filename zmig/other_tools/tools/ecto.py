"""Ecto: Elixir files with a version each, and a table with one row for each version."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from zmig.other_tools import code
from zmig.other_tools import files as project_files
from zmig.other_tools.files import name_of
from zmig.other_tools.history import AppliedMigration, HistoryTable, ToolHistory, in_order, moment
from zmig.other_tools.problems import nothing_to_import
from zmig.other_tools.source import Source
from zmig.other_tools.tool import Language, Tool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig.other_tools.files import ProjectFiles
    from zmig.other_tools.history import Place, Row

_FILE = re.compile(r"(?P<version>\d+)_.*\.exs", re.ASCII)
_USE = re.compile(r"^[^\S\n]*+use\s++\(?\s*+Ecto\.Migration\b", re.MULTILINE)


def _find(files: ProjectFiles) -> str | None:
    """Return the folder whose files use the tool's module."""
    for folder in sorted({path.rpartition("/")[0] or "." for path in files.paths if _FILE.fullmatch(name_of(path))}):
        if any(_USE.search(files.text(path)) for path in _migrations(files, folder)):
            return folder
    return None


def _migrations(files: ProjectFiles, folder: str) -> list[str]:
    """Return the files in a folder and in those below it, which Ecto reads, too."""
    found = [path for path in project_files.below(files, folder) if _FILE.fullmatch(name_of(path))]
    return sorted(found, key=_version)


def _version(path: str) -> int:
    return int(cast("re.Match[str]", _FILE.fullmatch(name_of(path)))["version"])


def _read(files: ProjectFiles, folder: str) -> Source:
    paths = _migrations(files, folder)
    if not paths:
        raise nothing_to_import(folder, "Ecto", "priv/repo/migrations/20240131120000_add_users.exs")
    return Source("ecto", folder, tuple(code.migration(path, str(_version(path)), "Elixir") for path in paths))


def _queries(place: Place) -> Sequence[str]:
    return (f"select version, inserted_at at time zone 'UTC' from {place.quoted} order by version",)


def _read_history(results: Sequence[Sequence[Row]], source: Source) -> ToolHistory:
    rows = [AppliedMigration(str(version), at=moment(at)) for version, at in results[0]]
    return ToolHistory(in_order(rows, source))


TOOL = Tool(
    "ecto",
    "Ecto",
    language=Language.CODE,
    find=_find,
    read=_read,
    history=HistoryTable(
        "public.schema_migrations",
        queries=_queries,
        read=_read_history,
    ),
    structure="priv/repo/structure.sql",
)
