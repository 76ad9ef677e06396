"""The sentences about a run that goes on, for plain lines and for the live display alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig import lock
from zmig.cli import table
from zmig.plan import Direction
from zmig.render import visible

if TYPE_CHECKING:
    from zmig.progress import (
        LockWaiting,
        Notice,
        Reported,
        RetryScheduled,
        RunFinished,
        RunStarted,
        StatementStarted,
        StepFailed,
        StepSkipped,
        StepStarted,
    )


def one_line(text: str) -> str:
    """Return text as one line that a terminal does not act on."""
    return visible(" ".join(text.split("\n")).replace("\t", " "))


def run_started(progress: RunStarted) -> str:
    """Say which run begins, and what it is about to do."""
    steps = table.counted(len(progress.plan.steps), "step")
    verb = "roll back" if progress.plan.direction is Direction.ROLLBACK else "run"
    return f"run {progress.run_id} on database `{progress.database}`: {steps} to {verb}"


def waiting(progress: LockWaiting) -> str:
    """Say whom the run waits for."""
    return f"{waiting_for(progress)}, {table.duration(progress.waited_seconds)}"


def waiting_for(progress: LockWaiting) -> str:
    """Say whom the run waits for, without the time."""
    return f"waiting for the lock: {lock.describe(progress.holder)}"


def step_started(progress: StepStarted) -> str:
    """Say which step begins."""
    again = f", attempt {progress.attempt}" if progress.attempt > 1 else ""
    return f"{progress.step.action.value} {progress.step.migration.name}{again}"


def statement(progress: StatementStarted) -> str:
    """Say which statement runs."""
    return f"{statement_number(progress)}, line {progress.line}: {progress.text}"


def statement_number(progress: StatementStarted) -> str:
    """Say which of the statements runs."""
    return f"statement {progress.number}" + ("" if progress.total is None else f" of {progress.total}")


def reported(progress: Reported) -> str:
    """Say what a Python migration reports."""
    if progress.done is None:
        return progress.message
    return f"{progress.message}: {progress.done}" + ("" if progress.total is None else f" of {progress.total}")


def notice(progress: Notice) -> str:
    """Say what the server or a migration says."""
    parts = [progress.message, *(part for part in (progress.detail, progress.hint) if part)]
    return f"{progress.severity.lower()}: {'; '.join(parts)}"


def skipped(progress: StepSkipped) -> str:
    """Say why a step is left out."""
    return f"skipped {progress.step.migration.name}: {progress.reason}"


def failed(progress: StepFailed) -> str:
    """Say that a step failed; if that is the end, the error that follows says why."""
    text = f"failed {progress.step.migration.name}, {table.duration(progress.duration_seconds)}"
    return f"{text}: {progress.problem.message}" if progress.will_retry else text


def retry(progress: RetryScheduled) -> str:
    """Say when a step is tried again."""
    pause = table.duration(progress.delay_seconds)
    return f"trying {progress.step.migration.name} again in {pause}, try {progress.attempt} of {progress.attempts}"


def run_finished(progress: RunFinished) -> str:
    """Sum a run up."""
    steps = f"{progress.completed} of {table.counted(progress.total, 'step')}"
    ending = "failed after" if progress.failed else "completed"
    return f"run {progress.run_id} {ending} {steps}, {table.duration(progress.duration_seconds)}"
