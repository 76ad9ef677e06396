"""What stays of a run's progress: the lines of its log."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from zmig.database import lock_holder
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
    StatementFinished,
    StatementStarted,
    StepFailed,
    StepFinished,
    StepSkipped,
    StepStarted,
)
from zmig_tui import words
from zmig_tui.text import Line, Span, Tone, line, span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig.progress import Progress


def log_lines(progress: Progress) -> Sequence[Line]:
    """Return the lines that a progress adds to the log; none for what is only passing."""
    match progress:
        case RunStarted() | LockWaiting() | RunFinished():
            return _of_run(progress)
        case StatementStarted():
            of = f" of {progress.total}" if progress.total is not None else ""
            return [line(span(f"    {progress.number}{of}, line {progress.line}: ", Tone.QUIET), progress.text)]
        case Notice():
            parts = [progress.message, *(part for part in (progress.detail, progress.hint) if part)]
            tone = Tone.WARN if progress.severity.upper() == "WARNING" else Tone.PLAIN
            return [line(Span("    "), span(f"{progress.severity.lower()}: {'; '.join(parts)}", tone))]
        case StatementFinished() | Reported() | Blocked() | ServerReported() | RoundFinished() | Held():
            return []
        case StepStarted() | StepFinished() | StepSkipped() | StepFailed() | RetryScheduled():
            return [_of_step(progress)]
        case _:
            assert_never(progress)


def _of_run(progress: RunStarted | LockWaiting | RunFinished) -> Sequence[Line]:
    match progress:
        case RunStarted():
            steps = words.counted(len(progress.plan.steps), "step")
            return [line(span(f"run {progress.run_id} on {progress.database}: {steps}", Tone.STRONG))]
        case LockWaiting():
            return [line(span(f"waiting for the lock: {lock_holder.describe(progress.holder)}", Tone.WARN))]
        case RunFinished():
            return []


def _of_step(progress: StepStarted | StepFinished | StepSkipped | StepFailed | RetryScheduled) -> Line:
    name = progress.step.migration.name
    match progress:
        case StepStarted():
            again = f", attempt {progress.attempt}" if progress.attempt > 1 else ""
            return line(span(f"▶ {progress.step.action.value} {name}{again}", Tone.BUSY))
        case StepFinished():
            return line(
                span(f"✓ {name}", Tone.GOOD), span(f"  {words.duration(progress.duration_seconds)}", Tone.QUIET)
            )
        case StepSkipped():
            return line(span(f"- {name}: {progress.reason}", Tone.QUIET))
        case StepFailed():
            return line(span(f"✗ {progress.problem.message}", Tone.BAD))
        case RetryScheduled():
            pause = words.duration(progress.delay_seconds)
            return line(span(f"↻ try {progress.attempt} of {progress.attempts} in {pause}", Tone.WARN))
