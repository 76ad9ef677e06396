"""A scrollable text of lines, wrapped to the width or scrolled sideways; only what is visible is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from zmig.presentation.spans import plain
from zmig.text.terminal import display_width
from zmig_tui.text import EMPTY, width, wrapped
from zmig_tui.widgets import styles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.events import Resize
    from textual.selection import Selection

    from zmig.presentation.spans import Line


class Lines(ScrollView, can_focus=True):
    """Shows lines."""

    COMPONENT_CLASSES: ClassVar[set[str]] = styles.COMPONENT_CLASSES
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", show=False),
        Binding("k", "scroll_up", show=False),
        Binding("g", "scroll_home", show=False),
        Binding("G", "scroll_end", show=False),
    ]

    def __init__(self, *, wrap: bool = True, id: str | None = None, classes: str | None = None) -> None:
        self._styles = styles.StyleCache(self)
        super().__init__(id=id, classes=classes)
        self._wrap = wrap
        self._lines: Sequence[Line] = ()
        self._shown: Sequence[Line] = ()
        self._longest = 0

    def notify_style_update(self) -> None:
        """Draw in other colours."""
        self._styles.forget()
        super().notify_style_update()

    def show(self, lines: Sequence[Line], *, wrap: bool | None = None) -> None:
        """Show other lines; the place in the text stays where it is."""
        if lines == self._lines and wrap in (None, self._wrap):
            return
        self._lines = lines
        if wrap is not None:
            self._wrap = wrap
        self._arrange()

    @property
    def texts(self) -> list[str]:
        """The lines as plain text, as they are shown."""
        return [plain(line) for line in self._shown]

    def reveal(self, number: int) -> None:
        """Scroll so that the line of this 0-based number is a third below the top."""
        self.scroll_to(y=max(0, number - self.size.height // 3), animate=False)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return how many lines there are at a width, before the text was ever laid out to it."""
        cells = width - self.scrollbar_gutter.width
        if not self._wrap or cells <= 0:
            return super().get_content_height(container, viewport, width)
        return sum(1 for line in self._lines for _ in wrapped(line, cells))

    def on_resize(self, _event: Resize) -> None:
        """Wrap the text again."""
        self._arrange()

    def _arrange(self) -> None:
        cells = self.scrollable_content_region.width
        if self._wrap and cells > 0:
            self._shown = [piece for line in self._lines for piece in wrapped(line, cells)]
            self._longest = 0
        else:
            self._shown = self._lines
            self._longest = max(map(width, self._shown), default=0)
        self.virtual_size = Size(self._longest, len(self._shown))
        self.refresh()

    def get_selection(self, selection: Selection) -> tuple[str, str]:
        """Return the text that is selected with the mouse, as it is shown."""
        return selection.extract("\n".join(self.texts)), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """Draw what is selected, or is no longer."""
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw one line of the visible part."""
        left, top = self.scroll_offset
        index = top + y
        shown = self._shown[index] if index < len(self._shown) else EMPTY
        strip = self._styles.strip(shown, self._styles.base, self.size.width, left)
        selection = self.text_selection
        span = selection.get_span(index) if selection is not None and index < len(self._shown) else None
        if span is not None:
            strip = self._selected(strip, span, plain(shown), left)
        # By this the mouse knows which character it is on.
        return strip.apply_offsets(left, index)

    def _selected(self, strip: Strip, span: tuple[int, int], text: str, left: int) -> Strip:
        """Return a line with some of its characters, from `span`, as selected; `left` columns are out of sight."""
        start, end = span[0], len(text) if span[1] < 0 else span[1]
        cuts = [max(display_width(text[:at]) - left, 0) for at in (start, end)]
        cells = strip.cell_length
        before, within, after = strip.divide([min(cuts[0], cells), min(cuts[1], cells), cells])
        style = self.screen.get_component_rich_style("screen--selection")
        return Strip.join([before, within.apply_style(style), after])
