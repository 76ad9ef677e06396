"""A field whose text has to be right before it counts, and which says what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.containers import Vertical
from textual.widgets import Input

from zmig.presentation.spans import Tone
from zmig_tui.text import line, span
from zmig_tui.widgets.banner import Banner

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult

    from zmig.presentation.spans import Line

ROWS = 3
"""The question, the field, and the blank row below it."""


class CheckedField(Vertical):
    """A question with a field below it. What is wrong takes the question's place, for as long as it is."""

    def __init__(
        self, question: Line, check: Callable[[str], str | None], *, placeholder: str = "", field_id: str | None = None
    ) -> None:
        """`check` returns what is wrong with a text, None where nothing is."""
        super().__init__()
        self._question = question
        self._check = check
        self._placeholder = placeholder
        self._field_id = field_id
        self._was_submitted = False

    def compose(self) -> ComposeResult:
        """Put the question above the field."""
        yield Banner(classes="field-question")
        yield Input(id=self._field_id, placeholder=self._placeholder)

    def on_mount(self) -> None:
        """Ask."""
        self.check_again()

    @property
    def field(self) -> Input:
        """The field alone."""
        return self.query_one(Input)

    @property
    def text(self) -> str:
        """What was typed, without the blanks around it."""
        return self.field.value.strip()

    def submit(self) -> bool:
        """Return whether the text is right; if it is not, say what is wrong from now on."""
        self._was_submitted = True
        self.check_again()
        return self._check(self.text) is None

    @on(Input.Changed)
    def check_again(self) -> None:
        """Say what is wrong now, if anything still is."""
        wrong = self._check(self.text) if self._was_submitted else None
        self.field.set_class(wrong is not None, "-wrong")
        shown = self._question if wrong is None else line(span(wrong, Tone.BAD))
        self.query_one(Banner).show([shown])
