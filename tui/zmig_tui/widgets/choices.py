"""Lines of which one is chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from zmig_tui.text import EMPTY
from zmig_tui.widgets import styles
from zmig_tui.widgets.lines import Lines

if TYPE_CHECKING:
    from textual.events import Click
    from textual.strip import Strip


class Choices(Lines):
    """Shows lines that are not wrapped, with a cursor on one of them."""

    COMPONENT_CLASSES: ClassVar[set[str]] = styles.COMPONENT_CLASSES | {"table--cursor"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("home,g", "go_to(0)", show=False),
        Binding("end,G", "go_to(-1)", show=False),
        Binding("enter", "choose", "Show", key_display="enter", id="choices.choose"),
    ]

    @dataclass
    class Chosen(Message):
        """A line was chosen."""

        index: int

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(wrap=False, id=id)
        self.index = 0
        """The line under the cursor."""

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        self.action_go_to(max(self.index + by, 0))

    def action_go_to(self, index: int) -> None:
        """Put the cursor on a line; -1 is the last."""
        last = max(len(self._lines) - 1, 0)
        self.index = last if index < 0 else min(index, last)
        top, height = self.scroll_offset.y, max(self.size.height, 1)
        if not top <= self.index < top + height:
            self.scroll_to(y=max(self.index - height + 1, 0) if self.index > top else self.index, animate=False)
        self.refresh()

    def action_choose(self) -> None:
        """Choose the line under the cursor."""
        self.post_message(self.Chosen(self.index))

    def on_click(self, event: Click) -> None:
        """Put the cursor where the mouse is; a second click chooses."""
        index = event.y + self.scroll_offset.y
        if index < len(self._lines):
            self.action_go_to(index)
            if event.chain > 1:
                self.action_choose()

    def render_line(self, y: int) -> Strip:
        """Draw one line of the visible part."""
        left, top = self.scroll_offset
        index = top + y
        shown = self._shown[index] if index < len(self._shown) else EMPTY
        base = self._styles.of("table--cursor") if index == self.index else self._styles.base
        return self._styles.strip(shown, base, self.size.width, left)
