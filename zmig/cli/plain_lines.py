"""A run as plain lines, one for each thing that happens, for logs and pipes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from zmig.presentation.narration import say
from zmig.progress import (
    LockWaiting,
    Notice,
    RunFinished,
    RunStarted,
    StepFailed,
    StepFinished,
    StepSkipped,
    StepStarted,
)
from zmig.text.terminal import one_line

if TYPE_CHECKING:
    from zmig.cli.output import Output
    from zmig.presentation.narration import Saying
    from zmig.progress import Progress


_SECONDS_BETWEEN_LINES = 10.0
_OUTSIDE = (RunStarted, LockWaiting, Notice, RunFinished)
"""What is said without the number of a step before it."""


class Lines:
    """An observer that writes to stderr."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._number = ""
        self._rests: dict[object, float] = {}

    def __call__(self, progress: Progress) -> None:
        """Write what a progress says, if it is worth a line."""
        if isinstance(progress, (StepStarted, StepFinished, StepSkipped, StepFailed)):
            self._number = f"{progress.number}/{progress.total} "
        saying = say(progress)
        if saying is not None and self._is_worth_a_line(saying):
            number = "" if isinstance(progress, _OUTSIDE) else self._number
            self._output.note(one_line(f"{number}{saying.sentence}"))

    def _is_worth_a_line(self, saying: Saying) -> bool:
        """Whether to write it: of what is heard every second only what is new, and the rest from time to time."""
        if saying.is_detail:
            return self._output.is_verbose
        if saying.subject is None:
            return True
        now = time.monotonic()
        if now < self._rests.get(saying.subject, 0.0):
            return False
        self._rests = {saying.subject: now + _SECONDS_BETWEEN_LINES}
        return True
