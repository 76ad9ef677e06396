"""dbmate: SQL files with an up and a down part each, and a table with one row for each version."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from zmig.other_tools import files as project_files
from zmig.other_tools import sections
from zmig.other_tools.history import AppliedMigration, HistoryTable, ToolHistory, in_order
from zmig.other_tools.problems import nothing_to_import
from zmig.other_tools.source import Change, Remark, Script, Source, SourceMigration
from zmig.other_tools.tool import Language, Tool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig.other_tools.files import ProjectFiles
    from zmig.other_tools.history import Place, Row
    from zmig.other_tools.sections import Section

_NAME = re.compile(r"(?P<version>\d++)(?P<rest>.*)\.sql", re.ASCII)
_MARK = re.compile(r"^--[^\S\n]*migrate:(?P<direction>up|down)(?=\s|\Z)(?P<options>[^\n]*)", re.MULTILINE)
_UP = re.compile(r"^--\s*migrate:up(?:\s*$|\s+\S+)", re.MULTILINE)
_FOLDER = "db/migrations"


def _find(files: ProjectFiles) -> str | None:
    """Return the folder whose files have dbmate's mark: nothing else does."""
    folders = {_FOLDER, *(path.rpartition("/")[0] or "." for path in files.paths if path.endswith(".sql"))}
    for folder in sorted(folders, key=lambda one: (one != _FOLDER, one)):
        if any(_UP.search(files.text(path)) for path in _migrations(files, folder)):
            return folder
    return None


def _migrations(files: ProjectFiles, folder: str) -> list[str]:
    found = [path for path in project_files.children(files, folder) if _NAME.fullmatch(project_files.name_of(path))]
    return sorted(found, key=project_files.name_of)


def _read(files: ProjectFiles, folder: str) -> Source:
    paths = _migrations(files, folder)
    if not paths:
        raise nothing_to_import(folder, "dbmate", "20240131120000_add_users.sql")
    return Source("dbmate", folder, tuple(_migration(path, files.text(path)) for path in paths))


def _migration(path: str, text: str) -> SourceMigration:
    name = project_files.name_of(path)
    version = cast("re.Match[str]", _NAME.fullmatch(name))["version"]
    parts: dict[str, list[Section]] = {"up": [], "down": []}
    remarks: list[Remark] = []
    for section in sections.split(text, _MARK):
        if section.mark is not None:
            parts[section.mark["direction"]].append(section)
    for direction in ("up", "down"):
        for again in parts[direction][1:]:
            where = project_files.location(path, text, cast("re.Match[str]", again.mark).start())
            remarks.append(Remark(Change.REFUSED, f"a second `migrate:{direction}` part, which dbmate refuses", where))
    if not parts["up"]:
        where = project_files.location(path, text, 0)
        remarks.append(Remark(Change.REFUSED, "no `-- migrate:up` line, which dbmate requires", where))
    return SourceMigration(
        version,
        name.removesuffix(".sql"),
        _script(path, parts["up"]),
        number=int(version),
        down=_script(path, parts["down"]),
        remarks=tuple(remarks),
    )


def _script(path: str, parts: list[Section]) -> Script | None:
    if not parts:
        return None
    mark, text, line = parts[0]
    options = mark["options"].split() if mark is not None else []
    return Script(text, path, line=line, transactional=False if "transaction:false" in options else None)


def _queries(place: Place) -> Sequence[str]:
    return (f"select version::text from {place.quoted} order by version",)


def _read_history(results: Sequence[Sequence[Row]], source: Source) -> ToolHistory:
    versions = sorted(str(row[0]) for row in results[0])
    return ToolHistory(in_order(map(AppliedMigration, versions), source))


TOOL = Tool(
    "dbmate",
    "dbmate",
    language=Language.SQL,
    find=_find,
    read=_read,
    history=HistoryTable(
        "public.schema_migrations",
        queries=_queries,
        read=_read_history,
    ),
)
