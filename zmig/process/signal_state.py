"""What a migration's code may change about signals for the whole process: handlers, blocked signals, timers.

A signal that ends a run must end it in the next migration as well; an alarm that was set for one must not end another.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


@contextlib.contextmanager
def signals_kept() -> Generator[None]:
    """Have signals do after the block what they did before; one that was blocked meanwhile is heeded then."""
    with _mask_kept():
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread may change the rest
            return
        with _handlers_kept(), _timers_kept():
            yield


@contextlib.contextmanager
def _mask_kept() -> Generator[None]:
    if not hasattr(signal, "pthread_sigmask"):  # as on Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _handlers_kept() -> Generator[None]:
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            # None stands for a handler that was not set from Python, and that Python cannot set again.
            if handler is not None and signal.getsignal(number) != handler:
                signal.signal(number, handler)


@contextlib.contextmanager
def _timers_kept() -> Generator[None]:
    """Stop the timers that the block sets going; one that ran before it runs on."""
    names = ("ITIMER_REAL", "ITIMER_VIRTUAL", "ITIMER_PROF")
    stopped = [which for name in names if (which := getattr(signal, name, None)) is not None and not _left(which)]
    try:
        yield
    finally:
        for which in stopped:
            signal.setitimer(which, 0)


def _left(which: int) -> float:
    return signal.getitimer(which)[0]
