"""How the table's columns share a width: what matters least gives way first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.presentation import words
from zmig.presentation.spans import Line, Span, Tone
from zmig.text.terminal import display_width
from zmig.valueclass import replace, valueclass
from zmig_tui.models.rows import Order
from zmig_tui.text import padded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from dataclasses import KW_ONLY

    from zmig_tui.models.rows import Row

_GAP = "  "
_STATE_CELLS = 9
_SHORT_WHEN_CELLS = 11
_WHEN_CELLS = 16
_LEAST_NAME_CELLS = 8
_CONCESSIONS: tuple[int | tuple[str, int], ...] = (
    40, ("by", 8), ("when", _SHORT_WHEN_CELLS), 30, ("by", 0), ("findings", 16), ("kind", 0), 24, ("findings", 12), 18,
    ("took", 0), ("when", 0), ("findings", 6), _LEAST_NAME_CELLS,
)  # fmt: skip
"""What gives way where there is not room for all, one after another, each shortened before it vanishes.

A number is what a name is content with, which is shortened in its middle; a column comes with the most it gets.
"""


@valueclass
class Widths:
    """The cells of each column; 0 leaves a column out."""

    _: KW_ONLY
    version: int = 0
    name: int = 0
    kind: int = 0
    when: int = 0
    took: int = 0
    by: int = 0
    findings: int = 0

    @property
    def taken(self) -> int:
        """The cells that all columns but the name take, with the gaps between them."""
        columns = (self.version, self.kind, self.when, self.took, self.by, self.findings)
        return 2 + _STATE_CELLS + len(_GAP) + sum(cells + len(_GAP) for cells in columns if cells)


def measure(rows: Sequence[Row]) -> Widths:
    """Return what the rows would take if there were room for everything."""

    def widest(head: str, cells: set[str]) -> int:
        longest = max(map(display_width, cells), default=0)
        return max(longest, len(head)) if longest else 0

    return Widths(
        version=max(widest("ver", {str(row.version or "") for row in rows}), 3),
        name=widest("name", {row.name for row in rows}),
        kind=widest("kind", {row.kind for row in rows}),
        when=_WHEN_CELLS if any(row.when for row in rows) else 0,
        took=widest("took", {row.took for row in rows}),
        by=min(widest("by", {row.by for row in rows}), 16),
        findings=min(widest("findings", {row.findings for row in rows}), 28),
    )


def fit(wanted: Widths, cells: int) -> Widths:
    """Return how the columns share `cells`: the name takes what the others leave, as far as it needs it."""
    widths = wanted
    least = name = max(wanted.name, _LEAST_NAME_CELLS)
    for concession in _CONCESSIONS:
        if cells - widths.taken >= least:
            break
        match concession:
            case int():
                least = min(least, concession)
            case column, most:
                widths = replace(widths, **{column: min(getattr(widths, column), most)})
    return replace(widths, name=max(min(cells - widths.taken, name), _LEAST_NAME_CELLS))


def order_at(widths: Widths, column: int) -> Order | None:
    """Return what rows are sorted by where the head has a column of the screen; None where they are by nothing."""
    heads = (
        (_STATE_CELLS, Order.STATE),
        (widths.version, Order.PLAN),
        (widths.name, Order.NAME),
        (widths.kind, None),
        (widths.when, Order.WHEN),
        (widths.took, Order.TOOK),
    )
    start = 1
    for cells, order in heads:
        if cells and start <= column < start + cells:
            return order
        start += cells + len(_GAP) if cells else 0
    return None


def header_line(widths: Widths, order: Order, *, is_reversed: bool) -> Line:
    """Return the line above the rows; the column that sorts carries an arrow."""

    def title(text: str, sorts: Order | None = None) -> str:
        return text if sorts is not order else f"{text} {'▲' if is_reversed else '▼'}"

    cells = [
        padded(title("state", Order.STATE), _STATE_CELLS),
        padded("ver", widths.version, to_right=True),
        padded(title("name", Order.NAME), widths.name),
        padded("kind", widths.kind),
        padded(title("when (UTC)", Order.WHEN), widths.when),
        padded(title("took", Order.TOOK), widths.took, to_right=True),
        padded("by", widths.by),
        padded("findings", widths.findings),
    ]
    return (Span(" " + _GAP.join(cell for cell in cells if cell), Tone.QUIET),)


def row_line(row: Row, widths: Widths, *, is_under_cursor: bool = False) -> Line:
    """Return a row as a line; the cursor is a mark besides a colour."""
    lead = Span("▌" if is_under_cursor else " ", Tone.ACCENT)
    when = row.when if widths.when >= _WHEN_CELLS else row.when[5:]
    parts = [
        Span(padded(f"{row.glyph} {words.state(row.state)}", _STATE_CELLS), row.tone),
        Span(padded(str(row.version or ""), widths.version, to_right=True), Tone.QUIET),
        Span(padded(row.name, widths.name), Tone.STRONG if row.is_troubled else Tone.PLAIN),
        Span(padded(row.kind, widths.kind), Tone.QUIET),
        Span(padded(when, widths.when), Tone.PLAIN),
        Span(padded(row.took, widths.took, to_right=True), Tone.PLAIN),
        Span(padded(row.by, widths.by), Tone.QUIET),
        Span(padded(row.findings, widths.findings), Tone.WARN if row.has_warning else Tone.ACCENT),
    ]
    line: list[Span] = []
    for part in parts:
        if part.text:
            line += [Span(_GAP), part] if line else [part]
    return (lead, *line)
