"""The event store and the simple table, in the target database: read, created, appended to.

Reading creates nothing and locks nothing: where the tables are absent there are no facts. Statements that append
are returned as text where the runner has to send them inside a larger message.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, cast

import psycopg
from psycopg import sql

from zmig.errors import Problem, TrackingError
from zmig.events import EventType, Fact

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from datetime import datetime

    from zmig.database import Connection
    from zmig.state import Record

EVENTS = "migration_events"
PROJECTION = "schema_migrations"

_EVENT_COLUMNS = frozenset({"position", "aggregate_type", "aggregate_id", "event_type", "event_data", "created_at"})
_PROJECTION_COLUMNS = frozenset({"version", "name", "kind", "checksum", "applied_at", "applied_by", "position"})

_CLOCK = {
    EventType.STARTED: "started_at",
    EventType.ROLLBACK_STARTED: "started_at",
    EventType.DONE: "completed_at",
    EventType.FAILED: "completed_at",
    EventType.ROLLED_BACK: "completed_at",
    EventType.ROLLBACK_FAILED: "completed_at",
}
"""The key under which a fact holds the server's time; the row's own `created_at` says the same."""


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a plan: who appends the facts."""

    id: str
    host: str
    backend_pid: int
    application_name: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the tracking schema looks like to this role, before anything is written."""

    role: str
    database: str
    schema: str
    schema_exists: bool
    may_create_schema: bool
    may_create_in_schema: bool
    read_only: bool
    in_recovery: bool
    columns: Mapping[str, frozenset[str]]
    missing_rights: tuple[str, ...]
    now: datetime
    """The server's clock."""

    @property
    def has_events(self) -> bool:
        """Whether the event store is there."""
        return EVENTS in self.columns

    @property
    def exists(self) -> bool:
        """Whether both tables are there."""
        return EVENTS in self.columns and PROJECTION in self.columns


_INSPECT = """
select session_user::text, current_database()::text,
    exists (select from pg_catalog.pg_namespace where nspname = %(schema)s),
    has_database_privilege(current_database(), 'CREATE'),
    coalesce((select has_schema_privilege(oid, 'CREATE') from pg_catalog.pg_namespace
        where nspname = %(schema)s), false),
    current_setting('transaction_read_only') = 'on', pg_is_in_recovery(),
    coalesce((
        select jsonb_object_agg(found.relname, found.state) from (
            select c.relname, jsonb_build_object(
                'columns', (select jsonb_agg(a.attname) from pg_catalog.pg_attribute a
                    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped),
                'missing', (select coalesce(jsonb_agg(p.name), '[]') from unnest(case c.relname
                    when 'migration_events' then array['SELECT', 'INSERT']
                    else array['SELECT', 'INSERT', 'UPDATE', 'DELETE'] end) as p (name)
                    where not has_table_privilege(c.oid, p.name))) as state
            from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
            where n.nspname = %(schema)s and c.relname in ('migration_events', 'schema_migrations')
        ) as found), '{}'),
    clock_timestamp()
"""


class Store:
    """The facts of one tracking schema, over one connection."""

    def __init__(self, connection: Connection, schema: str) -> None:
        self._connection = connection
        self._schema = schema
        self._events = sql.Identifier(schema, EVENTS)
        self._projection = sql.Identifier(schema, PROJECTION)

    def inspect(self) -> Inspection:
        """Look at the tracking schema, its tables and the rights of this role, in one query.

        Raises:
            TrackingError: a table of that name belongs to another tool.
        """
        row = self._connection.execute(_INSPECT, {"schema": self._schema}).fetchone()
        if row is None:
            raise AssertionError("a query without FROM returns one row")
        tables = cast("dict[str, dict[str, list[str]]]", row[7])
        inspection = Inspection(
            role=str(row[0]),
            database=str(row[1]),
            schema=self._schema,
            schema_exists=bool(row[2]),
            may_create_schema=bool(row[3]),
            may_create_in_schema=bool(row[4]),
            read_only=bool(row[5]),
            in_recovery=bool(row[6]),
            columns={name: frozenset(table["columns"] or ()) for name, table in tables.items()},
            missing_rights=tuple(
                f"{right} on table {self._schema}.{name}"
                for name, table in tables.items()
                for right in table["missing"]
            ),
            now=cast("datetime", row[8]),
        )
        _check_ownership(inspection)
        return inspection

    def create(self, inspection: Inspection) -> None:
        """Create what is missing of the schema and its tables; a no-op where all is there.

        Raises:
            TrackingError: the database is read-only, or the role lacks a right; the message names it.
        """
        check_writable(inspection)
        if inspection.exists:
            return
        text = resources.files("zmig").joinpath("tracking.sql").read_text("utf-8")
        schema = sql.Identifier(self._schema).as_string(self._connection)
        create_schema = "" if inspection.schema_exists else f"create schema if not exists {schema};\n"
        with self._connection.transaction():
            self._connection.execute("set local client_min_messages = warning")
            self._connection.execute((create_schema + text.replace(":schema", schema)).encode())

    def facts(self, names: Collection[str] = ()) -> Iterator[Fact]:
        """Yield all facts in order of position: of the migrations named, or of all."""
        condition = sql.SQL("and aggregate_id = any({})").format(list(names)) if names else sql.SQL("")
        yield from self._read(
            sql.SQL(
                "select position, aggregate_id, event_type, event_data, created_at, database_user, run_id, host "
                "from {} where aggregate_type = 'migration' {} order by position"
            ).format(self._events, condition)
        )

    def latest_facts(self) -> Iterator[Fact]:
        """Yield the latest fact of each type of each migration, which is all that folding needs."""
        yield from self._read(
            sql.SQL(
                "select distinct on (aggregate_id, event_type) "
                "position, aggregate_id, event_type, event_data, created_at, database_user, run_id, host "
                "from {} where aggregate_type = 'migration' order by aggregate_id, event_type, position desc"
            ).format(self._events)
        )

    def facts_after(self, position: int, gaps: Collection[int]) -> Iterator[Fact]:
        """Yield the facts above `position`, and those at the positions `gaps`, in order of position."""
        yield from self._read(
            sql.SQL(
                "select position, aggregate_id, event_type, event_data, created_at, database_user, run_id, host "
                "from {} where aggregate_type = 'migration' and (position > {} or position = any({})) order by position"
            ).format(self._events, position, list(gaps))
        )

    def identity(self) -> int | None:
        """Return the events table's oid, which tells a dropped and recreated table from the old one."""
        name = self._events.as_string(self._connection)
        row = self._connection.execute("select to_regclass(%s)::oid", [name]).fetchone()
        return cast("int | None", row[0]) if row is not None else None

    def positions(self, window: int) -> Iterator[int]:
        """Yield the highest position and those up to `window` below it."""
        query = sql.SQL("select position from {} where position > (select max(position) from {}) - {}")
        for row in self._connection.execute(query.format(self._events, self._events, window)):
            yield cast("int", row[0])

    def _read(self, query: sql.Composed) -> Iterator[Fact]:
        for row in self._connection.execute(query):
            kind = EventType.parse(str(row[2]))
            if kind is not None:
                data = cast("dict[str, object]", row[3]) if isinstance(row[3], dict) else {}
                yield Fact(
                    cast("int", row[0]),
                    str(row[1]),
                    kind,
                    cast("datetime", row[4]),
                    data,
                    cast("str | None", row[5]),
                    cast("str | None", row[6]),
                    cast("str | None", row[7]),
                )

    def append_sql(self, run: Run | None, type: EventType, name: str, data: Mapping[str, object]) -> sql.Composed:
        """Return the statement that appends one fact."""
        clock = _CLOCK.get(type)
        stamp = sql.SQL(" || jsonb_build_object({}, clock_timestamp())").format(clock) if clock else sql.SQL("")
        return sql.SQL(
            "insert into {} (aggregate_id, event_type, event_data, created_at, run_id, host) "
            "values ({}, {}, {}::jsonb{}, clock_timestamp(), {}, {})"
        ).format(
            self._events,
            name,
            type.value,
            storable(data),
            stamp,
            run.id if run else None,
            run.host if run else None,
        )

    def applied_sql(
        self, run: Run | None, type: EventType, name: str, data: Mapping[str, object], *, kind: str
    ) -> sql.Composed:
        """Return the statement that appends a fact by which a migration counts as applied, and its simple row."""
        return sql.SQL(
            "with fact as ({} returning position, created_at, database_user) "
            "insert into {} as applied (version, name, kind, checksum, applied_at, applied_by, duration_ms, position) "
            "select {}, {}, {}, {}, created_at, database_user, {}, position from fact "
            "on conflict (version) do update set name = excluded.name, kind = excluded.kind, "
            "checksum = excluded.checksum, applied_at = excluded.applied_at, applied_by = excluded.applied_by, "
            "duration_ms = excluded.duration_ms, position = excluded.position"
        ).format(
            self.append_sql(run, type, name, data),
            self._projection,
            data.get("version"),
            name,
            kind,
            data.get("checksum"),
            data.get("duration_ms"),
        )

    def taken_back_sql(self, run: Run | None, type: EventType, name: str, data: Mapping[str, object]) -> sql.Composed:
        """Return the statement that appends a fact by which a migration no longer counts as applied."""
        return sql.SQL("with fact as ({} returning position) delete from {} where version = {}").format(
            self.append_sql(run, type, name, data), self._projection, data.get("version")
        )

    def rebuild(self, records: Iterable[Record]) -> None:
        """Write the simple table anew from what the facts fold to."""
        with self._connection.transaction():
            self._connection.execute(sql.SQL("delete from {}").format(self._projection))
            for record in records:
                if record.applied is not None and record.version is not None:
                    self._connection.execute(self._row_sql(record, record.applied))

    def _row_sql(self, record: Record, applied: Fact) -> sql.Composed:
        return sql.SQL("insert into {} values ({}, {}, {}, {}, {}, {}, {}, {})").format(
            self._projection,
            record.version,
            applied.name,
            applied.text("kind") or "sql",
            record.checksum,
            applied.created_at,
            applied.database_user,
            applied.integer("duration_ms"),
            applied.position,
        )


def storable(data: Mapping[str, object]) -> str:
    """Return `data` as JSON that jsonb accepts: it refuses NUL and unpaired surrogates in strings."""
    return json.dumps(_clean(data), default=str)


def _clean(value: object) -> object:
    if isinstance(value, str):
        return value.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {str(key): _clean(item) for key, item in cast("dict[object, object]", value).items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in cast("list[object]", value)]
    return value


def _check_ownership(inspection: Inspection) -> None:
    for table, needed in ((EVENTS, _EVENT_COLUMNS), (PROJECTION, _PROJECTION_COLUMNS)):
        columns = inspection.columns.get(table)
        if columns is not None and not needed <= columns:
            raise TrackingError(
                Problem(
                    "tracking-foreign",
                    f"table `{inspection.schema}.{table}` belongs to another tool",
                    facts=(
                        f"its columns: {', '.join(sorted(columns))}",
                        f"zmig needs: {', '.join(sorted(needed))}",
                    ),
                    effect="nothing was run",
                    hint="give zmig a schema of its own: write `tracking: {schema: zmig}` in the manifest",
                )
            )


def check_writable(inspection: Inspection) -> None:
    """Make sure this role can write facts.

    Raises:
        TrackingError: it cannot; the message names the right that is missing.
    """
    if inspection.in_recovery or inspection.read_only:
        why = "it is a standby" if inspection.in_recovery else "its transactions are read-only by default"
        raise TrackingError(
            Problem(
                "read-only",
                f"database `{inspection.database}` is read-only: {why}",
                effect="nothing was run",
                hint="connect to the primary server, as a role that may write",
            )
        )
    right = _missing_right(inspection)
    if right is not None:
        raise TrackingError(
            Problem(
                "missing-right",
                f"role `{inspection.role}` lacks the right {right}",
                effect="nothing was run",
                hint=f"as an administrator, run `grant {right} to {inspection.role}`",
            )
        )


def _missing_right(inspection: Inspection) -> str | None:
    if inspection.missing_rights:
        return inspection.missing_rights[0].replace("on table ", "on ")
    if inspection.exists:
        return None
    if not inspection.schema_exists:
        return None if inspection.may_create_schema else f"create on database {inspection.database}"
    return None if inspection.may_create_in_schema else f"create on schema {inspection.schema}"


def is_missing_table(error: psycopg.Error) -> bool:
    """Whether an error says that a tracking table is not there."""
    return error.sqlstate in ("42P01", "3F000")
