"""One plan that is looked at, or may be agreed to, with all that is found out about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.model import RepeatRule
from zmig.planning.plan import Direction
from zmig.planning.request import Rollback
from zmig.planning.state import State
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from zmig.database.table_estimates import TableEstimate, TableName
    from zmig.errors import Problem
    from zmig.lint.preview import PlanEffects, StepEffects
    from zmig.model import Migration
    from zmig.planning.plan import Plan, Step
    from zmig.planning.request import Request
    from zmig.planning.state import Entry
    from zmig.running.rehearsal import Rehearsal, StepRehearsed
    from zmig_tui.models.details import File
    from zmig_tui.models.durations import EarlierDuration


@valueclass
class PlanChange:
    """Why a plan is not what would run any more."""

    summary: str
    """What it is now, in words."""


class PlanModel:
    """What the plan's screen shows. Its threads' answers name the `question` that they are about."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget everything but the request: it is planned again."""
        self.question = object()
        """What everything that is found out is the answer to."""
        self.plan: Plan | None = None
        """None until it has been made."""
        self.problems: tuple[Problem, ...] = ()
        """Why it could not be made."""
        self.entries: Mapping[int, Entry] = {}
        """What was observed of its migrations, by version."""
        self.earlier: Mapping[int, EarlierDuration] = {}
        """How long its migrations took before, by version, where that is known of the same file."""
        self.due_again: tuple[str, ...] = ()
        """The repeatables that are due again once it is rolled back."""
        self.files: dict[int, File | None] = {}
        """The files of the steps that were looked at, by version."""
        self.effects: PlanEffects | None = None
        """What its steps do; None while, or where, that is not known."""
        self.unknown: str | None = None
        """Why it is not."""
        self.estimates: Mapping[TableName, TableEstimate] = {}
        """About how large the tables are that it locks."""
        self.change: PlanChange | None = None
        """How it is another one by now; None as far as is known that it is not."""
        self.is_rehearsing = False
        self.rehearsal: Rehearsal | None = None
        self.rehearsal_problems: tuple[Problem, ...] = ()
        """Why it could not be rehearsed."""

    def take(
        self, plan: Plan, entries: Sequence[Entry], earlier: Callable[[Migration], EarlierDuration | None]
    ) -> None:
        """Take the plan, and of all `entries` those of its migrations; `earlier` says how long each took before."""
        self.plan = plan
        if plan.direction is Direction.FORWARD:
            known = ((step.migration.version, earlier(step.migration)) for step in plan.steps)
            self.earlier = {version: found for version, found in known if found is not None}
        versions = {step.migration.version for step in plan.steps}
        self.entries = {entry.version: entry for entry in entries if entry.version in versions}
        if plan.direction is Direction.ROLLBACK and plan.steps:
            others = (entry for entry in entries if entry.version not in versions)
            self.due_again = tuple(entry.name for entry in others if _is_due_again(entry))

    @property
    def is_planning(self) -> bool:
        """Whether the plan is still being made."""
        return self.plan is None and not self.problems

    @property
    def steps(self) -> Sequence[Step]:
        """Its steps."""
        return self.plan.steps if self.plan is not None else ()

    @property
    def may_run(self) -> bool:
        """Whether there is something that may be agreed to."""
        plan = self.plan
        return plan is not None and bool(plan.steps) and not plan.refusals and self.change is None

    @property
    def may_be_rehearsed(self) -> bool:
        """Whether it can be tried: a rollback cannot, since what it follows cannot be made anew."""
        return self.may_run and not isinstance(self.request, Rollback) and not self.is_rehearsing

    def effects_of(self, step: Step) -> StepEffects | None:
        """Return what a step does; None where that is not known."""
        return self.effects.steps.get(step.migration.version) if self.effects is not None else None

    def rehearsed(self, step: Step) -> StepRehearsed | None:
        """Return what came of a step in the rehearsal."""
        steps = self.rehearsal.steps if self.rehearsal is not None else ()
        return next((one for one in steps if one.step.migration.version == step.migration.version), None)

    @property
    def locked_tables(self) -> tuple[TableName, ...]:
        """The tables that others may be using, and that its steps lock."""
        if self.effects is None:
            return ()
        locks = (lock for one in self.effects.steps.values() for each in one.statements for lock in each.locks)
        return tuple(dict.fromkeys(lock.table for lock in locks))


def _is_due_again(entry: Entry) -> bool:
    """Whether a repeatable runs again once a migration was rolled back that it may rest on."""
    repeat = entry.migration.repeat if entry.migration is not None else None
    return repeat is not None and repeat.rule is RepeatRule.CHECKSUM and entry.is_applied


def failed_after(entry: Entry | None) -> float | None:
    """Return after how many seconds a migration failed that has failed; None where no fact says that."""
    record = entry.record if entry is not None and entry.state is State.FAILED else None
    milliseconds = record.failed.integer("duration_ms") if record is not None and record.failed is not None else None
    return None if milliseconds is None else milliseconds / 1000
