"""A run as the console shows it: the engine's progress, folded into one value. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.planning.plan import Direction
from zmig.progress import (
    Held,
    LockWaiting,
    Reported,
    RetryScheduled,
    RoundFinished,
    RunStarted,
    StatementStarted,
    StepFailed,
    StepFinished,
    StepSkipped,
    StepStarted,
)
from zmig.valueclass import field, replace, valueclass
from zmig_tui.models import batch_progress as rounds
from zmig_tui.models import run_log
from zmig_tui.models.recorded_run import setback
from zmig_tui.models.run_log import RunLog
from zmig_tui.models.trend import Trend

if TYPE_CHECKING:
    from collections.abc import Sequence
    from dataclasses import KW_ONLY

    from zmig.errors import Problem
    from zmig.progress import Progress
    from zmig_tui.models.batch_progress import BatchProgress


@valueclass
class CurrentStep:
    """The step that runs now."""

    name: str
    version: int
    began: float
    _: KW_ONLY
    attempt: int = 1
    statement: int | None = None
    statements: int | None = None
    line: int | None = None
    text: str = ""
    """The beginning of the statement, or what a Python migration reports."""
    statement_began: float | None = None
    done: int | None = None
    total: int | None = None
    """How far a Python migration says it is."""
    rounds: BatchProgress | None = None
    """How far a batched migration is."""
    held: str = ""
    """Why its next round waits."""
    tries: int = 1
    """Which of its tries in this run it is, and the next one while that is waited for."""
    most_tries: int | None = None
    """How many there are at most, where that is known."""
    setback: str = ""
    """Why the attempt before the next one failed, while that is waited for."""
    retry_at: float | None = None
    is_rollback: bool = False
    max_lag_seconds: float | None = None
    """How far a replica may be behind; None where that is not known, or does not matter."""
    rows_trend: Trend = field(default_factory=Trend)
    """How many rows its rounds had done, over the last minutes."""
    lag_trend: Trend = field(default_factory=Trend)
    """How far the slowest replica was behind."""
    lock_timeout_seconds: float | None = None
    """How long a statement of it waits for a lock; None where that is not known."""

    @property
    def is_paused(self) -> bool:
        """Whether an operator's word holds its next round, and not a replica."""
        return self.held.startswith("paused")


@valueclass
class Run:
    """One run, in progress or over. Times are seconds of a monotonic clock."""

    verb: str
    """What was asked for: `apply`, `rollback`, ..."""
    began: float
    _: KW_ONLY
    total: int = 0
    finished: int = 0
    current: CurrentStep | None = None
    waiting: LockWaiting | None = None
    log: RunLog = field(default_factory=RunLog)
    """What was reported."""
    problems: tuple[Problem, ...] = ()
    ended: float | None = None
    outcome: str = ""
    is_remote: bool = False
    who: str = ""
    """Who ran it, and where, if that was not this console."""
    run_id: str | None = None
    """What facts call it; None where that is not known."""
    is_cancelling: bool = False

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.ended is not None

    @property
    def holds_lock(self) -> bool:
        """Whether it goes on, and waits for no other run."""
        return not self.is_over and (self.waiting is None or self.current is not None)

    @property
    def has_failed(self) -> bool:
        """Whether it ended otherwise than hoped for."""
        return bool(self.problems)

    def seconds(self, now: float) -> float:
        """Return how long it has taken."""
        return (self.ended if self.ended is not None else now) - self.began

    def ending(self, outcome: str, problems: Sequence[Problem], now: float) -> Run:
        """Return the run as it ended."""
        return replace(
            self, current=None, waiting=None, outcome=outcome, problems=tuple(problems), ended=now, is_cancelling=False
        )


def advance(run: Run, progress: Progress, now: float) -> Run:
    """Return the run after one more progress of it."""
    run = replace(run, log=run_log.advance(run.log, progress, now))
    match progress:
        case RunStarted():
            return replace(run, total=len(progress.plan.steps), waiting=None, run_id=progress.run_id)
        case LockWaiting():
            return replace(run, waiting=progress)
        case StepStarted(step=step):
            before = run.current
            is_again = before is not None and before.name == step.migration.name
            current = CurrentStep(
                step.migration.name,
                step.migration.version,
                now,
                attempt=progress.attempt,
                statements=progress.statements,
                is_rollback=step.direction is Direction.ROLLBACK,
                lock_timeout_seconds=step.migration.settings.lock_timeout_seconds or None,
                max_lag_seconds=step.migration.batch.max_lag_seconds if step.migration.batch is not None else None,
                rows_trend=before.rows_trend if before is not None and is_again else Trend(),
                lag_trend=before.lag_trend if before is not None and is_again else Trend(),
                tries=before.tries if before is not None and is_again else 1,
                most_tries=before.most_tries if before is not None and is_again else None,
            )
            return replace(run, current=current, finished=progress.number - 1, total=progress.total)
        case StepFinished() | StepSkipped():
            return replace(run, current=None, finished=progress.number, total=progress.total)
        case (
            StepFailed(will_retry=True) | StatementStarted() | Reported() | RetryScheduled() | RoundFinished() | Held()
        ):
            return replace(run, current=_moved(run.current, progress, now))
        case _:
            return run


def _moved(
    current: CurrentStep | None,
    progress: StepFailed | StatementStarted | Reported | RetryScheduled | RoundFinished | Held,
    now: float,
) -> CurrentStep | None:
    if current is None:
        return None
    match progress:
        case StepFailed():
            why = progress.problem.message.removeprefix(f"migration `{current.name}` failed: ")
            return replace(current, setback=setback(why, progress.blocked_by), text="")
        case StatementStarted():
            return replace(
                current,
                statement=progress.number,
                statements=progress.total,
                line=progress.line,
                text=progress.text,
                statement_began=now,
                retry_at=None,
                setback="",
            )
        case RoundFinished():
            return replace(
                current,
                rounds=rounds.from_progress(progress),
                held="",
                rows_trend=current.rows_trend.adding(now, progress.rows),
                lag_trend=_lag_trend(current, progress, now),
            )
        case Held():
            return replace(current, held=progress.reason, lag_trend=_lag_trend(current, progress, now))
        case Reported():
            return replace(current, text=progress.message, done=progress.done, total=progress.total)
        case RetryScheduled():
            return replace(
                current,
                retry_at=now + progress.delay_seconds,
                tries=progress.attempt,
                most_tries=progress.attempts,
                text="",
            )


def _lag_trend(current: CurrentStep, progress: RoundFinished | Held, now: float) -> Trend:
    lag = progress.lag_seconds
    return current.lag_trend if lag is None else current.lag_trend.adding(now, lag)
