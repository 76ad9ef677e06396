"""A TCP port for a program that must be told which one to listen on."""

from __future__ import annotations

import contextlib
import socket
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


@contextlib.contextmanager
def reserved_port() -> Generator[int]:
    """Give a port that no other program is given meanwhile; Linux lets one listen there that names it.

    One that was merely free a moment ago may be another test's by now, whose program then answers in place of this one.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        port: int = holder.getsockname()[1]
        if sys.platform != "linux":
            holder.close()
        yield port
