"""Signals around a fork: a child process begins with Python's own handlers in place of zmig's, and loses no signal.

Python forgets in a child what signals came before it is ready. One that a handler of zmig's caught until then would be
lost, and a pool that ends its workers at once would wait for them for ever.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_handlers: list[Callable[..., Any]] = []
"""Of zmig's, in force."""


@contextmanager
def kept_from_children(handler: Callable[..., Any]) -> Generator[None]:
    """Have no child that is made inside the block begin with this handler of signals."""
    _handlers.append(handler)
    try:
        yield
    finally:
        _handlers.remove(handler)


class _Forking(threading.local):
    mask: set[int] | None = None
    """What was blocked in the thread that forks."""


_forking = _Forking()


def _before_fork() -> None:
    if _handlers:
        _forking.mask = {int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, _caught())}


def _after_fork() -> None:
    mask, _forking.mask = _forking.mask, None
    if mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _in_child() -> None:
    for number in _caught():
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    _after_fork()


def _caught() -> list[signal.Signals]:
    """Return the signals that go to a handler of zmig's just now."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    return [number for number in numbers if signal.getsignal(number) in _handlers]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)
