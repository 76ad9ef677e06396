"""The list of databases: a head, and a line for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.presentation import words
from zmig.presentation.spans import Line, Span, Tone
from zmig.text.terminal import display_width
from zmig_tui.pages.heading import environment_badge
from zmig_tui.text import fitted, padded, span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig_tui.models.databases import DatabaseSummary

_NAMES = ("manifest", "environment", "database", "version", "lacks", "pending", "failed", "drift")
"""The heads of the columns; the last column, how each database is in words, has none."""
_TO_RIGHT = (3, 5, 6, 7)
_CONCESSIONS = (2, 7, 6, 5, 4, 3)
"""The columns that are left out, one after another, where there is no room: what is in words says most of it."""
_MOST_CELLS = 32
_LEAST_NAME_CELLS = 18
_LEAST_WORDS_CELLS = 15
_GAP = "  "


def database_lines(found: Sequence[DatabaseSummary], cells: int) -> tuple[Line, list[Line]]:
    """Return the head, and a line for each database, of at most `cells`."""
    rows = [_cells(one) for one in found]
    widths = _fit(_measured(rows), cells)
    heads = [span(name, Tone.QUIET) for name in _NAMES]
    head = _line(Span(_GAP), heads, widths)
    marks = [Span("▸ " if one.is_shown else _GAP, Tone.ACCENT) for one in found]
    return fitted(head, cells), [fitted(_line(mark, row, widths), cells) for mark, row in zip(marks, rows, strict=True)]


def _measured(rows: Sequence[Sequence[Span]]) -> dict[int, int]:
    """Return how wide each column is that has a head, by its place."""
    return {
        at: min(max(display_width(name), *(row[at].width for row in rows)), _MOST_CELLS)
        for at, name in enumerate(_NAMES)
    }


def _fit(widths: dict[int, int], cells: int) -> dict[int, int]:
    """Return the columns that there is room for: the first one gives way, then others are left out."""
    room = cells - len(_GAP) - _LEAST_WORDS_CELLS

    def missing() -> int:
        return sum(widths.values()) + len(_GAP) * len(widths) - room

    for place in _CONCESSIONS:
        if missing() > 0:
            widths[0] = max(min(widths[0], _LEAST_NAME_CELLS), widths[0] - missing())
        if missing() > 0:
            del widths[place]
    return widths


def _line(mark: Span, row: Sequence[Span], widths: dict[int, int]) -> Line:
    parts = [mark]
    for at, cells in widths.items():
        parts += [Span(padded(row[at].text, cells, to_right=at in _TO_RIGHT), row[at].tone), Span(_GAP)]
    return (*parts, *row[len(_NAMES) :])


def _cells(one: DatabaseSummary) -> tuple[Span, ...]:
    manifest = span(one.manifest, Tone.STRONG)
    if one.environment is None:
        return (manifest, *[Span("")] * (len(_NAMES) - 1), _condition(one))
    lacking = f"{one.lacking.count:,} of {one.lacking.whom}" if one.lacking is not None else ""
    return (
        manifest,
        environment_badge(one.environment),
        span(one.database),
        span(str(one.version), Tone.STRONG),
        span(lacking, Tone.WARN),
        _number(one.pending, Tone.PLAIN),
        _number(one.failed + one.stuck, Tone.BAD),
        _number(one.drift, Tone.WARN),
        _condition(one),
    )


def _number(count: int, tone: Tone) -> Span:
    return span(f"{count:,}", tone if count else Tone.QUIET)


def _condition(one: DatabaseSummary) -> Span:
    """Return what matters most of it now, in words."""
    if one.silent_seconds:
        return span(f"no answer for {words.clock(one.silent_seconds)}", Tone.BAD)
    if one.running:
        return span(f"▶ {one.running}", Tone.BUSY)
    if one.problem:
        return span(f"✗ {one.problem}", Tone.BAD)
    if one.environment is None:
        return span("connecting …", Tone.QUIET)
    if one.stuck:
        return span("! stuck", Tone.BAD)
    if one.failed:
        return span("✗ failed", Tone.BAD)
    return span("· pending", Tone.PLAIN) if one.pending else span("✓ up to date", Tone.GOOD)
