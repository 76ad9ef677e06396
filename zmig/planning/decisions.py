"""Which migrations a person may say of that the database has all of them, and why not of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.errors import Problem
from zmig.hints import Hint, run_command
from zmig.planning.state import State

if TYPE_CHECKING:
    from zmig.planning.state import Entry


def is_untouched(entry: Entry) -> bool:
    """Whether nothing of a migration that is not applied is in the database because zmig ran it."""
    is_undone = entry.record is not None and entry.record.is_undone
    return entry.state is State.PENDING or (is_undone and entry.state in (State.FAILED, State.STUCK))


def was_made_pending(entry: Entry) -> bool:
    """Whether a migration that is not applied was rolled back since it was, or somebody said that it is pending."""
    return not entry.is_applied and entry.record is not None and entry.record.made_pending is not None


def unclear(entry: Entry) -> Problem:
    """Return what is wrong with recording a migration as applied of which a part may be there."""
    resolve = run_command("resolve", "--as", "done", "--reason", "...", about=entry)
    return Problem(
        "baseline-unclear",
        f"migration `{entry.name}` is {entry.state.value}, and no transaction undid what it had done",
        facts=("a baseline says that all of a migration is there; of this one a part may be",),
        effect="nothing was recorded",
        hint=Hint("if all of it is there, ", resolve, ", then the baseline again"),
    )
