"""A few lines that are as high as they need to be: the heading, the run, what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.widget import Widget

from zmig.presentation.spans import plain
from zmig_tui.text import EMPTY
from zmig_tui.widgets import styles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.geometry import Size
    from textual.strip import Strip

    from zmig.presentation.spans import Line


class Banner(Widget):
    """Shows lines without scrolling; drawn again only where they changed."""

    COMPONENT_CLASSES: ClassVar[set[str]] = styles.COMPONENT_CLASSES

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        self._styles = styles.StyleCache(self)
        super().__init__(id=id, classes=classes)
        self._lines: Sequence[Line] = ()

    def notify_style_update(self) -> None:
        """Draw in other colours."""
        self._styles.forget()
        super().notify_style_update()

    def show(self, lines: Sequence[Line]) -> None:
        """Show other lines."""
        if list(lines) == list(self._lines):
            return
        is_other_height = len(lines) != len(self._lines)
        self._lines = lines
        self.refresh(layout=is_other_height)

    @property
    def texts(self) -> list[str]:
        """The lines as plain text."""
        return [plain(line) for line in self._lines]

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return one row for each line."""
        return len(self._lines)

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        shown = self._lines[y] if 0 <= y < len(self._lines) else EMPTY
        return self._styles.strip(shown, self._styles.base, self.size.width)
