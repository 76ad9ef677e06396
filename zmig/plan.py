"""The planner: states in, a `Plan` out. What `zmig plan` prints is what the runner executes; there is no other.

Pure. A plan is a list of steps, each with its reason, and a list of refusals; with a refusal nothing runs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING

from zmig import checkpoint, refusal
from zmig.errors import PlanRefused, Problem, UsageError
from zmig.events import EventType
from zmig.invocation import Invocation
from zmig.model import RepeatRule
from zmig.state import State

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from zmig.checkpoint import Checkpoint
    from zmig.events import Fact
    from zmig.model import LastRun, Migration
    from zmig.state import Entry


class Direction(StrEnum):
    """Whether a plan adds or takes back."""

    FORWARD = "forward"
    ROLLBACK = "rollback"


class Action(StrEnum):
    """What a step does with its migration."""

    APPLY = "apply"
    RETRY = "retry"
    RESUME = "resume"
    """Runs a stuck migration again, or continues it where its last checkpoint stands."""
    REPEAT = "repeat"
    CHECK = "check"
    """Asks a repeatable's condition when its turn comes, and runs it if the answer is yes."""
    ROLL_BACK = "roll-back"
    SETTLE = "settle"
    """Records that a rollback which never ended has changed nothing; runs nothing."""


@dataclass(frozen=True, slots=True)
class Mode:
    """How a step's statements are run."""

    transactional: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Step:
    """One migration to run, or to roll back."""

    migration: Migration
    action: Action
    reason: str
    attempt: int = 1
    checkpoint: Checkpoint | None = None
    """Where it continues; None for one that begins at its beginning."""
    unended: Fact | None = None
    """The `started` fact of the latest attempt, if that never ended and nobody is at work on it."""
    last_run: LastRun | None = None
    """The latest completed run of a repeatable."""
    mode: Mode | None = None
    """Filled in once its file has been read."""

    @property
    def resume_after(self) -> int:
        """How many statements of a non-transactional file are known to be done."""
        return self.checkpoint.statements if self.checkpoint is not None else 0

    @property
    def direction(self) -> Direction:
        """Whether it adds or takes back."""
        return Direction.ROLLBACK if self.action is Action.ROLL_BACK else Direction.FORWARD


@dataclass(frozen=True, slots=True)
class Plan:
    """What would run, in order, or why nothing may."""

    direction: Direction
    steps: tuple[Step, ...] = ()
    refusals: tuple[refusal.Refusal, ...] = ()

    @property
    def fingerprint(self) -> tuple[tuple[int, str, str | None], ...]:
        """What makes two plans the same for a person who confirmed one of them."""
        return tuple((step.migration.version, step.action.value, step.migration.checksum) for step in self.steps)

    @property
    def summary(self) -> str:
        """The steps in one line."""
        return ", ".join(f"{step.action.value} {step.migration.name}" for step in self.steps) or "nothing"

    def check(self) -> None:
        """Raise `PlanRefused` with every refusal, if there is one."""
        if self.refusals:
            raise PlanRefused(*(found.problem for found in self.refusals))

    def with_refusals(self, refusals: Iterable[refusal.Refusal]) -> Plan:
        """Return the same plan with more refusals."""
        return replace(self, refusals=(*self.refusals, *refusals))

    def with_modes(self, modes: Mapping[int, Mode]) -> Plan:
        """Return the same plan with the transaction mode of each step filled in, by version."""
        return replace(
            self, steps=tuple(replace(step, mode=modes.get(step.migration.version, step.mode)) for step in self.steps)
        )


def forward(
    entries: Sequence[Entry],
    *,
    to: int | None = None,
    allow_out_of_order: bool = False,
    invocation: Invocation = Invocation(),  # noqa: B008 - an immutable value
) -> Plan:
    """Plan an apply: everything pending, failed, stuck or due, up to version `to`.

    Raises:
        UsageError: no migration has version `to`.
    """
    check_target(entries, to)
    within = [entry for entry in entries if to is None or (entry.version or 0) <= to]
    return _plan(within, allow_out_of_order=allow_out_of_order, invocation=invocation)


def retry(entries: Sequence[Entry], names: Collection[str] = (), *, invocation: Invocation = Invocation()) -> Plan:  # noqa: B008 - an immutable value
    """Plan another attempt at failed and stuck migrations: those named, or all.

    Raises:
        UsageError: a name is unknown, or names a migration that is neither failed nor stuck.
    """
    unhealthy = {State.FAILED, State.STUCK}
    if not names:
        chosen = [entry for entry in entries if entry.state in unhealthy]
    else:
        chosen = [find(entries, name) for name in names]
        healthy = [entry for entry in chosen if entry.state not in unhealthy]
        if healthy:
            raise UsageError(*(_not_retryable(entry, invocation) for entry in healthy))
    kept = [entry for entry in entries if entry in chosen]
    return _plan(kept, allow_out_of_order=True, invocation=invocation)


def retry_stuck(entries: Sequence[Entry], *, invocation: Invocation = Invocation()) -> Plan:  # noqa: B008 - an immutable value
    """Plan another attempt at every stuck migration."""
    stuck = [entry for entry in entries if entry.state is State.STUCK]
    return _plan(stuck, allow_out_of_order=True, invocation=invocation)


def find(entries: Iterable[Entry], name: str) -> Entry:
    """Return the entry a person means by a name or a version.

    Raises:
        UsageError: nothing has that name or version; the nearest name is offered.
    """
    by_name = {entry.name: entry for entry in entries}
    if name in by_name:
        return by_name[name]
    if name.isdecimal():
        for entry in by_name.values():
            if entry.version == int(name):
                return entry
    near = get_close_matches(name, list(by_name), n=1)
    raise UsageError(
        Problem(
            "unknown-migration",
            f"no migration is called `{name}`",
            hint=f"write `{near[0]}`" if near else "see the names with `zmig status`",
        )
    )


def _not_retryable(entry: Entry, invocation: Invocation) -> Problem:
    return Problem(
        "not-retryable",
        f"migration `{entry.name}` is {entry.state.value}, so there is nothing to retry",
        effect="nothing was run",
        hint=f"see every state with `{invocation.command('status')}`",
    )


def check_target(entries: Sequence[Entry], to: int | None) -> None:
    """Make sure that a migration has version `to`; None and 0 always pass.

    Raises:
        UsageError: none has; the nearest version is offered.
    """
    if to is None or to == 0 or any(entry.version == to for entry in entries):
        return
    versions = sorted(entry.version for entry in entries if entry.version is not None)
    nearest = min(versions, key=lambda version: abs(version - to), default=None)
    raise UsageError(
        Problem(
            "unknown-version",
            f"no migration has version {to}",
            facts=(f"versions: {_ranges(versions)}",) if versions else (),
            effect="nothing was run",
            hint=f"write `--to {nearest}`" if nearest is not None else "declare a migration in the manifest",
        )
    )


def _ranges(versions: Sequence[int]) -> str:
    shown = ", ".join(str(version) for version in versions[:12])
    return shown if len(versions) <= 12 else f"{shown}, ... {versions[-1]}"


def _plan(entries: Sequence[Entry], *, allow_out_of_order: bool, invocation: Invocation) -> Plan:
    steps: list[Step] = []
    refusals: list[refusal.Refusal] = []
    for entry in entries:
        refusals += refusal.of_apply(entry, allow_out_of_order=allow_out_of_order, invocation=invocation)
        step = _step(entry, follows_other_steps=bool(steps))
        if step is not None:
            steps.append(step)
    return Plan(Direction.FORWARD, tuple(steps), tuple(refusals))


def _step(entry: Entry, *, follows_other_steps: bool) -> Step | None:
    migration, record = entry.migration, entry.record
    if migration is None:
        return None
    if refusal.is_in_rollback(entry):
        return _settle_step(entry, migration)
    attempt, reached = (record.attempt if record else 0) + 1, _checkpoint(entry)
    match entry.state:
        case State.PENDING:
            return Step(migration, Action.APPLY, _pending_reason(entry))
        case State.FAILED:
            return Step(migration, Action.RETRY, _failed_reason(entry, reached), attempt, reached)
        case State.STUCK:
            return Step(migration, Action.RESUME, _stuck_reason(entry, reached), attempt, reached, _unended(entry))
        case State.DONE:
            return _repeat_step(entry, migration, follows_other_steps=follows_other_steps)
        case State.STARTED:
            return None


def _settle_step(entry: Entry, migration: Migration) -> Step | None:
    if entry.state is not State.STUCK:
        return None
    reason = "its rollback never ended; transactional, so it is still applied"
    return Step(migration, Action.SETTLE, reason, unended=_unended(entry))


def _repeat_step(entry: Entry, migration: Migration, *, follows_other_steps: bool) -> Step | None:
    if migration.repeat is None or entry.record is None:
        return None
    last_run = entry.record.last_run
    if migration.repeat.rule is RepeatRule.CHECKSUM:
        reason = "repeatable: its file changed"
        return Step(migration, Action.REPEAT, reason, last_run=last_run) if entry.due else None
    what = "its condition" if migration.repeat.rule is RepeatRule.CONDITION else "`should_repeat`"
    if follows_other_steps or entry.due is None:
        reason = f"repeatable: runs if {what} says so when its turn comes"
        return Step(migration, Action.CHECK, reason, last_run=last_run)
    reason = f"repeatable: {what} says it is due"
    return Step(migration, Action.REPEAT, reason, last_run=last_run) if entry.due else None


def _unended(entry: Entry) -> Fact | None:
    return entry.record.last if entry.record is not None and entry.state is State.STUCK else None


def _checkpoint(entry: Entry) -> Checkpoint | None:
    return checkpoint.of(entry.record) if entry.record is not None else None


def _pending_reason(entry: Entry) -> str:
    record = entry.record
    if record is not None and record.last is not None:
        if record.last.type is EventType.ROLLED_BACK:
            return f"rolled back {refusal.moment(record.last.created_at)}"
        return "resolved as pending"
    return "pending"


def _failed_reason(entry: Entry, reached: Checkpoint | None) -> str:
    last = entry.record.last if entry.record else None
    if last is None:
        return "failed"
    reason = f"failed {refusal.moment(last.created_at)}"
    message = last.error_message
    if message is not None:
        reason += f": {message}"
    return reason + _continues(reached)


def _continues(reached: Checkpoint | None) -> str:
    return f"; continues after statement {reached.statements}" if reached is not None and reached.statements else ""


def _stuck_reason(entry: Entry, reached: Checkpoint | None) -> str:
    last = entry.record.last if entry.record else None
    began = f"started {refusal.moment(last.created_at)} and never ended" if last else "never ended"
    if reached is not None:
        return f"stuck: {began}{_continues(reached)}"
    if last is not None and last.data.get("transactional") is True:
        return f"stuck: {began}; transactional, so its changes are gone"
    return f"stuck: {began}"


def rollback(
    entries: Sequence[Entry],
    *,
    to: int | None = None,
    steps: int = 1,
    invocation: Invocation = Invocation(),  # noqa: B008 - an immutable value
) -> Plan:
    """Plan a rollback, in reverse order of applying: the last `steps` migrations, or all above version `to`.

    Raises:
        UsageError: no migration has version `to`.
    """
    check_target(entries, to)
    applied = [entry for entry in reversed(_in_applied_order(entries)) if entry.is_applied]
    if to is not None:
        chosen = [entry for entry in applied if (entry.version or 0) > to]
    else:
        chosen = [entry for entry in applied if _can_count(entry)][:steps]
    plan_steps = [
        _rollback_step(entry, entry.migration)
        for entry in chosen
        if entry.migration is not None and entry.migration.is_reversible
    ]
    refusals = [found for entry in chosen for found in refusal.of_rollback(entry, invocation=invocation)]
    return Plan(Direction.ROLLBACK, tuple(plan_steps), tuple(refusals))


def _rollback_step(entry: Entry, migration: Migration) -> Step:
    applied_at = entry.record.applied_at if entry.record else None
    reason = f"applied {refusal.moment(applied_at)}"
    if not refusal.is_in_rollback(entry):
        return Step(migration, Action.ROLL_BACK, reason)
    last = entry.record.last if entry.record else None
    attempt = (last.integer("attempt") or 1) + 1 if last else 1
    reason += "; its rollback did not complete"
    return Step(migration, Action.ROLL_BACK, reason, attempt, _checkpoint(entry), _unended(entry))


def _in_applied_order(entries: Sequence[Entry]) -> list[Entry]:
    return sorted(
        entries, key=lambda entry: (bool(entry.migration and entry.migration.is_repeatable), entry.version or 0)
    )


def _can_count(entry: Entry) -> bool:
    """A repeatable without a rollback is left as it is: it does not stand in the way of the ones below it."""
    return entry.migration is None or not entry.migration.is_repeatable or entry.migration.is_reversible
