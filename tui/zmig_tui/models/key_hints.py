"""How the commands in a hint are written in the console: as the key that does it, else as a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.valueclass import replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zmig.hints import SuggestedCommand
    from zmig.presentation.hints import CommandLine
    from zmig_tui.models.rows import Row

_ACTIONS: dict[tuple[str, tuple[str, ...]], str] = {
    ("apply", ()): "apply",
    ("plan", ()): "plan",
    ("retry", ()): "retry",
    ("retry", ("--terminate",)): "end_run",
    ("rollback", ()): "rollback",
}
_REASON = ("--reason", "...")


@valueclass
class KeyHints:
    """Hints for whoever uses the console."""

    commands: CommandLine
    """For what no key does: it is written as a command for another terminal."""
    keys: Mapping[str, str]
    """The key of each action of the main screen."""
    selected: str | None = None
    """The migration that the cursor is on wherever the text is read; None where that is not known."""

    def beside(self, row: Row | None) -> KeyHints:
        """Return the same for a text that is read while the cursor is on a row."""
        return self if row is None else replace(self, selected=row.entry.name)

    def phrase(self, command: SuggestedCommand) -> str:
        """Return a command as it is written in a sentence: "press r", or the command where no key does it."""
        key = self._key(command)
        if key is None:
            return self.commands.phrase(command)
        return f"press {key}" if command.is_step else f"the key {key}"

    def _key(self, command: SuggestedCommand) -> str | None:
        """Return the key that does what a command does, and where the cursor has to be for it."""
        if command.verb == "apply" and command.options[:1] == ("--to",) and len(command.options) == 2:
            return f"{self.keys['apply_here']} on version {command.options[1]}"
        if command.verb == "resolve" and command.name is not None and command.options[2:] == _REASON:
            return f"{self.keys['resolve']}{self._place(command)} and choose `{command.options[1]}`"
        action = None if command.is_repetition else _ACTIONS.get((command.verb, command.options))
        if action is None:
            return None
        return self.keys[action] + self._place(command)

    def _place(self, command: SuggestedCommand) -> str:
        """Return which row a key is pressed on, unless the cursor is there."""
        return "" if command.name in (None, self.selected) else f" on `{command.name}`"
