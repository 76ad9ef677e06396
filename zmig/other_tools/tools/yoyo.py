"""yoyo: SQL files that depend on each other, rollbacks in files beside them, and a table with a log."""

from __future__ import annotations

import ast
import configparser
import posixpath
import re
from fnmatch import fnmatchcase
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

from zmig.other_tools import files as project_files
from zmig.other_tools.files import location, name_of
from zmig.other_tools.history import AppliedMigration, HistoryTable, ToolHistory, ToolLock, in_order, moment
from zmig.other_tools.problems import nothing_to_import
from zmig.other_tools.source import Change, Remark, Repeats, Script, Source, SourceMigration
from zmig.other_tools.tool import Language, Tool
from zmig.text import python_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zmig.other_tools.files import ProjectFiles
    from zmig.other_tools.history import Place, Row

_DIRECTIVE = re.compile(r"\s*--\s*(?P<name>transactional|depends)\s*:\s*(?P<value>.*)")
_COMMENT_OR_EMPTY = re.compile(r"\s*(?:--.*)?")
_IMPORT = re.compile(r"^[^\S\n]*+(?:from\s+yoyo\s+import|import\s+yoyo)\b", re.MULTILINE)
_NUMBER = re.compile(r"\d+", re.ASCII)
_ROLLBACK = ".rollback.sql"
_POST_APPLY = "post-apply"
_CONFIGURATION = "yoyo.ini"


class _Settings(NamedTuple):
    """What `yoyo.ini` says."""

    sources: tuple[str, ...] = ()
    """Folders, which may have wildcards, relative to the project."""
    table: str | None = None


class _File(NamedTuple):
    """One migration's file, with what it says of itself."""

    path: str
    id: str
    text: str
    depends: Mapping[str, int]
    """The migrations that it depends on, and the line that says so."""
    transactional: str = "true"
    line: int = 1
    """Where `transactional` is said."""


def _find(files: ProjectFiles) -> str | None:
    """Return the first folder that `yoyo.ini` names, or one with Python files that import yoyo."""
    for path in files.paths:
        if name_of(path) == _CONFIGURATION:
            folders = _folders(files, _settings(files, path))
            if folders:
                return folders[0]
    for path in files.paths:
        folder = path.rpartition("/")[0] or "."
        is_step = path.endswith(".py") and _IMPORT.search(files.text(path)) and "step(" in files.text(path)
        if is_step and any(one.endswith(".sql") for one in project_files.children(files, folder)):
            return folder
    return None


def _settings(files: ProjectFiles, path: str) -> _Settings:
    base = path.rpartition("/")[0]
    parser = configparser.ConfigParser({"here": base or "."}, interpolation=configparser.BasicInterpolation())
    try:
        parser.read_string(files.text(path))
        sources = parser.get("DEFAULT", "sources", fallback="")
        table = parser.get("DEFAULT", "migration_table", fallback=None)
    except configparser.Error:
        return _Settings()
    folders = (
        one if one.startswith(f"{base}/") else posixpath.join(base, one) for one in sources.replace(",", " ").split()
    )
    return _Settings(tuple(posixpath.normpath(one) for one in folders), table or None)


def _folders(files: ProjectFiles, settings: _Settings) -> list[str]:
    """Return the folders of migrations, in the order in which they are named."""
    holding = sorted({path.rpartition("/")[0] or "." for path in files.paths if _is_migration(path)})
    return list(dict.fromkeys(one for source in settings.sources for one in holding if fnmatchcase(one, source)))


def _is_migration(path: str) -> bool:
    return path.endswith((".sql", ".py")) and not path.endswith(_ROLLBACK)


def _read(files: ProjectFiles, folder: str) -> Source:
    configured = [_settings(files, path) for path in files.paths if name_of(path) == _CONFIGURATION]
    settings = next((one for one in configured if folder in _folders(files, one)), _Settings())
    folders = _folders(files, settings) or [folder]
    paths = [path for one in folders for path in project_files.children(files, one) if _is_migration(path)]
    found = [_file(path, files.text(path)) for path in paths]
    migrations = [one for one in found if not one.id.startswith(_POST_APPLY)]
    if not any(one.path.endswith(".sql") for one in migrations):
        raise nothing_to_import(folder, "yoyo", "0001.create-users.sql")
    hooks = [one for one in found if one.id.startswith(_POST_APPLY)]
    ordered = [*_in_order(migrations), *hooks]
    ranks = {one.id: rank for rank, one in enumerate(ordered)}
    converted = [_migration(files, one, ranks) for one in ordered]
    return Source("yoyo", folder, tuple(converted), history_table=settings.table)


def _file(path: str, text: str) -> _File:
    identity = name_of(path).rpartition(".")[0]
    if path.endswith(".py"):
        return _File(path, identity, text, _depends_in_code(text))
    depends: dict[str, int] = {}
    transactional, place = "true", 1
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        directive = _DIRECTIVE.fullmatch(line)
        if directive is None and not _COMMENT_OR_EMPTY.fullmatch(line):
            break
        if directive is not None and directive["name"] == "depends":
            depends |= {one: number for one in directive["value"].split() if one not in depends}
        elif directive is not None:
            transactional, place = directive["value"].strip().lower(), number
    return _File(path, identity, text, depends, transactional, place)


def _depends_in_code(text: str) -> dict[str, int]:
    """Return what `__depends__` names in a Python file, without running it."""
    tree = python_tree.parsed(text)
    for node in tree.body if tree is not None else ():
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.Assign) and any(
            isinstance(one, ast.Name) and one.id == "__depends__" for one in targets
        ):
            constants = [one for one in ast.walk(node.value) if isinstance(one, ast.Constant)]
            return {one.value: node.lineno for one in constants if isinstance(one.value, str)}
    return {}


def _in_order(found: Sequence[_File]) -> Iterator[_File]:
    """Yield files as yoyo sorts them: each after those it depends on, else by folder and name."""
    ranks = {one.id: rank for rank, one in enumerate(found)}
    waits = {one.id: {other for other in one.depends if other in ranks and other != one.id} for one in found}
    ready = [rank for one, rank in ranks.items() if not waits[one]]
    heapify(ready)
    done: set[str] = set()
    while ready:
        one = found[heappop(ready)]
        done.add(one.id)
        yield one
        for other, needed in waits.items():
            if one.id in needed:
                needed.discard(one.id)
                if not needed:
                    heappush(ready, ranks[other])
    yield from (one for one in found if one.id not in done)  # those that depend on each other


def _migration(files: ProjectFiles, file: _File, ranks: Mapping[str, int]) -> SourceMigration:
    remarks = [
        Remark(Change.REFUSED, f"`{one}`, which it depends on, is not there, or depends on it", _line(file, line))
        for one, line in file.depends.items()
        if ranks.get(one, len(ranks)) >= ranks[file.id]
    ]
    is_hook = file.id.startswith(_POST_APPLY)
    if is_hook:
        text = "a repeatable that runs with each apply: yoyo runs it where something was applied"
        remarks.append(Remark(Change.REWRITTEN, text, _line(file, 1)))
    number = _NUMBER.match(file.id)
    if file.path.endswith(".py"):
        remarks.append(Remark(Change.REFUSED, "Python with steps of yoyo, which zmig does not run", _line(file, 1)))
    if file.transactional not in ("true", "false"):
        remarks.append(Remark(Change.REFUSED, "neither true nor false, which yoyo refuses", _line(file, file.line)))
    rollback = f"{file.path.rpartition('.')[0]}{_ROLLBACK}"
    is_sql = file.path.endswith(".sql")
    transactional = False if file.transactional == "false" else None
    up = Script(file.text, file.path, is_whole_file=True, transactional=transactional) if is_sql else None
    down = Script(files.text(rollback), rollback, is_whole_file=True) if is_sql and rollback in files.paths else None
    return SourceMigration(
        file.id,
        file.id,
        up,
        number=int(number[0]) if number and not is_hook else None,
        down=down,
        repeats=Repeats.ALWAYS if is_hook else None,
        remarks=tuple(remarks),
    )


def _line(file: _File, line: int) -> project_files.Location:
    offset = sum(len(one) for one in file.text.splitlines(keepends=True)[: line - 1])
    return location(file.path, file.text, offset)


def _queries(place: Place) -> Sequence[str]:
    applied = (
        "select migration_hash, migration_id, applied_at_utc at time zone 'UTC' "
        f"from {place.quoted} order by applied_at_utc, migration_id"
    )
    log = place.beside("_yoyo_log")
    if log is None:
        return (applied,)
    latest = f"select distinct on (migration_hash) migration_hash, operation, username, hostname from {log}"
    return (applied, f"{latest} order by migration_hash, created_at_utc desc")


def _read_history(results: Sequence[Sequence[Row]], source: Source) -> ToolHistory:
    """Return what is applied, with who applied it as the newest line of the log has it."""
    log = {str(row[0]): row[1:] for row in results[1]} if len(results) > 1 else {}
    applied: list[AppliedMigration] = []
    for hash, identity, at in results[0]:
        operation, user, host = log.get(str(hash), (None, None, None))
        by = f"{user}@{host}" if user and host else None
        when = moment(at)
        applied.append(AppliedMigration(str(identity), at=when, by=by, was_run=operation != "mark"))
    return ToolHistory(in_order(applied, source))


def _lock(place: Place) -> ToolLock:
    table = place.beside("yoyo_lock")
    if table is None:
        return ToolLock()
    holder = f"select 'process ' || pid || coalesce(' since ' || ctime, '') from {table} where locked = 1"
    return ToolLock(query=holder, tables=(table,))


TOOL = Tool(
    "yoyo",
    "yoyo",
    language=Language.SQL,
    find=_find,
    read=_read,
    history=HistoryTable(
        "public._yoyo_migration",
        queries=_queries,
        read=_read_history,
        lock=_lock,
    ),
)
