"""What is between two rounds of a batched migration: an operator's pause, and replicas that must catch up."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from zmig.facts import EventType
from zmig.progress import Held, Notice
from zmig.sql.quoting import array, literal, operator

if TYPE_CHECKING:
    from zmig.running.attempt import Attempt
    from zmig.running.run_session import RunSession

Row = tuple[str | None, ...]
"""What the gate's query returned, as the server writes it."""

_SECONDS_BETWEEN_LOOKS = 0.5
_PAUSED = "paused"

_OPEN = f"""
select
    (select pg_catalog.concat(event_type, case when reason {operator("<>")} '' then ': ' end, reason) from (
        select event_type, event_data {operator("->>")} 'reason' as reason from {{events}}
        where aggregate_type {operator("=")} 'migration' and aggregate_id {operator("=")} {{name}}
            and event_type {operator("=")} any({{types}})
        order by position desc limit 1) as last),
    pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), '0/0')::bigint,
    r.replicas, r.seen, pg_catalog.pg_wal_lsn_diff(r.replayed, '0/0')::bigint
from (
    select pg_catalog.count(*) as replicas, pg_catalog.count(replay_lsn) as seen, pg_catalog.min(replay_lsn) as replayed
    from pg_catalog.pg_stat_replication
    where coalesce(state, 'streaming') {operator("=")} any('{{{{streaming,catchup}}}}')
) as r
"""

_DECIDING = (EventType.PAUSED, EventType.RESUMED, EventType.DONE, EventType.ROLLED_BACK)
"""The latest of these says whether a migration is paused."""


class Delay:
    """How far replicas are behind this server's own commits."""

    def __init__(self) -> None:
        self._marks: deque[tuple[int, float]] = deque()

    def note(self, written: int, now: float) -> None:
        """Remember that everything up to a place in the write-ahead log was written by `now`."""
        if not self._marks or written > self._marks[-1][0]:
            self._marks.append((written, now))

    def seconds(self, replayed: int, now: float) -> float:
        """Return how long ago that was written which a replica has to replay next; 0 where it has replayed all."""
        while self._marks and self._marks[0][0] <= replayed:
            self._marks.popleft()
        return now - self._marks[0][1] if self._marks else 0.0


class Throttle:
    """Lets the next round of one attempt pass, sooner or later."""

    def __init__(self, session: RunSession, attempt: Attempt, *, max_lag_seconds: float) -> None:
        self._session = session
        self._attempt = attempt
        self._max_lag_seconds = max_lag_seconds
        self._delay = Delay()
        self.lag_seconds: float | None = None
        """How far the slowest replica was behind when that was asked last; None where it is not asked."""
        self._is_blind = False
        """Whether a note said that this role may not see how far replicas are."""
        name = attempt.step.migration.name
        spellings = [text for type in _DECIDING for text in (type.value, type.label)]
        self.query = _OPEN.format(events=session.store.events, name=literal(name), types=array(spellings))
        """What to ask the server; it returns one row."""

    def wait(self, row: Row | None = None) -> float:
        """Return once nothing holds the migration back; an interruption ends the wait.

        `row` is what the query returned, where that was sent with something else. Return for how many seconds it was
        an operator who held it back.
        """
        began, paused = time.monotonic(), 0.0
        while (reason := self._reason(row or self._session.send_alone(self.query).last)) is not None:
            row, looked = None, time.monotonic()
            self._session.observer(Held(self._attempt.step, reason, looked - began, lag_seconds=self.lag_seconds))
            self._session.interrupts.sleep(_SECONDS_BETWEEN_LOOKS)
            paused += time.monotonic() - looked if reason.startswith(_PAUSED) else 0.0
        return paused

    def _reason(self, row: Row | None) -> str | None:
        assert row is not None
        said, written, replicas, seen, replayed = row
        paused = (said or "").removeprefix("migration.")
        if paused.startswith(_PAUSED):
            return paused
        if replicas == "0" or not self._max_lag_seconds:
            return None
        if seen != replicas:
            self._report_blindness()
        return None if replayed is None else self._lag(int(written or 0), int(replayed))

    def _lag(self, written: int, replayed: int) -> str | None:
        now = time.monotonic()
        self._delay.note(written, now)
        self.lag_seconds = seconds = self._delay.seconds(replayed, now)
        return f"the slowest replica is {seconds:.0f} s behind" if seconds > self._max_lag_seconds else None

    def _report_blindness(self) -> None:
        if not self._is_blind:
            self._is_blind = True
            message = "there are replicas, and this role may not see how far behind they are, so nothing waits for them"
            hint = "grant it pg_monitor, or write `max_lag: 0` under `batch`"
            self._session.observer(Notice(self._attempt.step, "WARNING", message, hint=hint))
