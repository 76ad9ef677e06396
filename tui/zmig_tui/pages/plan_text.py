"""A plan as lines, for the dry run and for whoever is asked to agree to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.planning.plan import Direction
from zmig.presentation import plans, problems
from zmig.presentation.spans import Line, Span, Tone
from zmig.project import outside
from zmig_tui.text import EMPTY, line, span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zmig.errors import Problem
    from zmig.planning.plan import Plan, Step
    from zmig.presentation.hints import HintStyle


_SHORT_REASON = 12


def plan_summary(plan: Plan) -> str:
    """Return what a plan amounts to."""
    return plans.summary(plan, noun="migration")


def step_lines(plan: Plan) -> list[Line]:
    """Return each step with its reason."""
    number_cells = len(str(len(plan.steps)))
    action_cells = max((len(step.action.value) for step in plan.steps), default=0)
    return [
        part
        for number, step in enumerate(plan.steps, start=1)
        for part in _step(step, f"{number:>{number_cells}}", action_cells)
    ]


def _step(step: Step, number: str, action_cells: int) -> Iterator[Line]:
    tone = Tone.WARN if step.direction is Direction.ROLLBACK else Tone.ACCENT
    head = Span(f" {number}  ", Tone.QUIET)
    named = (head, span(f"{step.action.value:<{action_cells}}  ", tone), span(step.migration.name, Tone.STRONG))
    is_transactional = step.mode is None or step.mode.transactional
    if is_transactional and len(step.reason) <= _SHORT_REASON:
        yield line(*named, span(f"  {step.reason}", Tone.QUIET))
        return
    yield line(*named)
    indent = " " * (len(number) + action_cells + 5)
    if is_transactional:
        yield line(span(f"{indent}{step.reason}", Tone.QUIET))
    else:
        yield line(span(f"{indent}{step.reason} · {plans.transaction(step)}", Tone.WARN))


def problem_lines(found: Iterable[Problem], hints: HintStyle) -> list[Line]:
    """Return problems as the one renderer writes them, with tones, and without what is outside of the project."""
    lines: list[Line] = []
    for problem in found:
        if lines:
            lines.append(EMPTY)
        lines += problems.problem_lines(outside.redacted(problem), hints)
    return lines


def refusal_lines(plan: Plan, hints: HintStyle) -> list[Line]:
    """Return why a plan may not run."""
    return problem_lines((refusal.problem for refusal in plan.refusals), hints)
