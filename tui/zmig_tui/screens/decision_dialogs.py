"""The dialogs that ask for a decision that is kept for ever: with a reason, and none of it chosen beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from zmig.presentation.spans import Tone
from zmig.valueclass import valueclass
from zmig_tui.screens.dialogs import Dialog
from zmig_tui.text import line, span
from zmig_tui.widgets import checked_field
from zmig_tui.widgets.checked_field import CheckedField

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from zmig.presentation.spans import Line

_VERDICTS = {
    "done": "done: its changes are in the database, it will not run again",
    "failed": "failed: it is to be retried, or rolled back by hand",
    "pending": "pending: nothing of it is in the database, it will run again",
}
_NOTHING_TYPED = "write a reason: it is kept in the history for ever"


def _check_reason(reason: str) -> str | None:
    return None if reason else _NOTHING_TYPED


def _reason_field() -> CheckedField:
    return CheckedField(
        line(span("reason, then enter:", Tone.QUIET)),
        _check_reason,
        placeholder="what makes this right; it is kept in the history for ever",
        field_id="reason",
    )


class ReasonDialog(Dialog[str | None]):
    """Asks for the reason of a decision."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave it", key_display="esc", id="dialog.leave"),
    ]

    def __init__(self, title: str, facts: list[Line]) -> None:
        super().__init__(title, facts, tone=Tone.WARN)

    @property
    def rows_below(self) -> int:
        """How many rows the reason takes."""
        return checked_field.ROWS

    def compose_more(self) -> ComposeResult:
        """Ask for the reason."""
        yield _reason_field()

    def begin(self) -> None:
        """Begin with the reason."""
        self.query_one(CheckedField).field.focus()

    @on(Input.Submitted)
    def decide(self) -> None:
        """Decide, if there is a reason."""
        reason = self.query_one(CheckedField)
        if reason.submit():
            self.dismiss(reason.text)

    def action_leave(self) -> None:
        """Decide nothing."""
        self.dismiss(None)


@valueclass
class Resolution:
    """What was decided."""

    verdict: str
    reason: str


class ResolveDialog(Dialog[Resolution | None]):
    """Asks for a verdict, of which none is chosen beforehand, and a reason."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave it", key_display="esc", id="dialog.leave"),
        Binding("tab", "app.focus_next", "Next field", id="dialog.next"),
    ]

    def __init__(self, name: str, facts: list[Line]) -> None:
        super().__init__(f"resolve {name} as …", facts, tone=Tone.WARN)

    @property
    def rows_below(self) -> int:
        """How many rows the verdicts and the reason take."""
        return len(_VERDICTS) + 1 + checked_field.ROWS

    def compose_more(self) -> ComposeResult:
        """Ask for the verdict, then for the reason."""
        yield OptionList(*(Option(Content(text), id=verdict) for verdict, text in _VERDICTS.items()), id="verdicts")
        yield CheckedField(
            line(span("choose one with ↓ and enter; then the reason, and enter:", Tone.QUIET)),
            self._check,
            placeholder="what makes this right; it is kept in the history for ever",
            field_id="reason",
        )

    def begin(self) -> None:
        """Begin with the verdict."""
        verdicts = self.query_one("#verdicts", OptionList)
        verdicts.highlighted = None
        verdicts.focus()

    @property
    def _verdict(self) -> str | None:
        chosen = self.query_one("#verdicts", OptionList).highlighted_option
        return chosen.id if chosen is not None else None

    def _check(self, reason: str) -> str | None:
        if self._verdict is None:
            return "choose done, failed or pending first, with tab and ↓"
        return _check_reason(reason)

    @on(OptionList.OptionSelected)
    def ask_for_reason(self) -> None:
        """Go on to the reason."""
        self.query_one(CheckedField).field.focus()

    @on(OptionList.OptionHighlighted)
    def check_again(self) -> None:
        """Cease to ask for a verdict once there is one."""
        self.query_one(CheckedField).check_again()

    @on(Input.Submitted)
    def decide(self) -> None:
        """Decide, if there are a verdict and a reason."""
        reason = self.query_one(CheckedField)
        if reason.submit() and self._verdict is not None:
            self.dismiss(Resolution(self._verdict, reason.text))

    def action_leave(self) -> None:
        """Decide nothing."""
        self.dismiss(None)
