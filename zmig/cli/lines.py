"""A run as plain lines, one for each fact, for logs and pipes."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from zmig.cli import sentences, table
from zmig.progress import (
    LockWaiting,
    Notice,
    Reported,
    RetryScheduled,
    RunFinished,
    RunStarted,
    StatementFinished,
    StatementStarted,
    StepFailed,
    StepFinished,
    StepSkipped,
    StepStarted,
)

if TYPE_CHECKING:
    from zmig.cli.output import Output
    from zmig.progress import Progress


class Lines:
    """An observer that writes to stderr."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._place = ""

    def __call__(self, progress: Progress) -> None:
        """Write what a progress says, if it is worth a line."""
        line = self._line(progress)
        if line is not None:
            self._output.note(sentences.one_line(line))

    def _line(self, progress: Progress) -> str | None:
        match progress:
            case RunStarted():
                return sentences.run_started(progress)
            case LockWaiting():
                return sentences.waiting(progress)
            case StepStarted() | StepFinished() | StepSkipped() | StepFailed():
                self._place = f"{progress.number}/{progress.total}"
                return f"{self._place} {_step(progress)}"
            case StatementStarted():
                return f"{self._place} {sentences.statement(progress)}" if self._output.is_verbose else None
            case StatementFinished():
                return None
            case Reported():
                return f"{self._place} {sentences.reported(progress)}"
            case Notice():
                return sentences.notice(progress)
            case RetryScheduled():
                return f"{self._place} {sentences.retry(progress)}"
            case RunFinished():
                return sentences.run_finished(progress)
            case _:
                assert_never(progress)


def _step(progress: StepStarted | StepFinished | StepSkipped | StepFailed) -> str:
    match progress:
        case StepStarted():
            return sentences.step_started(progress)
        case StepFinished():
            return f"done {progress.step.migration.name}, {table.duration(progress.duration_seconds)}"
        case StepSkipped():
            return sentences.skipped(progress)
        case StepFailed():
            return sentences.failed(progress)
