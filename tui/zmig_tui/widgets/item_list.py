"""A list of items of several lines, with a cursor on one of them; only what is visible is made and drawn."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, ClassVar, Protocol

from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView

from zmig.presentation.spans import Span, Tone, plain
from zmig_tui.text import EMPTY
from zmig_tui.widgets import styles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.events import Click, Resize
    from textual.strip import Strip

    from zmig.presentation.spans import Line

MARK_CELLS = 2
"""What the mark of the cursor takes of each line."""


class Items(Protocol):
    """What a list shows."""

    @property
    def heights(self) -> Sequence[int]:
        """How many lines each item takes."""
        ...

    def lines(self, index: int, /) -> Sequence[Line]:
        """Return the lines of one item."""
        ...


class ItemList(ScrollView, can_focus=True):
    """Shows items."""

    COMPONENT_CLASSES: ClassVar[set[str]] = styles.COMPONENT_CLASSES | {"list--cursor"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False, id="list.up"),
        Binding("down,j", "move(1)", "Down", show=False, id="list.down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="list.page-up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="list.page-down"),
        Binding("home,g", "edge(-1)", "First", show=False, id="list.first"),
        Binding("end,G", "edge(1)", "Last", show=False, id="list.last"),
    ]

    @dataclass
    class Moved(Message):
        """The cursor is on another item."""

        index: int

    @dataclass
    class Resized(Message):
        """There is another width for the items."""

        cells: int

    def __init__(self, *, id: str | None = None) -> None:
        self._styles = styles.StyleCache(self)
        super().__init__(id=id)
        self._items: Items | None = None
        self._ends: list[int] = []
        """After the last line of each item."""
        self._index = 0

    def notify_style_update(self) -> None:
        """Draw in other colours."""
        self._styles.forget()
        super().notify_style_update()

    @property
    def index(self) -> int:
        """The item that the cursor is on, from 0."""
        return self._index

    @property
    def cells(self) -> int:
        """The width that there is for an item's lines."""
        return max(self.scrollable_content_region.width - MARK_CELLS, 1)

    def show(self, items: Items) -> None:
        """Show other items; the cursor stays where it is."""
        self._items = items
        self._ends = list(accumulate(items.heights))
        self._index = max(0, min(self._index, len(self._ends) - 1))
        self.virtual_size = Size(0, self._ends[-1] if self._ends else 0)
        self.refresh()
        self.call_after_refresh(self._reveal)

    def go_to(self, index: int) -> None:
        """Put the cursor on an item."""
        index = max(0, min(index, len(self._ends) - 1))
        if index == self._index:
            return
        self._index = index
        self._reveal()
        self.refresh()
        self.post_message(self.Moved(index))

    def action_move(self, by: int) -> None:
        """Move the cursor by some items."""
        self.go_to(self._index + by)

    def action_page(self, direction: int) -> None:
        """Move the cursor by about a screen."""
        top = self._top(self._index) + direction * max(self.size.height - 1, 1)
        target = self._at(max(0, top))
        self.go_to(target if target != self._index else self._index + direction)

    def action_edge(self, direction: int) -> None:
        """Move the cursor to the first or the last item."""
        self.go_to(0 if direction < 0 else len(self._ends) - 1)

    def on_click(self, event: Click) -> None:
        """Put the cursor where the mouse is."""
        line = event.y + self.scroll_offset.y
        if self._ends and line < self._ends[-1]:
            self.go_to(self._at(line))

    def on_resize(self, _event: Resize) -> None:
        """Ask for items of another width."""
        self.post_message(self.Resized(self.cells))

    def _at(self, line: int) -> int:
        """Return the item that a line belongs to."""
        return min(bisect_right(self._ends, line), len(self._ends) - 1)

    def _top(self, index: int) -> int:
        return self._ends[index - 1] if index > 0 else 0

    def _reveal(self) -> None:
        """Scroll so that the whole item is seen, or its beginning."""
        if not self._ends or self.size.height < 1:
            return
        top, bottom, height = self._top(self._index), self._ends[self._index], self.size.height
        offset = self.scroll_offset.y
        if bottom - offset > height:
            offset = bottom - height
        self.scroll_to(y=min(offset, top), animate=False, immediate=True)

    @property
    def texts(self) -> list[str]:
        """The lines of all items as plain text."""
        items = self._items
        return [] if items is None else [plain(one) for at in range(len(self._ends)) for one in items.lines(at)]

    def render_line(self, y: int) -> Strip:
        """Draw one line of one item."""
        line, cells = y + self.scroll_offset.y, self.size.width
        if self._items is None or not self._ends or line >= self._ends[-1]:
            return self._styles.strip(EMPTY, self._styles.base, cells)
        index = self._at(line)
        shown = self._items.lines(index)[line - self._top(index)]
        is_under_cursor = index == self._index
        mark = Span("▌ " if is_under_cursor else "  ", Tone.ACCENT)
        base = self._styles.of("list--cursor") if is_under_cursor else self._styles.base
        return self._styles.strip((mark, *shown), base, cells)
