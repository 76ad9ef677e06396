"""A run in another process, derived from facts and the server's activity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.errors import Problem
from zmig.planning import blocked_by
from zmig.planning.state import State
from zmig.valueclass import valueclass
from zmig_tui.models import batch_progress
from zmig_tui.models.recorded_run import Outcome
from zmig_tui.models.run import CurrentStep, Run
from zmig_tui.models.trend import Trend
from zmig_tui.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from zmig.database.activity import Backend
    from zmig.database.lock_holder import LockHolder
    from zmig.facts import Fact
    from zmig.planning.history import Record
    from zmig.planning.state import Entry
    from zmig.session.watcher import Observation
    from zmig.sql.statement import Statement
    from zmig_tui.models.recorded_run import Attempt, RecordedRun

_ROLLBACK = "a rollback"
_CUT = 900
"""PostgreSQL cuts a shown query at 1,024 bytes unless `track_activity_query_size` is set."""


@valueclass
class StatementPosition:
    """Which statement of its file a query is."""

    number: int
    total: int
    line: int
    text: str
    """Its beginning, without passwords."""


def position_of_query(statements: Sequence[Statement], backend: Backend) -> StatementPosition | None:
    """Return which of `statements` a backend is running, as the message says or as its query reads."""
    number, query = backend.statement, (backend.query or "")[:_CUT].strip()
    if number is not None and 0 < number <= len(statements):
        statement = statements[number - 1]
    else:
        statement = next((known for known in statements if query and known.text[: len(query)] == query), None)
    if statement is None:
        return None
    return StatementPosition(statement.number, len(statements), statement.line, statement.summary)


def remote_run(
    observation: Observation,
    now: float,
    position: StatementPosition | None,
    before: Run | None = None,
    recorded: RecordedRun | None = None,
) -> Run | None:
    """Return the run that holds the lock; None where nobody does, or nothing was begun.

    `now` is on the screen's clock; `before` is what was known of a run until now; `recorded` what its facts say. Who
    holds the lock for a decision, or has not begun yet, has no facts.
    """
    holder = observation.status.holder
    if holder is None:
        return None
    entries = observation.status.migrations
    current = next((entry for entry in entries if entry.name == holder.migration), None)
    if current is None and recorded is None:
        return None
    if current is not None:
        is_rollback = current.record is not None and current.record.is_in_rollback
    else:  # between two steps it is what it was
        is_rollback = recorded is not None and recorded.is_rollback
    began = recorded.began if recorded is not None else _first_moment(current)
    completed = recorded.completed if recorded is not None else 0
    left = sum(entry.state is not State.DONE or bool(entry.due) for entry in entries)
    return Run(
        verb=_verb(is_rollback=is_rollback),
        began=_on_clock(began, observation, now) if began is not None else now,
        # A rollback's facts do not say how much of it is left.
        total=0 if is_rollback else completed + left,
        finished=completed,
        current=_current(current, observation, now, position, before, recorded) if current is not None else None,
        is_remote=True,
        run_id=recorded.run_id if recorded is not None else holder.run_id,
    )


def _verb(*, is_rollback: bool) -> str:
    return _ROLLBACK if is_rollback else "a run"


def _on_clock(moment: datetime, observation: Observation, now: float) -> float:
    """Return a moment of the server's clock on the screen's clock, on which an observation was made at `now`."""
    return now - (observation.now - moment).total_seconds()


def _first_moment(entry: Entry | None) -> datetime | None:
    begun = entry.record.open if entry is not None and entry.record is not None else None
    return begun.created_at if begun is not None else None


def _current(
    entry: Entry,
    observation: Observation,
    now: float,
    position: StatementPosition | None,
    before: Run | None,
    recorded: RecordedRun | None,
) -> CurrentStep:
    record = entry.record
    begun = _begun(record, observation.status.holder)
    backend = observation.work.backend if observation.work is not None else None
    query = backend.query if backend is not None and backend.state == "active" else None
    number, total = _reached(record) if position is None else (position.number, position.total)
    known = before.current if before is not None else None
    if known is not None and known.name != entry.name:
        known = None
    earlier = known.rounds if known is not None else None
    seen = known.began if known is not None else now
    tries = _tries(entry, recorded)
    failed = tries[-1] if tries and tries[-1].ended is not None else None
    next_try = next((one.next_try for one in reversed(tries) if one.ended is not None), None)
    retry_at = next_try.at if failed is not None and next_try is not None else None
    rows_trend = known.rows_trend if known is not None else Trend()
    done = batch_progress.from_record(record, earlier) if record is not None else None
    if done is not None and record is not None and record.checkpoint is not None:
        committed_at = _on_clock(record.checkpoint.created_at, observation, now)
        if earlier is None or earlier.rows != done.rows:
            rows_trend = rows_trend.adding(committed_at, done.rows)
    return CurrentStep(
        name=entry.name,
        version=entry.version or 0,
        began=_on_clock(begun.created_at, observation, now) if begun is not None else seen,
        attempt=(begun.integer("attempt") if begun is not None else None) or 1,
        statement=number,
        statements=total,
        line=position.line if position is not None else None,
        text=position.text if position is not None else one_line(query or ""),
        rounds=done,
        rows_trend=rows_trend,
        held=_pause(record),
        is_rollback=record is not None and record.is_in_rollback,
        tries=next_try.number if next_try is not None else 1,
        most_tries=next_try.of if next_try is not None else None,
        setback=failed.setback if failed is not None else "",
        retry_at=_on_clock(retry_at, observation, now) if retry_at is not None else None,
    )


def _tries(entry: Entry, recorded: RecordedRun | None) -> tuple[Attempt, ...]:
    """Return the attempts of the run that is in progress at the migration that is at work."""
    if recorded is None or recorded.steps[-1].name != entry.name:
        return ()
    return recorded.steps[-1].attempts


def _begun(record: Record | None, holder: LockHolder | None) -> Fact | None:
    """Return the last fact of a migration that runs; None where it is another run's, as this one's is not seen yet."""
    last = record.last if record is not None else None
    run = holder.run_id if holder is not None else None
    return last if last is None or run is None or last.run_id in (None, run) else None


def _reached(record: Record | None) -> tuple[int | None, int | None]:
    """Return which statement is the next, and of how many, by the latest checkpoint."""
    checkpoint = record.checkpoint if record is not None else None
    total = checkpoint.integer("statements") if checkpoint is not None else None
    if checkpoint is None or not total:
        return None, None
    return min((checkpoint.integer("statement") or 0) + 1, total), total


def _pause(record: Record | None) -> str:
    paused = record.paused if record is not None else None
    if paused is None:
        return ""
    reason = paused.text("reason")
    return f"paused by {paused.database_user or '?'}" + (f": {reason}" if reason else "")


def ended_run(recorded: RecordedRun, observation: Observation, now: float) -> Run:
    """Return a run as it ended, as far as facts say; `now` is on the screen's clock."""
    run = Run(
        verb=_verb(is_rollback=recorded.is_rollback),
        began=_on_clock(recorded.began, observation, now),
        is_remote=True,
        run_id=recorded.run_id,
        who=recorded.who,
    )
    ended = _on_clock(recorded.last_at, observation, now)
    done = f"{recorded.completed:,} {'rolled back' if recorded.is_rollback else 'done'}"
    outcome = recorded.outcome
    if outcome is Outcome.DONE:
        return run.ending(done, (), ended)
    said = outcome.value if not recorded.completed else f"{done}, then {outcome.value}"
    step = recorded.steps[-1] if recorded.is_open else recorded.failed or recorded.steps[-1]
    last = step.last
    if outcome is Outcome.STUCK:
        message = "it is stuck: its run ended without a word"
    elif last.ended is None:
        message = "its run ended without a word"
    else:
        message = f"{last.message}; {blocked_by.short(last.blocked_by)}" if last.blocked_by else last.message
    is_left = any(
        entry.name == step.name and entry.state in (State.FAILED, State.STUCK)
        for entry in observation.status.migrations
    )
    hint = "press n, then r to retry it" if is_left and not step.is_rollback else None
    return run.ending(said, (Problem("migration-failed", f"`{step.name}`: {message}", hint=hint),), ended)
