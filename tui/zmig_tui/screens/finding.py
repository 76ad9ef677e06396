"""The half of the main screen that finds: filtered, sorted, gone through."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from textual import on
from textual.widgets import Input

from zmig_tui.models import table as rows
from zmig_tui.models.columns import Widths
from zmig_tui.models.table import Filter, Order, Row
from zmig_tui.screens.actions import RunActions
from zmig_tui.widgets.table import MigrationTable

if TYPE_CHECKING:
    from collections.abc import Sequence


class Finding(RunActions):
    """Keeps the rows, and what the table is narrowed to and sorted by."""

    def __init__(self) -> None:
        super().__init__()
        self.all_rows: Sequence[Row] = ()
        self.widths = Widths()
        """What the columns would take if there were room."""
        self.filter = Filter()
        self._order = Order.PLAN
        self._is_reversed = False

    @property
    def table(self) -> MigrationTable:
        """The table of migrations."""
        return self.query_one(MigrationTable)

    @property
    def row(self) -> Row | None:
        """The row under the cursor."""
        return self.table.row

    def put_rows(self) -> None:
        """Put the rows into the table, filtered and sorted."""
        shown = rows.sort_rows(self.filter(self.all_rows), self._order, is_reversed=self._is_reversed)
        self.table.show(shown, self.widths, order=self._order, is_reversed=self._is_reversed)

    def action_filter(self) -> None:
        """Ask for a filter."""
        field = self.query_one("#filter", Input)
        field.display = True
        field.focus()

    @on(Input.Changed, "#filter")
    def narrow(self, event: Input.Changed) -> None:
        """Show only what fits."""
        self.narrow_to(event.value)

    @on(Input.Submitted, "#filter")
    def keep_filter(self) -> None:
        """Go back to the table, which stays narrowed."""
        self.close_filter()

    def narrow_to(self, text: str) -> None:
        """Show only what fits a filter's text."""
        self.filter = replace(self.filter, text=text)
        self.put_rows()
        self.redraw()

    def close_filter(self) -> None:
        """Take the field for the filter away."""
        field = self.query_one("#filter", Input)
        with self.prevent(Input.Changed):
            field.value = self.filter.text
        field.display = False
        self.table.focus()

    def action_next_troubled(self, step: int) -> None:
        """Go to the next, or the previous, failed or stuck migration."""
        found = rows.next_troubled(self.table.rows, self.table.index, backwards=step < 0)
        if found is None:
            self.say("nothing is failed or stuck")
        else:
            self.table.go_to(found, by_hand=True)

    def action_sort(self) -> None:
        """Sort by the next column."""
        self._order = self._order.following
        self.put_rows()

    def action_reverse(self) -> None:
        """Turn the order round."""
        self._is_reversed = not self._is_reversed
        self.put_rows()
