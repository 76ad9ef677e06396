"""Dialogs: a text to read, and a question to agree to."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Footer, Input

from zmig_tui.text import Tone, line, span
from zmig_tui.widgets.banner import Banner
from zmig_tui.widgets.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from zmig_tui.text import Line

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer]):
    """A titled box over the screen, with a text that may be scrolled."""

    def __init__(self, title: str, lines: Sequence[Line], *, tone: Tone = Tone.ACCENT, wrap: bool = True) -> None:
        super().__init__()
        self._title = line(span(title, tone))
        self._text = lines
        self._wrap = wrap
        self._is_alarming = tone in (Tone.BAD, Tone.ALARM)

    def compose(self) -> ComposeResult:
        """Put title, text and keys into a box."""
        with Vertical(id="dialog", classes="-alarming" if self._is_alarming else ""):
            yield Banner(id="dialog-title")
            yield Lines(id="dialog-text", wrap=self._wrap)
            yield from self.compose_more()
            yield Footer(compact=True, show_command_palette=False)

    def compose_more(self) -> ComposeResult:
        """Add what stands below the text."""
        yield from ()

    def on_mount(self) -> None:
        """Fill in the text."""
        self.query_one("#dialog-title", Banner).show([self._title])
        self.text.show(self._text)
        self.begin()

    def begin(self) -> None:
        """Fill in what stands below the text, and put the cursor where it is needed."""
        self.text.focus()

    @property
    def text(self) -> Lines:
        """The text of the dialog."""
        return self.query_one("#dialog-text", Lines)


class Reading(Dialog[None]):
    """A text to read."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "leave", "Close", key_display="esc", id="dialog.close"),
    ]

    def action_leave(self) -> None:
        """Close the dialog."""
        self.dismiss(None)


class Confirming(Dialog[bool]):
    """A question; where much is at stake, a word has to be typed to agree."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,y", "agree", "Yes, do it", key_display="enter", id="dialog.agree"),
        Binding("escape,n,q", "leave", "No", key_display="esc", id="dialog.leave"),
    ]

    def __init__(
        self, title: str, lines: Sequence[Line], *, must_type: str | None = None, tone: Tone = Tone.ACCENT
    ) -> None:
        """`must_type` is what has to be typed before enter agrees; None asks for enter alone."""
        super().__init__(title, lines, tone=tone)
        self._must_type = must_type

    def compose_more(self) -> ComposeResult:
        """Ask for the word."""
        if self._must_type is not None:
            yield Banner(id="dialog-question")
            yield Input(id="dialog-word")

    def begin(self) -> None:
        """Ask for the word, if there is one."""
        super().begin()
        if self._must_type is not None:
            question = line("type ", span(self._must_type, Tone.BAD), " to agree, then press enter")
            self.query_one("#dialog-question", Banner).show([question])
            self.query_one("#dialog-word", Input).focus()

    def on_input_submitted(self) -> None:
        """Agree, if the word is the right one."""
        self.action_agree()

    def action_agree(self) -> None:
        """Agree, unless another word was to be typed."""
        if self._must_type is None:
            self.dismiss(True)
            return
        word = self.query_one("#dialog-word", Input)
        if word.value == self._must_type:
            self.dismiss(True)
        else:
            word.add_class("-wrong")

    def action_leave(self) -> None:
        """Do nothing."""
        self.dismiss(False)
