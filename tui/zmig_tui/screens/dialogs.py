"""The dialogs: a text to read, a question to agree to, a choice of several, and others."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, ClassVar, TypeVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Footer, OptionList
from textual.widgets.option_list import Option

from zmig.presentation import words
from zmig.presentation.spans import Tone, plain
from zmig_tui.text import line, span
from zmig_tui.widgets import checked_field
from zmig_tui.widgets.banner import Banner
from zmig_tui.widgets.checked_field import CheckedField
from zmig_tui.widgets.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.app import ComposeResult

    from zmig.presentation.spans import Line

Answer = TypeVar("Answer")

_ROWS_AROUND_TEXT = 7
"""The box and its distance from the edges, the blank rows, the keys."""


_SCROLLING = {"up": "scroll_up", "down": "scroll_down", "pageup": "page_up", "pagedown": "page_down"}


class Dialog(ModalScreen[Answer]):
    """A titled box over the screen, with a text that may be scrolled."""

    def __init__(
        self, title: str, lines: Sequence[Line], *, tone: Tone = Tone.ACCENT, where: Line | None = None
    ) -> None:
        """`where` is below the title, and stays when the text is scrolled."""
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
        self._bound_text(self.size.height)

    def _bound_text(self, rows: int) -> None:
        self.text.styles.max_height = max(rows - _ROWS_AROUND_TEXT - len(self._heads) - self.rows_below, 1)

    @property
    def rows_below(self) -> int:
        """How many rows are below the text, besides the keys."""
        return 0

    def compose_more(self) -> ComposeResult:
        """Add what is below the text."""
        yield from ()

    def on_mount(self) -> None:
        """Fill in the text."""
        self.query_one("#dialog-title", Banner).show(self._heads)
        self.text.show(self._text)
        self._bound_text(self.app.size.height)  # pyright: ignore[reportUnknownMemberType] - a bare App
        self.begin()

    def begin(self) -> None:
        """Fill in what is below the text, and put the cursor where it is needed."""
        self.text.focus()

    @property
    def text(self) -> Lines:
        """The text of the dialog."""
        return self.query_one("#dialog-text", Lines)


class TextDialog(Dialog[None]):
    """A text to read."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "leave", "Close", key_display="esc", id="dialog.close"),
        Binding("y", "copy", "Copy", id="dialog.copy"),
    ]

    def action_copy(self) -> None:
        """Copy the selected text, else all of it."""
        text = self.get_selected_text() or "\n".join(plain(one) for one in self._text)
        self.app.copy_to_clipboard(text)  # pyright: ignore[reportUnknownMemberType] - a bare App
        self.notify(f"copied: {words.counted(text.count(chr(10)) + 1, 'line')}", markup=False)

    def action_leave(self) -> None:
        """Close the dialog."""
        self.dismiss(None)


class ConfirmDialog(Dialog[bool]):
    """A question; where much is at stake, a word has to be typed to agree, or at least another key than enter.

    No key agrees until the question has been on the screen for a moment: who types on while it comes up has not
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

        `reading_seconds` is how long the question is on the screen before a key may agree.
        """
        super().__init__(title, lines, tone=tone, where=where)
        self._must_type = must_type
        self._must_press_y = must_press_y
        self._reading_seconds = reading_seconds
        self.may_be_agreed_to = False
        """Whether it has been on the screen for long enough."""

    @property
    def rows_below(self) -> int:
        """How many rows the question and the word take."""
        return checked_field.ROWS if self._must_type is not None else 0

    def compose_more(self) -> ComposeResult:
        """Ask for the word."""
        if self._must_type is not None:
            question = line("type ", span(self._must_type, Tone.BAD), " to agree, then press enter")
            yield CheckedField(question, self._check_word, field_id="dialog-word")

    def _check_word(self, word: str) -> str | None:
        if word == self._must_type:
            return None
        return f"{'that is not' if word else 'type'} {self._must_type}, the name of the database"

    def begin(self) -> None:
        """Put the cursor where the word is typed, if there is one."""
        super().begin()
        self.call_after_refresh(self._start_reading_time)
        if self._must_type is not None:
            self.query_one(CheckedField).field.focus()

    def _start_reading_time(self) -> None:
        if self._reading_seconds:
            self.set_timer(self._reading_seconds, self._allow)
        else:
            self._allow()

    def _allow(self) -> None:
        self.may_be_agreed_to = True
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer the keys that agree once they do; until then they are in the footer, but pale."""
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
        if self._must_type is None or self.query_one(CheckedField).submit():
            self.dismiss(True)

    async def action_scroll_text(self, key: str) -> None:
        """Scroll the text while the cursor is in the field below it."""
        await self.text.run_action(_SCROLLING[key])

    def action_leave(self) -> None:
        """Do nothing."""
        self.dismiss(False)


class WaitDialog(Dialog[None]):
    """Says what is waited for, until the dialog with the answer takes its place."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", "Never mind", key_display="esc", id="dialog.leave"),
    ]

    def __init__(self, title: str, text: str) -> None:
        super().__init__(title, [line(span(text, Tone.QUIET))])
        self._follow: Callable[[], object] | None = None

    @property
    def is_answered(self) -> bool:
        """Whether the answer is there, and waits for another dialog to be closed."""
        return self._follow is not None

    def finish(self, follow: Callable[[], object]) -> None:
        """Close, and show what was waited for with `follow`; where another dialog is on top, only after that one."""
        self._follow = follow
        # `is_current` is true of one that is visible below another, too.
        if self.app.screen is self:  # pyright: ignore[reportUnknownMemberType] - a bare App
            self.on_screen_resume()

    def on_screen_resume(self) -> None:
        """Show what came in while another dialog was on top."""
        follow, self._follow = self._follow, None
        if follow is not None:
            self.dismiss(None)
            follow()

    def action_leave(self) -> None:
        """Wait no longer."""
        self.dismiss(None)


class PickDialog(Dialog[int | None]):
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


class QuitChoice(Enum):
    """What to do with the run."""

    STAY = auto()
    WAIT = auto()
    CANCEL = auto()
    DETACH = auto()


class QuitDialog(Dialog[QuitChoice]):
    """Asks whether to leave the run going on, to wait for it, to cancel it, or to stay; after its end, whether to quit.

    A run that would end with the console cannot be left going on.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d,D", "leave('DETACH')", "Leave it running", key_display="d", id="quit.detach"),
        Binding("w", "leave('WAIT')", "Wait for its end, then quit", id="quit.wait"),
        Binding("c", "leave('CANCEL')", "Cancel it, then quit", id="quit.cancel"),
        Binding("w", "quit", "Quit", id="quit.now"),
        Binding("escape,s,q", "leave('STAY')", "Stay", key_display="esc", id="quit.stay"),
    ]

    def __init__(self, verb: str, *, can_outlive: bool) -> None:
        """`can_outlive` says whether the run goes on without the console."""
        left = line(span("d", Tone.ACCENT), "    leave it running: the console finds it when it is opened again")
        text = [
            line(span(verb, Tone.STRONG), " is still running."),
            line(""),
            *([left] if can_outlive else []),
            line(span("w", Tone.ACCENT), "    wait: let it go on, and quit when it has ended"),
            line(span("c", Tone.ACCENT), "    cancel: end the running statement, record that, and quit"),
            line(span("esc", Tone.ACCENT), "  stay"),
        ]
        super().__init__("quit in the middle of a run?", text, tone=Tone.WARN)
        self._verb = verb
        self._can_outlive = can_outlive
        self._has_ended = False

    def show_end(self, outcome: str) -> None:
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
        if parameters == ("DETACH",) and not self._can_outlive:
            return False
        return not self._has_ended or parameters == ("STAY",)

    def action_leave(self, choice: str) -> None:
        """Answer."""
        self.dismiss(QuitChoice[choice])

    def action_quit(self) -> None:
        """Answer that nothing holds the console any more."""
        self.dismiss(QuitChoice.WAIT)
