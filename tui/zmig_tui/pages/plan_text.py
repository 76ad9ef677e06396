"""A plan as lines, for the dry run and for whoever is asked to agree to it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.planning.plan import Direction
from zmig.presentation import plans
from zmig.presentation.problems import problem_text
from zmig.project import outside
from zmig_tui.text import EMPTY, Line, Span, Tone, line, span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zmig.errors import Problem
    from zmig.planning.plan import Plan, Step
    from zmig.presentation.hints import HintStyle


_QUOTED = re.compile(r" *[0-9]* \| ")
_SHORT_REASON = 12
_LEADS = ("error: ", "hint: ", "   = ")


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
    shown: list[Line] = []
    for problem in found:
        if shown:
            shown.append(EMPTY)
        shown += map(_problem_line, problem_text(outside.redacted(problem), hints).split("\n"))
    return shown


def _problem_line(text: str) -> Line:
    tone = _tone(text)
    lead = next((lead for lead in _LEADS if text.startswith(lead)), "")
    quoted = _QUOTED.match(text)
    if quoted is not None:
        lead, tone = quoted[0], Tone.BAD if text.endswith("^") else Tone.PLAIN
        return tuple(one for one in (Span(lead, Tone.QUIET), Span(text.removeprefix(lead), tone)) if one.text)
    return tuple(one for one in (Span(lead, tone), Span(text.removeprefix(lead), tone)) if one.text)


def _tone(text: str) -> Tone:
    if text.startswith("error: "):
        return Tone.BAD
    if text.startswith("hint: "):
        return Tone.ACCENT
    return Tone.QUIET if text.startswith(("  -->", "   =")) else Tone.PLAIN


def refusal_lines(plan: Plan, hints: HintStyle) -> list[Line]:
    """Return why a plan may not run."""
    return problem_lines((refusal.problem for refusal in plan.refusals), hints)
