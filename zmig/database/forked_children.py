"""Child processes made with fork, which have the descriptors of their parent: none keeps a connection of the run's.

The server would take such a connection for open, with the run's lock, after the run has died; and a child that closes
it, or sends something over it, would do that to the run.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from zmig.database.types import Connection

_connections: WeakSet[Connection] = WeakSet()


def keep_from(connection: Connection) -> None:
    """Let no child process that is made from now on have the socket of a connection."""
    _connections.add(connection)


def _take_sockets() -> None:
    """Put nothing in the place of each socket, so that no file that is opened later gets its number."""
    for connection in _connections:
        if not connection.closed:
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, connection.pgconn.socket, inheritable=False)
            os.close(nowhere)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_take_sockets)
