"""How far a batched migration is: its rows, how quick it is, how long it will take. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.batches import batch
from zmig.presentation import words
from zmig.presentation.spans import Line, Tone
from zmig.valueclass import valueclass
from zmig_tui.text import bar, line, span

if TYPE_CHECKING:
    from dataclasses import KW_ONLY
    from datetime import datetime

    from zmig.planning.history import Record
    from zmig.progress import RoundFinished

_BAR_CELLS = 16


@valueclass
class RateStart:
    """Where a rate is counted from."""

    rows: int
    at: datetime


@valueclass
class BatchProgress:
    """The rounds that are committed."""

    rounds: int
    rows: int
    _: KW_ONLY
    total: int | None = None
    """How many rows there are in all, or about; None where that is not known."""
    rows_per_second: float | None = None
    seconds_left: float | None = None
    start: RateStart | None = None
    """Where the rate of a run in another process is counted from."""


def from_progress(progress: RoundFinished) -> BatchProgress:
    """Return what the engine says."""
    return BatchProgress(
        progress.rounds,
        progress.rows,
        total=progress.total,
        rows_per_second=progress.rows_per_second or None,
        seconds_left=progress.seconds_left,
    )


def from_record(record: Record, before: BatchProgress | None) -> BatchProgress | None:
    """Return what checkpoints say; None for a migration without rounds. `before` is what they said earlier.

    A later attempt goes on where an earlier one ended, so its rate is counted from where it was first seen.
    """
    fact = record.checkpoint
    reached = batch.reached(fact.data) if fact is not None else None
    if fact is None or reached is None:
        return None
    start = before.start if before is not None else None
    if start is None and record.attempt == 1 and record.begun is not None:
        start = RateStart(0, record.begun.created_at)
    start = start or RateStart(reached.rows, fact.created_at)
    seconds = (fact.created_at - start.at).total_seconds()
    rate = (reached.rows - start.rows) / seconds if seconds > 0 else 0.0
    left = max(reached.total - reached.rows, 0) / rate if rate > 0 and reached.total is not None else None
    return BatchProgress(
        reached.rounds, reached.rows, total=reached.total, rows_per_second=rate or None, seconds_left=left, start=start
    )


def batch_line(rounds: BatchProgress) -> Line:
    """Return one line; what matters least is last, where it may be cut off."""
    rows = f"{rounds.rows:,}" + (f" of {rounds.total:,}" if rounds.total else "") + " rows"
    facts: list[str] = []
    if rounds.seconds_left is not None:
        facts.append(f"{words.clock(rounds.seconds_left)} left")
    if rounds.rows_per_second is not None:
        facts.append(f"{rounds.rows_per_second:,.0f} rows/s")
    facts.append(f"round {rounds.rounds:,}")
    more = span(f"  {' · '.join(facts)}", Tone.QUIET)
    if not rounds.total:
        return line(rows, more)
    fraction = min(rounds.rows / rounds.total, 1.0)
    return line(*bar(fraction, _BAR_CELLS), f" {fraction:4.0%}  {rows}", more)
