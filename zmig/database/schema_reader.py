"""Reads what is in a database, object by object, in one transaction that only reads, with settings of its own.

What writes a definition asks the catalogs as they are at that moment, not as the transaction's snapshot has them, and
some of it takes a lock on the table. So an object that somebody changes meanwhile may be gone half-way, or locked: then
everything is read anew, a few times.
"""

from __future__ import annotations

import re
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, cast

import psycopg

from zmig.catalog import queries
from zmig.catalog.objects import SchemaSnapshot
from zmig.database.quoting import literal
from zmig.database.tracking_check import EVENTS, PROJECTION
from zmig.errors import Problem, ZmigError
from zmig.planning.existing_objects import history_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.catalog.objects import Key
    from zmig.catalog.scope import Scope
    from zmig.database.types import Connection

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
_BEGINNING = ("set transaction isolation level repeatable read, read only", _OWN_SETTINGS)

_OF_USERS = "nspname !~ '^pg_' and nspname <> 'information_schema'"
_SCHEMAS = f"select oid, nspname::text from pg_namespace where {_OF_USERS}"
_RELATIONS = (
    "select c.oid, n.nspname::text, c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace "
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
_SEQUENCES_OF = (
    "select distinct objid from pg_depend where classid = 'pg_class'::regclass and refclassid = 'pg_class'::regclass "
    "and refobjid = any ({tables}) and deptype in ('a', 'i') and objid in (select seqrelid from pg_sequence)"
)
_OTHERS = (
    "select 1 from pg_proc where pronamespace = {schema} and proname <> 'migration_events_refuse_change' "
    "union all select 1 from pg_type where typnamespace = {schema} and typtype in ('e', 'd', 'r') limit 1"
)
"""What is in the schema of zmig's tables that is neither theirs nor a relation."""
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


def read(connection: Connection, scope: Scope, *, attempts: int = _ATTEMPTS) -> SchemaSnapshot:
    """Return the objects of a database that are in scope; the connection is in no transaction.

    Raises:
        ZmigError: somebody changes the schema all the time.
        psycopg.Error: anything else that the server says.
    """
    for attempt in range(1, attempts + 1):
        try:
            reading = _Reading(connection, scope)
            with connection.transaction():
                snapshot = reading.snapshot()
            with nullcontext() if connection.autocommit else connection.transaction():
                reading.require_unchanged()  # in one message, which is a transaction of its own
            return snapshot
        except _MOVING as error:
            if attempt == attempts:
                raise ZmigError(_moving(error, attempts)) from error
            time.sleep(_PAUSE_SECONDS * attempt)
    raise AssertionError


def uncovered(connection: Connection, scope: Scope) -> dict[str, int]:
    """Return what of users' making is not looked at, and how much of each there is, as a snapshot has it."""
    reading = _Reading(connection, scope)
    with connection.transaction():
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


class _Reading:
    """One reading, in the transaction that is open: few messages, however far away the server is."""

    def __init__(self, connection: Connection, scope: Scope) -> None:
        self._connection = connection
        self._scope = scope
        self._schemas: Sequence[int] = ()
        self._occurring: set[str] = set()
        self._histories = 0
        self._state: list[tuple[object, ...]] = []

    def snapshot(self) -> SchemaSnapshot:
        self._schemas, hidden, routines = self._chosen()
        objects: dict[Key, str] = {}
        version = self._connection.info.server_version
        asked = list(
            queries.snapshot_sql(
                version, schemas=self._schemas, hidden=hidden, routines=routines, occurring=self._occurring
            )
        )
        state = f"select pg_current_snapshot()::text, ({_STATE.format(schemas=_array(self._schemas))})"
        *answers, found, self._state = self._ask(*(query for _, query in asked), queries.uncovered_sql(), state)
        for (kind, _), rows in zip(asked, answers, strict=True):
            for identity, definition in cast("list[tuple[str, str | None]]", rows):
                if definition is None:  # it is gone since the transaction began
                    raise psycopg.errors.UndefinedObject(f"{kind} {identity} does not exist")
                before = objects.get((kind, identity))
                objects[kind, identity] = definition if before is None else f"{before}\n{definition}"
        return SchemaSnapshot(version, objects, self._counted(found))

    def uncovered(self) -> dict[str, int]:
        self._chosen()
        (found,) = self._ask(queries.uncovered_sql())
        return self._counted(found)

    def _counted(self, found: Sequence[tuple[object, ...]]) -> dict[str, int]:
        counts = dict(cast("Sequence[tuple[str, int]]", found))
        return counts | {"tables of other migration tools": self._histories} if self._histories else counts

    def require_unchanged(self) -> None:
        """Look, in another transaction, whether the catalogs are as they were for the snapshot.

        What writes a definition saw them as they were at that moment: without this, half a change could be in it.

        Raises:
            psycopg.errors.UndefinedObject: they are not.
        """
        ((moment, state),) = self._state
        now = f"({_STATE.format(schemas=_array(self._schemas))})"
        nobody_wrote = f"pg_current_snapshot()::text = {literal(str(moment))}"
        *_, ((is_same,),) = self._ask(
            _OWN_SETTINGS, f"select case when {nobody_wrote} then true else {now} = {literal(str(state))} end"
        )
        if not is_same:
            raise psycopg.errors.UndefinedObject("the catalogs changed while they were read")

    def _chosen(self) -> tuple[list[int], list[int], list[int]]:
        """Return the schemas that are looked at, and the relations and functions in them that are not, as oids."""
        scope = self._scope
        _, _, named, relations, columns, guards, brought, kinds = self._ask(
            *_BEGINNING,
            _SCHEMAS,
            _RELATIONS,
            _COLUMNS,
            _GUARDS.format(schema=literal(scope.tracking_schema)),
            _OF_EXTENSIONS,
            queries.occurring_sql(),
        )
        schemas = {oid: name for oid, name in cast("list[tuple[int, str]]", named) if scope.has_schema(name)}
        names = set(schemas.values())
        inside = [row for row in cast("list[tuple[int, str, str]]", relations) if row[1] in names]
        own = {oid for oid, schema, name in inside if schema == scope.tracking_schema and name in (EVENTS, PROJECTION)}
        hidden = own | {oid for oid, schema, name in inside if not scope.has_relation(schema, name)}
        histories = {
            oid
            for schema, oid, name, held in cast("list[tuple[int, int, str, list[str]]]", columns)
            if schema in schemas and _is_history(name, frozenset(held))
        }
        self._occurring = {str(kind) for (kind,) in kinds}
        self._histories = len(histories - hidden)
        hidden |= histories
        hidden |= {cast("int", oid) for (oid,) in brought}
        (sequences,) = self._ask(_SEQUENCES_OF.format(tables=_array(hidden)))
        hidden |= {cast("int", oid) for (oid,) in sequences}
        others = {schema for oid, schema, _ in inside if oid not in hidden}
        own_schema = next((oid for oid, name in schemas.items() if name == scope.tracking_schema), None)
        if own_schema is not None and scope.tracking_schema not in {"public", *others}:
            (others_there,) = self._ask(_OTHERS.format(schema=own_schema))
            if not others_there:
                del schemas[own_schema]
        return sorted(schemas), sorted(hidden), [cast("int", oid) for (oid,) in guards]

    def _ask(self, *statements: str) -> Iterator[list[tuple[object, ...]]]:
        """Send statements as one message, and yield the rows of each."""
        cursor = self._connection.execute(";\n".join(statements).encode(), prepare=False)
        for _ in statements:
            yield cursor.fetchall() if cursor.description is not None else []
            cursor.nextset()


def _is_history(name: str, columns: frozenset[str]) -> bool:
    """Whether another tool keeps its history in a table: its columns say so, and no name that speaks of something else.

    A table that is taken for one is not looked at, so what others change in it would not be found.
    """
    return _MAY_BE_HISTORY.search(name) is not None and history_of({name: columns}) is not None


def _array(oids: object) -> str:
    return f"'{{{','.join(map(str, cast('Sequence[int]', oids)))}}}'::oid[]"
