"""Reads what facts say of the schema: what it was like at the end of the last run, and what became of it before.

To learn whether it may be compared with what is there takes one row, without the objects in it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from zmig.catalog.objects import FORMAT, major
from zmig.database import catalog_state, fact_data
from zmig.database.fact_reader import SCHEMA
from zmig.facts import EventType
from zmig.sql.quoting import literal
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from dataclasses import KW_ONLY
    from datetime import datetime

    from zmig.catalog.scope import Scope
    from zmig.database.types import Answer, Questioning, Row

_OWN = f"aggregate_type = '{SCHEMA}' and event_type = '{EventType.OBSERVED.value}'"
_CHANGES_SCHEMA = (
    "aggregate_type = 'migration' and (event_type in ('migration.done', 'migration.rolled_back', "
    "'migration.checkpoint') or event_type in ('migration.started', 'migration.rollback_started') "
    "and event_data->'transactional' = 'false'::jsonb)"
)
"""What is true of a fact of zmig's after which the schema may be another one."""


@valueclass
class Recorded:
    """The last fact about the schema, without the objects in it."""

    position: int
    name: str
    """The last migration of the run."""
    _: KW_ONLY
    at: datetime
    run_id: str | None
    data: Mapping[str, object]
    unrecorded: str | None
    """The first migration since then that was run, and may have changed the schema."""

    @property
    def server_version(self) -> int:
        """That of the server at that time; 0 where it is not said."""
        return self._number("server_version")

    @property
    def base(self) -> int:
        """The position of the last fact, up to this one, that holds all objects."""
        return self._number("base") or self.position

    def _number(self, key: str) -> int:
        value = self.data.get(key)
        return value if type(value) is int else 0

    def is_of_major(self, server_version: int) -> bool:
        """Whether a server is of the major version that it was recorded on."""
        return major(self.server_version) == major(server_version)

    @property
    def is_of_this_format(self) -> bool:
        """Whether the definitions are as this version of zmig writes them."""
        return self.data.get("format") == FORMAT

    def is_of(self, scope: Scope) -> bool:
        """Whether the same schemas and relations were looked at."""
        return self.data.get("scope") == scope_data(scope)

    @property
    def state(self) -> object:
        """What `catalog_state` said then."""
        return self.data.get("state")


@valueclass
class SchemaFact:
    """One fact about the schema, with the objects in it as they are stored."""

    position: int
    _: KW_ONLY
    at: datetime
    run_id: str | None
    by: str | None
    reason: str | None
    since: int | None
    """The position of the fact before it; None for the first."""
    changes: str | None
    """What changed since then; None where that cannot be said."""
    all: str | None
    """All objects; None where they follow from the facts before."""


def scope_data(scope: Scope) -> dict[str, object]:
    """Return what a fact says of the scope."""
    return {"schemas": list(scope.schemas), "ignore": list(scope.ignore)}


def last(connection: Questioning, events: str) -> Recorded | None:
    """Return the last fact about the schema in a table of facts; None where there is none."""
    return recorded(connection.execute(last_sql(events).encode()).fetchone())


def last_sql(events: str) -> str:
    """Return the question for the last fact, whose answer `recorded` reads."""
    return f"select position, name, at, run_id, data::text, unrecorded from ({_last_sql(events)}) as last"


def _last_sql(events: str) -> str:
    """Return the query for the last fact: position, name, at, run_id, data without the objects, unrecorded."""
    later = f"select aggregate_id from {events} where {_CHANGES_SCHEMA} and position > own.position"
    return (
        "select position, aggregate_id as name, created_at as at, run_id, case jsonb_typeof(event_data) "
        "when 'object' then event_data - 'changes' - 'all' else event_data end as data, "
        f"({later} order by position limit 1) as unrecorded "
        f"from {events} as own where {_OWN} order by position desc limit 1"
    )


def recorded(row: Row | None) -> Recorded | None:
    """Return the last fact, as a row has it; None where there is none."""
    if row is None:
        return None
    position, name, at, run_id, text, unrecorded = cast(
        "tuple[int, str, datetime, str | None, str, str | None]", row[:6]
    )
    return Recorded(position, name, at=at, run_id=run_id, data=fact_data.read(text), unrecorded=unrecorded)


def ask_last_and_state(connection: Questioning, events: str, scope: Scope) -> Answer:
    """Ask for the last fact and, where it may be compared with what is there, the state of the catalogs."""
    scoped = f"{literal(json.dumps(scope_data(scope)))}::jsonb"
    is_comparable = f"unrecorded is null and data->'format' = '{FORMAT}'::jsonb and data->'scope' = {scoped}"
    state = catalog_state.state_sql(connection.info.server_version, scope)
    return connection.execute(
        "select position, name, at, run_id, data::text, unrecorded, "
        f"case when {is_comparable} then ({state}) end "
        f"from ({_last_sql(events)}) as last".encode()
    )


def last_and_state(asked: Answer) -> tuple[Recorded | None, object]:
    """Return what was asked for: the last fact, and the state of the catalogs."""
    row = asked.fetchone()
    return recorded(row), None if row is None else row[6]


def facts(connection: Questioning, events: str, *, first: int = 0) -> Iterator[SchemaFact]:
    """Yield the facts about the schema from a position on, in order."""
    cursor = connection.cursor()
    cursor.execute(_facts_sql(events, literal(first)).encode())
    while rows := cursor.fetchmany(100):
        yield from map(fact, rows)


def chain_sql(events: str) -> str:
    """Return the question for the facts that the last one rests on and itself, each of which `fact` reads."""
    base = "case jsonb_typeof(event_data->'base') when 'number' then (event_data->>'base')::numeric end"
    first = f"select coalesce({base}, position) from {events} where {_OWN} order by position desc limit 1"
    return _facts_sql(events, f"({first})")


def _facts_sql(events: str, first: str) -> str:
    return (
        "select position, created_at, run_id, event_data->>'by', event_data->>'reason', event_data->>'since', "
        f"event_data->>'changes', event_data->>'all' from {events} where {_OWN} and position >= {first} "
        "order by position"
    )


def fact(row: Row) -> SchemaFact:
    """Return the fact that a row has."""
    position, at, run_id, by, reason, since, changes, whole = cast("_Row", row)
    number = int(since) if since is not None and since.isdigit() else None
    return SchemaFact(position, at=at, run_id=run_id, by=by, reason=reason, since=number, changes=changes, all=whole)


_Row = tuple[int, "datetime", "str | None", "str | None", "str | None", "str | None", "str | None", "str | None"]


def steps(connection: Questioning, events: str) -> Iterator[tuple[int, str, bool]]:
    """Yield what was applied and rolled back, in order: the fact's position, the migration, whether it was undone."""
    types = ("migration.done", "migration.baselined", "migration.checkpoint", "migration.rolled_back")
    rows = connection.execute(
        f"select position, aggregate_id, event_type = 'migration.rolled_back' from {events} where aggregate_type = "
        f"'migration' and event_type in ({', '.join(map(literal, types))}) order by position".encode()
    )
    for row in rows:
        yield cast("tuple[int, str, bool]", row)
