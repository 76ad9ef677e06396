"""Reads what is in a database, object by object, in one transaction that only reads, with settings of its own.

What writes a definition asks the catalogs as they are at that moment, not as the transaction's snapshot has them, and
some of it takes a lock on the table. So an object that somebody changes meanwhile may be gone half-way, or locked: then
everything is read anew, a few times.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

import psycopg

from zmig.catalog import queries
from zmig.catalog.objects import SchemaSnapshot
from zmig.database.quoting import literal
from zmig.database.tracking_check import EVENTS, PROJECTION
from zmig.errors import Problem, ZmigError
from zmig.planning.existing_objects import history_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig.catalog.objects import Key
    from zmig.catalog.scope import Scope
    from zmig.database.types import Connection

_ATTEMPTS = 4
_PAUSE_SECONDS = 0.2
_BLOCK = 1000
"""Rows taken from the driver at once."""

_SETTINGS = {
    "search_path": "pg_catalog",
    "DateStyle": "ISO",
    "TimeZone": "UTC",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "quote_all_identifiers": "off",
    "lock_timeout": "2s",
}
"""What the server's way to write definitions depends on, and how long a table that somebody alters is waited for."""

_SCHEMAS = "select oid, nspname::text from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'"
_RELATIONS = (
    "select c.oid, n.nspname::text, c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace "
    "where c.relnamespace = any ({schemas}) and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S', 'c')"
)
_COLUMNS = (
    "select c.oid, quote_ident(n.nspname) || '.' || quote_ident(c.relname), array(select a.attname::text "
    "from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) "
    "from pg_class c join pg_namespace n on n.oid = c.relnamespace "
    "where c.relnamespace = any ({schemas}) and c.relkind = 'r' and c.relnatts <= 30"
)
_SEQUENCES_OF = (
    "select distinct objid from pg_depend where classid = 'pg_class'::regclass and refclassid = 'pg_class'::regclass "
    "and refobjid = any ({tables}) and deptype in ('a', 'i') and objid in (select seqrelid from pg_sequence)"
)
_GUARDS = (
    "select oid from pg_proc where proname = 'migration_events_refuse_change' "
    "and pronamespace = (select oid from pg_namespace where nspname = {schema})"
)

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
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with connection.transaction():
                return _Reading(connection, scope).snapshot()
        except _MOVING as error:
            if attempt == _ATTEMPTS:
                raise ZmigError(_moving(error)) from error
            time.sleep(_PAUSE_SECONDS * attempt)
    raise AssertionError


def _moving(error: psycopg.Error) -> Problem:
    return Problem(
        "schema-is-changing",
        "the schema cannot be read: somebody changes it at this moment",
        facts=(f"after {_ATTEMPTS} attempts the server said: {error.diag.message_primary or error}",),
        effect="nothing was compared",
        hint="run the command again when the change is over",
    )


class _Reading:
    """One reading, in the transaction that is open."""

    def __init__(self, connection: Connection, scope: Scope) -> None:
        self._connection = connection
        self._scope = scope

    def snapshot(self) -> SchemaSnapshot:
        self._connection.execute("set transaction isolation level repeatable read, read only")
        settings = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in _SETTINGS.items())
        self._connection.execute(f"select {settings.replace('set_config', 'pg_catalog.set_config')}".encode())
        schemas, hidden = self._chosen()
        routines = self._oids(_GUARDS.format(schema=literal(self._scope.tracking_schema)))
        objects: dict[Key, str] = {}
        version = self._connection.info.server_version
        for kind, query in queries.snapshot_sql(version, schemas=schemas, hidden=hidden, routines=routines):
            cursor = self._connection.execute(query.encode())
            while rows := cast("list[tuple[str, str | None]]", cursor.fetchmany(_BLOCK)):
                for identity, definition in rows:
                    if definition is None:  # it is gone since the transaction began
                        raise psycopg.errors.UndefinedObject(f"{kind} {identity} does not exist")
                    before = objects.get((kind, identity))
                    objects[kind, identity] = definition if before is None else f"{before}\n{definition}"
        uncovered = self._connection.execute(queries.uncovered_sql().encode()).fetchall()
        return SchemaSnapshot(version, objects, {str(name): cast("int", number) for name, number in uncovered})

    def _chosen(self) -> tuple[list[int], list[int]]:
        """Return the schemas that are looked at, and the relations in them that are not, as oids."""
        scope = self._scope
        named = cast("list[tuple[int, str]]", self._connection.execute(_SCHEMAS.encode()).fetchall())
        schemas = {oid: name for oid, name in named if scope.has_schema(name)}
        relations = cast(
            "list[tuple[int, str, str]]",
            self._connection.execute(_RELATIONS.format(schemas=_array(schemas)).encode()).fetchall(),
        )
        own = {
            oid for oid, schema, name in relations if schema == scope.tracking_schema and name in (EVENTS, PROJECTION)
        }
        hidden = own | {oid for oid, schema, name in relations if not scope.has_relation(schema, name)}
        hidden |= self._histories(schemas)
        hidden |= set(self._oids(_SEQUENCES_OF.format(tables=_array(hidden))))
        others = {schema for oid, schema, _ in relations if oid not in hidden}
        if scope.tracking_schema not in others and scope.tracking_schema != "public":
            schemas = {oid: name for oid, name in schemas.items() if name != scope.tracking_schema}
        return sorted(schemas), sorted(hidden)

    def _histories(self, schemas: Sequence[int] | dict[int, str]) -> set[int]:
        """Return the tables in which other tools keep their histories."""
        found: set[int] = set()
        for oid, name, columns in self._connection.execute(_COLUMNS.format(schemas=_array(schemas)).encode()):
            if history_of({str(name): frozenset(cast("list[str]", columns))}) is not None:
                found.add(cast("int", oid))
        return found

    def _oids(self, query: str) -> list[int]:
        return [cast("int", oid) for (oid,) in self._connection.execute(query.encode())]


def _array(oids: object) -> str:
    return f"'{{{','.join(map(str, cast('Sequence[int]', oids)))}}}'::oid[]"
