"""A run that goes on in another process, as facts and the server's activity tell of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zmig.errors import Problem
from zmig.planning.state import State
from zmig_tui import inside
from zmig_tui.running import Current, Run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from zmig.planning.state import Entry
    from zmig.sql.script import Statement
    from zmig.watching.watch import Observation

_CUT = 900
"""PostgreSQL cuts a shown query at 1,024 bytes unless it is told otherwise."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which statement of its file a query is."""

    number: int
    total: int
    line: int
    text: str
    """Its beginning, without passwords."""


def place(statements: Sequence[Statement], query: str | None) -> Place | None:
    """Return which of `statements` the server says it is running; None where that is not one of them."""
    wanted = (query or "")[:_CUT].strip()
    if not wanted:
        return None
    for statement in statements:
        if statement.text[: len(wanted)] == wanted:
            return Place(statement.number, len(statements), statement.line, statement.summary)
    return None


def run(observation: Observation, now: float, found: Place | None) -> Run | None:
    """Return the run that holds the lock; None where nobody does. `now` is on the screen's clock."""
    holder = observation.status.holder
    if holder is None:
        return None
    entries = observation.status.migrations
    current = next((entry for entry in entries if entry.name == holder.migration), None)
    began = _first_moment(entries, holder.run_id)
    age = (observation.now - began).total_seconds() if began is not None else 0.0
    completed = sum(_is_of_run(entry, holder.run_id) for entry in entries)
    left = sum(entry.state is not State.DONE or bool(entry.due) for entry in entries)
    return Run(
        verb="a run",
        began=now - max(age, 0),
        total=completed + left,
        finished=completed,
        current=_current(current, observation, now, found) if current is not None else None,
        is_elsewhere=True,
    )


def _is_of_run(entry: Entry, run_id: str | None) -> bool:
    applied = entry.record.applied if entry.record is not None else None
    return applied is not None and run_id is not None and applied.run_id == run_id


def _first_moment(entries: Sequence[Entry], run_id: str | None) -> datetime | None:
    starts = [
        entry.record.started.created_at
        for entry in entries
        if entry.record is not None and entry.record.started is not None and entry.record.started.run_id == run_id
    ]
    return min(starts, default=None)


def _current(entry: Entry, observation: Observation, now: float, found: Place | None) -> Current:
    last = entry.record.last if entry.record is not None else None
    began = now - (observation.now - last.created_at).total_seconds() if last is not None else now
    checkpoint = entry.record.checkpoint if entry.record is not None else None
    work = observation.work
    query = work.backend.query if work is not None and work.backend.state == "active" else None
    number, total = (found.number, found.total) if found is not None else (None, None)
    if found is None and checkpoint is not None and checkpoint.integer("statements"):
        total = checkpoint.integer("statements") or 0
        number = min((checkpoint.integer("statement") or 0) + 1, total)
    return Current(
        name=entry.name,
        version=entry.version or 0,
        began=began,
        attempt=(last.integer("attempt") if last is not None else None) or 1,
        statement=number,
        statements=total,
        line=found.line if found is not None else None,
        text=found.text if found is not None else inside.one_line(query or ""),
    )


def ended(before: Run, observation: Observation, now: float) -> Run:
    """Return a run of another process as it ended, as far as facts tell."""
    name = before.current.name if before.current is not None else None
    entry = next((one for one in observation.status.migrations if one.name == name), None)
    last = entry.record.last if entry is not None and entry.record is not None else None
    if entry is not None and last is not None and entry.state in (State.FAILED, State.STUCK):
        message = last.error_message or f"it is {entry.state.value}"
        problem = Problem("migration-failed", f"`{entry.name}`: {message}", hint="press n, then r to retry it")
        return before.ending("failed", (problem,), now)
    return before.ending("ended", (), now)
