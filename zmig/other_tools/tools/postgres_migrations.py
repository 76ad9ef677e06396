"""postgres-migrations: SQL files that are numbered from 1 without a gap, and a table with a hash for each."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, cast

from zmig.other_tools import files as project_files
from zmig.other_tools.files import location, name_of
from zmig.other_tools.history import (
    AppliedMigration,
    HistoryTable,
    ToolHistory,
    advisory_lock,
    local_time,
    moment,
)
from zmig.other_tools.problems import nothing_to_import
from zmig.other_tools.source import Change, Remark, Script, Source, SourceMigration
from zmig.other_tools.tool import Language, Tool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig.other_tools.files import ProjectFiles
    from zmig.other_tools.history import Place, Row

_TITLE = "postgres-migrations"
_FILE = re.compile(r"(?P<number>-?\d++)[-_]?+(?P<name>.*)\.(?P<suffix>sql|js)", re.ASCII | re.IGNORECASE)
_NO_TRANSACTION = "-- postgres-migrations disable-transaction"
_LOCK = -8525285245963000605


def _find(files: ProjectFiles) -> str | None:
    """Return the folder whose files are numbered from 1 on, in a package that has the tool among its own."""
    for path in files.paths:
        if name_of(path) == "package.json" and _has_tool(files, path):
            base = path.removesuffix("package.json")
            folders = {one.rpartition("/")[0] or "." for one in files.paths if one.startswith(base)}
            fitting = [folder for folder in sorted(folders) if _is_numbered(files, folder)]
            preferred = [folder for folder in fitting if name_of(folder) == "migrations"]
            if fitting:
                return (preferred or fitting)[0]
    return None


def _has_tool(files: ProjectFiles, path: str) -> bool:
    try:
        package = json.loads(files.text(path))
    except ValueError:
        return False
    packages = cast("dict[str, object]", package) if isinstance(package, dict) else {}
    dependencies = [packages.get(key) for key in ("dependencies", "devDependencies")]
    return any(isinstance(one, dict) and _TITLE in one for one in dependencies)


def _is_numbered(files: ProjectFiles, folder: str) -> bool:
    names = [name_of(path) for path in project_files.children(files, folder) if path.lower().endswith((".sql", ".js"))]
    found = [_FILE.fullmatch(name) for name in names]
    if not names or not any(name.lower().endswith(".sql") for name in names):
        return False
    numbers = sorted(int(one["number"]) for one in found if one is not None)
    return None not in found and numbers == list(range(1, len(names) + 1))


def _migrations(files: ProjectFiles, folder: str) -> list[str]:
    found = [path for path in project_files.children(files, folder) if _FILE.fullmatch(name_of(path))]
    return sorted(found, key=lambda path: int(_parsed(path)["number"]))


def _parsed(path: str) -> re.Match[str]:
    return cast("re.Match[str]", _FILE.fullmatch(name_of(path)))


def _read(files: ProjectFiles, folder: str) -> Source:
    paths = _migrations(files, folder)
    if not paths:
        raise nothing_to_import(folder, _TITLE, "1_add_users.sql")
    migrations = tuple(_migration(files, path, rank) for rank, path in enumerate(paths, 1))
    left_out = tuple(
        Remark(Change.LEFT_OUT, "no number at the beginning of its name", location(path, files.text(path), 0))
        for path in project_files.children(files, folder)
        if path.lower().endswith(".sql") and path not in paths
    )
    return Source(_TITLE, folder, migrations, remarks=left_out)


def _migration(files: ProjectFiles, path: str, rank: int) -> SourceMigration:
    parsed = _parsed(path)
    number, text = int(parsed["number"]), files.text(path)
    name = name_of(path).rpartition(".")[0]
    remarks: list[Remark] = []
    if number != rank:
        problem = f"{number} in the place of {rank}: the tool refuses numbers that are not consecutive from 1"
        remarks.append(Remark(Change.REFUSED, problem, location(path, text, 0)))
    if parsed["suffix"].lower() == "js":
        remarks.append(Remark(Change.REFUSED, "JavaScript, which zmig does not run", location(path, text, 0)))
        return SourceMigration(str(number), name, None, number=number, remarks=tuple(remarks))
    transactional = False if _NO_TRANSACTION in text else None
    hashed = name_of(path).encode() + files.read(path)
    return SourceMigration(
        str(number),
        name,
        Script(text, path, is_whole_file=True, transactional=transactional),
        number=number,
        checksums=(hashlib.sha1(hashed, usedforsecurity=False).hexdigest(),),
        remarks=tuple(remarks),
    )


def _queries(place: Place) -> Sequence[str]:
    return (f"select id, hash, {local_time('executed_at')} from {place.quoted} order by id",)


def _read_history(results: Sequence[Sequence[Row]], source: Source) -> ToolHistory:
    """Leave out 0, by which the tool makes its own table."""
    applied = tuple(
        AppliedMigration(str(number), at=moment(at), checksum=str(hash))
        for number, hash, at in results[0]
        if number != 0
    )
    return ToolHistory(applied)


TOOL = Tool(
    _TITLE,
    _TITLE,
    language=Language.SQL,
    find=_find,
    read=_read,
    history=HistoryTable(
        "public.migrations",
        queries=_queries,
        read=_read_history,
        lock=advisory_lock(_LOCK),
    ),
)
