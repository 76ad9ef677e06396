"""The sentences about a run that goes on, for plain lines and for the live display alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.cli import table
from zmig.database import lock_holder
from zmig.planning.plan import Direction
from zmig.text.terminal import visible

if TYPE_CHECKING:
    from zmig.database.activity import Blocker
    from zmig.progress import (
        Blocked,
        Held,
        LockWaiting,
        Notice,
        Reported,
        RetryScheduled,
        RoundFinished,
        RunFinished,
        RunStarted,
        ServerReported,
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
    return f"waiting for the lock: {lock_holder.describe(progress.holder)}"


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


def blocked(progress: Blocked) -> str:
    """Say who keeps a statement waiting."""
    waited = table.duration(progress.waited_seconds)
    if not progress.blockers:
        return f"goes on, after waiting {waited} for a lock"
    return f"blocked for {waited} by {'; '.join(map(_blocker, progress.blockers))}"


def _blocker(blocker: Blocker) -> str:
    backend = blocker.backend
    if backend is None:
        return f"backend {blocker.pid}" if blocker.pid else "a prepared transaction"
    parts = [f"backend {blocker.pid}"]
    if backend.application_name:
        parts.append(f"application `{backend.application_name}`")
    if backend.database_user:
        parts.append(f"user `{backend.database_user}`")
    if backend.state:
        parts.append(backend.state + (f" since {backend.since:%H:%M:%S %Z}" if backend.since is not None else ""))
    query = f": {backend.query}" if backend.query else ""
    by = f" (which keeps backend {blocker.waiting_pid} waiting)" if blocker.depth else ""
    return f"{', '.join(parts)}{by}{query}"


def server_reported(progress: ServerReported) -> str:
    """Say how far the server is with a statement."""
    report = progress.report
    relation = f" of {report.relation}" if report.relation else ""
    text = f"{report.command}{relation}: {report.phase}"
    if report.total:
        return f"{text}, {report.fraction or 0:.0%} of {report.total} {report.unit}"
    return f"{text}, {report.done} {report.unit}" if report.done else text


def round_finished(progress: RoundFinished) -> str:
    """Say how far a batched migration is."""
    of = "" if progress.total is None else f" of about {progress.total:,}"
    left = "" if progress.seconds_left is None else f", {table.duration(progress.seconds_left)} left"
    return f"round {progress.rounds:,}: {progress.rows:,}{of} rows, {progress.rows_per_second:,.0f} rows/s{left}"


def held(progress: Held) -> str:
    """Say why the next round waits."""
    return f"waiting for {table.duration(progress.held_seconds)} between two rounds: {progress.reason}"


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
