"""Starts the processes of runs: before they are needed, since a process takes a moment until it can run anything."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from zmig_tui.run_process import child, messages
from zmig_tui.run_process.encoding import NotEncodable

if TYPE_CHECKING:
    from zmig_tui.run_process.messages import Job

_BOOT = (
    "import sys, json; sys.path[:] = json.loads(open(0, 'rb', buffering=0, closefd=False).readline()); "
    "from zmig_tui.run_process import child; child.main()"
)
"""Its modules are those of the console; nothing is imported from the folder that it happens to be started in."""
_SECONDS_TO_START = 30.0
_ANY_READY = re.compile(rb"zmig \S+ is ready\n$")
"""What another version says, too, which would not understand the job: zmig may be replaced while a console is open."""
_MOST_SAID = 1 << 14


class CannotStart(Exception):
    """A run can have no process of its own; says why."""


def why_not() -> str | None:
    """Return why there are no processes of runs on this system; None where there are."""
    if not hasattr(socket, "AF_UNIX") or not hasattr(os, "fork"):
        return "this system has no processes that go on without their console"
    if not sys.executable:
        return "it is not known which Python this is"
    return None


class Starter:
    """Keeps one process that waits for a job. Its methods are called by one thread."""

    def __init__(self) -> None:
        self._waiting: socket.socket | None = None

    def prepare(self) -> None:
        """Start a process, unless one waits already. Returns at once."""
        if self._waiting is None and why_not() is None:
            with contextlib.suppress(OSError):
                self._waiting = _start()

    def start(self, job: Job) -> socket.socket:
        """Have a process begin a job; return the connection to it.

        Raises:
            CannotStart: nothing was begun.
        """
        reason = why_not()
        if reason is not None:
            raise CannotStart(reason)
        try:
            line = messages.encoder().line(job)
        except NotEncodable as error:
            raise CannotStart(str(error)) from error
        connection, self._waiting = self._waiting, None
        try:
            connection = connection or _start()
            _await_ready(connection)
            connection.sendall(line)
        except OSError as error:
            if connection is not None:
                connection.close()
            raise CannotStart(error.strerror or str(error)) from error
        return connection

    def close(self) -> None:
        """Have a process that waits end."""
        if self._waiting is not None:
            self._waiting.close()
            self._waiting = None


def _start() -> socket.socket:
    ours, theirs = socket.socketpair()
    with theirs:
        end = theirs.fileno()
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _BOOT], stdin=end, stdout=end, stderr=end, start_new_session=True
        )
    with contextlib.suppress(OSError):  # one that has not started says why
        ours.sendall(json.dumps([str(Path(path).absolute()) for path in sys.path]).encode() + b"\n")
    process.wait()  # it leaves what runs as nobody's child
    return ours


def _await_ready(connection: socket.socket) -> None:
    """Wait until a process has said that it is ready. Raises OSError with what it says instead."""
    said = bytearray()
    end = time.monotonic() + _SECONDS_TO_START
    while not said.endswith(child.READY):
        if _ANY_READY.search(said):
            raise OSError(0, "zmig was replaced by another version since this console was opened")
        readable, _, _ = select.select([connection], [], [], max(end - time.monotonic(), 0))
        piece = _received(connection) if readable else b""
        if not piece or len(said) > _MOST_SAID:
            lines = said.decode("utf-8", "replace").strip().splitlines()
            raise OSError(0, f"its process did not start: {lines[-1] if lines else 'it says nothing'}")
        said += piece


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1 << 12)
    except ConnectionError:  # it has ended without reading
        return b""
