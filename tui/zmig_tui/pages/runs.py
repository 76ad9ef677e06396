"""The list of runs: a head, and a line for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.presentation import words
from zmig.presentation.spans import Line, Span, Tone
from zmig.text.terminal import display_width
from zmig_tui.models.recorded_run import Outcome
from zmig_tui.text import fitted, line, padded, span

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from zmig_tui.models.run_list import ListedRun

_GLYPHS = {
    Outcome.IN_PROGRESS: ("▶", Tone.BUSY),
    Outcome.DONE: ("✓", Tone.GOOD),
    Outcome.FAILED: ("✗", Tone.BAD),
    Outcome.INTERRUPTED: ("‖", Tone.WARN),
    Outcome.STUCK: ("!", Tone.WARN),
}
_NAMES = ("outcome", "began (UTC)", "took", "done", "failed", "back", "by", "run")
_NUMBERS = {2, 3, 4, 5}
_MOST_CELLS = 32


def outcome_span(outcome: Outcome) -> Span:
    """Return how a run ended, as it is shown everywhere."""
    glyph, tone = _GLYPHS[outcome]
    return span(f"{glyph} {outcome.value}", tone)


def run_lines(runs: Sequence[ListedRun], now: datetime, cells: int) -> tuple[Line, list[Line]]:
    """Return the head, and a line for each run, of at most `cells`."""
    rows = [_cells(run, now) for run in runs]
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(_NAMES)
    widths = [
        min(max([display_width(name), *(part.width for part in column)]), _MOST_CELLS)
        for name, column in zip(_NAMES, columns, strict=True)
    ]
    head = line("  ", *(span(f"{_padded(name, at, widths)}  ", Tone.QUIET) for at, name in enumerate(_NAMES)))
    return fitted(head, cells), [fitted(_line(row, widths), cells) for row in rows]


def _padded(text: str, at: int, widths: Sequence[int]) -> str:
    return padded(text, widths[at], to_right=at in _NUMBERS)


def _line(row: Sequence[Span], widths: Sequence[int]) -> Line:
    parts: list[Span] = [Span("  ")]
    for at, part in enumerate(row):
        parts += [Span(_padded(part.text, at, widths), part.tone), Span("  ")]
    return tuple(parts)


def _cells(run: ListedRun, now: datetime) -> tuple[Span, ...]:
    return (
        outcome_span(run.outcome),
        span(words.moment(run.began)),
        span(words.duration(run.seconds(now)) if run.ended is not None else words.clock(run.seconds(now))),
        _number(run.done, Tone.PLAIN),
        _number(run.failed, Tone.BAD),
        _number(run.rolled_back, Tone.WARN),
        span(run.who, Tone.PLAIN),
        span(run.run_id, Tone.QUIET),
    )


def _number(count: int, tone: Tone) -> Span:
    return span(f"{count:,}" if count else "·", tone if count else Tone.QUIET)
