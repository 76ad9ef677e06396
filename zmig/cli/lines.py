"""A run as plain lines, one for each fact, for logs and pipes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, assert_never

from zmig.cli import sentences, table
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

if TYPE_CHECKING:
    from zmig.cli.output import Output
    from zmig.progress import Progress


_SECONDS_BETWEEN_LINES = 10.0


class Lines:
    """An observer that writes to stderr."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._place = ""
        self._rests: dict[object, float] = {}

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
            case Notice():
                return sentences.notice(progress)
            case RunFinished():
                return sentences.run_finished(progress)
            case _:
                line = self._within_step(progress)
                return None if line is None else f"{self._place} {line}"

    def _within_step(
        self,
        progress: StatementStarted
        | StatementFinished
        | Reported
        | Blocked
        | ServerReported
        | RoundFinished
        | Held
        | RetryScheduled,
    ) -> str | None:
        match progress:
            case StatementStarted():
                return sentences.statement(progress) if self._output.is_verbose else None
            case StatementFinished():
                return None
            case Reported():
                return sentences.reported(progress)
            case Blocked():
                pids = tuple(one.pid for one in progress.blockers)
                return self._now_and_then(("blocked", *pids), sentences.blocked(progress))
            case ServerReported():
                return self._now_and_then(("server", progress.report.phase), sentences.server_reported(progress))
            case RoundFinished():
                return self._now_and_then("round", sentences.round_finished(progress))
            case Held():
                return self._now_and_then(("held", progress.reason[:20]), sentences.held(progress))
            case RetryScheduled():
                return sentences.retry(progress)
            case _:
                assert_never(progress)

    def _now_and_then(self, subject: object, sentence: str) -> str | None:
        """Return a line for what is heard every second: at once where the subject is new, else from time to time."""
        now = time.monotonic()
        if now < self._rests.get(subject, 0.0):
            return None
        self._rests = {subject: now + _SECONDS_BETWEEN_LINES}
        return sentence


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
