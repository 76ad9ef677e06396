"""A plan as a command prints it: a table of its steps and what it amounts to on stdout, its refusals on stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.cli import json_documents, table
from zmig.errors import ExitCode
from zmig.presentation import plans
from zmig.project import undeclared
from zmig.text.terminal import visible

if TYPE_CHECKING:
    from zmig.cli.output import Output
    from zmig.planning.plan import Plan


def show(plan: Plan, output: Output) -> ExitCode:
    """Write a plan to stdout and its refusals to stderr; return the exit code of a command that only plans."""
    if output.is_json:
        output.document(json_documents.of_plan(plan))
    else:
        output.data(text(plan, with_limits=output.is_verbose))
    output.problems(refusal.problem for refusal in plan.refusals)
    return ExitCode.REFUSED if plan.refusals else ExitCode.OK


def text(plan: Plan, *, with_limits: bool = False) -> str:
    """Return the steps with their reasons, their limits if wanted, a line that sums them up, and what is noted."""
    rows: list[tuple[str, ...]] = []
    for number, step in enumerate(plan.steps, start=1):
        reason = f"{step.reason}; {plans.transaction(step)}"
        rows.append((str(number), step.action.value, step.migration.name, reason))
    if with_limits:
        rows = [(*row, plans.limits(step)) for row, step in zip(rows, plan.steps, strict=True)]
    lines = table.lines(rows, right=frozenset({0})) if rows else []
    notes = [visible(f"note: {note}") for note in plan.notes]
    if plan.undeclared:
        notes.append(visible(f"note: {undeclared.sentence(plan.undeclared)}"))
    return "\n".join([*lines, plans.summary(plan), *notes])
