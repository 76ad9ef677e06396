"""The table of migrations: its rows, what they are filtered and sorted by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig_tui.models.columns import Widths
from zmig_tui.models.filter import Filter
from zmig_tui.models.rows import Order, Row, count_findings, count_states, sort_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zmig.planning.state import State


class TableModel:
    """All rows, and the choice of those that are shown."""

    def __init__(self) -> None:
        self.rows: Sequence[Row] = ()
        """All rows, in the plan's order."""
        self.widths = Widths()
        """What the columns would take if there were room."""
        self.counts: Mapping[State, int] = {}
        """How many migrations are in each state."""
        self.findings: Mapping[str, int] = {}
        """How many have each finding that somebody has to look at."""
        self.is_anything_amiss = False
        """Whether somebody has to look at any."""
        self.filter = Filter()
        self.order = Order.PLAN
        self.is_reversed = False
        self.shown: Sequence[Row] = ()
        """The rows that pass the filter, sorted; kept, because to sort ten thousand at each drawing would be felt."""

    def replace(self, rows: Sequence[Row], widths: Widths) -> bool:
        """Replace all rows; return whether they differ from those before."""
        is_changed = rows is not self.rows
        self.rows, self.widths = rows, widths
        if is_changed:
            self.counts, self.findings = count_states(rows), count_findings(rows)
            self.is_anything_amiss = any(row.is_amiss for row in rows)
            self._choose()
        return is_changed

    def filter_by(self, text: str) -> None:
        """Show only the rows that match a filter's text."""
        self.filter = Filter(text)
        self._choose()

    def sort_by_next_column(self) -> None:
        """Sort by the column after the present one, in a circle."""
        self.order = self.order.following
        self._choose()

    def sort_by(self, order: Order) -> None:
        """Sort by a column; where it is so already, turn the order round."""
        self.is_reversed = not self.is_reversed if order is self.order else False
        self.order = order
        self._choose()

    def reverse(self) -> None:
        """Reverse the order."""
        self.is_reversed = not self.is_reversed
        self._choose()

    def _choose(self) -> None:
        self.shown = sort_rows(self.filter(self.rows), self.order, is_reversed=self.is_reversed)
