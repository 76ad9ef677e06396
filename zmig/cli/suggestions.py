"""What is meant by a command that zmig does not have: another tool's word, or a slip of the hand.

A hint is often followed without a second look, so none that is a guess names a command that takes away or records.
"""

from __future__ import annotations

from zmig.cli.commands import COMMANDS
from zmig.text.nearest import nearest

_NEVER_GUESSED = frozenset({"reset", "rollback", "resolve", "accept", "baseline", "retry"})

_APPLY, _CREATE, _STATUS = "write `zmig apply`", "write `zmig create`", "write `zmig status`"
_ROLLBACK, _BASELINE = "see `zmig rollback --help`", "see `zmig baseline --help`"
_LINT, _PLAN, _HISTORY, _CONSOLE = "write `zmig lint`", "write `zmig plan`", "write `zmig history`", "write `zmig tui`"
_HELP = "see the commands with `zmig help`"
_HINTS = {
    **dict.fromkeys(("migrate", "up", "upgrade", "deploy", "update", "run", "latest", "head", "push", "sync"), _APPLY),
    **dict.fromkeys(("down", "downgrade", "undo", "revert", "back", "redo"), _ROLLBACK),
    **dict.fromkeys(("new", "generate", "add", "make", "revision", "gen"), _CREATE),
    **dict.fromkeys(("info", "list", "ls", "show", "pending"), _STATUS),
    **dict.fromkeys(("current", "heads"), "write `zmig version`"),
    **dict.fromkeys(("validate", "check", "verify"), _LINT),
    **dict.fromkeys(("stamp", "mark", "fake"), _BASELINE),
    **dict.fromkeys(("preview", "diff", "dry-run"), _PLAN),
    **dict.fromkeys(("log", "logs", "events"), _HISTORY),
    **dict.fromkeys(("ui", "console", "top"), _CONSOLE),
    **dict.fromkeys(("init", "clean", "drop", "test", "repair", "force", "fresh", "dump", "load", "wait"), _HELP),
}
"""What the commands of other tools are called here; nothing is offered for what zmig does not do."""


def hint(name: str) -> str:
    """Return what to write in place of an unknown command."""
    known = _HINTS.get(name.lower())
    if known is not None:
        return known
    near = nearest(name, (command for command in COMMANDS if command not in _NEVER_GUESSED))
    return f"write `zmig {near}`" if near is not None else _HELP
