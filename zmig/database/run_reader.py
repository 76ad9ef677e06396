"""Reads runs from their facts, page by page: however long a history is, each question looks at a bounded part of it.

No index leads from a run to its facts, but positions do, which are the primary key: whoever knows about where a run is
reads that range alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from zmig.facts import EventType, Fact
from zmig.sql.quoting import array, literal
from zmig.valueclass import replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable
    from dataclasses import KW_ONLY
    from datetime import datetime

    from zmig.database.store import Store
    from zmig.database.types import Connection

WINDOW = 20_000
"""Positions that one question looks at."""
_MOST_WINDOWS = 10
_ENOUGH_RUNS = 200
MOST_FACTS = 20_000
"""How many facts of one run are read, the latest ones."""

_BEGUN = (EventType.STARTED, EventType.ROLLBACK_STARTED)
_FAILED = (EventType.FAILED, EventType.ROLLBACK_FAILED)
_ABOUT_RUNS = (*_BEGUN, *_FAILED, EventType.DONE, EventType.ROLLED_BACK)
_PAUSES = (EventType.PAUSED, EventType.RESUMED)


def _spelled(*types: EventType) -> str:
    return array([text for type in types for text in (type.value, type.label)])


_MOMENT = "greatest('0001-01-02 00:00+00'::timestamptz, least({}, '9999-12-30 00:00+00'::timestamptz))"

SUMMARY = f"""
select run_id, min(position), max(position), {_MOMENT.format("min(created_at)")}, {_MOMENT.format("max(created_at)")},
    max(database_user), max(host),
    count(*) filter (where event_type = any({_spelled(*_BEGUN)})),
    count(*) filter (where event_type = any({_spelled(EventType.DONE)})),
    count(*) filter (where event_type = any({_spelled(*_FAILED)})
        and event_data->'will_retry' is distinct from 'true'
        and event_data->'error'->>'code' is distinct from 'rolled-back-with'),
    count(*) filter (where event_type = any({_spelled(EventType.ROLLED_BACK)})),
    (array_agg(event_type order by position desc))[1],
    (array_agg(event_data->'will_retry' order by position desc))[1] = 'true',
    (array_agg(event_data->'error'->>'interrupted' order by position desc))[1] is not null
from {{events}}
where position > {{after}} and position <= {{before}} and aggregate_type = 'migration' and run_id is not null
    and event_type = any({_spelled(*_ABOUT_RUNS)})
    and coalesce(event_data->>'run_id', run_id) = run_id
group by run_id order by 3 desc
"""
"""What is recorded of a run that died, by the one that found it, is no fact of that one."""


@valueclass
class RunSummary:
    """One run, as far as the facts between two positions say."""

    run_id: str
    first: int
    """The position of its first fact."""
    last: int
    _: KW_ONLY
    began: datetime
    last_at: datetime
    """When its last fact was recorded."""
    database_user: str | None
    host: str | None
    begun: int
    """How many attempts have begun."""
    done: int
    failed: int
    rolled_back: int
    last_type: EventType | None
    """What its last fact says."""
    will_retry: bool
    """Whether that says that there will be another attempt."""
    is_interrupted: bool
    """Whether that says that a signal, or somebody, ended it."""

    def joined(self, earlier: RunSummary) -> RunSummary:
        """Return a run of which a part is before this one."""
        return replace(
            self,
            first=earlier.first,
            began=earlier.began,
            begun=self.begun + earlier.begun,
            done=self.done + earlier.done,
            failed=self.failed + earlier.failed,
            rolled_back=self.rolled_back + earlier.rolled_back,
        )


@valueclass
class RunPage:
    """The runs between two positions."""

    runs: tuple[RunSummary, ...]
    """The newest first; one that began before `after` is there as far as it is within the page."""
    after: int
    """Everything above this position is in this page, or in one before; 0 where nothing is below it."""
    before: int | None
    """Everything up to this position; None where the page has the latest."""


class RunReader:
    """The runs of one event store."""

    def __init__(self, connection: Connection, store: Store) -> None:
        self._connection = connection
        self._store = store

    def page(self, *, after: int | None = None, before: int | None = None) -> RunPage:
        """Return the runs between two positions; without `after`, back to where there are enough of them."""
        if not self._store.inspect().has_events:
            return RunPage((), 0, before)
        top = self._highest() if before is None else before
        found: dict[str, RunSummary] = {}
        for _ in range(_MOST_WINDOWS):
            low = max(top - WINDOW, after or 0, 0)
            for summary in self._summaries(low, top):
                later = found.get(summary.run_id)
                found[summary.run_id] = summary if later is None else later.joined(summary)
            top = low
            if low <= (after or 0) or (after is None and len(found) >= _ENOUGH_RUNS):
                break
        return RunPage(tuple(found.values()), top, before)

    def facts(
        self, run_id: str, *, first: int | None = None, last: int | None = None, most: int = MOST_FACTS
    ) -> list[Fact]:
        """Return the last facts that a run has recorded, with the pauses of that time, oldest first."""
        if not self._store.inspect().has_events:
            return []
        if first is None:
            first = max(self._highest() - WINDOW, 0)
        return self._store.facts_of_run(
            run_id,
            first=first,
            last=last,
            own_types=_spelled(*_ABOUT_RUNS),
            other_types=_spelled(*_PAUSES),
            most=most,
        )

    def _highest(self) -> int:
        row = self._connection.execute(f"select max(position) from {self._store.events}".encode()).fetchone()
        return cast("int | None", row[0]) or 0 if row is not None else 0

    def _summaries(self, after: int, before: int) -> Iterable[RunSummary]:
        query = SUMMARY.format(events=self._store.events, after=literal(after), before=literal(before))
        for row in self._connection.execute(query.encode()):
            yield _summary(row)


def _summary(row: tuple[object, ...]) -> RunSummary:
    run_id, first, last, began, last_at, user, host, begun, done, failed, rolled_back, type, retries, interrupted = row
    return RunSummary(
        cast("str", run_id),
        cast("int", first),
        cast("int", last),
        began=cast("datetime", began),
        last_at=cast("datetime", last_at),
        database_user=cast("str | None", user),
        host=cast("str | None", host),
        begun=cast("int", begun),
        done=cast("int", done),
        failed=cast("int", failed),
        rolled_back=cast("int", rolled_back),
        last_type=EventType.parse(cast("str", type)),
        will_retry=retries is True,
        is_interrupted=interrupted is True,
    )
