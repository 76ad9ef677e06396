"""The list of databases: a head, and a line for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.presentation import words
from zmig.presentation.spans import Line, Span, Tone
from zmig.text.terminal import display_width
from zmig_tui.pages.heading import environment_badge
from zmig_tui.text import fitted, line, padded, span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig_tui.models.databases import DatabaseSummary

_NAMES = ("manifest", "environment", "database", "version", "lacks", "pending", "failed", "drift", "")
_MOST_NAME_CELLS = 32
_NUMBERS = {3, 5, 6, 7}


def database_lines(found: Sequence[DatabaseSummary], cells: int) -> tuple[Line, list[Line]]:
    """Return the head, and a line for each database, of at most `cells`."""
    rows = [_cells(one) for one in found]
    widths = [
        min(max(display_width(name), *(part.width for part in column)), _MOST_NAME_CELLS)
        for name, column in zip(_NAMES, zip(*rows, strict=True), strict=True)
    ]
    head = line("  ", *(span(f"{_padded(name, at, widths)}  ", Tone.QUIET) for at, name in enumerate(_NAMES)))
    shown = [_line(one, row, widths) for one, row in zip(found, rows, strict=True)]
    return fitted(head, cells), [fitted(made, cells) for made in shown]


def _padded(text: str, at: int, widths: Sequence[int]) -> str:
    return padded(text, widths[at], to_right=at in _NUMBERS) if at < len(widths) - 1 else text


def _line(one: DatabaseSummary, row: Sequence[Span], widths: Sequence[int]) -> Line:
    parts: list[Span] = [Span("▸ " if one.is_shown else "  ", Tone.ACCENT)]
    for at, part in enumerate(row):
        parts += [Span(_padded(part.text, at, widths), part.tone), Span("  ")]
    return tuple(parts)


def _cells(one: DatabaseSummary) -> tuple[Span, ...]:
    manifest = span(one.manifest, Tone.STRONG)
    if one.environment is None:
        return (manifest, *[Span("")] * (len(_NAMES) - 2), _condition(one))
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
