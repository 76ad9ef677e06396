"""Checks of what certainly fails: on a database that has what the migrations before make, the server refuses it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint.replay.effects import Fails, FailureCause

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.lint.entries import Entry
    from zmig.lint.finding import Remark
    from zmig.lint.steps import Step

_RULES = {
    FailureCause.MISSING: "fails/missing",
    FailureCause.EXISTS: "fails/exists",
    FailureCause.IN_THE_WAY: "fails/in-the-way",
    FailureCause.PARTITIONED: "fails/partitioned",
    FailureCause.REFUSED: "fails/refused",
}


def certain(entry: Entry, steps: Sequence[Step]) -> Iterator[Remark]:
    """Statements that cannot succeed."""
    for step in steps:
        # A condition, or a handler, often makes sure that it does not.
        for one in step.of(Fails) if not step.is_conditional else ():
            yield remark(step, one)


def remark(step: Step, failure: Fails) -> Remark:
    """Return what is said of a statement that cannot succeed."""
    return step.remark(_RULES[failure.cause], failure, failure.reason, failure.advice)
