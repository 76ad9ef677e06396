"""The field that asks what the table is to be narrowed to."""

from __future__ import annotations

from textual.widgets import Input

from zmig_tui.models import filter


class FilterField(Input):
    """Hidden until it is asked for."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, placeholder=filter.SYNTAX)

    def open(self) -> None:
        """Show the field, with the cursor in it."""
        self.display = True
        self.focus()

    def close(self, text: str) -> None:
        """Hide the field; it keeps `text` for the next time."""
        with self.prevent(Input.Changed):
            self.value = text
        self.display = False
