"""What the modules of tools have to say alike when something cannot be taken over."""

from __future__ import annotations

from zmig.errors import Location, Problem, UsageError


def nothing_to_import(folder: str, tool: str, example: str) -> UsageError:
    """Return the error of a folder that holds no migration of a tool; `example` is what one would be called."""
    message = f"`{folder}` holds no migration of {tool}, such as `{example}`"
    return UsageError(Problem("nothing-to-import", message, hint="name the folder that holds them"))


def unfinished(message: str, *, hint: str, facts: tuple[str, ...] = ()) -> Problem:
    """Return the problem of a migration that the tool has begun and not ended, as its history says."""
    return Problem("history-unfinished", message, facts=facts, effect="nothing was recorded", hint=hint)


def unclear(message: str, *, hint: str, facts: tuple[str, ...] = ()) -> Problem:
    """Return the problem of a history from which nobody can say whether migrations were applied."""
    return Problem("history-unclear", message, facts=facts, effect="nothing was recorded", hint=hint)


def unusable(path: str, reason: str) -> UsageError:
    """Return the error of a configuration file without which a project cannot be read."""
    message = f"`{path}` cannot be read: {reason}"
    return UsageError(Problem("configuration-unreadable", message, Location(path), hint=f"correct `{path}`"))
