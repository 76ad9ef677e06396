"""A thread that does one job after another."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class WorkerThread:
    """Does jobs in their order, in one daemon thread; while there are none, an idle job every so often."""

    def __init__(
        self, name: str, idle: Callable[[], float] | None = None, last: Callable[[], None] | None = None
    ) -> None:
        """`idle` is called when there is nothing to do; it returns the seconds until it is to be called again.

        `last` is called before the thread ends.
        """
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._idle = idle
        self._last = last
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, job: Callable[[], None]) -> None:
        """Do a job after those that were put before it; it must not raise."""
        self._jobs.put(job)

    def wake(self) -> None:
        """Call the idle job soon."""
        self._jobs.put(_nothing)

    def stop(self, *, wait_seconds: float) -> None:
        """End the thread after the jobs that were put; wait for its end, but not for longer."""
        self._jobs.put(None)
        self.wait(wait_seconds)

    def wait(self, seconds: float) -> None:
        """Wait for the thread's end, but not for longer."""
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _work(self) -> None:
        pause: float | None = 0.0 if self._idle is not None else None
        while True:
            try:
                job = self._jobs.get(timeout=pause)
            except queue.Empty:
                job = _nothing
            if job is None:
                break
            job()
            if self._idle is not None and self._jobs.empty():
                pause = self._idle()
        if self._last is not None:
            self._last()


def _nothing() -> None:
    pass
