"""When a step that failed is tried again, and where that attempt continues."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from zmig.process.interrupts import Interrupted
from zmig.progress import RetryScheduled
from zmig.running.attempt import Attempt
from zmig.valueclass import replace, valueclass

if TYPE_CHECKING:
    from zmig.errors import Problem
    from zmig.model import Retry
    from zmig.running.attempt import Failed
    from zmig.running.run_session import RunSession


@valueclass
class NextTry:
    """The attempt that follows one that failed."""

    number: int
    """From 2."""
    of: int
    """How many there are at most."""
    in_seconds: float
    """How long it is waited for."""

    def as_dict(self) -> dict[str, object]:
        """Return the contents as JSON types."""
        return {"number": self.number, "of": self.of, "in_ms": round(self.in_seconds * 1000)}


class RetryPolicy:
    """Counts the attempts at one step; those of a batched migration anew from each that came further."""

    def __init__(self, session: RunSession, settings: Retry) -> None:
        self._session = session
        self._settings = settings
        self._tries = 0

    def next_try(self, failed: Failed) -> NextTry | None:
        """Count an attempt that failed; return the one that may follow, if there is one left."""
        self._tries = 1 if _has_advanced(failed) else self._tries + 1
        settings = self._settings
        if self._tries >= settings.attempts:
            return None
        delay = _delay(self._tries, settings.backoff_seconds, settings.max_backoff_seconds)
        return NextTry(self._tries + 1, settings.attempts, delay)

    def following(self, failed: Failed, problem: Problem, next_try: NextTry) -> Attempt:
        """Wait, and return the next attempt; `problem` is what ended the one before it."""
        attempt = failed.attempt
        self._pause(failed, problem, next_try)
        step = replace(attempt.step, checkpoint=failed.reached, unended=None)
        return Attempt(replace(attempt.prepared, step=step), attempt.number + 1, attempt.position)

    def _pause(self, failed: Failed, problem: Problem, next_try: NextTry) -> None:
        try:
            step = failed.attempt.step
            self._session.observer(RetryScheduled(step, next_try.number, next_try.of, next_try.in_seconds))
            self._session.interrupts.sleep(next_try.in_seconds)
        except Interrupted as interruption:
            message = f"interrupted by {interruption} before another attempt: {problem.message}"
            interruption.problem = replace(problem, code="interrupted", message=message)
            raise


def _has_advanced(failed: Failed) -> bool:
    """Whether an attempt at a batched migration came further, so that its failure is the first of the next one."""
    if failed.reached is None or failed.reached.reached is None:
        return False
    start = failed.attempt.step.checkpoint
    before = start.reached.rounds if start is not None and start.reached is not None else 0
    return failed.reached.reached.rounds > before


def _delay(tries: int, backoff_seconds: float, max_backoff_seconds: float) -> float:
    """Return an exponentially growing pause, with jitter so that two runs do not meet again."""
    longest = min(backoff_seconds * 2 ** (tries - 1), max_backoff_seconds)
    return longest * random.uniform(0.5, 1.0)
