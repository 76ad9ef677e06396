"""Looks, from a connection of its own, what the server does while a statement takes long: who blocks it, how far it is.

It begins only once something has taken a second, so a fast run never pays for it. It reads, in autocommit, so it holds
no snapshot that a CREATE INDEX CONCURRENTLY would wait for; where it cannot connect, the run goes on without it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

import psycopg

from zmig.database.watched_queue import WatchedQueue
from zmig.errors import ConnectionFailed, ZmigError
from zmig.process import background
from zmig.progress import (
    Blocked,
    Held,
    RoundFinished,
    ServerReported,
    StatementFinished,
    StatementStarted,
    StepFailed,
    StepFinished,
    StepSkipped,
    StepStarted,
)
from zmig.running.blocker_memory import BlockerMemory
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Generator

    from zmig.database.activity import BackendWork
    from zmig.database.connection import Target
    from zmig.database.lock_queue import LockQueue
    from zmig.database.types import Connection
    from zmig.planning.plan import Step
    from zmig.progress import Observer, Progress

PATIENCE_SECONDS = 1.0
"""How long something runs before it is looked at, and the pause between two looks; less with a short lock timeout."""

_JOIN_TIMEOUT_SECONDS = 2.0
_LIMITS = {"default_transaction_read_only": "'on'", "statement_timeout": "'5s'", "lock_timeout": "'1s'"}


@valueclass
class _Busy:
    """What the working connection is to do, as far as the observer heard."""

    step: Step
    since: float

    @property
    def patience_seconds(self) -> float:
        """How long to wait for a look: who holds a lock is to be seen before the lock's timeout is over."""
        limit = self.step.migration.settings.lock_timeout_seconds
        return min(PATIENCE_SECONDS, limit / 2) if limit else PATIENCE_SECONDS

    @property
    def seconds_left(self) -> float:
        """How long it is until the first look at it."""
        return self.since + self.patience_seconds - time.monotonic()


def _pause(busy: _Busy | None, looked_at: _Busy | None) -> float:
    """Return how long to wait for the next look: one that comes late would find the lock's timeout over."""
    if busy is None:
        return PATIENCE_SECONDS
    return busy.patience_seconds if busy is looked_at else max(busy.seconds_left, 0)


class BlockingMonitor:
    """Watches one backend for the length of a run."""

    def __init__(self, target: Target, backend_pid: int, observer: Observer) -> None:
        self._target = target
        self._backend_pid = backend_pid
        self._observer = observer
        self.memory = BlockerMemory()
        """Who was seen to block the attempt under way."""
        self._busy: _Busy | None = None
        self._blocked_since: float | None = None
        self._queue = WatchedQueue()
        self._is_over = False
        self._wake = threading.Event()
        """Set when the next look is due sooner than was thought."""

    @contextlib.contextmanager
    def watching(self) -> Generator[Observer]:
        """Give the observer to pass on in place of the one that wants to know; watch until the block ends."""
        thread = background.start(self._watch, "monitor")
        patience = _JOIN_TIMEOUT_SECONDS
        try:
            yield self._on_progress
        except (KeyboardInterrupt, ConnectionFailed):
            patience = 0.0  # nobody wants to wait, for a server that does not answer
            raise
        finally:
            self._is_over = True
            self._wake.set()
            thread.join(patience)

    def _on_progress(self, progress: Progress) -> None:
        if isinstance(progress, StepStarted):
            self.memory.begin()
        match progress:
            case (
                StepStarted(step=step)
                | StatementStarted(step=step)
                | StatementFinished(step=step)
                | RoundFinished(step=step)
                | Held(step=step)
            ):
                self._busy = busy = _Busy(step, time.monotonic())
                if busy.patience_seconds < PATIENCE_SECONDS:
                    self._wake.set()
            case StepFinished() | StepFailed() | StepSkipped():
                self._busy = None
            case _:
                pass
        self._observer(progress)

    def _watch(self) -> None:
        with contextlib.ExitStack() as closing:
            connection: Connection | None = None
            looked_at: _Busy | None = None
            while not self._is_over:
                busy = self._busy
                if self._wake.wait(_pause(busy, looked_at)):
                    self._wake.clear()
                if self._is_over:
                    return
                busy = self._busy
                # Read again after the wait: what was at work then may be over.
                if busy is None or busy.seconds_left > 0:
                    self._blocked_since = None
                    continue
                looked_at = busy
                try:
                    if connection is None:
                        connection = closing.enter_context(self._connected())
                    self._look(connection, busy)
                except (ZmigError, psycopg.Error):
                    return

    def _connected(self) -> Connection:
        from zmig.database import connection as database

        return database.connect(self._target, application_name="zmig monitor", limits=_LIMITS)

    def _look(self, connection: Connection, busy: _Busy) -> None:
        from zmig.database import activity

        with self.memory.looking() as note:
            work = activity.work(connection, self._backend_pid)
            if work is not None:
                note(work)
        queue = self._queue.read(connection, work) if work is not None and work.blockers else None
        # The answer took a round trip, in which the run may have moved on; a blocker reported now would be another's.
        if work is not None and self._busy is busy:
            self._report(work, queue, busy)

    def _report(self, work: BackendWork, queue: LockQueue | None, busy: _Busy) -> None:
        now = time.monotonic()
        if work.blockers:
            self._blocked_since = self._blocked_since or busy.since
            waited = now - self._blocked_since
            count, names = (queue.count, queue.application_names) if queue is not None else (0, ())
            self._observer(Blocked(busy.step, work.blockers, waited, queued=count, queued_applications=tuple(names)))
            return
        if self._blocked_since is not None:
            self._observer(Blocked(busy.step, (), now - self._blocked_since))
            self._blocked_since = None
        if work.progress is not None:
            self._observer(ServerReported(busy.step, work.progress, now - busy.since))
