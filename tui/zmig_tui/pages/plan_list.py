"""The left half of the plan's screen: first why it may not run, then its steps, two lines each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.planning.plan import Direction
from zmig.presentation import plans, words
from zmig.presentation.spans import Line, Span, Tone
from zmig_tui.pages import effects_text, plan_text
from zmig_tui.text import EMPTY, fitted, line, span, spread, width, wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig.planning.plan import Step
    from zmig.presentation.hints import HintStyle
    from zmig_tui.models.plan import PlanModel

_LINES_OF_STEP = 2


class PlanList:
    """The items of one plan at one width. Those of steps are made when they are drawn: there may be ten thousand."""

    def __init__(self, model: PlanModel, hints: HintStyle, cells: int) -> None:
        self._model = model
        self._cells = cells
        self.reasons: list[list[Line]] = [self._wrapped(one) for one in _reasons(model, hints)]
        """Why nothing may run, or that there is nothing to run: above the steps, wrapped."""
        self._version_cells = max((len(str(step.migration.version)) for step in model.steps), default=1)

    def _wrapped(self, lines: Sequence[Line]) -> list[Line]:
        return [*(piece for one in lines for piece in wrapped(one, self._cells)), EMPTY]

    @property
    def heights(self) -> list[int]:
        """How many lines each item takes."""
        return [*map(len, self.reasons), *([_LINES_OF_STEP] * len(self._model.steps))]

    def step_at(self, index: int) -> Step | None:
        """Return the step of an item; None for a reason."""
        at = index - len(self.reasons)
        return self._model.steps[at] if 0 <= at < len(self._model.steps) else None

    def lines(self, index: int) -> Sequence[Line]:
        """Return the lines of one item."""
        step = self.step_at(index)
        return self.reasons[index] if step is None else self._step(step)

    def _step(self, step: Step) -> tuple[Line, Line]:
        effects = self._model.effects_of(step)
        number = span(f"{step.migration.version:>{self._version_cells}}  ", Tone.QUIET)
        name = line(number, span(step.migration.name, Tone.STRONG))
        room = self._cells - min(width(name), self._cells // 2) - 1
        worst = effects_text.summary(effects, room) if effects is not None else EMPTY
        first = spread(fitted(name, self._cells - width(worst) - 1), worst, self._cells)
        tone = Tone.WARN if step.direction is Direction.ROLLBACK else Tone.ACCENT
        margin = " " * (self._version_cells + 2)
        second = line(
            margin, span(step.action.value, tone), span(f" · {step.reason}", Tone.QUIET), *self._remarks(step)
        )
        return first, fitted(second, self._cells)

    def _remarks(self, step: Step) -> Line:
        """Return what else is worth a word: how it runs, how long it took, what came of the rehearsal."""
        parts: list[Span] = []
        if step.mode is not None and not step.mode.transactional:
            parts.append(span(f" · {plans.transaction(step)}", Tone.WARN))
        took = self._model.earlier.get(step.migration.version)
        if took is not None:
            parts.append(span(f" · about {words.duration(took.seconds)}", Tone.PLAIN))
        return (*self._rehearsed(step), *parts)

    def _rehearsed(self, step: Step) -> Line:
        one = self._model.rehearsed(step)
        if one is None:
            return EMPTY
        if one.problem is not None:
            return line(span(" · ✗ failed in the rehearsal", Tone.BAD))
        if one.skipped is not None:
            return line(span(" · not rehearsed", Tone.WARN))
        seconds = sum(each.seconds for each in one.statements)
        return line(span(f" · ✓ {words.duration(seconds)} in the rehearsal", Tone.GOOD))


def _reasons(model: PlanModel, hints: HintStyle) -> list[list[Line]]:
    """Return why nothing may run, each in lines of its own."""
    if model.problems:
        return [plan_text.problem_lines([one], hints) for one in model.problems]
    if model.plan is None:
        return []
    refused = [plan_text.problem_lines([one.problem], hints) for one in model.plan.refusals]
    return refused if refused or model.plan.steps else [[line("nothing to do")]]
