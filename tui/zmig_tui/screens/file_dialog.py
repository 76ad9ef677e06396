"""Asks for the name of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import Input

from zmig.presentation.spans import Tone
from zmig_tui import log_file
from zmig_tui.screens.dialogs import Dialog
from zmig_tui.text import line, span
from zmig_tui.widgets import checked_field
from zmig_tui.widgets.checked_field import CheckedField

if TYPE_CHECKING:
    from textual.app import ComposeResult


class FileDialog(Dialog[str | None]):
    """Is dismissed with a name that a file may have."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave it", key_display="esc", id="dialog.leave"),
    ]

    def __init__(self, title: str, name: str) -> None:
        """`name` is what is there to be changed."""
        super().__init__(
            title, [line(span("Times, statements and messages, as on the screen; no secrets.", Tone.QUIET))]
        )
        self._name = name

    @property
    def rows_below(self) -> int:
        """How many rows the name takes."""
        return checked_field.ROWS

    def compose_more(self) -> ComposeResult:
        """Ask for the name."""
        yield CheckedField(line(span("file, then enter:", Tone.QUIET)), log_file.check_name, field_id="file-name")

    def begin(self) -> None:
        """Begin with the name that is there."""
        field = self.query_one(CheckedField).field
        field.value = self._name
        field.focus()

    @on(Input.Submitted)
    def decide(self) -> None:
        """Decide, if a file may have that name."""
        name = self.query_one(CheckedField)
        if name.submit():
            self.dismiss(name.text)

    def action_leave(self) -> None:
        """Save nothing."""
        self.dismiss(None)
