"""A child process that a migration's code makes with `os.fork()`, and that comes back from it as if it were the run.

It shares the run's connection, so all it may do is leave.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Generator


@contextlib.contextmanager
def children_leave() -> Generator[None]:
    """Surround a migration's own code: a child process that reaches the end of the block ends there at once.

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
