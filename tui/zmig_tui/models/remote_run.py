"""A run in another process, derived from facts and the server's activity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.errors import Problem
from zmig.planning.state import State
from zmig.valueclass import valueclass
from zmig_tui.models import batch_progress
from zmig_tui.models.run import CurrentStep, Run
from zmig_tui.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from zmig.database.activity import Backend
    from zmig.database.lock_holder import LockHolder
    from zmig.facts import Fact
    from zmig.planning.history import Record
    from zmig.planning.state import Entry
    from zmig.session.watcher import Observation
    from zmig.sql.statement import Statement

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
    observation: Observation, now: float, position: StatementPosition | None, before: Run | None = None
) -> Run | None:
    """Return the run that holds the lock; None where nobody does.

    `now` is on the screen's clock; `before` is what was known of a run until now.
    """
    holder = observation.status.holder
    if holder is None:
        return None
    entries = observation.status.migrations
    current = next((entry for entry in entries if entry.name == holder.migration), None)
    if current is not None:
        is_rollback = current.record is not None and current.record.is_in_rollback
    else:  # between two steps it is what it was
        is_rollback = before is not None and before.run_id == holder.run_id and before.verb == _ROLLBACK
    began = _first_moment(entries, holder.run_id)
    age = (observation.now - began).total_seconds() if began is not None else 0.0
    completed = len(_completed(entries, holder.run_id))
    left = sum(entry.state is not State.DONE or bool(entry.due) for entry in entries)
    return Run(
        verb=_ROLLBACK if is_rollback else "a run",
        began=now - max(age, 0),
        # A rollback's facts do not say how much of it is left.
        total=0 if is_rollback else completed + left,
        finished=completed,
        current=_current(current, observation, now, position, before) if current is not None else None,
        is_remote=True,
        run_id=holder.run_id,
    )


def _completed(entries: Iterable[Entry], run_id: str | None) -> list[Entry]:
    """Return what a run has applied."""
    if run_id is None:
        return []
    return [
        entry
        for entry in entries
        if entry.record is not None and entry.record.applied is not None and entry.record.applied.run_id == run_id
    ]


def _first_moment(entries: Iterable[Entry], run_id: str | None) -> datetime | None:
    records = [entry.record for entry in entries if entry.record is not None]
    beginnings = [fact for record in records for fact in (record.started, record.begun) if fact is not None]
    return min((fact.created_at for fact in beginnings if fact.run_id == run_id), default=None)


def _current(
    entry: Entry, observation: Observation, now: float, position: StatementPosition | None, before: Run | None
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
    return CurrentStep(
        name=entry.name,
        version=entry.version or 0,
        began=now - (observation.now - begun.created_at).total_seconds() if begun is not None else seen,
        attempt=(begun.integer("attempt") if begun is not None else None) or 1,
        statement=number,
        statements=total,
        line=position.line if position is not None else None,
        text=position.text if position is not None else one_line(query or ""),
        rounds=batch_progress.from_record(record, earlier) if record is not None else None,
        held=_pause(record),
        is_rollback=record is not None and record.is_in_rollback,
    )


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


def ended_run(before: Run, observation: Observation, now: float) -> Run:
    """Return a run of another process as it ended, as far as facts say."""
    entries = observation.status.migrations
    entry = next((entry for entry in entries if _is_left_by(entry, before)), None)
    last = entry.record.last if entry is not None and entry.record is not None else None
    if entry is not None and last is not None:
        message = last.error_message or f"it is {entry.state.value}"
        problem = Problem("migration-failed", f"`{entry.name}`: {message}", hint="press n, then r to retry it")
        return before.ending("failed", (problem,), now)
    completed = len(_completed(entries, before.run_id))
    return before.ending(f"{completed:,} done" if completed else "ended", (), now)


def _is_left_by(entry: Entry, run: Run) -> bool:
    """Whether a run left a migration failed or stuck."""
    last = entry.record.last if entry.record is not None else None
    if last is None or entry.state not in (State.FAILED, State.STUCK):
        return False
    if run.run_id is not None:
        return last.run_id == run.run_id
    return run.current is not None and run.current.name == entry.name
