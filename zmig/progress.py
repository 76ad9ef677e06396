"""Progress: what an observer gets to know while a run goes on. Nothing here is stored.

An observer is any callable that takes one `Progress` value; see `zmig.observer`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from zmig.valueclass import field, valueclass

if TYPE_CHECKING:
    from dataclasses import KW_ONLY

    from zmig.database.activity import Blocker, ServerProgress
    from zmig.database.lock_holder import LockHolder
    from zmig.errors import Problem
    from zmig.planning.blocked_by import PastBlocker
    from zmig.planning.plan import Plan, Step


@valueclass
class RunStarted:
    """The lock is held and the plan is final."""

    run_id: str
    plan: Plan
    database: str


@valueclass
class LockWaiting:
    """Another run holds the lock; sent again every few seconds."""

    holder: LockHolder | None
    waited_seconds: float


@valueclass
class StepStarted:
    """A step of the plan begins, for the first time or again."""

    step: Step
    number: int
    """1-based place in the plan."""
    total: int
    _: KW_ONLY
    attempt: int
    statements: int | None
    """How many statements its file has; None where that is not known."""


@valueclass
class StatementStarted:
    """A statement was sent to the server."""

    step: Step
    number: int
    total: int | None
    _: KW_ONLY
    line: int
    text: str
    """The statement's beginning, on one line."""
    longer: Callable[[], str] | None = field(default=None, compare=False, repr=False)
    """Returns more of it, for who shows it at a screen's width; None where there is no more."""


@valueclass
class StatementFinished:
    """The server finished a statement."""

    step: Step
    number: int
    total: int | None
    rows: int | None
    duration_seconds: float


@valueclass
class Reported:
    """A Python migration said how far it is."""

    step: Step
    message: str
    done: int | None
    total: int | None


@valueclass
class Blocked:
    """A statement waits for a lock that others hold; sent again about every second, and once when it goes on."""

    step: Step
    blockers: tuple[Blocker, ...]
    """Who keeps it waiting, and who keeps those waiting, depth first; empty once it goes on."""
    waited_seconds: float
    _: KW_ONLY
    queued: int = 0
    """How many others wait for it, or for a lock that it waits for, directly or through others."""
    queued_applications: tuple[str, ...] = ()
    """Theirs, those that most of them have first."""


@valueclass
class ServerReported:
    """The server says how far a statement is; sent again about every second."""

    step: Step
    report: ServerProgress
    seconds: float
    """How long the statement has been running."""


@valueclass
class RoundFinished:
    """A round of a batched migration is committed with its checkpoint."""

    step: Step
    rounds: int
    """How many were committed, those of earlier attempts included; so are the rows."""
    rows: int
    total: int | None
    """How many rows there are in all, or about; None where that is not known."""
    rows_per_second: float
    """Of the last 20 rounds of this attempt; an operator's pauses do not count."""
    seconds_left: float | None
    _: KW_ONLY
    lag_seconds: float | None = None
    """How far the slowest replica was behind when that was asked last; None where there is none, or `max_lag` is 0."""


@valueclass
class Held:
    """The next round waits; sent again about twice a second."""

    step: Step
    reason: str
    """An operator's pause, or a replica that is behind."""
    held_seconds: float
    _: KW_ONLY
    lag_seconds: float | None = None
    """How far the slowest replica is behind, as in `RoundFinished`."""


@valueclass
class Notice:
    """The server said something, by RAISE NOTICE or WARNING for example."""

    step: Step | None
    severity: str
    message: str
    _: KW_ONLY
    detail: str | None = None
    hint: str | None = None


@valueclass
class StepFinished:
    """A step's changes and its `done` fact are committed."""

    step: Step
    number: int
    total: int
    duration_seconds: float


@valueclass
class StepSkipped:
    """A step turned out not to be due when its turn came."""

    step: Step
    number: int
    total: int
    reason: str


@valueclass
class StepFailed:
    """A step raised an error; what the server says was undone is undone."""

    step: Step
    number: int
    total: int
    _: KW_ONLY
    duration_seconds: float
    problem: Problem
    will_retry: bool
    blocked_by: tuple[PastBlocker, ...] = ()
    """Who kept it waiting for a lock when it failed."""


@valueclass
class RetryScheduled:
    """The step is tried again after a pause."""

    step: Step
    attempt: int
    """The attempt that comes next, from 2."""
    attempts: int
    delay_seconds: float


@valueclass
class RunFinished:
    """The run is over and its lock released."""

    run_id: str
    completed: int
    """How many steps were completed."""
    total: int
    _: KW_ONLY
    duration_seconds: float
    failed: bool


Progress = (
    RunStarted
    | LockWaiting
    | StepStarted
    | StatementStarted
    | StatementFinished
    | Reported
    | Blocked
    | ServerReported
    | RoundFinished
    | Held
    | Notice
    | StepFinished
    | StepSkipped
    | StepFailed
    | RetryScheduled
    | RunFinished
)

Observer = Callable[[Progress], None]
