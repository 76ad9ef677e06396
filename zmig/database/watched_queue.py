"""Who waits for a backend, asked again and again: at most once a second, and for a small part of the time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from zmig.database.activity import BackendWork
    from zmig.database.lock_queue import LockQueue
    from zmig.database.types import Connection

_SECONDS_BETWEEN = 1.0
_PAUSES = 20
"""How many times as long as it took nothing is asked."""


class WatchedQueue:
    """Who waits for the backend that runs."""

    def __init__(self) -> None:
        self._queue: LockQueue | None = None
        self._pid: int | None = None
        self._asks_again_at = float("-inf")

    def forget(self) -> None:
        """Ask again at the next time: something was done that changes it."""
        self._asks_again_at = float("-inf")

    def read(self, connection: Connection, work: BackendWork | None) -> LockQueue | None:
        """Return it as it was when it was asked for last; of another backend than then, it is asked for now.

        None while nobody waits, or the server is too busy to say.
        """
        if work is None:
            self._queue = self._pid = None
            return None
        from zmig.database import lock_queue

        pid, began = work.backend.pid, time.monotonic()
        if pid == self._pid and began < self._asks_again_at:
            return self._queue
        self._pid = pid
        try:
            self._queue = lock_queue.read(connection, pid, (blocker.pid for blocker in work.blockers))
        except psycopg.errors.QueryCanceled:  # the lock manager is busy, as while it looks for deadlocks
            self._queue = None
        took = time.monotonic() - began
        self._asks_again_at = began + took + max(_SECONDS_BETWEEN, took * _PAUSES)
        return self._queue
