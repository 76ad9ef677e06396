"""A part of the screen whose left edge is dragged with the mouse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.containers import Vertical
from textual.message import Message

if TYPE_CHECKING:
    from textual.events import Click, MouseDown, MouseEvent, MouseMove, MouseUp

_LEAST_CELLS = 30
"""What stays of it."""
_LEAST_CELLS_BESIDE = 40
"""What stays of the part beside it."""


def width_of(share: float, cells: int) -> int:
    """Return the cells for a share of `cells`, within the limits."""
    return max(min(round(share * cells), cells - _LEAST_CELLS_BESIDE), _LEAST_CELLS)


class Splitter(Vertical):
    """Takes what is right of its edge; a double click on the edge gives the style sheet's width back."""

    ALLOW_SELECT: ClassVar[bool] = False

    @dataclass
    class Moved(Message):
        """The edge was dragged."""

        share: float | None
        """How much of the width is right of it; None for what the style sheet says."""

    share: float | None = None
    """How much of the width it was dragged to."""
    _is_dragged = False

    def share_width(self, *, is_alone: bool) -> None:
        """Take the share it was dragged to; all of the width if it `is_alone`, without anything beside it."""
        if self.share is None or is_alone:
            self.styles.width = None
        else:
            self.styles.width = width_of(self.share, self.screen.size.width)

    def on_mouse_down(self, event: MouseDown) -> None:
        """Take hold of the edge."""
        if self._is_edge(event):
            self._is_dragged = True
            self.capture_mouse()

    def _is_edge(self, event: MouseEvent) -> bool:
        # What comes from a part inside counts columns from that part's edge.
        return event.screen_x == self.region.x > 0

    def on_mouse_move(self, event: MouseMove) -> None:
        """Move the edge with the mouse."""
        if self._is_dragged:
            self.share = (self.region.right - event.screen_x) / self.screen.size.width
            self.share_width(is_alone=False)

    def on_mouse_up(self, _event: MouseUp) -> None:
        """Let go of the edge."""
        if self._is_dragged:
            self._is_dragged = False
            self.release_mouse()
            self.post_message(self.Moved(self.share))

    def on_click(self, event: Click) -> None:
        """Give the usual width back after a double click on the edge."""
        if self._is_edge(event) and event.chain > 1:
            self.share = None
            self.share_width(is_alone=False)
            self.post_message(self.Moved(None))
