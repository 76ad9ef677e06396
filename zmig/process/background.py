"""Threads of zmig's own that run beside a migration's code, and take no signal from it.

A signal goes to any thread that does not block it: code that blocks one for a moment would be interrupted all the same.
"""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_OF_TERMINALS = ("SIGTTOU", "SIGTTIN")
"""Who blocks these may write to a terminal, or read from it, out of turn."""
_PREFIX = "zmig "


def start(work: Callable[[], object], name: str) -> threading.Thread:
    """Start a thread `zmig NAME` that Python does not wait for at its end, and that no signal is delivered to."""
    thread = threading.Thread(target=work, name=f"{_PREFIX}{name}", daemon=True)
    if not hasattr(signal, "pthread_sigmask"):  # as on Windows
        thread.start()
        return thread
    blocked = signal.valid_signals() - {getattr(signal, name) for name in _OF_TERMINALS}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return thread


def is_alone() -> bool:
    """Whether no Python thread is there but the calling one and those of zmig's own."""
    own = threading.current_thread()
    return all(thread is own or thread.name.startswith(_PREFIX) for thread in threading.enumerate())
