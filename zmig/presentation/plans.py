"""A plan in words: what it amounts to, and how each step would run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.planning.plan import Direction
from zmig.presentation import words

if TYPE_CHECKING:
    from zmig.planning.plan import Plan, Step


def summary(plan: Plan, *, noun: str = "step") -> str:
    """Return what a plan amounts to, in one line; `noun` is what one of its steps is called."""
    steps = words.counted(len(plan.steps), noun)
    if plan.refusals:
        return f"refused, so nothing would run: {words.counted(len(plan.refusals), 'refusal')}, {steps}"
    verb = "roll back" if plan.direction is Direction.ROLLBACK else "run"
    return f"{steps} to {verb}" if plan.steps else f"nothing to {verb}"


def transaction(step: Step) -> str:
    """Say whether a step runs in a transaction, or in one for each round, and why not."""
    if step.mode is None or step.mode.transactional:
        return "in a transaction"
    if step.migration.batch is not None and step.direction is Direction.FORWARD:
        return step.mode.reason
    return f"without a transaction: {step.mode.reason}"


def limits(step: Step) -> str:
    """Say what zmig sets for a step, whatever the role or the database sets."""
    settings = step.migration.settings
    parts = [
        _limit("lock_timeout", settings.lock_timeout_seconds),
        _limit("statement_timeout", settings.statement_timeout_seconds),
        _limit("idle_in_transaction_session_timeout", 0),
    ]
    if step.mode is not None and not step.mode.transactional:
        parts.append("no limit for statements that cannot run in a transaction")
    if settings.run_as is not None:
        parts.append(f"as role `{settings.run_as}`")
    return ", ".join(parts)


def _limit(name: str, seconds: float) -> str:
    return f"{name} {words.duration(seconds)}" if seconds else f"no {name}"
