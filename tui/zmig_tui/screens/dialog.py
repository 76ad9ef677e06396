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

_ROWS_AROUND_TEXT = 7
"""The box and its distance from the edges, the blank rows, the keys."""


_SCROLLING = {"up": "scroll_up", "down": "scroll_down", "pageup": "page_up", "pagedown": "page_down"}


class Dialog(ModalScreen[Answer]):
    """A titled box over the screen, with a text that may be scrolled."""

    def __init__(
        self, title: str, lines: Sequence[Line], *, tone: Tone = Tone.ACCENT, where: Line | None = None
    ) -> None:
        """`where` stands below the title, and stays when the text is scrolled."""
        super().__init__()
        self._heads = [line(span(title, tone)), *([where] if where is not None else [])]
        self._text = lines
        self._is_alarming = tone in (Tone.BAD, Tone.ALARM)

    def compose(self) -> ComposeResult:
        """Put title, text and keys into a box."""
        with Vertical(id="dialog", classes="-alarming" if self._is_alarming else ""):
            yield Banner(id="dialog-title")
            yield Lines(id="dialog-text")
            yield from self.compose_more()
            yield Footer(compact=True, show_command_palette=False)

    def on_resize(self) -> None:
        """Leave the text what the rest does not need, so that the answer is on the screen however long it is."""
        self.text.styles.max_height = max(self.size.height - _ROWS_AROUND_TEXT - len(self._heads) - self.rows_below, 1)

    @property
    def rows_below(self) -> int:
        """How many rows stand below the text, besides the keys."""
        return 0

    def compose_more(self) -> ComposeResult:
        """Add what stands below the text."""
        yield from ()

    def on_mount(self) -> None:
        """Fill in the text."""
        self.query_one("#dialog-title", Banner).show(self._heads)
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
    """A question; where much is at stake, a word has to be typed to agree, or at least another key than enter.

    No key agrees until the question has stood on the screen for a moment: who types on while it comes up has not
    read it.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "agree_by_enter", "Yes, do it", key_display="enter", id="dialog.agree"),
        Binding("y", "agree_by_y_alone", "Yes, do it", id="dialog.yes"),
        Binding("y", "agree_by_y", show=False),
        Binding("escape,n,q", "leave", "No", key_display="esc", id="dialog.leave"),
        *(Binding(key, f"scroll_text('{key}')", show=False) for key in ("up", "down", "pageup", "pagedown")),
    ]

    def __init__(
        self,
        title: str,
        lines: Sequence[Line],
        *,
        must_type: str | None = None,
        must_press_y: bool = False,
        reading_seconds: float = 0.0,
        tone: Tone = Tone.ACCENT,
        where: Line | None = None,
    ) -> None:
        """`must_type` is what has to be typed before enter agrees; None asks for enter or y, with `must_press_y` for y.

        `reading_seconds` is how long the question stands on the screen before a key may agree.
        """
        super().__init__(title, lines, tone=tone, where=where)
        self._must_type = must_type
        self._must_press_y = must_press_y
        self._reading_seconds = reading_seconds
        self.may_be_agreed_to = False
        """Whether it stood on the screen for long enough."""

    @property
    def rows_below(self) -> int:
        """How many rows the question and the word take."""
        return 3 if self._must_type is not None else 0

    def compose_more(self) -> ComposeResult:
        """Ask for the word."""
        if self._must_type is not None:
            yield Banner(id="dialog-question")
            yield Input(id="dialog-word")

    def begin(self) -> None:
        """Ask for the word, if there is one."""
        super().begin()
        self.call_after_refresh(self._be_read)
        if self._must_type is not None:
            question = line("type ", span(self._must_type, Tone.BAD), " to agree, then press enter")
            self.query_one("#dialog-question", Banner).show([question])
            self.query_one("#dialog-word", Input).focus()

    def _be_read(self) -> None:
        if self._reading_seconds:
            self.set_timer(self._reading_seconds, self._allow)
        else:
            self._allow()

    def _allow(self) -> None:
        self.may_be_agreed_to = True
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer the keys that agree once they do; until then they stand in the footer, but pale."""
        if not action.startswith("agree"):
            return True
        is_y_alone = self._must_press_y and self._must_type is None
        if (action == "agree_by_y_alone") != is_y_alone:
            return False
        return True if self.may_be_agreed_to else None

    def on_input_submitted(self) -> None:
        """Agree, if the word is the right one."""
        if self.may_be_agreed_to:
            self._agree()

    def action_agree_by_enter(self) -> None:
        """Agree."""
        self._agree()

    def action_agree_by_y(self) -> None:
        """Agree."""
        self._agree()

    def action_agree_by_y_alone(self) -> None:
        """Agree where enter does not."""
        self._agree()

    def _agree(self) -> None:
        """Agree, unless another word was to be typed."""
        if self._must_type is None:
            self.dismiss(True)
            return
        word = self.query_one("#dialog-word", Input)
        if word.value == self._must_type:
            self.dismiss(True)
        else:
            word.add_class("-wrong")

    async def action_scroll_text(self, key: str) -> None:
        """Scroll the text while the cursor stands in the field below it."""
        await self.text.run_action(_SCROLLING[key])

    def action_leave(self) -> None:
        """Do nothing."""
        self.dismiss(False)
