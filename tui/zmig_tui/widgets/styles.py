"""From tones to the theme's colours, and from lines to strips."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from zmig.presentation.spans import Tone

if TYPE_CHECKING:
    from textual.widget import Widget

    from zmig.presentation.spans import Line


COMPONENT_CLASSES = {f"tone--{tone.value}" for tone in Tone}
"""What a widget that draws lines declares; the style sheet colours them."""


class StyleCache:
    """The styles of one widget's tones, kept until the style sheet says otherwise.

    Textual forgets them with every line that is drawn anew, and working them out is most of what drawing costs.
    """

    def __init__(self, widget: Widget) -> None:
        self._widget = widget
        self._known: dict[str, Style] = {}

    def forget(self) -> None:
        """Work them out again: the theme or the widget's own style is another one."""
        self._known.clear()

    @property
    def base(self) -> Style:
        """The style of a line without anything special."""
        return self.of("tone--plain")

    def of(self, name: str) -> Style:
        """Return the style of a component class on the widget's background."""
        if name not in self._known:
            self._known[name] = self._widget.get_component_rich_style(name)
        return self._known[name]

    def strip(self, shown: Line, base: Style, cells: int, offset: int = 0) -> Strip:
        """Return a line as a strip of `cells`, from the column `offset` on, over the background of `base`."""
        segments = [Segment(piece.text, base + self._laid_over(piece.tone)) for piece in shown]
        return Strip(segments).crop_extend(offset, offset + cells, base)

    def _laid_over(self, tone: Tone) -> Style:
        """Return what a tone changes of a line's style."""
        if tone.value not in self._known:
            name = f"tone--{tone.value}"
            # Only the whole style has a half-transparent colour blended with its background.
            colour = Style(color=self._widget.get_component_rich_style(name).color)
            self._known[tone.value] = self._widget.get_component_rich_style(name, partial=True) + colour
        return self._known[tone.value]
