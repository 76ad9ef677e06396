"""The entry of the `zmig` command. `zmig --version` is answered before anything else is imported."""

from __future__ import annotations

import gc
import os
import sys

from zmig import __version__
from zmig.cli.stream import Stream, Unwritable, open_closed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


_OBJECTS_BETWEEN_COLLECTIONS = 100_000
"""Python's own 700 makes the collector walk all modules several times while they are imported."""


def program() -> int:
    """Be the `zmig` process: `main`, begun and ended as suits a process that does not last.

    The collector seldom looks. At the end the interpreter is not taken apart, which would take as long as the rest of
    a run that has nothing to do; the system takes everything back at once.
    """
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, 50, 100)
    if None in (sys.stdin, sys.stdout, sys.stderr):
        open_closed()
    code = main()
    if _has_run_code_of_its_own_alone():
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError):
            return code
        os._exit(code)
    if "threading" in sys.modules:
        from zmig.cli import lingering_threads

        lingering_threads.watch(code, sys.argv[1:])
    gc.freeze()
    return code


def _has_run_code_of_its_own_alone() -> bool:
    """Whether nobody can miss what Python does at its end: a migration's code may count on it, and so may Textual."""
    threading, loader = (sys.modules.get(name) for name in ("threading", "zmig.python.loader"))
    if loader is not None and any(name.startswith(loader.MODULES) for name in sys.modules):
        return False
    return "textual" not in sys.modules and (threading is None or threading.active_count() == 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command line and return its exit code; never raises."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words == ["--version"]:
        return _print_version()
    from zmig.cli import dispatch

    return dispatch.run(words)


def _print_version() -> int:
    try:
        stdout = Stream(sys.stdout)
        stdout.write(f"zmig {__version__}\n")
        stdout.flush()
    except Unwritable as error:
        Stream(sys.stderr).write(f"error: standard output cannot be written: {error}\n")
        return 2
    return 0
