"""A plan as text; `plan`, `apply --dry-run`, `rollback` and `retry` all print this and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.cli import documents, table
from zmig.errors import ExitCode
from zmig.planning.plan import Direction
from zmig.project import undeclared
from zmig.text.terminal import visible

if TYPE_CHECKING:
    from zmig.cli.output import Output
    from zmig.planning.plan import Plan, Step


def show(plan: Plan, output: Output) -> ExitCode:
    """Write a plan to stdout and its refusals to stderr; return the exit code of a command that only plans."""
    if output.is_json:
        output.document(documents.of_plan(plan))
    else:
        output.data(text(plan, with_limits=output.is_verbose))
    output.problems(refusal.problem for refusal in plan.refusals)
    return ExitCode.REFUSED if plan.refusals else ExitCode.OK


def text(plan: Plan, *, with_limits: bool = False) -> str:
    """Return the steps with their reasons, their limits if wanted, a line that sums them up, and what is noted."""
    rows = [_row(number, step) for number, step in enumerate(plan.steps, start=1)]
    if with_limits:
        rows = [(*row, _limits(step)) for row, step in zip(rows, plan.steps, strict=True)]
    lines = table.lines(rows, right=frozenset({0})) if rows else []
    notes = [visible(f"note: {undeclared.sentence(plan.undeclared)}")] if plan.undeclared else []
    return "\n".join([*lines, _summary(plan), *notes])


def _row(number: int, step: Step) -> tuple[str, ...]:
    return (str(number), step.action.value, step.migration.name, f"{step.reason}; {_mode(step)}")


def _mode(step: Step) -> str:
    if step.mode is None or step.mode.transactional:
        return "in a transaction"
    return f"without a transaction: {step.mode.reason}"


def _limits(step: Step) -> str:
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
    return f"{name} {table.duration(seconds)}" if seconds else f"no {name}"


def _summary(plan: Plan) -> str:
    steps = table.counted(len(plan.steps), "step")
    if plan.refusals:
        return f"refused, so nothing would run: {table.counted(len(plan.refusals), 'refusal')}, {steps}"
    if not plan.steps:
        return "nothing to roll back" if plan.direction is Direction.ROLLBACK else "nothing to run"
    return f"{steps} to {'roll back' if plan.direction is Direction.ROLLBACK else 'run'}"
