"""The dialog in which an operator says what a migration really is, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from zmig.valueclass import valueclass
from zmig_tui.screens.dialog import Dialog
from zmig_tui.text import Line, Tone, line, span
from zmig_tui.widgets.banner import Banner

if TYPE_CHECKING:
    from textual.app import ComposeResult

_VERDICTS = {
    "done": "done: its changes are in the database, it will not run again",
    "failed": "failed: it is to be retried, or rolled back by hand",
    "pending": "pending: nothing of it is in the database, it will run again",
}


@valueclass
class Resolution:
    """What was decided."""

    verdict: str
    reason: str


class Resolving(Dialog[Resolution | None]):
    """Asks for a verdict and a reason."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave it", key_display="esc", id="dialog.leave"),
        Binding("tab", "app.focus_next", "Next field", id="dialog.next"),
    ]

    def __init__(self, name: str, facts: list[Line]) -> None:
        super().__init__(f"resolve {name} as …", facts, tone=Tone.WARN)

    @property
    def rows_below(self) -> int:
        """How many rows the verdicts and the reason take."""
        return len(_VERDICTS) + 4

    def compose_more(self) -> ComposeResult:
        """Ask for the verdict, then for the reason."""
        yield OptionList(*(Option(Content(text), id=verdict) for verdict, text in _VERDICTS.items()), id="verdicts")
        yield Banner(id="dialog-question")
        yield Input(id="reason", placeholder="what makes this right; it stands in the history for ever")

    def begin(self) -> None:
        """Begin with the verdict."""
        self.query_one("#dialog-question", Banner).show([line(span("reason, then enter:", Tone.QUIET))])
        verdicts = self.query_one("#verdicts", OptionList)
        verdicts.highlighted = 0
        verdicts.focus()

    @on(OptionList.OptionSelected)
    def ask_for_reason(self) -> None:
        """Go on to the reason."""
        self.query_one("#reason", Input).focus()

    @on(Input.Submitted)
    def decide(self) -> None:
        """Decide, if there is a reason."""
        verdicts = self.query_one("#verdicts", OptionList)
        chosen = verdicts.highlighted_option
        reason = self.query_one("#reason", Input)
        if chosen is None or chosen.id is None or not reason.value.strip():
            reason.add_class("-wrong")
            return
        self.dismiss(Resolution(chosen.id, reason.value.strip()))

    def action_leave(self) -> None:
        """Decide nothing."""
        self.dismiss(None)
