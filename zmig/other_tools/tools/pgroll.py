"""pgroll: operations in YAML or JSON, which it carries out in two steps, and a table with a row for each migration."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import yaml

from zmig.errors import Location, Problem
from zmig.other_tools import files as project_files
from zmig.other_tools import pgroll_objects, semicolons, yaml_nodes
from zmig.other_tools.files import name_of
from zmig.other_tools.history import AppliedMigration, HistoryTable, ToolHistory, ToolLock, in_order, moment
from zmig.other_tools.problems import nothing_to_import, unfinished
from zmig.other_tools.source import Change, Remark, Script, Source, SourceMigration
from zmig.other_tools.tool import Language, Tool
from zmig.sql.lexer import UnterminatedError
from zmig.sql.quoting import operator
from zmig.text import listing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zmig.other_tools.files import ProjectFiles
    from zmig.other_tools.history import Matches, Place, Row

_FILE = re.compile(r".+\.(?:json|ya?ml)", re.IGNORECASE)
_SQL = "sql"
_OPERATIONS = frozenset(
    {
        "add_column",
        "alter_column",
        "change_type",
        "create_constraint",
        "create_index",
        "create_table",
        "drop_column",
        "drop_constraint",
        "drop_index",
        "drop_multicolumn_constraint",
        "drop_table",
        "rename_column",
        "rename_constraint",
        "rename_table",
        "set_replica_identity",
        _SQL,
    }
)
_OF_SQL = frozenset({"up", "down", "onComplete", "on_complete"})
_OF_ROW = f"(migration {operator('->')} 'operations')"
_STATEMENTS = (
    f"case when pg_catalog.jsonb_typeof({_OF_ROW}) {operator('=')} 'array' then array(select one {operator('->')} "
    f"'sql' {operator('->>')} 'up' from pg_catalog.jsonb_array_elements({_OF_ROW}) as one) end"
)
_LOCK_KEY = 0x2C03057FB9525B
_DEFAULT_SCHEMA = "public"
_SHOWN = 5


class _Operation(NamedTuple):
    """One operation of a file."""

    name: str
    location: Location
    values: Mapping[str, yaml.ScalarNode]
    """What is said in plain values, for `sql`."""
    is_plain: bool
    """Whether that is all that is said."""


class _File(NamedTuple):
    """A file of operations."""

    path: str
    name: str | None
    """What it calls itself, as files of old versions do."""
    operations: Sequence[_Operation]


def _find(files: ProjectFiles) -> str | None:
    """Return the folder with most files of operations that nothing else has."""
    counts: dict[str, int] = {}
    for path in files.paths:
        file = _file(files, path)
        if file is not None and file.operations:
            folder = path.rpartition("/")[0] or "."
            counts[folder] = counts.get(folder, 0) + 1
    return min(counts, key=lambda one: (-counts[one], one), default=None)


def _file(files: ProjectFiles, path: str) -> _File | None:
    """Return what a file holds; None for one that is not pgroll's. Raises UsageError."""
    if _FILE.fullmatch(name_of(path)) is None or b"operations" not in files.read(path):
        return None
    try:
        root = yaml_nodes.composed(path, files.text(path))
    except (yaml.YAMLError, RecursionError):
        return None
    if not isinstance(root, yaml.MappingNode):
        return None
    keys = {
        str(key.value): value
        for key, value in cast("list[tuple[Any, Any]]", root.value)
        if isinstance(key, yaml.ScalarNode)
    }
    listed = keys.get("operations")
    if not isinstance(listed, yaml.SequenceNode):
        return None
    operations = [_operation(path, item) for item in cast("list[Any]", listed.value)]
    known = [one for one in operations if one is not None]
    if len(known) < len(operations):
        return None
    name = keys.get("name")
    return _File(path, str(name.value) if isinstance(name, yaml.ScalarNode) else None, known)


def _operation(path: str, item: Any) -> _Operation | None:
    """Return an operation; None for what is none."""
    if not isinstance(item, yaml.MappingNode) or len(item.value) != 1:
        return None
    key, value = cast("tuple[Any, Any]", item.value[0])
    if not isinstance(key, yaml.ScalarNode) or str(key.value) not in _OPERATIONS:
        return None
    mark = key.start_mark
    pairs = cast("list[tuple[Any, Any]]", value.value) if isinstance(value, yaml.MappingNode) else []
    plain = {
        str(one.value): two
        for one, two in pairs
        if isinstance(one, yaml.ScalarNode) and isinstance(two, yaml.ScalarNode)
    }
    is_plain = bool(pairs) and len(plain) == len(pairs) and plain.keys() <= _OF_SQL
    return _Operation(str(key.value), Location(path, mark.line + 1, mark.column + 1), plain, is_plain)


def _read(files: ProjectFiles, folder: str) -> Source:
    paths = [path for path in project_files.children(files, folder) if _FILE.fullmatch(name_of(path))]
    found = [file for path in sorted(paths, key=_stem) if (file := _file(files, path)) is not None]
    if not found:
        raise nothing_to_import(folder, "pgroll", "01_create_users.yaml")
    return Source("pgroll", folder, tuple(map(_migration, found)))


def _stem(path: str) -> str:
    return name_of(path).rpartition(".")[0]


def _migration(file: _File) -> SourceMigration:
    """Return a file of operations; one that has others than SQL has no script."""
    name = file.name or _stem(file.path)
    others = [one for one in file.operations if one.name != _SQL or not one.is_plain]
    if others or not file.operations:
        what = listing.quoted(tuple(dict.fromkeys(one.name for one in others)), _SHOWN) if others else "nothing"
        place = others[0].location if others else Location(file.path)
        remark = Remark(Change.LEFT_OUT, f"{what}: operations, which only pgroll carries out", place)
        return SourceMigration(name, name, None, remarks=(remark,))
    remarks: list[Remark] = []
    up = _script(file.path, file.operations, "up", remarks)
    down = _script(file.path, file.operations[::-1], "down", remarks)
    if up is None:
        remarks.append(Remark(Change.REFUSED, "no SQL, which pgroll refuses", file.operations[0].location))
    statements = (yaml_nodes.text_of(one.values["up"]) for one in file.operations if "up" in one.values)
    return SourceMigration(name, name, up, down=down, checksums=tuple(map(_normal, statements)), remarks=tuple(remarks))


def _script(path: str, operations: Sequence[_Operation], key: str, remarks: list[Remark]) -> Script | None:
    """Return the SQL of all operations one after the other; None where there is none."""
    parts: list[Script] = []
    for one in operations:
        text = yaml_nodes.text_of(one.values[key]) if key in one.values else ""
        if not text.strip():
            continue
        try:
            end = semicolons.missing_after(text) if len(operations) > 1 else None
        except UnterminatedError:
            remarks.append(Remark(Change.REFUSED, "a string or a comment in it does not end", one.location))
            end = None
        ended = text if end is None else f"{text[:end]};{text[end:]}"
        line = yaml_nodes.line_of(one.values[key])
        parts.append(Script(ended if ended.endswith("\n") else f"{ended}\n", path, line=line))
    if not parts:
        return None
    return Script("".join(part.text for part in parts), path, line=parts[0].line, parts=tuple(parts))


def _queries(place: Place) -> Sequence[str]:
    kind = "migration_type::pg_catalog.text" if "migration_type" in place.columns else "'pgroll'"
    return (
        f"select schema::pg_catalog.text, name::pg_catalog.text, done, {kind}, updated_at, {_STATEMENTS} "
        f"from {place.quoted} order by created_at, name",
        pgroll_objects.versions_sql(place.quoted),
        pgroll_objects.event_triggers_sql(),
    )


def _read_history(results: Sequence[Sequence[Row]], source: Source) -> ToolHistory:
    rows, versions, triggers = results
    own = _own_schema(rows, source)
    applied: list[AppliedMigration] = []
    active: list[str] = []
    inferred = 0
    for schema, name, done, kind, at, statements in rows:
        id = str(name) if schema == own else f"{schema}.{name}"
        if done is not True:
            active.append(id)
        elif kind == "inferred":
            inferred += 1
        else:
            texts = cast("list[str | None] | None", statements) or []
            was_sql = bool(texts) and None not in texts
            applied.append(
                AppliedMigration(
                    id,
                    at=moment(at),
                    was_run=kind != "baseline",
                    statements=tuple(str(text) for text in texts) if was_sql else None,
                )
            )
    return ToolHistory(
        in_order(applied, source),
        problems=tuple(map(_active, active)),
        notes=tuple(_notes(inferred, [str(row[1]) for row in versions], [str(row[0]) for row in triggers])),
        begun=tuple(active),
    )


def _own_schema(rows: Sequence[Row], source: Source) -> str:
    """Return the schema whose migrations the files are: the one with most of their names, else the usual one."""
    names = {one.id for one in source.migrations}
    counts: dict[str, int] = {}
    for schema, name, *_ in rows:
        counts[str(schema)] = counts.get(str(schema), 0) + (name in names)
    return max(counts, key=lambda one: (counts[one], one == _DEFAULT_SCHEMA), default=_DEFAULT_SCHEMA)


def _active(name: str) -> Problem:
    return unfinished(
        f"`{name}` is active in pgroll: it is begun, and neither completed nor rolled back",
        facts=("both versions of the schema are there, with triggers and columns of pgroll's own",),
        hint="run `pgroll complete`, or `pgroll rollback` to take it back",
    )


def _notes(inferred: int, versions: Sequence[str], triggers: Sequence[str]) -> Iterator[str]:
    if inferred:
        verb = "change of the schema was" if inferred == 1 else "changes of the schema were"
        yield f"{inferred} {verb} made without pgroll, which has them as `inferred`: they are no migrations"
    if versions:
        named = listing.quoted(versions, _SHOWN)
        drops = "; ".join(f'drop schema "{name}" cascade' for name in versions[:_SHOWN])
        yield (
            f"{named}: views for applications, which depend on the tables, so that a migration may fail to change "
            f"those: once no application uses them, run `{drops}`"
        )
    if triggers:
        drops = "; ".join(f"drop event trigger {name}" for name in triggers)
        yield f"pgroll records whatever zmig changes: a superuser ends that with `{drops}`"


def _lock(place: Place) -> ToolLock:
    return ToolLock((_LOCK_KEY,), tables=(place.quoted,))


def _matches(row: AppliedMigration, migration: SourceMigration, source: Source, files: ProjectFiles) -> Matches:
    """Compare the SQL that was run, which the table has; line ends and blanks at the ends do not count."""
    if row.statements is None or not migration.checksums:
        return None
    return tuple(map(_normal, row.statements)) == migration.checksums


def _normal(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


def _schemas(place: Place) -> str:
    return pgroll_objects.versions_sql(place.quoted)


TOOL = Tool(
    "pgroll",
    "pgroll",
    language=Language.CODE,
    has_operations=True,
    find=_find,
    read=_read,
    history=HistoryTable(
        "pgroll.migrations",
        queries=_queries,
        read=_read_history,
        lock=_lock,
        schemas=_schemas,
    ),
    matches=_matches,
)
