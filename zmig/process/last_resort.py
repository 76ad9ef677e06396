"""The last resort where a migration's code does not come back to Python: a thread that ends the process for a signal.

Python runs handlers of signals between two of its own instructions. A library that is written in another language may
wait for hours, and neither the first signal nor the second one would be heeded.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from zmig.process import background

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_PATIENCE_SECONDS = 1.5
_END = b"\0"
"""No signal has this number."""


@contextmanager
def watching(
    heeded_at: Callable[[], float | None],
    is_handled: Callable[[int], bool],
    end: Callable[[int], object],
    seconds_together: float,
) -> Generator[None]:
    """Call `end`, in another thread, with the number of a signal that is not heeded in time inside the block.

    `heeded_at` says when the handler heeded one last; others that come within `seconds_together` belong to that one.
    `is_handled` says whether a signal goes to that handler. Code may have its own for a while, which has done what it
    is there for: so it must be that one both where the signal comes and where the time is over.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    background.start(partial(_watch, reading, heeded_at, is_handled, end, seconds_together), "last resort")
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    _ours.add(writing)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        _ours.discard(writing)
        with suppress(OSError):
            os.write(writing, _END)
        os.close(writing)


def _watch(
    reading: int,
    heeded_at: Callable[[], float | None],
    is_handled: Callable[[int], bool],
    end: Callable[[int], object],
    seconds_together: float,
) -> None:
    while (heard := os.read(reading, 1)) not in (b"", _END):
        number, before, now = heard[0], heeded_at(), time.monotonic()
        if is_handled(number) and (before is None or now - before > seconds_together):
            mark = _mark()
            time.sleep(_PATIENCE_SECONDS)
            if heeded_at() == before and is_handled(number) and mark:
                end(number)
    os.close(reading)


def _mark() -> set[int]:
    """Return a set that is emptied once the main thread comes back to Python, which runs handlers of signals first.

    A handler of the code's own may be gone already when the signal is heard here, with its work done. The set is
    emptied by a function in C, as no exception of a handler that runs meanwhile may be lost.
    """
    mark = {0}
    with suppress(ImportError, AttributeError):
        import ctypes

        empty = ctypes.cast(ctypes.pythonapi.PySet_Clear, ctypes.c_void_p)
        _marks.append(mark)
        ctypes.pythonapi.Py_AddPendingCall(empty, ctypes.c_void_p(id(mark)))
    return mark


_marks: list[set[int]] = []
"""What must last until the main thread comes back, if ever."""
_ours: set[int] = set()
"""The descriptors that Python writes signals to for a block here."""
_put_off: list[int] = []


def _before_fork() -> None:
    """Have a child write nothing of its own signals here, from its first moment on."""
    with suppress(ValueError):  # this is not the main thread, which alone may do it
        descriptor = signal.set_wakeup_fd(-1)
        if descriptor in _ours:
            _put_off.append(descriptor)
        else:
            signal.set_wakeup_fd(descriptor)


def _after_fork() -> None:
    while _put_off:
        signal.set_wakeup_fd(_put_off.pop(), warn_on_full_buffer=False)


def _in_child() -> None:
    _put_off.clear()
    descriptor = signal.set_wakeup_fd(-1)
    if descriptor not in _ours:
        signal.set_wakeup_fd(descriptor)
    _ours.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)
