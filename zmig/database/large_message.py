"""Sends one message to the server; a large one without the copy that libpq would keep of it.

libpq puts a message into its buffer, and then duplicates the query once more, for the line of it that its own wording
of an error shows. It does without that copy where there is no memory for it ("if insufficient memory, query just winds
up NULL": `PQsendQueryInternal` in PostgreSQL's `fe-exec.c`), and zmig does not use that wording. So while a large
message is handed over, the process may have as much memory more as the buffer takes and half of the copy, but not all
of it. The limit is the whole process's, so it is left alone where threads are at work that are not zmig's.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from zmig.process import background

if TYPE_CHECKING:
    from collections.abc import Generator

    from psycopg import pq

_LARGE = 24 << 20
"""In octets. Half of a smaller message would not do for a thread that is started meanwhile, whose stack has 8 MB."""
_FIRST_BUFFER = 16 << 10
"""What libpq's buffer has at first; it is doubled until a message fits."""
_HEADER = 5
_MEMORY = Path("/proc/self/status")
"""Where Linux says how much memory there is that `RLIMIT_DATA` counts."""


def send(link: pq.abc.PGconn, content: bytes) -> None:
    """Hand a message over to libpq, as `PGconn.send_query` does.

    Raises:
        psycopg.OperationalError: it was not taken.
    """
    if len(content) >= _LARGE and background.is_alone():
        with contextlib.suppress(psycopg.OperationalError, MemoryError), _limited_memory(len(content)) as is_limited:
            if is_limited:
                link.send_query(content)
                return
    link.send_query(content)


@contextlib.contextmanager
def _limited_memory(size: int) -> Generator[bool]:
    """Limit the process's memory for the block so that libpq's buffer fits, and a copy of `size` octets does not.

    Yields whether that was possible.
    """
    used = _used()
    if used is None:
        yield False
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = used + _buffer(size) + size // 2
    if soft != resource.RLIM_INFINITY and soft <= limit:
        yield False
        return
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    try:
        yield True
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _buffer(size: int) -> int:
    """Return how large libpq's buffer is with a message of this size in it."""
    buffer = _FIRST_BUFFER
    while buffer <= size + _HEADER:
        buffer *= 2
    return buffer


def _used() -> int | None:
    """Return how many octets of memory the process has; None where only another system than Linux would know."""
    with contextlib.suppress(OSError, ValueError):
        for line in _MEMORY.read_text().splitlines():
            if line.startswith("VmData:"):
                return int(line.split()[1]) * 1024
    return None
