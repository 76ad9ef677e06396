"""Columns of text for fixed-width screens."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from zmig.text.terminal import display_width, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_GAP = "  "
LONGEST_NAME = 200
"""How many cells the name of a migration takes at most, so that one does not put blanks after all others."""


def lines(rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()) -> list[str]:
    """Return rows as lines of equal columns; those numbered in `right` are aligned to the right."""
    columns = [_column(cells, to_right=number in right) for number, cells in enumerate(zip(*rows, strict=True))]
    return [_GAP.join(cells).rstrip() for cells in zip(*columns, strict=True)]


def blocks(rows: Iterable[Sequence[str]], *, size: int = 1000) -> Iterator[list[str]]:
    """Yield any number of rows as lines, `size` at a time; columns are as wide as in all rows so far."""
    widest: tuple[str, ...] = ()
    iterator = iter(rows)
    while block := list(islice(iterator, size)):
        held = [widest] if widest else []
        yield lines([*held, *block])[len(held) :]
        widest = tuple(max(cells, key=_shown_width) for cells in zip(*held, *block, strict=True))


def _shown_width(cell: str) -> int:
    return display_width(one_line(cell))


def _column(cells: Sequence[str], *, to_right: bool) -> list[str]:
    """Return the cells of a column padded to the same width; of a long one many cells are alike."""
    shown = {cell: one_line(cell) for cell in set(cells)}
    widths = {cell: display_width(text) for cell, text in shown.items()}
    width = max(widths.values())
    blanks = {cell: " " * (width - taken) for cell, taken in widths.items()}
    if to_right:
        return [blanks[cell] + shown[cell] for cell in cells]
    return [shown[cell] + blanks[cell] for cell in cells]
