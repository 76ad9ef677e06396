"""Columns of text for fixed-width screens, and the words for times in them."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from zmig.text.terminal import display_width, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

_GAP = "  "
LONGEST_NAME = 200
"""How many cells the name of a migration takes at most, so that one does not put blanks behind all others."""


def lines(rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()) -> list[str]:
    """Return rows as lines of equal columns; those numbered in `right` are aligned to the right."""
    columns = [_column(cells, to_right=number in right) for number, cells in enumerate(zip(*rows, strict=True))]
    return [_GAP.join(cells).rstrip() for cells in zip(*columns, strict=True)]


def _column(cells: Sequence[str], *, to_right: bool) -> list[str]:
    """Return the cells of a column padded to the same width; of a long one many cells are alike."""
    shown = {cell: one_line(cell) for cell in set(cells)}
    widths = {cell: display_width(text) for cell, text in shown.items()}
    width = max(widths.values())
    blanks = {cell: " " * (width - taken) for cell, taken in widths.items()}
    if to_right:
        return [blanks[cell] + shown[cell] for cell in cells]
    return [shown[cell] + blanks[cell] for cell in cells]


def shortened(text: str, width: int) -> str:
    """Return `text` with its middle left out where it is wider than `width` cells; both ends tell more than it."""
    if display_width(text) <= width:
        return text
    tail = _fitting(reversed(text), (width - 1) // 2)[::-1]
    return f"{_fitting(text, width - 1 - display_width(tail))}…{tail}"


def _fitting(characters: Iterable[str], width: int) -> str:
    """Return as many of the first characters as take at most `width` cells."""
    kept = ""
    for character in characters:
        if display_width(kept + character) > width:
            break
        kept += character
    return kept


def duration(seconds: float) -> str:
    """Return a length of time in the unit that suits it."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min"


def moment(value: datetime) -> str:
    """Return a point in time, in UTC, to the second."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "seconds")


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, which takes an s where it is not one."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
