"""Output to a terminal or to a page, written by a thread of its own.

Textual's own writer has a short queue: where the other side takes nothing, or is gone, it fills, and the whole program
blocks, without handling signals. Here a write never blocks.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import App
    from textual.driver import Driver

SECONDS_TO_FLUSH = 2.0
"""How long a driver that closes waits for what is left to be written."""
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


class DetachableApp(Protocol):
    """An app that goes on where its terminal or page goes away."""

    def continue_detached(self) -> None:
        """Go on without a terminal or page."""
        ...

    def refresh_all(self) -> None:
        """Draw everything: some output was thrown away unread."""
        ...


def open_output(driver: Driver, app: App[int], descriptor: int) -> Output:
    """Return an output that notifies the app, in the app's own thread, of a reader that is gone or missed something."""
    detachable = cast("DetachableApp", app)

    def call(method: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            driver._loop.call_soon_threadsafe(method)  # pyright: ignore[reportPrivateUsage] - Textual's drivers use it so

    output = Output(
        descriptor,
        lost=lambda: call(detachable.continue_detached),
        skipped=lambda: call(detachable.refresh_all),
    )
    output.start()
    return output
