"""How far a batched migration is: its rows, how quick it is, how long it will take. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.batches import batch
from zmig.presentation import words
from zmig.presentation.spans import Line, Tone
from zmig.valueclass import replace, valueclass
from zmig_tui.text import bar, line, span

if TYPE_CHECKING:
    from dataclasses import KW_ONLY
    from datetime import datetime

    from zmig.planning.history import Record
    from zmig.progress import RoundFinished

_BAR_CELLS = 16
_ROUNDS = 20


@valueclass
class RoundEnd:
    """How many rows were done by a moment."""

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
    seen: tuple[RoundEnd, ...] = ()
    """The rounds that were seen last of a run in another process: its rate is counted over them."""


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

    A later attempt goes on where an earlier one ended, and in a pause time passes without rows, so the rate is then
    counted from where it was first seen.
    """
    fact = record.checkpoint
    reached = batch.reached(fact.data) if fact is not None else None
    if fact is None or reached is None:
        return None
    seen = before.seen if before is not None else ()
    if not seen and record.attempt == 1 and record.begun is not None and before is None:
        seen = (RoundEnd(0, record.begun.created_at),)
    this = RoundEnd(reached.rows, fact.created_at)
    if not seen or seen[-1].rows != this.rows:
        seen = (*seen, this)[-_ROUNDS - 1 :]
    if record.paused is not None:
        seen = ()  # what is measured afterwards has nothing to do with the pause
    progress = BatchProgress(reached.rounds, reached.rows, total=reached.total, seen=seen)
    if not seen:
        return progress
    first, last = seen[0], seen[-1]
    seconds = (last.at - first.at).total_seconds()
    if seconds <= 0:
        return progress
    rate = (last.rows - first.rows) / seconds
    left = max(reached.total - reached.rows, 0) / rate if rate > 0 and reached.total is not None else None
    return replace(progress, rows_per_second=rate or None, seconds_left=left)


def batch_line(rounds: BatchProgress, *, is_paused: bool = False) -> Line:
    """Return one line; what matters least is last, where it may be cut off. Of a paused one nobody knows its end."""
    rows = f"{rounds.rows:,}" + (f" of {rounds.total:,}" if rounds.total else "") + " rows"
    facts: list[str] = []
    if rounds.seconds_left is not None and not is_paused:
        facts.append(f"{words.clock(rounds.seconds_left)} left")
    if rounds.rows_per_second is not None:
        facts.append(f"{rounds.rows_per_second:,.0f} rows/s")
    facts.append(f"round {rounds.rounds:,}")
    more = span(f"  {' · '.join(facts)}", Tone.QUIET)
    if not rounds.total:
        return line(rows, more)
    fraction = min(rounds.rows / rounds.total, 1.0)
    return line(*bar(fraction, _BAR_CELLS), f" {fraction:4.0%}  {rows}", more)
