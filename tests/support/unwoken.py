"""A signal that comes in the instant before a wait: Python notes it, and nothing wakes the wait."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

_SECONDS_UNTIL_IT_COMES = 0.1


@contextmanager
def unwoken(number: signal.Signals) -> Generator[None]:
    """Send this process a signal that another thread takes, so that the main thread goes on waiting."""
    sender = threading.Timer(_SECONDS_UNTIL_IT_COMES, os.kill, (os.getpid(), number))
    sender.start()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        sender.join()
