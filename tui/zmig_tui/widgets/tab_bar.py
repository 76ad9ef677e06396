"""The names of the pages about a migration; a click turns to one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

from zmig.presentation.spans import Span, Tone
from zmig_tui.models.details import Tab
from zmig_tui.widgets.banner import Banner

if TYPE_CHECKING:
    from textual.events import Click


class TabBar(Banner):
    """A line with a name for each page."""

    @dataclass
    class Clicked(Message):
        """A name was clicked on."""

        tab: Tab

    def mark(self, shown: Tab) -> None:
        """Mark the page that is shown."""
        spans: list[Span] = [Span(" ")]
        self._places: list[tuple[range, Tab]] = []
        column = 1
        for number, tab in enumerate(Tab, start=1):
            name = Span(f" {number} {tab.value} ", Tone.MARK if tab is shown else Tone.QUIET)
            spans += [name, Span(" ")]
            self._places.append((range(column, column + name.width), tab))
            column += name.width + 1
        self.show([tuple(spans)])

    def on_click(self, event: Click) -> None:
        """Say which name is under the mouse."""
        event.stop()
        tab = next((tab for columns, tab in self._places if event.x in columns), None)
        if tab is not None:
            self.post_message(self.Clicked(tab))
