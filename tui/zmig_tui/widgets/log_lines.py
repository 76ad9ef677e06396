"""The lines of a log: they follow its end until somebody scrolls up."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.geometry import Size

from zmig_tui.text import wrapped
from zmig_tui.widgets.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig.presentation.spans import Line


class LogLines(Lines):
    """Shows lines of which more come at the end."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("end,G", "go_to_end", "Follow the end", id="log.end"),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._starts: list[int] = []
        """Where on the screen each line begins."""
        self._cells = 0
        self._wrapped: dict[Line, tuple[Line, ...]] = {}
        """What the lines are at that width: to wrap 2,000 of them again would take 160 ms."""
        self.follows = True
        """Whether the end stays in sight."""

    def show(self, lines: Sequence[Line], *, wrap: bool | None = None) -> None:
        """Show other lines; where the end was in sight, it stays there."""
        follows = self.follows
        super().show(lines, wrap=wrap)
        if follows:
            self.go_to_end()

    def action_go_to_end(self) -> None:
        """Show the end, and keep it in sight."""
        self.go_to_end()

    def go_to_end(self) -> None:
        """Show the end, and keep it in sight."""
        self.follows = True
        self.call_after_refresh(self._go_to_end)

    def _go_to_end(self) -> None:
        if self.follows:
            self.scroll_to(y=self.max_scroll_y, animate=False, immediate=True)

    def go_to(self, number: int) -> None:
        """Show the line of this 0-based number."""
        if number < len(self._starts):
            self.follows = False
            self.scroll_to(y=max(0, self._starts[number] - self.size.height // 3), animate=False, immediate=True)
            self.follows = self.scroll_y >= self.max_scroll_y

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Follow the end while it is in sight."""
        super().watch_scroll_y(old_value, new_value)
        if new_value != old_value:
            self.follows = new_value >= self.max_scroll_y

    def _arrange(self) -> None:
        cells = max(self.scrollable_content_region.width, 1)
        before = self._wrapped if cells == self._cells else {}
        self._cells, self._wrapped, self._starts = cells, {}, []
        pieces: list[Line] = []
        for line in self._lines:
            self._starts.append(len(pieces))
            found = before.get(line)
            self._wrapped[line] = of_line = tuple(wrapped(line, cells)) if found is None else found
            pieces += of_line
        self._shown = pieces
        self.virtual_size = Size(0, len(pieces))
        self.refresh()
        if self.follows:
            self.go_to_end()
