"""How the commands in a hint are written in the console: as the key that does it, else as a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.valueclass import replace, valueclass
from zmig_tui.models import run_options

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
    ("pause", ()): "pause",
    ("resume", ()): "pause",
}
_TABLE = "the table"
"""What `zmig status` prints is what the console shows all the time."""
_ANY_REASON = "..."


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
        if command.verb == "status" and not command.options and not command.is_step:
            return _TABLE
        key = None if command.is_repetition else self._key(command)
        if key is None:
            return self.commands.phrase(command)
        return f"press {key}" if command.is_step else f"the key {key}"

    def _key(self, command: SuggestedCommand) -> str | None:
        """Return the key that does what a command does, and where the cursor has to be for it."""
        match command.verb:
            case "resolve" | "accept":
                return self._decision(command)
            case "baseline":
                return self._up_to("baseline", command.options[:2])
            case "apply" if command.options[:1] == ("--to",):
                return self._up_to("apply_here", command.options)
            case "apply" | "rollback" if command.options:
                # A plan is shown first in any case.
                wanted = [option for option in command.options if option != "--dry-run"]
                chosen = run_options.named(wanted[0]) if len(wanted) == 1 else None
                return None if chosen is None else f"{self.keys['apply_otherwise']} and choose `{chosen.name}`"
            case _:
                action = _ACTIONS.get((command.verb, command.options))
                return None if action is None else self.keys[action] + self._place(command.name)

    def _up_to(self, action: str, options: tuple[str, ...]) -> str | None:
        """Return the key that does something up to the migration under the cursor."""
        match options:
            case ("--to", version):
                return f"{self.keys[action]} on version {version}"
            case _:
                return None

    def _decision(self, command: SuggestedCommand) -> str | None:
        """Return the key that asks for a reason, with what is to be chosen and written there."""
        words = command.options
        place = self._place(command.name)
        if command.name is None and words and not words[0].startswith("-"):
            place, words = f" on {_called(words[0])}", words[1:]
        match words:
            case ("--as", verdict, "--reason", reason):
                return f"{self.keys['resolve']}{place} and choose `{verdict}`{_reason(reason)}"
            case ("--reason", reason):
                return f"{self.keys['accept']}{place}{_reason(reason)}"
            case _:
                return None

    def _place(self, name: str | None) -> str:
        """Return which row a key is pressed on, unless the cursor is there."""
        return "" if name in (None, self.selected) else f" on `{name}`"


def _called(word: str) -> str:
    """Return what a command calls a migration, by its version or its name."""
    return f"version {word}" if word.isdigit() else f"`{word}`"


def _reason(reason: str) -> str:
    return "" if reason == _ANY_REASON else f", with the reason `{reason}`"
