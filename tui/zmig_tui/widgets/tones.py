"""From tones to the theme's colours, and from lines to strips."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from zmig_tui.text import Tone

if TYPE_CHECKING:
    from textual.widget import Widget

    from zmig_tui.text import Line

COMPONENT_CLASSES = {f"tone--{tone.value}" for tone in Tone}
"""What a widget that draws lines declares; the style sheet colours them."""


def style(widget: Widget, tone: Tone) -> Style:
    """Return the style of a tone inside a widget, to be laid over the background."""
    name = f"tone--{tone.value}"
    # Only the whole style has a half-transparent colour blended with what is behind it.
    colour = widget.get_component_rich_style(name).color
    return widget.get_component_rich_style(name, partial=True) + Style(color=colour)


def strip(widget: Widget, shown: Line, base: Style, cells: int, offset: int = 0) -> Strip:
    """Return a line as a strip of `cells`, from the column `offset` on."""
    segments = [Segment(one.text, base + style(widget, one.tone)) for one in shown]
    return Strip(segments).crop_extend(offset, offset + cells, base)
