"""Plans, as values: what would run, in order, or why nothing may; and what a run did. `planner` makes plans.

A plan is a list of steps, each with its reason, and a list of refusals; with a refusal nothing runs.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from zmig.errors import PlanRefused
from zmig.valueclass import replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from dataclasses import KW_ONLY
    from pathlib import Path

    from zmig.errors import Problem
    from zmig.facts import Fact
    from zmig.model import LastRun, Migration
    from zmig.planning.checkpoint import Checkpoint


class Direction(StrEnum):
    """Whether a plan adds or takes back."""

    FORWARD = "forward"
    ROLLBACK = "rollback"


class Action(StrEnum):
    """What a step does with its migration."""

    APPLY = "apply"
    RETRY = "retry"
    RESUME = "resume"
    """Runs a stuck migration again, or continues it where its last checkpoint is."""
    REPEAT = "repeat"
    CHECK = "check"
    """Asks a repeatable's condition when its turn comes, and runs it if the answer is yes."""
    ROLL_BACK = "roll-back"
    RECORD_END = "settle"
    """Records that a rollback which never ended has changed nothing; runs nothing."""


@valueclass
class Mode:
    """How a step's statements are run."""

    transactional: bool
    reason: str
    rollback_checksum: str | None = None
    """Of the text of a rollback file, as a person may have confirmed it."""


@valueclass
class Step:
    """One migration to run, or to roll back."""

    migration: Migration
    action: Action
    reason: str
    _: KW_ONLY
    attempt: int = 1
    checkpoint: Checkpoint | None = None
    """Where it continues; None for one that begins at its beginning."""
    unended: Fact | None = None
    """The `started` fact of the latest attempt, if that never ended and nobody is at work on it."""
    last_run: LastRun | None = None
    """The latest completed run of a repeatable."""
    mode: Mode | None = None
    """Filled in once its file has been read."""
    recorded_rollback: str | None = None
    """The checksum that its rollback file had when it was applied; None where no fact has it."""
    out_of_order: bool = False
    """Whether a later version is applied already, and an operator permitted to run it all the same."""

    @property
    def resume_after(self) -> int:
        """How many statements of a non-transactional file are known to be done."""
        return self.checkpoint.statements if self.checkpoint is not None else 0

    @property
    def direction(self) -> Direction:
        """Whether it adds or takes back."""
        return Direction.ROLLBACK if self.action is Action.ROLL_BACK else Direction.FORWARD

    @property
    def file(self) -> Path | None:
        """The file that it runs; None where it is a method of a registered object, or nothing at all."""
        if self.direction is Direction.ROLLBACK:
            return self.migration.rollback_file or (None if self.migration.is_empty else self.migration.file)
        return self.migration.file


@valueclass
class Refusal:
    """Why nothing may run."""

    version: int | None
    name: str
    problem: Problem


@valueclass
class Plan:
    """What would run, in order, or why nothing may."""

    direction: Direction
    steps: tuple[Step, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    _: KW_ONLY
    is_first: bool = False
    """Whether it is the first on a database, which holds no facts, and must hold nothing else that it could harm."""
    notes: tuple[str, ...] = ()
    """What is to be known of migrations that it does not refuse for it, a sentence each."""
    undeclared: tuple[str, ...] | None = None
    """Files that look like migrations, and that no entry names; None where they were not looked for."""

    @property
    def fingerprint(self) -> tuple[tuple[object, ...], ...]:
        """What makes two plans the same for a person who confirmed one of them."""
        return tuple(
            (
                step.migration.version,
                step.action.value,
                step.migration.checksum,
                step.resume_after,
                step.mode.rollback_checksum if step.mode is not None else None,
            )
            for step in self.steps
        )

    @property
    def summary(self) -> str:
        """The steps in one line."""
        return ", ".join(f"{step.action.value} {step.migration.name}" for step in self.steps) or "nothing"

    def check(self) -> None:
        """Raise `PlanRefused` with every refusal, if there is one."""
        if self.refusals:
            raise PlanRefused(*(refusal.problem for refusal in self.refusals))

    def with_refusals(self, refusals: Iterable[Refusal]) -> Plan:
        """Return the same plan with more refusals."""
        return replace(self, refusals=(*self.refusals, *refusals))

    def with_modes(self, modes: Mapping[int, Mode]) -> Plan:
        """Return the same plan with the transaction mode of each step filled in, by version."""
        return replace(self, steps=tuple(_with_mode(step, modes.get(step.migration.version)) for step in self.steps))


@valueclass
class RunResult:
    """What a run did."""

    run_id: str | None
    """None where nothing had to run, so no run began."""
    plan: Plan
    _: KW_ONLY
    completed: tuple[str, ...] = ()
    """Names of the migrations applied, or rolled back, in order."""
    skipped: tuple[str, ...] = ()
    """Names of repeatables that turned out not to be due."""
    duration_seconds: float = 0.0


def _with_mode(step: Step, mode: Mode | None) -> Step:
    """Return a step with its mode; its reason says where the rollback file is another one by now."""
    if mode is None:
        return step
    now, then = mode.rollback_checksum, step.recorded_rollback
    is_edited = step.direction is Direction.ROLLBACK and now is not None and then is not None and now != then
    words = f"{step.reason}; its rollback file was edited since" if is_edited else step.reason
    return replace(step, mode=mode, reason=words)
