"""A plan as text; `plan`, `apply --dry-run`, `rollback` and `retry` all print this and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.cli import documents, table
from zmig.errors import ExitCode
from zmig.plan import Direction

if TYPE_CHECKING:
    from zmig.cli.output import Output
    from zmig.plan import Plan, Step


def show(plan: Plan, output: Output) -> ExitCode:
    """Write a plan to stdout and its refusals to stderr; return the exit code of a command that only plans."""
    if output.is_json:
        output.document(documents.of_plan(plan))
    else:
        output.data(text(plan))
    output.problems(refusal.problem for refusal in plan.refusals)
    return ExitCode.REFUSED if plan.refusals else ExitCode.OK


def text(plan: Plan) -> str:
    """Return the steps with their reasons, and a line that sums them up."""
    rows = [_row(number, step) for number, step in enumerate(plan.steps, start=1)]
    lines = table.lines(rows, right=frozenset({0})) if rows else []
    return "\n".join([*lines, _summary(plan)])


def _row(number: int, step: Step) -> tuple[str, ...]:
    return (str(number), step.action.value, step.migration.name, f"{step.reason}; {_mode(step)}")


def _mode(step: Step) -> str:
    if step.mode is None or step.mode.transactional:
        return "in a transaction"
    return f"without a transaction: {step.mode.reason}"


def _summary(plan: Plan) -> str:
    steps = table.counted(len(plan.steps), "step")
    if plan.refusals:
        return f"refused, so nothing would run: {table.counted(len(plan.refusals), 'refusal')}, {steps}"
    if not plan.steps:
        return "nothing to roll back" if plan.direction is Direction.ROLLBACK else "nothing to run"
    return f"{steps} to {'roll back' if plan.direction is Direction.ROLLBACK else 'run'}"
