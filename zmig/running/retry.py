"""When a step that failed is tried again, and where that attempt continues."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from zmig.process.interrupts import Interrupted
from zmig.progress import RetryScheduled
from zmig.running.attempt import Attempt
from zmig.valueclass import replace

if TYPE_CHECKING:
    from zmig.errors import Problem
    from zmig.model import Retry
    from zmig.running.attempt import Failed
    from zmig.running.run_session import RunSession


class RetryPolicy:
    """Counts the attempts at one step; those of a batched migration anew from each that came further."""

    def __init__(self, session: RunSession, settings: Retry) -> None:
        self._session = session
        self._settings = settings
        self._tries = 0

    def may_follow(self, failed: Failed) -> bool:
        """Count an attempt that failed; return whether there may be another one."""
        self._tries = 1 if _has_advanced(failed) else self._tries + 1
        return self._tries < self._settings.attempts

    def following(self, failed: Failed, problem: Problem) -> Attempt:
        """Wait, and return the next attempt; `problem` is what ended the one before it."""
        attempt = failed.attempt
        self._pause(failed, problem)
        step = replace(attempt.step, checkpoint=failed.reached, unended=None)
        return Attempt(replace(attempt.prepared, step=step), attempt.number + 1, attempt.position)

    def _pause(self, failed: Failed, problem: Problem) -> None:
        settings = self._settings
        delay = _delay(self._tries, settings.backoff_seconds, settings.max_backoff_seconds)
        try:
            step = failed.attempt.step
            self._session.observer(RetryScheduled(step, self._tries + 1, settings.attempts, delay))
            self._session.interrupts.sleep(delay)
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
