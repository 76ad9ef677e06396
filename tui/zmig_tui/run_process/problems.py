"""What can go wrong around the process of a run."""

from __future__ import annotations

from zmig.errors import Problem
from zmig.hints import Hint, run_command


def internal(error: BaseException) -> Problem:
    """Return the problem of an error that no part of zmig expects."""
    return Problem("internal-error", f"internal error: {type(error).__name__}: {error}; this is a bug in zmig")


def ended_without_a_word(title: str, pid: int | None) -> Problem:
    """Return the problem of a run whose process is gone, and has not said how it ended."""
    which = "" if pid is None else f" {pid}"
    return Problem(
        "run-process-ended",
        f"the process{which} of `{title}` ended without saying how its run did",
        effect="what is recorded is shown; a migration that it left in the middle is stuck",
        hint=Hint("where one is stuck, ", run_command("retry")),
    )
