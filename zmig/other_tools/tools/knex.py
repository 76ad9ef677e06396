"""knex: JavaScript files in the order of their names, and a table with one row for each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.other_tools import code
from zmig.other_tools import files as project_files
from zmig.other_tools.files import name_of
from zmig.other_tools.history import AppliedMigration, HistoryTable, ToolHistory, ToolLock, moment
from zmig.other_tools.problems import nothing_to_import
from zmig.other_tools.source import Source
from zmig.other_tools.tool import Language, Tool

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.other_tools.files import ProjectFiles
    from zmig.other_tools.history import Place, Row

_FILE = re.compile(r".+\.(?:co|coffee|eg|iced|js|cjs|litcoffee|ls|ts)")
_DIRECTORY = re.compile(r"\bdirectory\s*:\s*[\"'](?P<folder>[^\"']+)[\"']")
_TABLE = re.compile(r"\btableName\s*:\s*[\"'](?P<name>\w+)[\"']")
_SCHEMA = re.compile(r"\bschemaName\s*:\s*[\"'](?P<name>\w+)[\"']")
_UP = re.compile(r"\bexports\.up\b|\bexport\s+(?:async\s+)?(?:function|const)\s+up\b|\bup\s*[:(]")
_DEFAULT_TABLE = "knex_migrations"


def _find(files: ProjectFiles) -> str | None:
    """Return the folder that a configuration of knex names, or the usual one beside it or its package."""
    for path in files.paths:
        is_configuration = name_of(path).startswith("knexfile.")
        if is_configuration or (name_of(path) == "package.json" and "knex" in code.packages(files, path)):
            base = path.rpartition("/")[0]
            named = _DIRECTORY.findall(files.text(path)) if is_configuration else []
            for folder in (*named, "migrations"):
                full = f"{base}/{folder.removeprefix('./').rstrip('/')}".lstrip("/")
                if any(_UP.search(files.text(one)) for one in _migrations(files, full)):
                    return full
    return None


def _migrations(files: ProjectFiles, folder: str) -> list[str]:
    """Return the files that knex loads; declarations of types are none."""
    inside = project_files.children(files, folder)
    return [path for path in inside if _FILE.fullmatch(name_of(path)) and not path.endswith(".d.ts")]


def _read(files: ProjectFiles, folder: str) -> Source:
    paths = _migrations(files, folder)
    if not paths:
        raise nothing_to_import(folder, "knex", "migrations/20240131120000_add_users.js")
    migrations = tuple(code.migration(path, name_of(path), "JavaScript or TypeScript") for path in paths)
    return Source("knex", folder, migrations, history_table=next(_tables(files), None))


def _tables(files: ProjectFiles) -> Iterator[str]:
    """Yield the history tables that configurations set in plain words."""
    for path in files.paths:
        if name_of(path).startswith("knexfile."):
            table, schema = _TABLE.search(files.text(path)), _SCHEMA.search(files.text(path))
            if table is not None or schema is not None:
                yield f"{schema['name'] if schema else 'public'}.{table['name'] if table else _DEFAULT_TABLE}"


def _queries(place: Place) -> Sequence[str]:
    return (f"select name, migration_time from {place.quoted} order by id",)


def _read_history(results: Sequence[Sequence[Row]], source: Source) -> ToolHistory:
    times = {str(name): moment(at) for name, at in results[0]}
    return ToolHistory(tuple(AppliedMigration(name, at=at) for name, at in times.items()))


def _lock(place: Place) -> ToolLock:
    table = place.beside(f"{place.table}_lock")
    if table is None:
        return ToolLock()
    return ToolLock(
        query=f"select 'somebody, or a run that was cut off' from {table} where is_locked = 1", tables=(table,)
    )


TOOL = Tool(
    "knex",
    "knex",
    language=Language.CODE,
    find=_find,
    read=_read,
    history=HistoryTable(
        "public.knex_migrations",
        queries=_queries,
        read=_read_history,
        lock=_lock,
    ),
)
