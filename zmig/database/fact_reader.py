"""Reads facts. Creates nothing and locks nothing: where the tables are absent there are no facts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from zmig.database import fact_data
from zmig.database.server import encoding_of
from zmig.database.tracking_check import EVENTS, PROJECTION
from zmig.facts import EventType, Fact, OddRow, Run
from zmig.planning import up_to_date
from zmig.sql.quoting import array, identifier, literal, operator

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime

    import psycopg
    from psycopg.abc import Buffer

    from zmig.database.tracking_check import Inspection
    from zmig.database.types import Answer, Questioning, Row
    from zmig.planning.orphaned_rows import OrphanedRow

_COLUMNS = (
    "position, aggregate_id, event_type, event_data::text, "
    "greatest('0001-01-02 00:00+00'::timestamptz, least(created_at, '9999-12-30 00:00+00'::timestamptz)), "
    "database_user, run_id, host"
)
"""The time as Python can hold it: somebody may have appended `infinity`, or a year before Christ."""
_OUTERMOST_YEARS = frozenset({1, 9999})
_Row = tuple[int, str, str, str, "datetime", "str | None", "str | None", "str | None"]

SCHEMA = "schema"
"""The `aggregate_type` of the facts about the schema, which whoever asks for those about migrations does not see."""
IMPORT = "import"
"""That of the facts about another tool's history, which are not seen either."""

_SHOWN = f"'migration', '{SCHEMA}', '{IMPORT}'"

_BRIEF = (
    f"case when aggregate_type = '{SCHEMA}' and jsonb_typeof(event_data) = 'object' "
    "then event_data - 'changes' - 'all' else event_data end::text"
)
"""SQL of the data of a fact without all that a fact about the schema holds of objects."""

_LAST_BEGUN = (
    "(select jsonb_build_object('run_id', run_id, 'server', event_data->'server')::text from {} "
    "where event_type in ('migration.started', 'migration.rollback_started') order by position desc limit 1)"
)
"""SQL of what the fact says by which a run last began something; of the server, null where it says nothing."""

_BEGUN = "zmig.begun"
"""What is read in place of a fact's type for that."""

_UNFOUNDED = "zmig.unfounded"
"""What is read in place of a fact's type for a row of the simple table."""

_MIGRATION = "aggregate_id, (event_data->'version')::text"
"""What the facts of one migration have in common, as SQL.

As text, since numbers that are equal need not be the same: a version of 1.0 is none, and counts for the name alone.
"""

_KIND = f"{_MIGRATION}, event_type, event_data->>'as'"
"""What a fact has in common with the earlier ones that it makes irrelevant (`Fact.superseding_key`), as SQL."""

_BLOCK = 1000
"""Rows taken from the driver at once; asking for each alone takes longer than all the rest."""
_PAGE = 10 * _BLOCK
"""Rows asked for at once where there may be any number of them; the driver holds them all."""


class FactReader:
    """The facts of one tracking schema, over one connection."""

    def __init__(self, connection: Questioning, schema: str) -> None:
        self._asked = connection
        self._events = identifier(schema, EVENTS)
        self._projection = identifier(schema, PROJECTION)
        self._last_begun: tuple[str | None] | None = None
        """What `_LAST_BEGUN` was when the facts were last read; None before."""
        self._odd_rows: dict[int, OddRow] = {}

    @property
    def odd_rows(self) -> tuple[OddRow, ...]:
        """The rows that could be read only in part, or not at all, among those that were read so far."""
        return tuple(self._odd_rows[position] for position in sorted(self._odd_rows))

    @property
    def events(self) -> str:
        """The table of facts, as SQL."""
        return self._events

    def facts(self, names: Collection[str] = (), versions: Collection[int] = ()) -> Iterator[Fact]:
        """Yield facts in order of position: those of these names or versions, or all where none are given.

        They are asked for page by page, so that few are held however many there are. Of facts about the schema the
        data comes without the objects.
        """
        condition = "true"
        if names or versions:
            numbers = f"{array(map(str, versions))}::jsonb[]"
            condition = f"(aggregate_id = any({array(names)}) or event_data->'version' = any({numbers}))"
        own, after = f"from {self._events} where aggregate_type in ({_SHOWN}) and {condition}", ""
        columns = _COLUMNS.replace("event_data::text", _BRIEF)
        while True:
            page: list[int] = []
            query = f"select {columns} {own} {after} order by position limit {literal(_PAGE)}"
            yield from self._read(query, positions=page)
            if len(page) < _PAGE:
                return
            after = f"and position > {literal(page[-1])}"

    def last_facts(self, name: str, most: int) -> list[Fact]:
        """Return the last facts of one migration, at most so many, in order of position.

        What was imported of a migration of that name for the record alone is among them.
        """
        own = f"aggregate_type in ('migration', 'import') and aggregate_id = {literal(name)}"
        query = f"select {_COLUMNS} from {self._events} where {own} order by position desc limit {literal(most)}"
        return list(self._read(query))[::-1]

    def facts_of_run(
        self, run_id: str, *, first: int, last: int | None, own_types: str, other_types: str, most: int
    ) -> list[Fact]:
        """Return the last facts of a run from position `first` to `last`, at most so many, in order of position.

        `own_types` are the types of facts of the run's own, `other_types` those of facts of anybody, as SQL.
        """
        end = "" if last is None else f"and position <= {literal(last)}"
        query = (
            f"select {_COLUMNS} from {self._events} where position >= {literal(first)} {end} "
            f"and aggregate_type = 'migration' and (event_type = any({own_types}) and run_id = {literal(run_id)} "
            f"or event_type = any({other_types})) order by position desc limit {literal(most)}"
        )
        return list(self._read(query))[::-1]

    def latest_facts(self) -> Iterator[Fact]:
        """Yield the latest fact of each kind of each migration, which is all that folding needs."""
        yield from self._read(f"select {_COLUMNS} from {self._events} where {self._is_latest(_KIND)}")

    def standing_facts(self, unfounded: list[OrphanedRow] | None = None) -> Iterator[Fact]:
        """Yield the facts that decide the state of each migration.

        Of the latest of each kind nothing is needed that came before a migration was last done; but `Record.started`
        and `Record.failed` may be None where all facts would hold more of an earlier attempt.

        The rows of the simple table that no fact founds are added to `unfounded`, once all facts were taken, where that
        is given: the same query looks for them.
        """
        others = f"union all {self._unfounded_rows}" if unfounded is not None else ""
        self._last_begun = (None,)
        yield from self._read(
            f"select {_COLUMNS} from (select *, "
            f"max(position) filter (where event_type = 'migration.done') over (partition by {_MIGRATION}) as done "
            f"from {self._events} where {self._is_latest(_KIND)}) as known where (done is null or position >= done) "
            f"{others} union all select 0, '', '{_BEGUN}', begun, now(), null, null, null "
            f"from (select {self._last_begun_sql}) as last (begun) where begun is not null",
            unfounded,
        )

    def _is_latest(self, key: str) -> str:
        """Return what is true of the last fact of those that have this in common, as SQL.

        The subquery holds no more than one number for each, and the rows are then found by them: however many facts
        there are that no longer matter, they are looked at once, and neither sorted as a whole nor sent.
        """
        own = "aggregate_type = 'migration'"
        return f"{own} and position = any(array(select max(position) from {self._events} where {own} group by {key}))"

    @property
    def _last_begun_sql(self) -> str:
        return _LAST_BEGUN.format(self._events)

    @property
    def _unfounded_rows(self) -> str:
        """What selects the rows of the simple table that no fact founds, as if they were facts."""
        return (
            f"select position, name, '{_UNFOUNDED}', jsonb_build_object('version', version)::text, applied_at, "
            f"null, null, null from {self._projection} as applied where not exists (select from {self._events} as fact "
            "where fact.position = applied.position and aggregate_type = 'migration' "
            "and (aggregate_id = applied.name or event_data->'version' = to_jsonb(applied.version)))"
        )

    def unfounded_rows(self) -> list[OrphanedRow]:
        """Return the rows of the simple table that no fact founds."""
        found: list[OrphanedRow] = []
        for _ in self._read(self._unfounded_rows, found):
            pass
        return found

    def simple_rows(self) -> list[OrphanedRow]:
        """Return all rows of the simple table, of which none is founded where there are no facts at all."""
        from zmig.planning.orphaned_rows import OrphanedRow

        query = f"select version, name, position from {self._projection} order by version"
        return [OrphanedRow(*cast("tuple[int, str, int]", row)) for row in self._asked.execute(query.encode())]

    def ask_up_to_date(self, inspection: Inspection) -> Answer | None:
        """Ask what the facts fold to, for `is_up_to_date`; None where they do not say.

        It is a line for each migration, as `zmig.planning.up_to_date` spells it, which is empty where the last fact is
        another one than that the migration is done, or was applied before; and there is one more for each row of the
        simple table that no fact founds. A database that may hold what is no text is not asked.
        """
        if not inspection.has_events:
            return None
        if encoding_of(self._asked).name == "SQL_ASCII":
            return None
        others = f"union all select '' from ({self._unfounded_rows}) as unfounded" if inspection.sees_projection else ""
        query = (
            f"select string_agg(line, e'\\n'), {self._last_begun_sql} from (select "
            "case when event_type in ('migration.done', 'migration.baselined') "
            "then concat_ws(' ', event_data->'version', event_data->>'checksum', aggregate_id) else '' end as line "
            f"from {self._events} where {self._is_latest(_MIGRATION)} {others}) as lines"
        )
        return self._asked.execute(query.encode())

    def is_up_to_date(self, asked: Answer, expected: Collection[str]) -> bool:
        """Whether the facts fold to the lines of `up_to_date.expected_lines`, by what was asked; False says nothing."""
        text, begun = cast("tuple[str | None, str | None]", asked.fetchone() or (None, None))
        self._last_begun = (begun,)
        return up_to_date.is_same([] if text is None else text.split("\n"), expected)

    def facts_after(self, position: int, gaps: Collection[int]) -> Iterator[Fact]:
        """Yield the facts above `position`, and those at the positions `gaps`, in order of position."""
        wanted = f"position > {literal(position)} or position = any({array(map(str, gaps))}::bigint[])"
        yield from self._read(
            f"select {_COLUMNS} from {self._events} where aggregate_type = 'migration' and ({wanted}) order by position"
        )

    def last_server(self) -> tuple[str, str, int] | None:
        """Return the run that last began something, with its server's system identifier and timeline.

        None where its facts say nothing of the server. Whoever read the facts before, asks nothing more.
        """
        if self._last_begun is None:
            row = self._asked.execute(f"select {self._last_begun_sql}".encode()).fetchone()
            self._last_begun = cast("tuple[str | None]", row)
        (text,) = self._last_begun
        data = fact_data.read(text) if text is not None else {}
        run_id, server = data.get("run_id"), data.get("server")
        if not isinstance(run_id, str) or not isinstance(server, dict):
            return None
        system, timeline = (cast("dict[str, object]", server).get(key) for key in ("system", "timeline"))
        return (run_id, system, timeline) if isinstance(system, str) and type(timeline) is int else None

    def identity(self) -> int | None:
        """Return the events table's oid, which a dropped and recreated table does not share with the old one."""
        row = self._asked.execute(f"select to_regclass({literal(self._events)})::oid".encode()).fetchone()
        return cast("int | None", row[0]) if row is not None else None

    def positions(self, window: int) -> Iterator[int]:
        """Yield the highest position and those up to `window` below it."""
        highest = f"(select max(position) from {self._events})"
        query = f"select position from {self._events} where position > {highest} - {literal(window)}"
        for row in self._asked.execute(query.encode()):
            yield cast("int", row[0])

    def is_recorded(self, run: Run, type: EventType, name: str, *, attempt: int) -> bool:
        """Whether a run's fact about one attempt at a migration is there."""
        equals = operator("=")
        query = (
            f"select exists (select from {self._events} where aggregate_id {equals} {literal(name)} "
            f"and event_type {equals} {literal(type.value)} and run_id {equals} {literal(run.id)} "
            f"and (event_data {operator('->')} 'attempt') {equals} {literal(str(attempt))}::pg_catalog.jsonb)"
        )
        row = self._asked.execute(query.encode()).fetchone()
        return row is not None and row[0] is True

    def _read(
        self, query: str, unfounded: list[OrphanedRow] | None = None, positions: list[int] | None = None
    ) -> Iterator[Fact]:
        """Yield the facts among the rows of a query; the positions of all rows are added to `positions`."""
        cursor = self._asked.cursor()
        if encoding_of(self._asked).name == "SQL_ASCII":
            _read_any_bytes(cast("psycopg.Cursor[Row]", cursor), query.encode())
        else:
            cursor.execute(query.encode())
        while rows := cast("list[_Row]", cursor.fetchmany(_BLOCK)):
            for position, name, type, text, created_at, database_user, run_id, host in rows:
                kind = EventType.parse(type)
                if kind is not None:
                    data, oddity = fact_data.parsed(text)
                    if oddity is not None or created_at.year in _OUTERMOST_YEARS:
                        self._note(position, name, oddity or "its time is not within the years 1 to 9999")
                    yield Fact(
                        position,
                        name,
                        kind,
                        created_at=created_at,
                        data=data,
                        database_user=database_user,
                        run_id=run_id,
                        host=host,
                    )
                elif type == _BEGUN:
                    self._last_begun = (text,)
                elif type == _UNFOUNDED and unfounded is not None:
                    from zmig.planning.orphaned_rows import OrphanedRow

                    unfounded.append(OrphanedRow(json.loads(text)["version"], name, position))
                else:
                    self._note(position, name, f"this version of zmig knows no facts of type `{type}`")
            if positions is not None:
                positions += [row[0] for row in rows]

    def _note(self, position: int, name: str, reason: str) -> None:
        self._odd_rows[position] = OddRow(position, name, reason)


def _read_any_bytes(cursor: psycopg.Cursor[Row], query: bytes) -> None:
    """Ask a server that takes any bytes for text, and sends none that are no UTF-8 to a client that wants UTF-8."""
    from psycopg.adapt import Loader

    class AnyBytes(Loader):
        """Reads a text of a database that takes any bytes for one."""

        def load(self, data: Buffer) -> str:
            return bytes(data).decode("utf-8", "backslashreplace")

    cursor.adapters.register_loader("text", AnyBytes)
    with cursor.connection.cursor() as other:
        other.execute("set client_encoding = 'sql_ascii'")
        try:
            cursor.execute(query)
        finally:
            other.execute("set client_encoding = 'utf8'")
