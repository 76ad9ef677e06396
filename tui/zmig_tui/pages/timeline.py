"""A run as bars on one axis of time. Each part has a character of its own beside its colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.presentation import words
from zmig.presentation.spans import Line, Span, Tone
from zmig.text.terminal import display_width
from zmig_tui.models.timeline import Mark, Part
from zmig_tui.text import fitted, line, padded, span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig_tui.models.timeline import Bar, Timeline

_LOOKS = {
    Part.WORK: ("█", Tone.GOOD),
    Part.FAILED: ("▓", Tone.BAD),
    Part.LOCK: ("▒", Tone.WARN),
    Part.BETWEEN: ("┄", Tone.QUIET),
    Part.PAUSED: ("‖", Tone.ACCENT),
}
_MARKS = {
    Mark.DONE: ("✓", Tone.GOOD),
    Mark.FAILED: ("✗", Tone.BAD),
    Mark.RUNNING: ("▶", Tone.BUSY),
    Mark.LEFT: ("!", Tone.WARN),
}
_MOST_NAME_CELLS = 32
_TOOK_CELLS = 19
_LEAST_BAR_CELLS = 12
_WIDE_CELLS = 100
"""From here on there is room for messages beside the bars."""
_TICKS = (4, 2)
"""Into how many parts the axis is divided, where there is room."""
_CELLS_OF_A_TICK = 14


def legend() -> Line:
    """Return what each character stands for."""
    parts: list[Span] = []
    for part, (character, tone) in _LOOKS.items():
        parts += [Span(f" {character * 2} ", tone), span(f"{part.value} ", Tone.QUIET)]
    return tuple(parts)


def timeline_lines(shown: Timeline, cells: int) -> tuple[Line, list[Line]]:
    """Return the axis, and a line for each bar, of at most `cells`."""
    name_cells = min(max((display_width(_name(bar)) for bar in shown.bars), default=0), _MOST_NAME_CELLS)
    name_cells = max(min(name_cells, cells - _TOOK_CELLS - _LEAST_BAR_CELLS - 8), 8)
    longest = max((display_width(bar.message) for bar in shown.bars), default=0)
    message_cells = min(longest + 2, cells // 4) if longest and cells >= _WIDE_CELLS else 0
    room = max(cells - name_cells - _TOOK_CELLS - 8 - message_cells, _LEAST_BAR_CELLS)
    margin = Span(" " * (name_cells + _TOOK_CELLS + 6))
    axis = (margin, span(_axis(shown.seconds, room), Tone.QUIET))
    return fitted(axis, cells), [
        fitted(_line(bar, shown, name_cells, room, has_message=message_cells > 0), cells) for bar in shown.bars
    ]


def _axis(seconds: float, cells: int) -> str:
    """Return the times below which the bars are."""
    count = next((count for count in _TICKS if cells // count >= _CELLS_OF_A_TICK), 1)
    text = ""
    for tick in range(count):
        label = _time(seconds * tick / count)
        text += f"├{label}".ljust(cells * (tick + 1) // count - cells * tick // count)
    end = _time(seconds)
    return f"{text[: max(cells - len(end) - 1, 0)]}{end}┤"[:cells]


def _time(seconds: float) -> str:
    return words.clock(seconds) if seconds >= 10 or not seconds else words.duration(seconds)


def _name(bar: Bar) -> str:
    return f"↶ {bar.name}" if bar.is_rollback else bar.name


def _line(bar: Bar, shown: Timeline, name_cells: int, room: int, *, has_message: bool) -> Line:
    glyph, tone = _MARKS[bar.mark]
    tries = f"{bar.tries} tries, " if bar.tries > 1 else ""
    took = padded(f"{tries}{words.duration(bar.seconds)}", _TOOK_CELLS, to_right=True)
    head = (
        Span("  "),
        Span(f"{glyph} ", tone),
        span(padded(_name(bar), name_cells)),
        Span(took, Tone.QUIET),
        Span("  "),
    )
    drawn = list(_drawn(bar, shown.seconds, room))
    if not (has_message and bar.message):
        return (*head, *drawn)
    blanks = Span(" " * (room - sum(piece.width for piece in drawn) + 2))
    return (*head, *drawn, blanks, span(bar.message, Tone.BAD))


def _drawn(bar: Bar, seconds: float, room: int) -> Iterator[Span]:
    """Yield a bar; what is short takes one cell, so that nothing is left out."""
    cells: list[Part | None] = [None] * room
    scale = room / seconds if seconds else 0.0
    for stretch in bar.stretches:
        first = min(int(stretch.began * scale), room - 1)
        last = max(min(round(stretch.ended * scale), room), first + 1)
        cells[first:last] = [stretch.part] * (last - first)
    while cells and cells[-1] is None:
        cells.pop()
    start = 0
    for at in range(1, len(cells) + 1):
        if at == len(cells) or cells[at] is not cells[start]:
            part = cells[start]
            character, tone = _LOOKS[part] if part is not None else (" ", Tone.PLAIN)
            if part is Part.WORK and bar.mark is Mark.RUNNING:
                tone = Tone.BUSY
            yield Span(character * (at - start), tone)
            start = at


def summary_line(shown: Timeline, *, is_cut: bool = False) -> Line:
    """Return how much there is, in a line; `is_cut` says that the bars are only the last of very many."""
    count = words.counted(len(shown.bars), "migration")
    return line(span(f"  {f'the last {count}' if is_cut else count}, {words.duration(shown.seconds)}", Tone.QUIET))
