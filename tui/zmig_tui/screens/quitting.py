"""The dialog for leaving while a run is under way."""

from __future__ import annotations

from enum import Enum, auto
from typing import ClassVar

from textual.binding import Binding, BindingType

from zmig_tui.screens.dialog import Dialog
from zmig_tui.text import Tone, line, span
from zmig_tui.widgets.banner import Banner


class Leaving(Enum):
    """What to do with the run."""

    STAY = auto()
    WAIT = auto()
    CANCEL = auto()


class Quitting(Dialog[Leaving]):
    """Asks whether to wait for the run, to cancel it, or to stay; once it has ended, only whether to quit."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("w", "leave('WAIT')", "Wait for its end, then quit", id="quit.wait"),
        Binding("c", "leave('CANCEL')", "Cancel it, then quit", id="quit.cancel"),
        Binding("w", "quit", "Quit", id="quit.now"),
        Binding("escape,s,q", "leave('STAY')", "Stay", key_display="esc", id="quit.stay"),
    ]

    def __init__(self, verb: str) -> None:
        text = [
            line(span(verb, Tone.STRONG), " is still running."),
            line(""),
            line(span("w", Tone.ACCENT), "    wait: let it go on, and quit when it has ended"),
            line(span("c", Tone.ACCENT), "    cancel: end the running statement, record that, and quit"),
            line(span("esc", Tone.ACCENT), "  stay"),
        ]
        super().__init__("quit in the middle of a run?", text, tone=Tone.WARN)
        self._verb = verb
        self._has_ended = False

    def tell_end(self, outcome: str) -> None:
        """Say that the run has ended meanwhile, and how."""
        self._has_ended = True
        self._text = [
            line(span(self._verb, Tone.STRONG), f" has ended: {outcome}."),
            line(""),
            line(span("w", Tone.ACCENT), "    quit"),
            line(span("esc", Tone.ACCENT), "  stay"),
        ]
        self._heads = [line(span("quit?", Tone.WARN))]
        if self.is_mounted:
            self.query_one("#dialog-title", Banner).show(self._heads)
            self.text.show(self._text)
            self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer what can be done with the run while it is under way."""
        if action == "quit":
            return self._has_ended
        return not self._has_ended or parameters == ("STAY",)

    def action_leave(self, choice: str) -> None:
        """Answer."""
        self.dismiss(Leaving[choice])

    def action_quit(self) -> None:
        """Answer that nothing holds the console any more."""
        self.dismiss(Leaving.WAIT)
