"""The process of one run: it gets a job, runs it as `zmig apply` would, and serves whoever attaches.

It is started before it is needed, and waits with everything imported. It belongs to no terminal and to no session, and
ends once its outcome was seen, or nobody has come for it for long.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from zmig import __version__

if TYPE_CHECKING:

    class _Runner(Protocol):
        def run(self, line: bytes, rest: bytes, console: socket.socket, linger_seconds: float) -> int: ...


READY = f"zmig {__version__} is ready\n".encode()
_NEEDED = (
    "encodings.ascii",
    "psycopg",
    "yaml",
    "zmig.catalog.scope",
    "zmig.database.tracking_sql",
    "zmig.database.user_objects",
    "zmig.embedded.server",
    "zmig.manifest.yaml_errors",
    "zmig.planning.existing_objects",
    "zmig.planning.planner",
    "zmig.project.undeclared",
    "zmig.running.executor",
    "zmig.session.database_session",
    "zmig.session.quick_session",
    "zmig.session.snapshot",
)
"""What a run would import while somebody waits for its first statement."""
LINGER_SECONDS = 600.0
"""How long an outcome waits for somebody to see it."""


def main(linger_seconds: float = LINGER_SECONDS) -> None:
    """Be the process; its standard input is a socket, whose other end is the console's."""
    if os.fork():
        os._exit(0)  # it is nobody's child, so that nobody has to wait for it
    _reset_signals()
    console = socket.socket(fileno=os.dup(0))
    runner = cast("_Runner", import_module("zmig_tui.run_process.job_runner"))
    for name in _NEEDED:
        import_module(name)
    console.sendall(READY)
    _let_go_of_terminal()
    received = _first_line(console)
    if received is None:
        os._exit(0)
    line, rest = received
    sys.exit(runner.run(line, rest, console, linger_seconds))


def _reset_signals() -> None:
    """Let signals do what they do by default, whatever thread of the console this process was started from."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _let_go_of_terminal() -> None:
    """Read and write nothing: a terminal may go away, and a pipe may fill."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)


def _first_line(console: socket.socket) -> tuple[bytes, bytes] | None:
    """Return the job, with what came after it; None where the console has ended without one."""
    received = bytearray()
    searched = 0
    while (end := received.find(b"\n", searched)) < 0:
        searched = len(received)
        try:
            piece = console.recv(1 << 16)
        except OSError:
            return None
        if not piece:
            return None
        received += piece
    return bytes(received[:end]), bytes(received[end + 1 :])
