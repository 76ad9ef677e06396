"""The dialog that asks which one of several backends is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from zmig_tui.screens.dialog import Dialog
from zmig_tui.text import line, plain, span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult


class Picking(Dialog[int | None]):
    """Asks for one of several; answers with its place among them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", "None of them", key_display="esc", id="dialog.leave"),
    ]

    def __init__(self, title: str, question: str, choices: Sequence[str]) -> None:
        super().__init__(title, [line(question)])
        self._choices = choices

    @property
    def rows_below(self) -> int:
        """How many rows the choices take."""
        return len(self._choices) + 1

    def compose_more(self) -> ComposeResult:
        """List the choices."""
        yield OptionList(*(Option(Content(plain((span(choice),)))) for choice in self._choices), id="choices")

    def begin(self) -> None:
        """Begin at the first one."""
        choices = self.query_one("#choices", OptionList)
        choices.highlighted = 0
        choices.focus()

    @on(OptionList.OptionSelected)
    def pick(self, event: OptionList.OptionSelected) -> None:
        """Answer."""
        self.dismiss(event.option_index)

    def action_leave(self) -> None:
        """Pick none."""
        self.dismiss(None)
