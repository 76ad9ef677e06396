"""What is written to a terminal or to a page, by a thread of its own.

Textual's own writer has a short queue: where the other side takes nothing, or is gone, it fills, and the whole program
stands still, deaf to signals. Here nothing that is written ever waits.
"""

from __future__ import annotations

import os
import select
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_BYTES = 4 << 20
"""How much is kept for a reader that takes nothing; what it is worth is gone long before."""


class Output:
    """Bytes on their way to a file descriptor."""

    def __init__(self, descriptor: int, *, lost: Callable[[], None], skipped: Callable[[], None]) -> None:
        """`lost` is called, from the thread, when nobody can read any more.

        `skipped` is called when a reader goes on reading after some was thrown away for it.
        """
        self._descriptor = descriptor
        self._lost = lost
        self._skipped = skipped
        self._changed = threading.Condition()
        self._waiting = bytearray()
        self._is_over = False
        self._is_lost = False
        self._has_skipped = False
        self._thread = threading.Thread(target=self._work, name="zmig output", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def write(self, data: bytes) -> None:
        """Write soon; returns at once. What nobody can read is thrown away."""
        with self._changed:
            if self._is_lost:
                return
            if len(self._waiting) + len(data) > _MOST_BYTES:
                self._waiting.clear()
                self._has_skipped = True
            self._waiting += data
            self._changed.notify()

    def abandon(self) -> None:
        """Write nothing from now on: nobody reads."""
        with self._changed:
            self._is_lost = True
            self._waiting.clear()
            self._changed.notify()

    def close(self, *, wait_seconds: float) -> None:
        """Write what is left, as far as that succeeds within some seconds."""
        with self._changed:
            self._is_over = True
            self._changed.notify()
        self._thread.join(wait_seconds)

    def _work(self) -> None:
        while (data := self._next()) is not None:
            try:
                self._write(data)
            except OSError:
                self.abandon()
                self._lost()
                return

    def _next(self) -> bytes | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_over or self._is_lost)
            if self._is_lost or not self._waiting:
                return None
            data = bytes(self._waiting)
            self._waiting.clear()
            has_skipped, self._has_skipped = self._has_skipped, False
        if has_skipped:
            self._skipped()
        return data

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left and not self._is_lost:
            try:
                left = left[os.write(self._descriptor, left[: 1 << 14]) :]
            except BlockingIOError:
                select.select([], [self._descriptor], [], 1.0)
