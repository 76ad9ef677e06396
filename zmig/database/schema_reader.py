"""Reads what is in a database, object by object, in one transaction that only reads, with settings of its own.

What writes a definition asks the catalogs as they are at that moment, not as the transaction's snapshot has them, and
some of it takes a lock on the table. So an object that somebody changes meanwhile may be gone half-way, or locked: then
everything is read anew, a few times.
"""

from __future__ import annotations

import re
import time
from contextlib import ExitStack, nullcontext, suppress
from typing import TYPE_CHECKING, TypeVar, cast

import psycopg

from zmig.catalog import queries
from zmig.catalog.objects import SchemaSnapshot
from zmig.database.tracking_check import EVENTS, PROJECTION
from zmig.errors import Problem, ZmigError
from zmig.other_tools import pgroll_objects
from zmig.other_tools.history_tables import history_of, is_beside
from zmig.sql.quoting import literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import TracebackType
    from typing import Self

    from zmig.catalog.objects import Key, Kind
    from zmig.catalog.scope import Scope
    from zmig.database.types import Connection, Row

    _Columns = tuple[int, int, str, list[str]]
    """A table's schema, its oid, its qualified name and its columns."""

Result = TypeVar("Result")
Rows = list["Row"]

_ATTEMPTS = 4
_PAUSE_SECONDS = 0.2

_SETTINGS = {
    "search_path": "pg_catalog, pg_temp",
    "standard_conforming_strings": "on",
    "DateStyle": "ISO",
    "TimeZone": "UTC",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "quote_all_identifiers": "off",
    "lc_monetary": "C",
    "lock_timeout": "2s",
    "statement_timeout": "0",
    "jit": "off",
}
"""What the server's way to write definitions depends on, and how long a table that somebody alters is waited for.

Temporary objects come last, so that none is taken for a catalog. To compile a query would take longer than to run it.
"""

_OWN_SETTINGS = "select " + ", ".join(
    f"pg_catalog.set_config('{name}', '{value}', true)" for name, value in _SETTINGS.items()
)
_SEEN = "zmig.schema_seen"
"""The setting that holds, for the rest of a message, what the catalogs were like."""
_VIEW = "isolation level repeatable read, read only"

_OF_USERS = "nspname !~ '^pg_' and nspname <> 'information_schema'"
_SCHEMAS = f"select oid, nspname::text from pg_namespace where {_OF_USERS}"
_RELATIONS = (
    "select c.oid, n.nspname::text, c.relname::text, c.relkind::text "
    f"from pg_class c join pg_namespace n on n.oid = c.relnamespace "
    f"where {_OF_USERS} and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S', 'c')"
)
_COLUMNS = (
    "select n.oid, c.oid, quote_ident(n.nspname) || '.' || quote_ident(c.relname), array_agg(a.attname::text) "
    "from pg_class c join pg_namespace n on n.oid = c.relnamespace "
    "join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped "
    f"where {_OF_USERS} and c.relkind = 'r' and c.relnatts <= 30 group by 1, 2, 3"
)
_OF_EXTENSIONS = (
    "select objid from pg_depend where refclassid = 'pg_extension'::regclass and classid = 'pg_class'::regclass "
    "and deptype = 'e'"
)
_SEQUENCES = (
    "select distinct d.objid, d.refobjid from pg_sequence s join pg_depend d on d.classid = 'pg_class'::regclass "
    "and d.objid = s.seqrelid and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i')"
)
"""Which sequences belong to which tables."""
_OTHERS = (
    "select 1 from pg_namespace n where n.nspname = {schema} and (exists (select from pg_proc "
    "where pronamespace = n.oid and proname <> 'migration_events_refuse_change') "
    "or exists (select from pg_type where typnamespace = n.oid and typtype in ('e', 'd', 'r')))"
)
"""What is in the schema of zmig's tables, or of another tool's, that is neither theirs nor a relation."""
_STATE = """
with k as (select oid, xmin from pg_class where relnamespace = any ({schemas})),
rows as (
    select oid, xmin from k
    union all select a.attrelid, a.xmin from k join pg_attribute a on a.attrelid = k.oid where a.attnum > 0
    union all select a.oid, a.xmin from k join pg_attrdef a on a.adrelid = k.oid
    union all select i.indexrelid, i.xmin from k join pg_index i on i.indrelid = k.oid
    union all select w.oid, w.xmin from k join pg_rewrite w on w.ev_class = k.oid
    union all select g.oid, g.xmin from k join pg_trigger g on g.tgrelid = k.oid
    union all select y.oid, y.xmin from k join pg_policy y on y.polrelid = k.oid
    union all select oid, xmin from pg_constraint where connamespace = any ({schemas})
    union all select oid, xmin from pg_proc where pronamespace = any ({schemas})
    union all select oid, xmin from pg_type where typnamespace = any ({schemas})
    union all select oid, xmin from pg_operator where oprnamespace = any ({schemas})
    union all select oid, xmin from pg_statistic_ext where stxnamespace = any ({schemas})
    union all select oid, xmin from pg_namespace where oid = any ({schemas})
)
select concat_ws(' ', count(*), sum(oid::bigint), sum(xmin::text::bigint)) from rows
"""
"""Numbers for which versions of the catalogs' rows there are: others if anything was made, changed or dropped.

For the length of a reading this is enough; the state that is recorded (`catalog_state`) takes five times as long.
"""
_GUARDS = (
    "select oid from pg_proc where proname = 'migration_events_refuse_change' "
    "and pronamespace = (select oid from pg_namespace where nspname = {schema})"
)

_MAY_BE_HISTORY = re.compile(r"migrat|version|histor|change|revision|schema|meta|pgroll", re.IGNORECASE)

_MOVING = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.UndefinedObject,
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.InternalError_,
    psycopg.errors.SerializationFailure,
)
"""What the server says of an object that somebody changes while it is read: locked, gone, or gone half-way."""


def read(connection: Connection, scope: Scope) -> SchemaSnapshot:
    """Return the objects of a database that are in scope; the connection is in no transaction.

    Raises:
        ZmigError: somebody changes the schema all the time.
        psycopg.Error: anything else that the server says.
    """

    def snapshot(reading: Reading) -> SchemaSnapshot:
        reading.begin()
        return reading.snapshot()

    return attempted(connection, scope, snapshot)


def attempted(
    connection: Connection,
    scope: Scope,
    use: Callable[[Reading], Result],
    *,
    attempts: int | None = None,
    first: Sequence[str] = (),
) -> Result:
    """Return what a function makes of a reading, which it gets anew where somebody has changed the schema meanwhile.

    Without `attempts` it is as patient as somebody who has asked for it. Raises as `read` does.
    """
    attempts = _ATTEMPTS if attempts is None else attempts
    for attempt in range(1, attempts + 1):
        try:
            with Reading(connection, scope, first) as reading:
                return use(reading)
        except _MOVING as error:
            if attempt == attempts:
                raise ZmigError(_moving(error, attempts)) from error
            time.sleep(_PAUSE_SECONDS * attempt)
    raise AssertionError


def uncovered(connection: Connection, scope: Scope) -> dict[str, int]:
    """Return what of users' making is not looked at, and how much of each there is, as a snapshot has it."""
    with Reading(connection, scope) as reading:
        reading.begin()
        return reading.uncovered()


def _moving(error: psycopg.Error, attempts: int) -> Problem:
    words = f"{attempts} attempts" if attempts > 1 else "an attempt"
    return Problem(
        "schema-is-changing",
        "the schema cannot be read: somebody changes it at this moment",
        facts=(f"after {words} the server said: {error.diag.message_primary or error}",),
        effect="nothing was compared",
        hint="run the command again when the change is over",
    )


class Reading:
    """One reading, in one transaction and as the database was at its beginning: few messages, however far it is."""

    def __init__(self, connection: Connection, scope: Scope, first: Sequence[str] = ()) -> None:
        """The statements `first` come before all, in a transaction of their own."""
        self._connection = connection
        self._scope = scope
        self._schemas: Sequence[int] = ()
        self._hidden: Sequence[int] = ()
        self._routines: Sequence[int] = ()
        self._relation_kinds: set[str] = set()
        self._occurring: set[str] = set()
        self._histories = 0
        self._answers: list[Rows] = []
        self._first = first
        self._transaction = ExitStack()
        self._is_plain = connection.autocommit and connection.cursor_factory is psycopg.Cursor
        """Whether a transaction may begin and end in the middle of a message."""

    def __enter__(self) -> Self:
        """Begin, at the latest with the first question."""
        if self._is_plain:
            self._transaction.callback(self._abandon)
        else:
            if self._first:
                self._connection.execute("; ".join(self._first).encode(), prepare=False)
            self._transaction.enter_context(self._connection.transaction())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the transaction, if it is open still."""
        self._transaction.__exit__(kind, error, trace)

    def _abandon(self) -> None:
        with suppress(psycopg.Error):
            self._connection.rollback()

    def begin(self, *others: str) -> list[Rows]:
        """Choose what is looked at; return what other questions bring, which are asked together with that.

        No question has a backslash in an ordinary string, which is read as the session has it before the statements
        that come first.
        """
        self._schemas, self._hidden, self._routines = self._chosen(*others)
        return self._answers

    def snapshot(self, *, counts: bool = True) -> SchemaSnapshot:
        """Return the objects; what users made and is not looked at is counted only with `counts`. The reading is over.

        Raises:
            psycopg.errors.UndefinedObject: something has changed meanwhile.
        """
        version = self._connection.info.server_version
        asked = list(
            queries.snapshot_sql(
                version,
                schemas=self._schemas,
                hidden=self._hidden,
                routines=self._routines,
                occurring=self._occurring,
                relation_kinds=self._relation_kinds,
            )
        )
        statements = [query for _, query in asked]
        if counts:
            statements.append(queries.uncovered_sql())
        state = f"({_STATE.format(schemas=_array(self._schemas))})"
        if self._is_plain:
            kept = f"set_config('{_SEEN}', pg_current_snapshot()::text || ' ' || {state}, false)"
            was = f"current_setting('{_SEEN}')"
            *answers, _, _, _, ((is_same,),) = self._ask(
                *statements, f"select {kept}", "commit", _OWN_SETTINGS, _is_unchanged_sql(was, state)
            )
        else:
            *answers, ((was,),) = self._ask(*statements, f"select pg_current_snapshot()::text || ' ' || {state}")
            self._transaction.close()
            with nullcontext() if self._connection.autocommit else self._connection.transaction():
                _, ((is_same,),) = self._ask(_OWN_SETTINGS, _is_unchanged_sql(literal(str(was)), state))
        if not is_same:
            raise psycopg.errors.UndefinedObject("the catalogs changed while they were read")
        found = answers.pop() if counts else []
        objects = self._objects((kind, rows) for (kind, _), rows in zip(asked, answers, strict=True))
        return SchemaSnapshot(version, objects, self._counted(found))

    def _objects(self, answers: Iterable[tuple[Kind, Rows]]) -> dict[Key, str]:
        objects: dict[Key, str] = {}
        for kind, rows in answers:
            for identity, definition in cast("list[tuple[str, str | None]]", rows):
                if definition is None:  # it is gone since the transaction began
                    raise psycopg.errors.UndefinedObject(f"{kind} {identity} does not exist")
                before = objects.get((kind, identity))
                objects[kind, identity] = definition if before is None else f"{before}\n{definition}"
        return objects

    def uncovered(self) -> dict[str, int]:
        """Return what of users' making is not looked at, and how much of each there is."""
        (found,) = self._ask(queries.uncovered_sql())
        return self._counted(found)

    def _counted(self, found: Sequence[tuple[object, ...]]) -> dict[str, int]:
        counts = dict(cast("Sequence[tuple[str, int]]", found))
        return counts | {"tables of other migration tools": self._histories} if self._histories else counts

    def _chosen(self, *others: str) -> tuple[list[int], list[int], list[int]]:
        """Return the schemas that are looked at, and the relations and functions in them that are not, as oids."""
        scope, tracking = self._scope, literal(self._scope.tracking_schema)
        beginning = (*self._first, f"begin {_VIEW}") if self._is_plain else (f"set transaction {_VIEW}",)
        asked = (
            _SCHEMAS,
            _RELATIONS,
            _COLUMNS,
            _GUARDS.format(schema=tracking),
            _OF_EXTENSIONS,
            _SEQUENCES,
            _OTHERS.format(schema=tracking),
            queries.occurring_sql(tracking),
        )
        answers = list(self._ask(*beginning, _OWN_SETTINGS, *others, *asked))
        self._answers = answers[len(beginning) + 1 : -len(asked)]
        named, relations, columns, guards, brought, sequences, others_there, kinds = answers[-len(asked) :]
        schemas = {oid: name for oid, name in cast("list[tuple[int, str]]", named) if scope.has_schema(name)}
        names = set(schemas.values())
        inside = [row for row in cast("list[tuple[int, str, str, str]]", relations) if row[1] in names]
        own = {row[0] for row in inside if row[1] == scope.tracking_schema and row[2] in (EVENTS, PROJECTION)}
        hidden = own | {oid for oid, schema, name, _ in inside if not scope.has_relation(schema, name)}
        tables = [row for row in cast("list[_Columns]", columns) if row[0] in schemas]
        histories = _of_other_tools(tables)
        self._occurring = {str(kind) for (kind,) in kinds}
        self._histories = len(histories.keys() - hidden)
        hidden |= histories.keys()
        hidden |= {cast("int", oid) for (oid,) in brought}
        hidden |= {oid for oid, table in cast("list[tuple[int, int]]", sequences) if table in hidden}
        shown = [row for row in inside if row[0] not in hidden]
        in_use = {"public", *(row[1] for row in shown)}
        own_schema = next((oid for oid, name in schemas.items() if name == scope.tracking_schema), None)
        if own_schema is not None and not others_there and scope.tracking_schema not in in_use:
            del schemas[own_schema]
        for of_a_tool in set(histories.values()) - {own_schema}:
            if schemas[of_a_tool] not in in_use and not self._others_in(schemas[of_a_tool]):
                del schemas[of_a_tool]
        routines = [cast("int", oid) for (oid,) in guards]
        for schema, table in _of_pgroll(tables):
            if schema not in schemas or schemas[schema] not in in_use:
                schemas.pop(schema, None)
                routines += self._without_pgroll(schemas, schema, table)
        self._relation_kinds = {kind for *_, kind in shown}
        return sorted(schemas), sorted(hidden), routines

    def _others_in(self, schema: str) -> bool:
        """Whether something is in a schema that is no relation."""
        (found,) = self._ask(_OTHERS.format(schema=literal(schema)))
        return bool(found)

    def _without_pgroll(self, schemas: dict[int, str], schema: int, table: str) -> list[int]:
        """Leave out the schemas of views that pgroll has made; return its functions, which its event triggers run.

        A history that may not be read says nothing of them.
        """
        functions, is_readable = self._ask(
            f"select oid from pg_proc where pronamespace = {schema}", pgroll_objects.as_made_sql(table)
        )
        if is_readable:
            (versions,) = self._ask(pgroll_objects.versions_sql(table))
            for oid, _ in cast("list[tuple[int, str]]", versions):
                schemas.pop(oid, None)
        return [cast("int", oid) for (oid,) in functions]

    def _ask(self, *statements: str) -> Iterator[Rows]:
        """Send statements as one message, and yield the rows of each."""
        cursor = self._connection.execute(";\n".join(statements).encode(), prepare=False)
        for _ in statements:
            yield cursor.fetchall() if cursor.description is not None else []
            cursor.nextset()


def _of_other_tools(tables: Iterable[_Columns]) -> dict[int, int]:
    """Return the tables that other tools have made for themselves, with their schemas, as oids."""
    known = [(schema, oid, name, frozenset(held)) for schema, oid, name, held in tables]
    found = {oid: (schema, tool) for schema, oid, name, held in known if (tool := _tool(name, held)) is not None}
    there = set(found.values())
    beside = {
        oid: schema
        for schema, oid, _, held in known
        if any(one == schema and is_beside(tool, held) for one, tool in there)
    }
    return {**beside, **{oid: schema for oid, (schema, _) in found.items()}}


def _of_pgroll(tables: Iterable[_Columns]) -> Iterator[tuple[int, str]]:
    """Yield the tables in which pgroll keeps its history, each after its schema's oid."""
    for schema, _, name, held in tables:
        if _tool(name, frozenset(held)) == "pgroll":
            yield schema, name


def _tool(name: str, columns: frozenset[str]) -> str | None:
    """Return the tool that keeps its history in a table: its columns say so, and no name that speaks of something else.

    A table that is taken for one is not looked at, so what others change in it would not be found.
    """
    found = history_of({name: columns}) if _MAY_BE_HISTORY.search(name) is not None else None
    return None if found is None else found[1]


def _is_unchanged_sql(was: str, state: str) -> str:
    """Return the question whether the catalogs are as they were at the moment of a snapshot, asked after its end.

    What writes a definition saw them as they were at that moment: without this, half a change could be in it. `was` is
    the snapshot and the state then; where nobody has written anything since, the latter is not looked at again.
    """
    return (
        f"select case when split_part({was}, ' ', 1) = pg_current_snapshot()::text then true "
        f"else {was} = split_part({was}, ' ', 1) || ' ' || {state} end"
    )


def _array(oids: object) -> str:
    return f"'{{{','.join(map(str, cast('Sequence[int]', oids)))}}}'::oid[]"
