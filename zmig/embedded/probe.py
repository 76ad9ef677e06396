"""Asks a PostgreSQL server on a Unix socket whether it is there, in its own protocol and without a driver."""

from __future__ import annotations

import contextlib
import socket
import struct
from enum import Enum

_PROTOCOL_3_0 = 3 << 16
_TERMINATE = b"X" + struct.pack("!i", 4)
_CANNOT_CONNECT_NOW = b"\0C57P03\0"
"""An error's field with the SQLSTATE of a server that starts up, shuts down or recovers."""


class Answer(Enum):
    """What came back from the socket."""

    READY = "ready"
    """The server takes sessions, or would if it were not full."""
    BUSY = "busy"
    """A server is there, and starts up, shuts down, recovers or is silent."""
    NONE = "none"
    """Nobody listens."""


def ask(path: str, *, user: str, database: str, timeout_seconds: float = 5.0) -> Answer:
    """Open a session on the socket `path` and close it again; one that hangs for the timeout counts as busy."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(timeout_seconds)
        try:
            client.connect(path)
        except OSError:
            return Answer.NONE
        try:
            return _open_session(client, user, database)
        except OSError:
            return Answer.BUSY


def _open_session(client: socket.socket, user: str, database: str) -> Answer:
    pairs = b"".join(text.encode() + b"\0" for text in ("user", user, "database", database)) + b"\0"
    client.sendall(struct.pack("!ii", 8 + len(pairs), _PROTOCOL_3_0) + pairs)
    answer = client.recv(1024)
    if not answer or _CANNOT_CONNECT_NOW in answer:
        return Answer.BUSY
    with contextlib.suppress(OSError):
        client.sendall(_TERMINATE)
    return Answer.READY
