"""The entry of the `zmig` command. `zmig --version` is answered before anything else is imported."""

from __future__ import annotations

import gc
import sys

from zmig import __version__
from zmig.cli.stream import Stream, Unwritable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


_OBJECTS_BETWEEN_COLLECTIONS = 100_000
"""Python's own 700 makes the collector walk all modules several times while they are imported."""


def program() -> int:
    """Be the `zmig` process: `main` with a garbage collector that suits a process that soon ends."""
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, 50, 100)
    try:
        return main()
    finally:
        gc.freeze()  # the system takes the memory back at once; the interpreter would walk all of it first


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
