"""What the key that copies does: the selected text, else one of what can be copied about a migration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.presentation import words
from zmig_tui.models.copies import copies

if TYPE_CHECKING:
    from textual.app import App

    from zmig.presentation.hints import CommandLine
    from zmig_tui.models.details import Detail
    from zmig_tui.models.rows import Row
    from zmig_tui.screens.prompts import Prompts


class Copying:
    """Asks what is to be copied, and copies it."""

    def __init__(self, app: App[int], prompts: Prompts, commands: CommandLine) -> None:
        """`commands` writes command lines that run as printed."""
        self._app = app
        self._prompts = prompts
        self._commands = commands

    def copy(self, row: Row, detail: Detail | None, selected: str | None) -> None:
        """Copy the text that is selected, else ask which of the texts about a migration."""
        if selected:
            self._copy("the selected text", selected)
            return
        found = copies(row.entry, detail, self._commands)
        self._prompts.pick(
            f"copy of {row.name}",
            "Which text?",
            [one.title for one in found],
            lambda index: self._copy(found[index].what, found[index].text),
        )

    def _copy(self, what: str, text: str) -> None:
        self._app.copy_to_clipboard(text)
        self._prompts.notify(f"copied: {what}, {words.counted(text.count(chr(10)) + 1, 'line')}")
