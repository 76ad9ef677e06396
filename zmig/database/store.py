"""The event store and the simple table, in the target database: looked at, created, appended to.

Facts are read by the class below `Store`, in `zmig.database.fact_reader`. Statements that append are returned as
text, since the runner has to send them inside a larger message.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING, cast

from zmig.database import invariants, tracking_check
from zmig.database.fact_reader import IMPORT, SCHEMA, FactReader
from zmig.database.invariants import Broken
from zmig.database.lock import RunLock
from zmig.database.server import encoding_of
from zmig.database.tracking_check import EVENTS, PROJECTION
from zmig.errors import Problem, TrackingError
from zmig.facts import EventType, Fact, Run
from zmig.model import Kind
from zmig.sql import quoting
from zmig.sql.encoding import UTF8, Encoding
from zmig.sql.quoting import identifier, literal, operator
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from zmig.database.tracking_check import Inspection
    from zmig.database.types import Connection
    from zmig.planning.state import Entry

_CLOCK = {
    EventType.STARTED: "started_at",
    EventType.ROLLBACK_STARTED: "started_at",
    EventType.DONE: "completed_at",
    EventType.FAILED: "completed_at",
    EventType.ROLLED_BACK: "completed_at",
    EventType.ROLLBACK_FAILED: "completed_at",
}
"""The key under which a fact holds the server's time; the row's own `created_at` says the same."""

_AGGREGATES = {EventType.OBSERVED: SCHEMA, EventType.IMPORTED: IMPORT}
"""What facts are about that are not about a migration."""

_WITH, _EQUALS = operator("||"), operator("=")

_TIMED = frozenset({EventType.DONE, EventType.ROLLED_BACK})
_ELAPSED = (
    f" {_WITH} pg_catalog.jsonb_build_object('duration_ms', pg_catalog.round(extract(epoch from "
    f"pg_catalog.clock_timestamp() {operator('-')} pg_catalog.transaction_timestamp()) {operator('*')} 1000)::bigint)"
)
"""The time since the transaction began: since its first message arrived."""
_DURATION = f"(fact.event_data {operator('->>')} 'duration_ms')::bigint"

_RECORDED = "zmig.recorded"
"""A setting of the open transaction that says that `zmig_done` was carried out in it."""

_FACT = """written (event_data, created_at) as (
    select {data}, pg_catalog.clock_timestamp()
), fact as (
    insert into {events} ({column}aggregate_id, event_type, event_data, created_at, run_id, host)
    select {value}{name}, {type}, event_data, created_at, {run_id}, {host} from written returning *
)"""
"""Appends a fact, as tables of a WITH; a trigger of somebody else's may have made of it what was not `written`."""

_SIMPLE_ROW = """simple as (
    insert into {projection} as applied
        (version, name, kind, checksum, applied_at, applied_by, duration_ms, position)
    select {version}, {name}, {kind}, {checksum}, created_at, database_user, {duration}, position from fact
    on conflict (version) do update set name = excluded.name, kind = excluded.kind, checksum = excluded.checksum,
        applied_at = excluded.applied_at, applied_by = excluded.applied_by, duration_ms = excluded.duration_ms,
        position = excluded.position
    returning *
)"""

_OUTDATED = f"""due (name, contents, at) as (
    select name, pg_catalog.jsonb_build_object('version', version, 'name', name) {_WITH} {{data}},
        pg_catalog.clock_timestamp()
    from {{projection}}
    where kind {_EQUALS} {literal(Kind.REPEATABLE.value)} and version {operator("<>")} {{version}}
), outdated as (
    insert into {{events}} (aggregate_id, event_type, event_data, created_at, run_id, host)
    select name, {{type}}, contents, at, {{run_id}}, {{host}} from due returning *
)"""
"""Appends, for each repeatable that is applied, a fact by which it is due again."""

_SIMPLE_ROWS = f"""
select version, name, position from {{projection}}
union all
select null, null, highest
from (select pg_catalog.max(position), {{sequence}} from {{events}}) as facts (highest, sequence)
where sequence is not null and case
    when pg_catalog.has_sequence_privilege(sequence, 'usage, select')
    then coalesce(pg_catalog.pg_sequence_last_value(sequence), 0) {operator("<")} highest
    else false
end
"""
"""Selects the simple table, and a row without a version where the next fact would come before another one."""


@valueclass
class _Fact:
    """A fact to be appended, as SQL."""

    sql: str
    """What makes it the table `fact` of a WITH, and what was to be written the table `written`."""
    is_written: str
    """What is true of a row of `fact` that is there as it was written, beside the row of `written`."""


class Store(FactReader):
    """The tables of one tracking schema, over one connection."""

    def __init__(self, connection: Connection, schema: str, owner: str | None = None) -> None:
        """Name the schema; `owner` is a role beside this one that may have made what is in it."""
        super().__init__(connection, schema)
        self._connection = connection
        self._schema = schema
        self._owner = owner
        self._events_name = identifier(schema, EVENTS)
        self._projection_name = identifier(schema, PROJECTION)
        self._lock = RunLock(schema)
        self._token = os.urandom(8).hex()
        """Known to what was prepared through this store, and to nobody else."""

    @property
    def schema(self) -> str:
        """Where its tables are."""
        return self._schema

    def inspect(self, *, to_write: bool = False) -> Inspection:
        """Look at the tracking schema, its tables and the rights of this role, in one query.

        Raises:
            TrackingError: a table of that name belongs to another tool or to a role that may not be trusted, it has
                what zmig did not make, or this role may not read it; the message names what it lacks to write, too,
                where that is to follow.
        """
        inspection = tracking_check.inspect(self._connection, self._schema, self._owner)
        inspection.check_readable(to_write=to_write)
        return inspection

    def check_names(self, names: Iterable[str]) -> None:
        """Make sure that the database can hold the names of migrations.

        Raises:
            TrackingError: with each that it cannot.
        """
        own = encoding_of(self._connection)
        problems = [
            Problem(
                "name-unwritable",
                f"the name of migration `{name}` cannot be written in this database, whose encoding is {own.name}",
                effect="nothing was run",
                hint=f"give it a `name` of characters that {own.name} has",
            )
            for name in names
            if own.unknown(name) is not None
        ]
        if problems:
            raise TrackingError(*problems)

    def create(self, seen: Inspection, *, has_citus: bool = False) -> bool:
        """Create what is missing of the schema and its tables; return whether facts were without their guard.

        `has_citus` says that Citus is installed in the database, so that they are made on this node alone.

        Raises:
            TrackingError: the database is read-only, or the role lacks a right; the message names it.
        """
        from zmig.database import tracking_sql

        seen.check_writable()
        if seen.exists:
            if not seen.is_guarded:
                with self._connection.transaction():
                    self._connection.execute("set local client_min_messages = warning")
                    self._connection.execute(tracking_sql.guard_trigger(self._schema).encode())
            return not seen.is_guarded

        create_schema = "" if seen.schema_exists else f"create schema if not exists {identifier(self._schema)};\n"
        with self._connection.transaction():
            if has_citus:
                from zmig.database import citus

                self._connection.execute("; ".join(citus.LOCAL_ONLY).encode())
                citus.check_schema(self._connection, self._schema)
            made = create_schema + tracking_sql.tables(self._schema) + tracking_sql.guard_trigger(self._schema)
            self._connection.execute(f"set local client_min_messages = warning;\n{made}".encode())
            # What somebody made since the last look was passed over, and is not trusted.
            inspection = self.inspect()
            if inspection.intruders:  # by default privileges
                for name, role in inspection.intruders:
                    self._connection.execute(f"revoke trigger on {name} from {role}".encode())
                inspection = self.inspect()
            inspection.check_writable()
        return not seen.is_guarded

    def append_sql(
        self, run: Run | None, type: EventType, name: str, data: Mapping[str, object], *, needs_lock: bool = True
    ) -> str:
        """Return the statement that appends one fact; it fails where it does not, or the session lacks the run's lock.

        `needs_lock` is false for what decides no state, and is said while another session holds the lock.
        """
        fact = self._fact(run, type, name, data)
        return f"with {fact.sql} select {invariants.check_sql(self._promises(fact, needs_lock=needs_lock))}"

    def applied_sql(self, run: Run | None, type: EventType, name: str, data: Mapping[str, object], *, kind: str) -> str:
        """Return the statement that appends a fact by which a migration counts as applied, and its simple row."""
        version, checksum = _column(data, "version"), _column(data, "checksum")
        return self._applied(self._fact(run, type, name, data), version, literal(name), literal(kind), checksum)

    def prepare_sql(self, run: Run) -> tuple[str, str]:
        """Return the statements that make a session ready for the short forms, which are planned once in a run."""
        started = self._append(run, EventType.STARTED, "$1", "$2", is_timed=False)
        done = self._append(run, EventType.DONE, "$1", "$2", is_timed=True)
        is_done = f"pg_catalog.set_config('{_RECORDED}', '{self._token}', true)"
        return (
            "prepare zmig_started (pg_catalog.text, pg_catalog.jsonb) as "
            f"with {started.sql} select {invariants.check_sql(self._promises(started))}",
            "prepare zmig_done (pg_catalog.text, pg_catalog.jsonb, bigint, pg_catalog.text, pg_catalog.text) as "
            f"{self._applied(done, '$3', '$1', '$4', '$5')}, {is_done}",
        )

    @property
    def short_done_check_sql(self) -> str:
        """The statement after `short_done_sql` that fails where that was not what `prepare_sql` prepared.

        It is not prepared, so that whoever took back or replaced what was prepared is found out before the commit.
        """
        is_done = f"pg_catalog.current_setting('{_RECORDED}', true) {_EQUALS} '{self._token}'"
        return f"select {invariants.check_sql([(f'({is_done}) is not true', Broken.FACT)])}"

    def short_started_sql(self, name: str, data: Mapping[str, object]) -> str:
        """Return the short form of `append_sql` for a `started` fact, for a session that was made ready."""
        return f"execute zmig_started ({literal(name)}, {self._json(data)})"

    def short_done_sql(self, name: str, data: Mapping[str, object], *, kind: str) -> str:
        """Return the short form of `applied_sql` for a `done` fact that the server times, for a session made ready."""
        version, checksum = _column(data, "version"), _column(data, "checksum")
        return f"execute zmig_done ({literal(name)}, {self._json(data)}, {version}, {literal(kind)}, {checksum})"

    def prepare_many_sql(self, run: Run, applied: EventType, beside: EventType) -> tuple[str, str]:
        """Return what makes a session ready for many facts of two types; by those of the first, migrations are applied.

        No code but zmig's may run in the session from then on.
        """
        first = self._append(run, applied, "$1", "$2", is_timed=False)
        other = self._append(run, beside, "$1", "$2", is_timed=False)
        return (
            "prepare zmig_many_applied (pg_catalog.text, pg_catalog.jsonb, bigint, pg_catalog.text, pg_catalog.text) "
            f"as {self._applied(first, '$3', '$1', '$4', '$5')}",
            "prepare zmig_many_beside (pg_catalog.text, pg_catalog.jsonb) as "
            f"with {other.sql} select {invariants.check_sql(self._promises(other))}",
        )

    def one_applied_sql(self, name: str, data: Mapping[str, object], *, kind: str) -> str:
        """Return the short form of `applied_sql`, for a session that `prepare_many_sql` made ready."""
        version, checksum = _column(data, "version"), _column(data, "checksum")
        return (
            f"execute zmig_many_applied ({literal(name)}, {self._json(data)}, {version}, {literal(kind)}, {checksum})"
        )

    def one_beside_sql(self, name: str, data: Mapping[str, object]) -> str:
        """Return the short form of `append_sql`, for a session that `prepare_many_sql` made ready."""
        return f"execute zmig_many_beside ({literal(name)}, {self._json(data)})"

    def _json(self, data: Mapping[str, object]) -> str:
        return literal(storable(data, encoding_of(self._connection)))

    def _fact(self, run: Run | None, type: EventType, name: str, data: Mapping[str, object]) -> _Fact:
        is_timed = type in _TIMED and "duration_ms" not in data
        return self._append(run, type, literal(name), f"{self._json(data)}::pg_catalog.jsonb", is_timed=is_timed)

    def _append(self, run: Run | None, type: EventType, name: str, data: str, *, is_timed: bool) -> _Fact:
        """Return what appends a fact; `name` and `data` are SQL."""
        clock = _CLOCK.get(type)
        if clock is not None:
            data += f" {_WITH} pg_catalog.jsonb_build_object('{clock}', pg_catalog.clock_timestamp())"
        sql = _FACT.format(
            data=data + (_ELAPSED if is_timed else ""),
            events=self._events_name,
            # The table's default is that of all facts about migrations.
            column="aggregate_type, " if type in _AGGREGATES else "",
            value=f"'{_AGGREGATES[type]}', " if type in _AGGREGATES else "",
            name=name,
            type=literal(type.value),
            run_id=literal(run and run.id),
            host=literal(run and run.host),
        )
        is_written = _all_equal(
            ("fact.aggregate_id", name),
            ("fact.event_data", "written.event_data"),
            ("fact.created_at", "written.created_at"),
            *_common("fact", type, run),
        )
        return _Fact(sql, is_written)

    def _promises(self, fact: _Fact, *, needs_lock: bool = True) -> Iterator[tuple[str, Broken]]:
        """Yield what must hold of a fact that is appended under the name `fact`.

        The table is seen as it was before, so the position is compared with those of all facts that were visible then;
        each of them was handed out before.
        """
        if needs_lock:
            yield self._lock.promise
        yield f"(select {fact.is_written} from fact, written) is not true", Broken.FACT
        # The server plans this faster than it does max().
        last = f"(select position from {self._events_name} order by position desc limit 1)"
        yield f"(select position from fact) {operator('<=')} {last}", Broken.POSITION

    def _applied(self, fact: _Fact, version: str, name: str, kind: str, checksum: str) -> str:
        """Return a statement that appends a fact, together with the simple row; the columns are SQL."""
        row = _SIMPLE_ROW.format(
            projection=self._projection_name,
            version=version,
            name=name,
            kind=kind,
            checksum=checksum,
            duration=_DURATION,
        )
        is_written = _all_equal(
            ("simple.version", version),
            ("simple.name", name),
            ("simple.kind", kind),
            ("coalesce(simple.checksum, '')", f"coalesce({checksum}, '')"),
            ("simple.applied_at", "fact.created_at"),
            ("simple.applied_by", "fact.database_user"),
            ("coalesce(simple.duration_ms, -1)", f"coalesce({_DURATION}, -1)"),
            ("simple.position", "fact.position"),
        )
        is_missing = f"(select {is_written} from simple, fact) is not true"
        checks = invariants.check_sql([*self._promises(fact), (is_missing, Broken.ROW)])
        return f"with {fact.sql}, {row} select {checks}"

    def taken_back_sql(self, run: Run | None, type: EventType, name: str, data: Mapping[str, object]) -> str:
        """Return the statement that appends a fact by which a migration no longer counts as applied."""
        return self._taken_back(self._fact(run, type, name, data), _column(data, "version"))

    def rolled_back_sql(self, run: Run, name: str, data: Mapping[str, object]) -> str:
        """Return what `taken_back_sql` does for a rollback; every applied repeatable is recorded as due again with it.

        A repeatable may rest on what was rolled back; and it may have gone with it, as a view does with `cascade`.
        """
        version = _column(data, "version")
        outdated = _OUTDATED.format(
            data=f"{self._json({'run_id': run.id, 'rolled_back': name})}::pg_catalog.jsonb",
            projection=self._projection_name,
            version=version,
            events=self._events_name,
            type=literal(EventType.OUTDATED.value),
            run_id=literal(run.id),
            host=literal(run.host),
        )
        is_written = _all_equal(
            ("outdated.aggregate_id", "due.name"),
            ("outdated.event_data", "due.contents"),
            ("outdated.created_at", "due.at"),
            *_common("outdated", EventType.OUTDATED, run),
        )
        written, due = (
            f"(select pg_catalog.count(*) from {rows})" for rows in (f"outdated join due on {is_written}", "due")
        )
        some_are_missing = f"{written} {operator('<>')} {due}", Broken.FACT
        fact = self._fact(run, EventType.ROLLED_BACK, name, data)
        return self._taken_back(fact, version, f", {outdated}", some_are_missing)

    def _taken_back(self, fact: _Fact, version: str, also: str = "", *more: tuple[str, Broken]) -> str:
        """Return what appends a fact and takes the simple row away; `also` is a further part, `more` its promises."""
        own = f"from {self._projection_name} where version {_EQUALS} {version}"
        is_left = f"exists (select {own}) and not exists (select from simple)"
        checks = invariants.check_sql([*self._promises(fact), (is_left, Broken.ROW), *more])
        return f"with {fact.sql}, simple as (delete {own} returning version){also} select {checks}"

    def broken_by(self, error: BaseException, *, is_own: bool = True) -> Broken | None:
        """Return what an error says that did not hold of the facts; `is_own` says that a statement of zmig's failed."""
        return invariants.broken_by(error, schema=self._schema, is_own=is_own)

    def problem(self, broken: Broken, *, what: str = "it") -> Problem:
        """Return what to report of something that did not hold when `what` was to be recorded."""
        events, projection = (quoting.shown(self._schema, table) for table in (EVENTS, PROJECTION))
        return invariants.problem(broken, what, events=events, projection=projection)

    def repair(self, entries: Iterable[Entry], *, keep: Collection[int] = ()) -> int | None:
        """Write the simple table anew if it is not what the facts fold to; rows of the versions in `keep` stay.

        Returns the highest position, should that of the next fact not be higher, as far as this role may know.
        """
        applied = {
            entry.version: _row(entry, entry.record.applied)
            for entry in entries
            if entry.record is not None and entry.record.applied is not None and entry.version not in {None, *keep}
        }
        replaced = (record for entry in entries for record in entry.replaced)
        for record in replaced:  # a squash counts as applied, and what it replaces stays applied, too
            if record.applied is not None and record.version not in {None, *keep}:
                applied.setdefault(record.version, _replaced_row(record.version, record.applied))
        lagging: int | None = None
        present: dict[int, tuple[object, object]] = {}
        query = _SIMPLE_ROWS.format(
            projection=self._projection_name, events=self._events_name, sequence=self._sequence_sql
        )
        for version, name, position in self._connection.execute(query.encode()):
            if version is None:
                lagging = cast("int", position)
            elif version not in keep:
                present[cast("int", version)] = (name, position)
        if present != {version: (row[1], row[-1]) for version, row in applied.items()}:
            table, kept, rows = self._projection_name.replace("%", "%%"), list(keep), applied.values()
            with self._connection.transaction(), self._connection.cursor() as cursor:
                cursor.execute(f"delete from {table} where version <> all (%s::bigint[])".encode(), [kept])
                cursor.executemany(f"insert into {table} values (%s, %s, %s, %s, %s, %s, %s, %s)".encode(), rows)
        return lagging

    @property
    def _sequence_sql(self) -> str:
        """SQL of the sequence that hands out positions."""
        return f"pg_catalog.pg_get_serial_sequence({literal(self._events_name)}, 'position')::pg_catalog.regclass"

    def advance_positions(self) -> None:
        """Put the next fact after all there are: sequences are not transactional, so at once and for all.

        Raises:
            psycopg.errors.InsufficientPrivilege: this role may not.
        """
        highest = f"(select pg_catalog.max(position) from {self._events_name})"
        self._connection.execute(f"select pg_catalog.setval({self._sequence_sql}, {highest})".encode())


def _all_equal(*pairs: tuple[str, str]) -> str:
    """Return SQL that is true where the two of each pair are equal, and none is null.

    As one condition, since many that could each be hashed or merged by take the server's planner long to choose from.
    """
    return f"({' and '.join(f'{value} {_EQUALS} {other}' for value, other in pairs)}) is true"


def _common(table: str, type: EventType, run: Run | None) -> Iterator[tuple[str, str]]:
    """Yield what all facts of a type that a run appends have in common: each column, and its value."""
    yield f"{table}.aggregate_type", literal(_AGGREGATES.get(type, "migration"))
    yield f"{table}.event_type", literal(type.value)
    yield f"{table}.database_user", "session_user::pg_catalog.text"
    for column, value in (("run_id", run and run.id), ("host", run and run.host)):
        yield f"coalesce({table}.{column}, '')", literal(value or "")


def _column(data: Mapping[str, object], key: str) -> str:
    value = data.get(key)
    return literal(value if isinstance(value, str | int) else None)


def _row(entry: Entry, applied: Fact) -> tuple[object, ...]:
    """Return the row of the simple table that an applied migration has."""
    declared = entry.migration.kind.value if entry.migration is not None else Kind.SQL.value
    return _applied_row(entry.version, applied, declared)


def _replaced_row(version: int | None, applied: Fact) -> tuple[object, ...]:
    return _applied_row(version, applied, Kind.SQL.value)


def _applied_row(version: int | None, applied: Fact, declared: str) -> tuple[object, ...]:
    return (
        version,
        applied.name,
        applied.text("kind") or declared,
        applied.text("checksum"),
        applied.created_at,
        applied.database_user,
        applied.integer("duration_ms"),
        applied.position,
    )


def storable(data: Mapping[str, object], encoding: Encoding = UTF8) -> str:
    """Return `data` as JSON that jsonb takes in a database of this encoding, whatever it holds.

    jsonb refuses NUL and unpaired surrogates in texts, and numbers that are none; anything JSON has no form for
    becomes text.
    """
    try:
        text = _encode(data)
    except (TypeError, ValueError):
        return _encode(_clean(data, encoding))
    is_storable = text.isascii() and "\\u0000" not in text
    return text if is_storable else _encode(_clean(data, encoding))


_encode = json.JSONEncoder(allow_nan=False, ensure_ascii=False).encode


def _clean(value: object, encoding: Encoding) -> object:
    if type(value) is str:  # asked first, because nearly all of them are
        return _text(value, encoding)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if value.bit_length() <= _LONGEST_NUMBER_BITS else hex(value)
    if isinstance(value, float) and isfinite(value):
        return value
    if isinstance(value, Mapping):
        items = cast("Mapping[object, object]", value).items()
        return {_text(key, encoding): _clean(item, encoding) for key, item in items}
    if isinstance(value, list | tuple):
        return [_clean(item, encoding) for item in cast("Sequence[object]", value)]
    return _text(value, encoding)


_LONGEST_NUMBER_BITS = 10_000
"""Python writes no longer number in decimals without being asked to."""


def _text(value: object, encoding: Encoding) -> str:
    if type(value) is str and value.isascii() and "\0" not in value:
        return value
    return encoding.fitting(str(value).replace("\0", "\\0"))
