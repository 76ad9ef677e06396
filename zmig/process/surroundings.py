"""The process around a migration's code, which is to be the same for the next migration, and for zmig.

Code may change for the whole process what signals do, the current folder and the standard streams. A signal that ends a
run must end it in the next migration as well; an alarm that was set for one must not end another. And code may make a
child process with `os.fork()` that comes back from it as if it were the run: it shares the run's connection, so all it
may do is leave.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager


@contextlib.contextmanager
def surroundings_kept() -> Generator[None]:
    """Surround a migration's own code: what it changes for the whole process is put back, and its children leave."""
    streams = sys.stdin, sys.stdout, sys.stderr
    try:
        with _signals_kept(), _working_folder_kept(), contextlib.ExitStack() as others, _children_leave():
            for around in _others:
                others.enter_context(around())
            yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = streams


_others: list[Callable[[], AbstractContextManager[None]]] = []


@contextlib.contextmanager
def also_around_code(around: Callable[[], AbstractContextManager[None]]) -> Generator[None]:
    """Surround each call of a migration's code with `around` too, while the block lasts."""
    _others.append(around)
    try:
        yield
    finally:
        _others.remove(around)


@contextlib.contextmanager
def _signals_kept() -> Generator[None]:
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
            # None is what a handler is shown as that was not set from Python, and that Python cannot set again.
            if handler is not None and signal.getsignal(number) != handler:
                signal.signal(number, handler)


@contextlib.contextmanager
def _timers_kept() -> Generator[None]:
    """Stop the timers that the block sets going; one that ran before it runs on."""
    timers = [getattr(signal, name, None) for name in ("ITIMER_REAL", "ITIMER_VIRTUAL", "ITIMER_PROF")]
    stopped = [timer for timer in timers if timer is not None and not signal.getitimer(timer)[0]]
    try:
        yield
    finally:
        for timer in stopped:
            signal.setitimer(timer, 0)


@contextlib.contextmanager
def _working_folder_kept() -> Generator[None]:
    """Come back to the folder that was current before: the next migration's paths, and zmig's, count from there."""
    try:
        before = os.getcwd()  # noqa: PTH109 - a path of the system's own, without a step of pathlib's
    except OSError:
        yield  # the folder is gone, so there is no way back to it
        return
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.chdir(before)


@contextlib.contextmanager
def _children_leave() -> Generator[None]:
    """Have a child process that reaches the end of the block end there at once.

    Its exit code is 0, that of its `SystemExit`, or 1 after another exception, which is printed.
    """
    process = os.getpid()
    try:
        yield
    except BaseException as error:
        if os.getpid() != process:
            _leave(_exit_code(error))
        raise
    if os.getpid() != process:
        _leave(0)


def _exit_code(error: BaseException) -> int:
    import traceback

    if isinstance(error, SystemExit) and (error.code is None or isinstance(error.code, int)):
        return error.code or 0
    traceback.print_exception(error)
    return 1


def _leave(code: int) -> NoReturn:
    for file in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            file.flush()
    os._exit(code)
