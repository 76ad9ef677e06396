"""The list of all databases that the console was opened on; enter shows one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer

from zmig.presentation.spans import Tone
from zmig_tui.models import databases
from zmig_tui.pages.databases import database_lines
from zmig_tui.text import line, span
from zmig_tui.widgets.banner import Banner
from zmig_tui.widgets.choices import Choices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from zmig_tui.models.console import ConsoleModel

_SECONDS_BETWEEN_DRAWINGS = 0.5


class DatabasesScreen(Screen[int | None]):
    """Shows a line for each database; is dismissed with the place of the chosen one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,colon", "leave", "Back", key_display="esc", id="databases.leave"),
    ]

    def __init__(self, models: Sequence[ConsoleModel], shown: int) -> None:
        """`shown` is the place of the database that the main screen shows."""
        super().__init__()
        self._models = models
        self._shown_place = shown

    def compose(self) -> ComposeResult:
        """Put a title and a head above the list."""
        yield Banner(id="databases-head")
        yield Choices(id="databases")
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Begin at the database that is shown."""
        self.draw()
        self.choices.focus()
        self.choices.action_go_to(self._shown_place)
        self.set_interval(_SECONDS_BETWEEN_DRAWINGS, self.draw)

    @property
    def choices(self) -> Choices:
        """The list."""
        return self.query_one(Choices)

    def on_resize(self) -> None:
        """Draw for the new width."""
        self.draw()

    def draw(self) -> None:
        """Show all databases as they were seen last."""
        found = databases.summaries(self._models, self._shown_place)
        head, lines = database_lines(found, self.size.width)
        title = line(span(" databases ", Tone.MARK), span(f"  {len(found)}", Tone.QUIET))
        self.query_one("#databases-head", Banner).show([title, line(""), head])
        self.choices.show(lines)

    @on(Choices.Chosen)
    def choose(self, event: Choices.Chosen) -> None:
        """Show the chosen database."""
        self.dismiss(event.index)

    def action_leave(self) -> None:
        """Stay with the database that is shown."""
        self.dismiss(None)
