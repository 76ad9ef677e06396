"""Decides whether a stuck migration that ran outside a transaction may be continued.

Pure: it looks at the statement behind the last checkpoint. Where the catalog can tell whether that took effect,
the run goes on; where it cannot, a person decides.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig import script, statement
from zmig.errors import Problem
from zmig.outcome import Unknown, outcome
from zmig.plan import Action
from zmig.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.invocation import Invocation
    from zmig.prepare import Work
    from zmig.script import Statement

_SETS_SESSION = re.compile(
    r"(?:set|reset)\b(?!\s+(?:local|constraints|transaction)\b)|select\b.*\bset_config\s*\(", re.I
)


def runs_alone(one: Statement) -> bool:
    """Whether a statement runs without a transaction around it and its checkpoint."""
    return statement.refuses_transaction(one) is not None or statement.may_commit(one)


def sets_session(one: Statement) -> bool:
    """Whether a statement only changes the session, so that it is run again when a later run continues behind it."""
    return _SETS_SESSION.match(one.summary) is not None


def refusals(works: Sequence[Work], *, invocation: Invocation) -> Iterator[Refusal]:
    """Yield a refusal for each stuck migration that nobody but a person can decide about."""
    for work in works:
        if work.step.action is Action.RESUME and not work.mode.transactional:
            problem = _undecided(work, invocation)
            if problem is not None:
                yield Refusal(work.step.migration.version, work.step.migration.name, problem)


def _undecided(work: Work, invocation: Invocation) -> Problem | None:
    name, done = work.step.migration.name, work.step.resume_after
    if work.statements is None:
        what, location = "its Python code", work.step.migration.declared_at
    else:
        following = work.statements[done:]
        if not following or not runs_alone(following[0]) or not isinstance(outcome(following[0]), Unknown):
            return None
        one = following[0]
        what = f"statement {one.number} of {len(work.statements)}, `{one.summary}`,"
        location = script.location(work.text, one.offset, path=work.path) if work.text is not None else None
    return Problem(
        "resume-undecided",
        f"migration `{name}` is stuck, and whether {what} took effect cannot be looked up",
        location=location,
        facts=(
            f"statements known to be done: {done}",
            "if it did not take effect, the next run repeats it after "
            f"`{invocation.command('resolve', name, '--as', 'failed', '--reason', '...')}`",
            "if it did, complete the rest by hand, then run "
            f"`{invocation.command('resolve', name, '--as', 'done', '--reason', '...')}`",
        ),
        effect="nothing was run",
        hint="look at the database, then run the one of the two commands that is true",
    )
