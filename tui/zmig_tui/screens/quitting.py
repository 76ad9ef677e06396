"""The dialog for leaving while a run is under way."""

from __future__ import annotations

from enum import Enum, auto
from typing import ClassVar

from textual.binding import Binding, BindingType

from zmig_tui.screens.dialog import Dialog
from zmig_tui.text import Tone, line, span


class Leaving(Enum):
    """What to do with the run."""

    STAY = auto()
    WAIT = auto()
    CANCEL = auto()


class Quitting(Dialog[Leaving]):
    """Asks whether to wait for the run, to cancel it, or to stay."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("w", "leave('WAIT')", "Wait for its end, then quit", id="quit.wait"),
        Binding("c", "leave('CANCEL')", "Cancel it, then quit", id="quit.cancel"),
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

    def action_leave(self, choice: str) -> None:
        """Answer."""
        self.dismiss(Leaving[choice])
