"""The command line of Supabase: plain SQL files, and a table that keeps what was run of each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, cast

from zmig.errors import Location
from zmig.other_tools import files as project_files
from zmig.other_tools.files import name_of, prefix_of
from zmig.other_tools.history import AppliedMigration, HistoryTable, ToolHistory, in_order
from zmig.other_tools.problems import nothing_to_import
from zmig.other_tools.source import Change, Remark, Script, Source, SourceMigration
from zmig.other_tools.tool import Language, Tool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig.other_tools.files import ProjectFiles
    from zmig.other_tools.history import Matches, Place, Row

_NAME = re.compile(r"(?P<version>[0-9]+)_(?P<name>.*)\.sql")
_INITIAL = re.compile(r"(?P<time>[0-9]{14})_init\.sql")
_SKIPPED_BEFORE = 20211209000000
_FOLDER = "supabase/migrations"
_PROJECT = re.compile(r"^[ \t]*project_id[ \t]*=", re.MULTILINE)
_BLANK = "\t\n\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""What Go counts as white space."""
_BETWEEN = re.compile(rf"[{_BLANK};]*")


class _File(NamedTuple):
    """A file that the tool takes for a migration."""

    path: str
    version: str


def _find(files: ProjectFiles) -> str | None:
    """Return the folder of migrations in one called `supabase`, or beside a configuration of Supabase's."""
    folders = {path.rpartition("/")[0] for path in files.paths if _NAME.fullmatch(name_of(path))}
    named = [one for one in folders if f"/{one}".endswith(f"/{_FOLDER}")]
    if named:
        return min(named, key=lambda one: (one.count("/"), one))
    is_inside = "config.toml" in files.paths and _PROJECT.search(files.text("config.toml")) is not None
    return "migrations" if is_inside and "migrations" in folders else None


def _read(files: ProjectFiles, folder: str) -> Source:
    taken, remarks = _taken(files, folder)
    if not taken:
        raise nothing_to_import(folder, "Supabase", "20240131120000_add_users.sql")
    first: dict[str, str] = {}
    migrations = [_migration(files, one, first.setdefault(one.version, one.path)) for one in taken]
    parent = prefix_of(folder.rpartition("/")[0])
    if (seed := f"{parent}seed.sql") in files.paths:
        remarks.append(Remark(Change.LEFT_OUT, "data for new databases, and no migration", Location(seed)))
    return Source("supabase", folder, tuple(migrations), remarks=tuple(remarks))


def _taken(files: ProjectFiles, folder: str) -> tuple[list[_File], list[Remark]]:
    """Return the migrations in the tool's order, that of their names as text, and what it skips."""
    prefix = prefix_of(folder)
    entries = sorted({path[len(prefix) :].partition("/")[0] for path in project_files.below(files, folder)})
    taken: list[_File] = []
    remarks: list[Remark] = []
    for path in project_files.children(files, folder):
        name = name_of(path)
        found, initial = _NAME.fullmatch(name), _INITIAL.search(name)
        if name == entries[0] and initial is not None and int(initial["time"]) < _SKIPPED_BEFORE:
            message = "a first `_init.sql` of before December 2021, which Supabase skips"
            remarks.append(Remark(Change.LEFT_OUT, message, Location(path)))
        elif found is not None:
            taken.append(_File(path, found["version"]))
        elif name.endswith(".sql"):
            message = "its name is none of a migration, so that Supabase skips it"
            remarks.append(Remark(Change.LEFT_OUT, message, Location(path)))
    return sorted(taken, key=lambda one: name_of(one.path)), remarks


def _migration(files: ProjectFiles, one: _File, first: str) -> SourceMigration:
    id, remarks = one.version, ()
    if first != one.path:
        id = f"{one.version} ({name_of(one.path)})"
        message = f"the same version as `{first}`, so that Supabase cannot record both"
        remarks = (Remark(Change.REFUSED, message, Location(one.path)),)
    script = Script(files.text(one.path), one.path, is_whole_file=True)
    name = name_of(one.path).removesuffix(".sql")
    return SourceMigration(id, name, script, number=int(one.version), remarks=remarks)


def _queries(place: Place) -> Sequence[str]:
    """Return the query; the columns for what was run are younger than the table."""
    statements = "statements" if "statements" in place.columns else "null::text[]"
    return (f"select version, {statements} from {place.quoted} order by version",)


def _read_history(results: Sequence[Sequence[Row]], source: Source) -> ToolHistory:
    applied = [
        AppliedMigration(
            str(version),
            statements=tuple(map(str, cast("list[object]", statements))) if isinstance(statements, list) else None,
        )
        for version, statements in results[0]
    ]
    return ToolHistory(in_order(applied, source))


def _matches(row: AppliedMigration, migration: SourceMigration, source: Source, files: ProjectFiles) -> Matches:
    """Return whether the file holds the statements that were run, and nothing else but what separates them."""
    if row.statements is None or migration.up is None:
        return None
    unix = migration.up.text.replace("\r\n", "\n")
    return any(_consists_of(one, row.statements) for one in (migration.up.text, unix, unix.replace("\n", "\r\n")))


def _consists_of(text: str, statements: tuple[str, ...]) -> bool:
    """Return whether a text is these statements, each trimmed as Supabase records it, with semicolons between them.

    However the tool cuts a file into them, which was not the same in all of its versions, this holds of what it keeps.
    """
    position = 0
    for number, statement in enumerate(statements):
        between = _BETWEEN.match(text, position)
        assert between is not None
        start = text.find(statement, position, between.end() + len(statement))
        if start < 0 or (number > 0 and ";" not in text[position:start]):
            return False
        position = start + len(statement)
    rest = _BETWEEN.match(text, position)
    return rest is not None and rest.end() == len(text)


TOOL = Tool(
    "supabase",
    "Supabase",
    language=Language.SQL,
    find=_find,
    read=_read,
    history=HistoryTable(
        "supabase_migrations.schema_migrations",
        queries=_queries,
        read=_read_history,
    ),
    matches=_matches,
)
