"""Whether a plan that somebody looks at is still what would run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.errors import ZmigError
from zmig.planning import planner
from zmig.planning.plan import Direction
from zmig.planning.snapshot import Snapshot
from zmig.presentation import plans
from zmig.project import prepare
from zmig_tui.models.plan import PlanChange

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig.planning.plan import Plan
    from zmig.planning.request import Request
    from zmig.planning.state import Entry


class PlanWatch:
    """Compares one plan with what is observed later."""

    def __init__(self, question: object, request: Request, plan: Plan) -> None:
        self.question = question
        self._request = request
        self._steps = _steps(plan)
        self._has_refusals = bool(plan.refusals)
        self.change: PlanChange | None = None
        """How it is another one by now; None as far as is known that it is not."""
        self._entries: Sequence[Entry] | None = None
        self._refused: frozenset[tuple[str, str]] | None = None
        """What forbade it when it was compared first, by name and code."""

    def compare(self, entries: Sequence[Entry]) -> bool:
        """Compare it with the plan of these entries; return whether `change` is another one since."""
        if entries is self._entries:
            return False
        self._entries = entries
        before, self.change = self.change, self._compared(entries)
        return self.change != before

    def _compared(self, entries: Sequence[Entry]) -> PlanChange | None:
        try:
            plan = planner.plan(self._request, Snapshot(tuple(entries)))
            if plan.direction is Direction.ROLLBACK:  # the text of a rollback file is no part of an entry
                plan = plan.with_modes({one.step.migration.version: one.mode for one in prepare.read(plan)})
        except ZmigError as error:
            return PlanChange(error.problems[0].message if error.problems else str(error))
        refused = frozenset((one.name, one.problem.code) for one in plan.refusals)
        if self._refused is None:
            self._refused = refused
        is_refused_anew = bool(refused) and not self._has_refusals
        if _steps(plan) != self._steps or is_refused_anew or refused != self._refused:
            return PlanChange(plans.summary(plan, noun="migration"))
        return None


def _steps(plan: Plan) -> tuple[object, ...]:
    """Return what a plan would do; what only its files say counts for rollbacks alone."""
    if plan.direction is Direction.ROLLBACK:
        return plan.fingerprint
    return tuple(one[:4] for one in plan.fingerprint)
