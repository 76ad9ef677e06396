"""Threads that a migration's code started and that go on when the command is over: waited for, but not for ever."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from zmig.cli.output import Output
from zmig.errors import ExitCode
from zmig.process import background

if TYPE_CHECKING:
    from collections.abc import Sequence

_SECONDS_TO_END = 1.0


def watch(code: int, words: Sequence[str]) -> None:
    """Watch over the end of a process with this exit code, for which Python waits until its threads have ended.

    After a failure or a signal nothing is left for them to do, so that they have a second. After success they may
    have work of their own: then who is waited for is reported, and ctrl-c ends it.
    """
    if not _left():
        return
    if code == ExitCode.OK and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda number, _frame: _end(128 + number))
    background.start(partial(_watch, code, words), "end")


def _watch(code: int, words: Sequence[str]) -> None:
    time.sleep(_SECONDS_TO_END)
    left = _left()
    if left and code != ExitCode.OK:
        _end(code)
    elif left:
        names = ", ".join(f"`{thread.name}`" for thread in left)
        output = getattr(sys.stderr, "output", None)  # that of zmig's own words, where others print into objects
        output = output if isinstance(output, Output) else Output.of(words)
        output.say(f"note: waiting for what a migration left running: {names}; ctrl-c ends it")


def _left() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread is not threading.main_thread() and not thread.daemon]


def _end(code: int) -> NoReturn:
    for file in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            file.flush()
    os._exit(code)
