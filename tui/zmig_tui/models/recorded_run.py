"""Runs, made of their facts: which steps, in which attempts, how each ended. Pure."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from operator import attrgetter
from typing import TYPE_CHECKING, cast

from zmig.facts import EventType
from zmig.planning import blocked_by
from zmig.planning.history import ROLLED_BACK_WITH
from zmig.valueclass import replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from dataclasses import KW_ONLY
    from datetime import datetime

    from zmig.facts import Fact
    from zmig.planning.blocked_by import PastBlocker

LOCK_TIMEOUT = "55P03"
BEGINNINGS = frozenset({EventType.STARTED, EventType.ROLLBACK_STARTED})
_ENDS = frozenset({EventType.DONE, EventType.ROLLED_BACK, EventType.FAILED, EventType.ROLLBACK_FAILED})
_COMPLETIONS = frozenset({EventType.DONE, EventType.ROLLED_BACK})
_ROLLBACKS = frozenset({EventType.ROLLBACK_STARTED, EventType.ROLLED_BACK, EventType.ROLLBACK_FAILED})
_LONGEST_PAUSE_MS = 10**9
"""A longer one was written by somebody else."""
ABOUT_RUNS = BEGINNINGS | _ENDS
"""The facts that runs are made of."""


class Outcome(StrEnum):
    """How a run ended, or that it has not."""

    IN_PROGRESS = "in progress"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    """By a signal or by hand, or it ended without a word and somebody has looked after what it left."""
    STUCK = "stuck"
    """It ended without a word, and what it was at is stuck."""


@valueclass
class NextTry:
    """What a failure says of the attempt that follows."""

    number: int
    of: int
    at: datetime
    """When it is due."""


@valueclass
class Attempt:
    """One attempt at one step."""

    number: int
    _: KW_ONLY
    began: datetime | None
    """None where that is not recorded."""
    ended: datetime | None = None
    is_completed: bool = False
    message: str = ""
    """Why it failed."""
    sqlstate: str | None = None
    is_interrupted: bool = False
    is_taken_back: bool = False
    """Whether it was rolled back on account of another step."""
    next_try: NextTry | None = None
    will_retry: bool = False
    blocked_by: tuple[PastBlocker, ...] = ()

    @property
    def has_failed(self) -> bool:
        """Whether it ended otherwise than hoped for."""
        return self.ended is not None and not self.is_completed

    @property
    def setback(self) -> str:
        """Why it failed, in few words, and who was in the way."""
        return setback(self.message, self.blocked_by, sqlstate=self.sqlstate)


def setback(message: str, blockers: Sequence[PastBlocker], *, sqlstate: str | None = None) -> str:
    """Return why an attempt failed, in few words, and who was in the way."""
    is_lock_timeout = sqlstate == LOCK_TIMEOUT or message.endswith("due to lock timeout")
    why = "lock timeout" if is_lock_timeout else message
    who = blocked_by.short(blockers)
    return f"{why}, {who}" if who else why


@valueclass
class Step:
    """What a run did with one migration."""

    name: str
    version: int | None
    _: KW_ONLY
    is_rollback: bool
    attempts: tuple[Attempt, ...]

    @property
    def last(self) -> Attempt:
        """The latest attempt."""
        return self.attempts[-1]


@valueclass
class RecordedRun:
    """One run, as far as facts say."""

    run_id: str
    _: KW_ONLY
    began: datetime
    last_at: datetime
    """When its last fact was recorded."""
    position: int
    """That fact's."""
    database_user: str | None
    host: str | None
    steps: tuple[Step, ...]
    is_held: bool = False
    """Whether it holds the lock."""
    is_stuck: bool = False
    """Whether what it was at is stuck."""

    @property
    def completed(self) -> int:
        """How many steps it has completed."""
        return sum(step.last.is_completed for step in self.steps)

    @property
    def is_open(self) -> bool:
        """Whether its last fact says that it goes on."""
        last = self.steps[-1].last
        return last.ended is None or last.will_retry

    @property
    def failed(self) -> Step | None:
        """The step that it failed at."""
        return next(
            (step for step in reversed(self.steps) if step.last.has_failed and not step.last.is_taken_back), None
        )

    @property
    def is_rollback(self) -> bool:
        """Whether it takes back what was applied."""
        return self.steps[-1].is_rollback

    @property
    def outcome(self) -> Outcome:
        """How it ended."""
        if self.is_held:
            return Outcome.IN_PROGRESS
        if self.is_stuck:
            return Outcome.STUCK
        if self.is_open:
            return Outcome.INTERRUPTED
        if (failed := self.failed) is not None:
            return Outcome.INTERRUPTED if failed.last.is_interrupted else Outcome.FAILED
        return Outcome.DONE

    @property
    def who(self) -> str:
        """Who ran it, and where."""
        return "@".join(part for part in (self.database_user, self.host) if part)


def belongs_to_run(fact: Fact) -> bool:
    """Whether a fact says something of the run that appended it, and not of one that died before."""
    return fact.type in ABOUT_RUNS and fact.run_id is not None and fact.text("run_id") in (None, fact.run_id)


class RunBuilder:
    """Folds the facts of one run, in order of position."""

    def __init__(self, run_id: str, facts: Iterable[Fact] = ()) -> None:
        self._run_id = run_id
        self._steps: dict[tuple[str, bool], Step] = {}
        self._first: Fact | None = None
        self._last: Fact | None = None
        for fact in sorted(facts, key=attrgetter("position")):
            self.add(fact)

    def add(self, fact: Fact) -> None:
        """Take one more fact; one that is known already, or of another run, changes nothing."""
        if fact.run_id != self._run_id or not belongs_to_run(fact):
            return
        if self._last is not None and fact.position <= self._last.position:
            return
        key = (fact.name, fact.type in _ROLLBACKS)
        step = self._steps.get(key) or Step(fact.name, fact.version, is_rollback=key[1], attempts=())
        self._steps[key] = replace(step, attempts=_with(step.attempts, fact))
        self._first, self._last = self._first or fact, fact

    @property
    def run(self) -> RecordedRun | None:
        """The run so far; None where it has begun nothing, as an operator's decision."""
        first, last = self._first, self._last
        if (
            first is None
            or last is None
            or not any(step.attempts[0].began is not None for step in self._steps.values())
        ):
            return None
        return RecordedRun(
            self._run_id,
            began=first.created_at,
            last_at=last.created_at,
            position=last.position,
            database_user=last.database_user,
            host=last.host,
            steps=tuple(self._steps.values()),
        )


def recorded_run(run_id: str, facts: Iterable[Fact]) -> RecordedRun | None:
    """Return what the facts of a run say; None where it has begun nothing."""
    return RunBuilder(run_id, facts).run


def _with(attempts: tuple[Attempt, ...], fact: Fact) -> tuple[Attempt, ...]:
    if fact.type in BEGINNINGS:
        number = fact.integer("attempt") or (attempts[-1].number + 1 if attempts else 1)
        return (*attempts, Attempt(number, began=fact.created_at))
    begun = attempts[-1] if attempts and attempts[-1].ended is None else None
    before = attempts[:-1] if begun is not None else attempts
    begun = begun or Attempt(fact.integer("attempt") or 1, began=None)
    return (*before, _ended(begun, fact))


def _ended(attempt: Attempt, fact: Fact) -> Attempt:
    if fact.type in _COMPLETIONS:
        return replace(attempt, ended=fact.created_at, is_completed=True)
    error = _mapping(fact.data.get("error"))
    sqlstate = error.get("sqlstate")
    return replace(
        attempt,
        ended=fact.created_at,
        message=fact.error_message or "no reason is recorded",
        sqlstate=sqlstate if isinstance(sqlstate, str) else None,
        is_interrupted="interrupted" in error,
        is_taken_back=error.get("code") == ROLLED_BACK_WITH,
        next_try=_next_try(fact),
        will_retry=fact.data.get("will_retry") is True,
        blocked_by=blocked_by.of_fact(fact),
    )


def _mapping(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}


def _next_try(fact: Fact) -> NextTry | None:
    data = _mapping(fact.data.get("next_try"))
    number, of, milliseconds = (data.get(key) for key in ("number", "of", "in_ms"))
    if not (isinstance(number, int) and isinstance(of, int) and isinstance(milliseconds, int)):
        return None
    if not 0 <= milliseconds <= _LONGEST_PAUSE_MS:
        return None
    return NextTry(number, of, fact.created_at + timedelta(milliseconds=milliseconds))
