"""Interruption of a run by a signal: raised where work may stop, put off while a fact is being recorded.

`Interrupted` derives from KeyboardInterrupt, so psycopg cancels the statement on the server before it passes
the exception on, and a migration's `except Exception` does not swallow it.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

    from zmig.database.connection import Connection
    from zmig.errors import Problem


_LONGEST_NAP_SECONDS = 0.2


class Interrupted(KeyboardInterrupt):
    """A signal asked the run to end."""

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number
        self.problem: Problem | None = None
        """What the interruption left behind, once that is recorded."""

    @property
    def exit_code(self) -> int:
        """The conventional exit code: 128 plus the signal's number."""
        return 128 + self.number


class Interrupts:
    """What a run does with signals; this one leaves them as they are, for use as a library."""

    @contextmanager
    def deferred(self) -> Generator[None]:
        """Put interruptions off until the block ends."""
        yield

    @contextmanager
    def running(self, connection: Connection) -> Generator[None]:
        """Surround the run that works over `connection`, from before it waits for the lock."""
        yield

    @contextmanager
    def in_code(self) -> Generator[None]:
        """Surround a migration's own code."""
        yield

    def request(self) -> None:
        """Ask the run to end, from another thread: as if ctrl-c had been pressed."""
        os.kill(os.getpid(), signal.SIGINT)

    def meaning(self, error: BaseException) -> BaseException:
        """Return what an error that ended a step means: an interruption, where this object brought it about."""
        return error

    def sleep(self, seconds: float) -> None:
        """Pause between two attempts, in short naps: Python heeds a signal that came just before one only after it."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _LONGEST_NAP_SECONDS))


class SignalInterrupts(Interrupts):
    """Turns SIGINT and SIGTERM into `Interrupted`; a second signal ends the process at once."""

    def __init__(self) -> None:
        self._depth = 0
        self._pending: int | None = None
        self._seen = False

    @contextmanager
    def installed(self) -> Generator[None]:
        """Handle the signals inside the block; only in the main thread."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        previous = [signal.signal(number, self._handle) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, previous, strict=True):
                # None stands for a handler that was not set from Python, and that Python cannot set again.
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

    @contextmanager
    def deferred(self) -> Generator[None]:
        """Put a signal off until the outermost block ends, then raise it."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
        if self._depth == 0 and self._pending is not None:
            number, self._pending = self._pending, None
            raise Interrupted(number)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._seen:
            os._exit(128 + number)
        self._seen = True
        if self._depth:
            self._pending = number
        else:
            raise Interrupted(number)
