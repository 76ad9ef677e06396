"""Lines that belong to items, with a cursor on one item; lines of no item are between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from zmig_tui.text import EMPTY
from zmig_tui.widgets import styles
from zmig_tui.widgets.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.events import Click
    from textual.strip import Strip

    from zmig.presentation.spans import Line


class ItemLines(Lines):
    """Shows items of one or more lines, which are not wrapped."""

    COMPONENT_CLASSES: ClassVar[set[str]] = styles.COMPONENT_CLASSES | {"table--cursor"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False, id="items.up"),
        Binding("down,j", "move(1)", "Down", show=False, id="items.down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="items.page-up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="items.page-down"),
        Binding("home,g", "go_to(0)", "First", show=False, id="items.first"),
        Binding("end,G", "go_to(-1)", "Last", show=False, id="items.last"),
        Binding("enter", "choose", "Whole query", id="items.choose"),
    ]

    @dataclass
    class Moved(Message):
        """The cursor is on another item."""

        index: int

    @dataclass
    class Chosen(Message):
        """An item was chosen."""

        index: int

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(wrap=False, id=id)
        self._owners: Sequence[int | None] = ()
        self.index = 0
        """The item under the cursor."""

    def show_items(self, lines: Sequence[Line], owners: Sequence[int | None], index: int) -> None:
        """Show lines, each with the item that it belongs to, and put the cursor on one of these."""
        is_moved = index != self.index or owners != self._owners
        self._owners, self.index = owners, index
        self.show(lines)
        if is_moved:
            self.refresh()
            self.call_after_refresh(self._reveal)

    @property
    def count(self) -> int:
        """How many items there are."""
        return max((owner for owner in self._owners if owner is not None), default=-1) + 1

    def action_move(self, by: int) -> None:
        """Move the cursor by some items."""
        self._go_to(self.index + by)

    def action_page(self, direction: int) -> None:
        """Move the cursor by about a screen."""
        lines_of_item = max(sum(owner == self.index for owner in self._owners), 1)
        self._go_to(self.index + direction * max(self.size.height // lines_of_item - 1, 1))

    def action_go_to(self, index: int) -> None:
        """Put the cursor on an item; -1 is the last."""
        self._go_to(self.count - 1 if index < 0 else index)

    def _go_to(self, index: int) -> None:
        self.index = max(0, min(index, self.count - 1))
        self._reveal()
        self.refresh()
        self.post_message(self.Moved(self.index))

    def action_choose(self) -> None:
        """Choose the item under the cursor."""
        if self.count:
            self.post_message(self.Chosen(self.index))

    def on_click(self, event: Click) -> None:
        """Put the cursor where the mouse is; a second click chooses."""
        line = event.y + self.scroll_offset.y
        owner = self._owners[line] if line < len(self._owners) else None
        if owner is not None:
            self._go_to(owner)
            if event.chain > 1:
                self.action_choose()

    def _reveal(self) -> None:
        """Scroll so that all lines of the item are seen; of the first one those above it, too."""
        of_item = [line for line, owner in enumerate(self._owners) if owner == self.index]
        if not of_item:
            return
        top, bottom = (0 if self.index == 0 else of_item[0]), of_item[-1] + 1
        offset, height = self.scroll_offset.y, max(self.size.height, 1)
        if top < offset:
            self.scroll_to(y=top, animate=False, immediate=True)
        elif bottom > offset + height:
            self.scroll_to(y=bottom - height, animate=False, immediate=True)

    def render_line(self, y: int) -> Strip:
        """Draw one line of the visible part."""
        left, top = self.scroll_offset
        number = top + y
        shown = self._shown[number] if number < len(self._shown) else EMPTY
        is_chosen = number < len(self._owners) and self._owners[number] == self.index
        base = self._styles.of("table--cursor") if is_chosen else self._styles.base
        return self._styles.strip(shown, base, self.size.width, left)
