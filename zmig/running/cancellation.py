"""Ends a run that goes on in another thread, as a signal would end it in the main thread.

A statement is cancelled on the server; Python code has the interruption raised in its thread. Neither happens
while a fact is being recorded.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from psycopg.errors import QueryCanceled
from psycopg.pq import TransactionStatus

from zmig.process import background
from zmig.process.interrupts import Interrupted, Interrupts

if TYPE_CHECKING:
    from collections.abc import Generator

    from zmig.database.types import Connection

_SECONDS_BETWEEN_TRIES = 0.3
_SECONDS_TO_REACH_THE_SERVER = 3.0
_CHECKPOINTS = 1000
"""Turns of a loop: the interpreter raises what is pending in a thread at the latest when it jumps back."""


class Cancelled(Interrupted):
    """Somebody asked the run to end."""

    def __str__(self) -> str:
        return "request"


class Cancellation(Interrupts):
    """The interruption of a run, or of several in turn; `request` may be called from any thread, at any time."""

    def __init__(self) -> None:
        self._gate = threading.RLock()
        """Held while a statement is cancelled or an exception raised, so that neither hits what is recorded."""
        self._requested = threading.Event()
        self._noticed = threading.Event()
        self._depth = 0
        self._may_be_raised = True
        """Whether the thread is where an exception may hit it: in a migration's code, or before it has the lock."""
        self._is_in_code = False
        self._connection: Connection | None = None
        self._thread: int | None = None

    @property
    def is_requested(self) -> bool:
        """Whether the run was asked to end."""
        return self._requested.is_set()

    @property
    def is_asked(self) -> bool:
        """Whether the run was asked to end."""
        return self.is_requested

    def heed(self, *, is_over: bool = False) -> None:
        """Raise the interruption again, unless it ended the run already, or there is nothing left to end."""
        if not is_over and self.is_requested and not self._noticed.is_set():
            raise Cancelled

    def request(self) -> None:
        """Ask the run to end, and return at once; one that has not begun yet ends at its first step."""
        if not self._requested.is_set():
            self._requested.set()
            background.start(self._pursue, "cancellation")

    @contextlib.contextmanager
    def running(self, connection: Connection) -> Generator[None]:
        """Mark the calling thread as the one to be interrupted, until the block ends; one run may follow another.

        Raises Cancelled where the request came between two of them.
        """
        with self._gate:
            if not self.is_requested:
                self._noticed.clear()
                self._may_be_raised = True
            elif self._noticed.is_set():
                raise Cancelled
            self._connection, self._thread = connection, threading.get_ident()
        try:
            yield
        finally:
            self._noticed.set()
            with self._gate:
                self._connection, self._thread = None, None
            with contextlib.suppress(Cancelled):
                _raise_pending()

    @contextlib.contextmanager
    def deferred(self) -> Generator[None]:
        """Put the interruption off until the outermost block ends, then raise it."""
        with self._gate:
            _raise_pending()
            if self._depth == 0 and not self._is_in_code:
                self._may_be_raised = False
            self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
        if self._depth == 0 and self.is_requested and not self._noticed.is_set():
            raise Cancelled

    @contextlib.contextmanager
    def in_code(self) -> Generator[None]:
        """Let the interruption be raised wherever the thread is inside the block."""
        with self._gate:
            self._is_in_code = self._may_be_raised = True
        try:
            yield
        finally:
            with self._gate:
                self._is_in_code = self._may_be_raised = False
                _raise_pending()

    def translate(self, error: BaseException) -> BaseException:
        """Return `Cancelled` for the server's word that a statement was cancelled by this request."""
        if not self.is_requested:
            return error
        self._noticed.set()
        return Cancelled() if isinstance(error, QueryCanceled) else error

    def sleep(self, seconds: float) -> None:
        """Pause, but no longer than until the request."""
        if self._requested.wait(seconds) and not self._noticed.is_set():
            raise Cancelled

    def _pursue(self) -> None:
        while not self._noticed.is_set():
            with self._gate:
                if self._depth == 0 and self._connection is not None:
                    self._interrupt(self._connection)
            self._noticed.wait(_SECONDS_BETWEEN_TRIES)

    def _interrupt(self, connection: Connection) -> None:
        if connection.info.transaction_status == TransactionStatus.ACTIVE:
            with contextlib.suppress(Exception):
                connection.cancel_safe(timeout=_SECONDS_TO_REACH_THE_SERVER)
        elif self._thread is not None and self._may_be_raised:
            import ctypes

            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), ctypes.py_object(Cancelled))


def _raise_pending() -> None:
    for _ in range(_CHECKPOINTS):
        pass
