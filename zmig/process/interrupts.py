"""Interruption of a run by a signal: raised where work may stop, put off while a fact is being recorded.

`Interrupted` derives from KeyboardInterrupt, so psycopg cancels the statement on the server before it passes
the exception on, and a migration's `except Exception` does not swallow it. Where somebody swallows it all the same, it
is remembered: the run ends before its next step.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from threading import get_ident
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from types import FrameType

    import psycopg

    from zmig.errors import Problem


_LONGEST_NAP_SECONDS = 0.2
_SECONDS_BETWEEN_QUESTIONS = 1.0
"""Asked of a server that says nothing."""
SECONDS_TOGETHER = 1.0
"""A signal that comes sooner after another one was sent together with it.

When a terminal closes, both the shell and the kernel send SIGHUP; a program that passes signals on sends what its
child has got from the terminal, too.
"""


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

    _kept: BaseException | None = None

    @property
    def is_asked(self) -> bool:
        """Whether the run was asked to end, whether or not that was raised already."""
        return False

    @contextmanager
    def polled(self) -> Generator[None]:
        """Surround what looks for interruptions itself, with `check`: none is raised inside the block by itself.

        psycopg drops what is raised in the middle of a notice.
        """
        yield

    def check(self) -> None:
        """Raise an interruption that came while it could not be raised, unless it is put off."""
        error = self.taken()
        if error is not None:
            raise error

    def taken(self) -> BaseException | None:
        """Return what `check` would raise; from then on it counts as raised."""
        error, self._kept = self._kept, None
        return error

    def keep(self, error: BaseException) -> None:
        """Keep an exception that ends the program, and cannot be raised where it came up, for the next `check`."""
        self._kept = error

    def heed(self, *, is_over: bool = False) -> None:
        """Raise an interruption again that somebody swallowed; for the runner, between two steps or after the last."""

    @contextmanager
    def deferred(self) -> Generator[None]:
        """Put interruptions off until the block ends."""
        yield

    @contextmanager
    def running(self, connection: psycopg.Connection[tuple[object, ...]]) -> Generator[None]:
        """Surround the run that works over `connection`, from before it waits for the lock."""
        yield

    @contextmanager
    def in_code(self) -> Generator[None]:
        """Surround a migration's own code."""
        yield

    def request(self) -> None:
        """Ask the run to end, from another thread: as if ctrl-c had been pressed."""
        os.kill(os.getpid(), signal.SIGINT)

    def translate(self, error: BaseException) -> BaseException:
        """Return what an error that ended a step means: an interruption, where this object brought it about."""
        return error

    def sleep(self, seconds: float) -> None:
        """Pause between two attempts, in short naps: Python heeds a signal that came just before one only after it."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _LONGEST_NAP_SECONDS))


UNHEEDED = Interrupts()
"""Of a connection that belongs to no run."""


class Look:
    """What a wait for the server does after each look at the socket."""

    def __init__(
        self, interrupts: Interrupts, in_silence: Callable[[], None], in_vain: Callable[[], None] = lambda: None
    ) -> None:
        """`in_silence` is called now and then while a run that was asked to end hears nothing.

        `in_vain` is called after each look that found nothing.
        """
        self._interrupts = interrupts
        self._in_silence = in_silence
        self._in_vain = in_vain
        self._asked_at: float | None = None

    def __call__(self, came: int) -> None:
        """Raise an interruption that is not put off; `came` is what came at the socket."""
        interrupts = self._interrupts
        interrupts.check()
        if came:
            return
        self._in_vain()
        if not interrupts.is_asked:
            return
        now = time.monotonic()
        if self._asked_at is None or now - self._asked_at >= _SECONDS_BETWEEN_QUESTIONS:
            self._in_silence()
            self._asked_at = time.monotonic()


class SignalInterrupts(Interrupts):
    """Turns SIGINT, SIGTERM and SIGHUP into `Interrupted`; a second signal ends the process at once.

    One that comes together with the first is none, and SIGHUP never is: nobody is there any more to insist.
    SIGHUP and SIGINT stay ignored where they are: as under `nohup`, and where a script of the shell has put the
    command into the background, which ctrl-c is not meant for.
    """

    def __init__(self, *, report_end: Callable[[int, bool], None] = lambda _number, _is_second: None) -> None:
        """`report_end` is called with the number of a signal that ends the process at once, just before it does.

        Its second argument says whether it is the second one; else a migration's code did not let the first one in.
        """
        self._report_end = report_end
        self._process = os.getpid()
        self._thread = get_ident()
        """The thread that Python interrupts; what another one waits for puts nothing off."""
        self._depth = 0
        self._polls = 0
        self._pending: int | None = None
        self._asked: int | None = None
        self._asked_at: float | None = None
        self._is_ending = False
        """Whether the process is about to end, and says so; a third signal would cut that short."""

    @property
    def is_asked(self) -> bool:
        """Whether a signal came."""
        return self._asked is not None

    @contextmanager
    def installed(self, *, ends_process: bool = False) -> Generator[None]:
        """Handle the signals inside the block; only in the main thread, which made this object.

        `ends_process` says that the process ends after the block where a signal came in it.
        """
        previous = [(number, signal.signal(number, self._handle)) for number in _handled()]
        try:
            yield
        finally:
            for number, handler in previous:
                if ends_process and self.is_asked and _is_sighup(number):
                    signal.signal(number, signal.SIG_IGN)  # the second one of a terminal may come late
                    continue
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
        if self._polls == 0:
            self.check()

    @contextmanager
    def polled(self) -> Generator[None]:
        """Put a signal off until `check` is called, or the block around this one asks."""
        if get_ident() != self._thread:
            yield
            return
        self._polls += 1
        try:
            yield
        finally:
            self._polls -= 1

    def taken(self) -> BaseException | None:
        """Return the interruption that was put off, unless it still is to be."""
        if self._depth == 0 and self._pending is not None and get_ident() == self._thread:
            number, self._pending = self._pending, None
            return self._interruption(number)
        return super().taken()

    def asked(self) -> Interrupted | None:
        """Return the interruption that a signal asked for, whatever became of it."""
        return None if self._asked is None else self._interruption(self._asked)

    def _interruption(self, number: int) -> Interrupted:
        """Return the interruption that a signal stands for."""
        return Interrupted(number)

    def heed(self, *, is_over: bool = False) -> None:
        """Raise the interruption once more, whatever became of it: its sender waits for the exit code."""
        interruption = self.asked()
        if interruption is not None:
            self._pending = None
            raise interruption

    def sleep(self, seconds: float) -> None:
        """Pause between two attempts, unless a signal came before."""
        self.check()
        super().sleep(seconds)

    @contextmanager
    def in_code(self) -> Generator[None]:
        """End the process where the code does not let a signal in, within two seconds."""
        from zmig.process import child_signals, last_resort

        watching = last_resort.watching(lambda: self._asked_at, self._is_handled, self._end, SECONDS_TOGETHER)
        with child_signals.kept_from_children(self._handle), watching:
            yield

    def _is_handled(self, number: int) -> bool:
        return signal.getsignal(number) == self._handle

    def _end(self, number: int) -> NoReturn:
        self._is_ending = True
        try:
            self._report_end(number, self._asked is not None)
        finally:
            os._exit(128 + number)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            _do_as_by_default(number, frame)
            return
        if self._is_ending:
            return
        if self._asked_at is not None:
            if not _is_sighup(number) and time.monotonic() - self._asked_at >= SECONDS_TOGETHER:
                self._end(number)
            return
        self._asked, self._asked_at = number, time.monotonic()
        if self._depth or self._polls:
            self._pending = number
        else:
            raise self._interruption(number)


def _do_as_by_default(number: int, frame: FrameType | None) -> None:
    """Do in a child process, which a migration's code made with fork, what a signal does where nobody handles it."""
    if number == signal.SIGINT:
        signal.default_int_handler(number, frame)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _is_sighup(number: int) -> bool:
    return number == getattr(signal, "SIGHUP", None)  # Windows has none


def _handled() -> Iterator[signal.Signals]:
    yield signal.SIGTERM
    for name in ("SIGINT", "SIGHUP"):
        number: signal.Signals | None = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            yield number
