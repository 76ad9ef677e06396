"""A server that says nothing: whether it is still there, asked once a run is to end, so that this never takes long.

A statement may take hours without a word, so while nobody wants the run to end, only TCP says that a peer is gone.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from zmig.database.types import Connection

PATIENCE_SECONDS = 1.5
"""How long a server that is there may take to say so."""

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
"""A first message that any server or pooler answers with one byte, before it asks who it is.

See "SSL Session Encryption" in the chapter on the frontend/backend protocol of PostgreSQL's documentation.
"""


def require_answer(connection: Connection) -> None:
    """Give a connection up where the server does not answer a new one.

    Raises:
        psycopg.OperationalError: it does not.
    """
    if not answers(connection):
        give_up(connection)


def answers(connection: Connection) -> bool:
    """Whether the server at the other end of a connection answers a new one, in time."""
    return is_there(connection.pgconn.socket, connection.info.host, connection.info.port)


def is_there(descriptor: int, host: str, port: int) -> bool:
    """Whether the server to which a socket is connected, by this host and port, answers a new connection, in time."""
    with (
        contextlib.suppress(OSError),
        socket.socket(fileno=os.dup(descriptor)) as own,
        socket.socket(own.family, socket.SOCK_STREAM) as asking,
    ):
        asking.settimeout(PATIENCE_SECONDS)
        asking.connect(_local_address(host, port) or own.getpeername())
        asking.sendall(_SSL_REQUEST)
        return bool(asking.recv(1))
    return False


def _local_address(host: str, port: int) -> str | None:
    """Return the Unix-domain socket of a server; the socket itself only knows a name in the server's own folder."""
    if not host.startswith(("/", "@")):
        return None
    path = f"{host}/.s.PGSQL.{port}"
    return f"\0{path[1:]}" if path.startswith("@") else path


def give_up(connection: Connection) -> NoReturn:
    """Close a connection without a word, and raise for it.

    Raises:
        psycopg.OperationalError: always.
    """
    import psycopg

    connection.pgconn.finish()
    raise psycopg.OperationalError(NO_ANSWER)


NO_ANSWER = "the server does not answer"
