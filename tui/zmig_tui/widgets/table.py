"""The table of all migrations: any number of rows, of which only the visible ones are drawn.

Textual's DataTable keeps an object for each row and cell, and measures them all. With 10,000 rows of 8 columns on a
screen of 160 x 44 (Textual 8.2, milliseconds of processor time until it is drawn, DataTable's first):

- to fill it: 1,300 and 34 MB, against 75 and 1 MB
- another order, for which DataTable is filled again: 1,450, against 2
- a letter of a filter, which leaves 4,700 rows: 650, against 4
- one row changes: 46, against 2
- a key that moves by a screen: 39, against 7
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView

from zmig.presentation.spans import plain
from zmig_tui.models import columns
from zmig_tui.models.columns import Widths
from zmig_tui.models.rows import Order, Row
from zmig_tui.text import EMPTY
from zmig_tui.widgets import styles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.events import Click, Resize
    from textual.strip import Strip

    from zmig.presentation.spans import Line

_HEAD_LINES = 1


class MigrationTable(ScrollView, can_focus=True):
    """Shows rows under a head that stays, with a cursor that stays on its migration."""

    COMPONENT_CLASSES: ClassVar[set[str]] = styles.COMPONENT_CLASSES | {"table--cursor", "table--head"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False, id="table.up"),
        Binding("down,j", "move(1)", "Down", show=False, id="table.down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="table.page-up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="table.page-down"),
        Binding("home,g", "edge(-1)", "First", show=False, id="table.first"),
        Binding("end,G", "edge(1)", "Last", show=False, id="table.last"),
        Binding("enter", "choose", "Detail", show=False, id="table.choose"),
    ]

    @dataclass
    class Moved(Message):
        """The cursor is on another row, or the row under it has changed."""

        row: Row | None
        by_hand: bool

    @dataclass
    class Chosen(Message):
        """A row was chosen with enter or a double click, or would have been if there were any."""

        row: Row | None

    @dataclass
    class HeadClicked(Message):
        """The head of a column was clicked on."""

        order: Order | None
        """What it sorts by; None for a column that nothing is sorted by."""

    def __init__(self, *, id: str | None = None) -> None:
        self._styles = styles.StyleCache(self)
        super().__init__(id=id)
        self._rows: Sequence[Row] = ()
        self._index = 0
        self._last_key = ""
        """The row that was under the cursor last, for when a filter that nothing fitted is cleared."""
        self._why_empty: Line = EMPTY
        self._measured = Widths()
        self._widths = Widths()
        self._order = Order.PLAN
        self._is_reversed = False

    def notify_style_update(self) -> None:
        """Draw in other colours."""
        self._styles.forget()
        super().notify_style_update()

    @property
    def rows(self) -> Sequence[Row]:
        """The rows as they are shown, from the first to the last."""
        return self._rows

    @property
    def row(self) -> Row | None:
        """The row under the cursor."""
        return self._rows[self._index] if self._index < len(self._rows) else None

    @property
    def index(self) -> int:
        """The row of the cursor, from 0."""
        return self._index

    def show(
        self,
        rows: Sequence[Row],
        widths: Widths,
        *,
        order: Order = Order.PLAN,
        is_reversed: bool = False,
        why_empty: Line = EMPTY,
    ) -> None:
        """Show other rows; `widths` is what their columns would take if there were room.

        `why_empty` is shown where there are no rows.

        The cursor follows its migration, and only changed lines are drawn again.
        """
        before, under = self._rows, self.row
        self._last_key = under.key if under is not None else self._last_key
        self._rows, self._why_empty = rows, why_empty
        is_same_head = (order, is_reversed) == (self._order, self._is_reversed)
        self._order, self._is_reversed = order, is_reversed
        if self._last_key and (self.row is None or self.row.key != self._last_key):
            self._index = next((at for at, row in enumerate(rows) if row.key == self._last_key), self._index)
        self._index = max(0, min(self._index, len(rows) - 1))
        if widths != self._measured or len(before) != len(rows) or not is_same_head:
            self._measured = widths
            self._arrange()
        else:
            top = self.scroll_offset.y
            for index in range(top, min(top + self._visible_rows, len(rows))):
                if rows[index] is not before[index]:
                    self._refresh_row(index)
        self.call_after_refresh(self._reveal)
        if self.row is not under:
            self.post_message(self.Moved(self.row, by_hand=False))

    def go_to(self, index: int, *, by_hand: bool = False) -> None:
        """Put the cursor on a row."""
        index = max(0, min(index, len(self._rows) - 1))
        if index == self._index:
            return
        before, self._index = self._index, index
        self._refresh_row(before)
        self._refresh_row(index)
        self._reveal()
        self.post_message(self.Moved(self.row, by_hand=by_hand))

    def action_move(self, by: int) -> None:
        """Move the cursor by some rows."""
        self.go_to(self._index + by, by_hand=True)

    def action_page(self, direction: int) -> None:
        """Move the cursor by a screen."""
        self.go_to(self._index + direction * max(self._visible_rows - 1, 1), by_hand=True)

    def action_edge(self, direction: int) -> None:
        """Move the cursor to the first or the last row."""
        self.go_to(0 if direction < 0 else len(self._rows) - 1, by_hand=True)

    def action_choose(self) -> None:
        """Choose the row under the cursor."""
        self.post_message(self.Chosen(self.row))

    def on_click(self, event: Click) -> None:
        """Put the cursor where the mouse is; a second click chooses."""
        index = event.y - _HEAD_LINES + self.scroll_offset.y
        if event.y < _HEAD_LINES:
            self.post_message(self.HeadClicked(columns.order_at(self._widths, event.x)))
            return
        if index >= len(self._rows):
            return
        self.go_to(index, by_hand=True)
        if event.chain > 1:
            self.action_choose()

    def on_resize(self, _event: Resize) -> None:
        """Share the width among the columns again."""
        self._arrange()
        self._reveal()

    @property
    def _visible_rows(self) -> int:
        return max(self.scrollable_content_region.height - _HEAD_LINES, 1)

    def _arrange(self) -> None:
        self._widths = columns.fit(self._measured, self.scrollable_content_region.width)
        self.virtual_size = Size(0, len(self._rows) + _HEAD_LINES)
        self.refresh()

    def _reveal(self) -> None:
        """Scroll to the cursor; how far one may scroll is known only once the rows have been laid out."""
        top = self.scroll_offset.y
        if self._index < top:
            self.scroll_to(y=self._index, animate=False, immediate=True)
        elif self._index >= top + self._visible_rows:
            self.scroll_to(y=self._index - self._visible_rows + 1, animate=False, immediate=True)

    def _refresh_row(self, index: int) -> None:
        y = index - self.scroll_offset.y + _HEAD_LINES
        self.refresh(Region(0, y, self.size.width, 1))

    @property
    def texts(self) -> list[str]:
        """The visible part as plain text: the head, then the rows."""
        top = self.scroll_offset.y
        visible = self._rows[top : top + self._visible_rows]
        head = columns.header_line(self._widths, self._order, is_reversed=self._is_reversed)
        below = [columns.row_line(row, self._widths) for row in visible] or [self._why_empty]
        return [plain(head), *map(plain, below)]

    def render_line(self, y: int) -> Strip:
        """Draw the head, or one row."""
        cells = self.size.width
        if y < _HEAD_LINES:
            head = columns.header_line(self._widths, self._order, is_reversed=self._is_reversed)
            return self._styles.strip(head, self._styles.of("table--head"), cells)
        index = y - _HEAD_LINES + self.scroll_offset.y
        if index >= len(self._rows):
            shown = self._why_empty if not self._rows and y == _HEAD_LINES else EMPTY
            return self._styles.strip(shown, self._styles.base, cells)
        shown = columns.row_line(self._rows[index], self._widths, is_under_cursor=index == self._index)
        return self._styles.strip(
            shown, self._styles.of("table--cursor") if index == self._index else self._styles.base, cells
        )
