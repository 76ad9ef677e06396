"""How soon either end of a TCP connection notices that the other one is gone without a word: within half a minute.

Keepalives find out while nothing is under way, and run while nothing is unacknowledged only. For the rest there is the
user timeout of RFC 5482, which the server is asked for. On Linux it also ends a connection whose other end answers, and
only takes no more data for so long (tcp(7), TCP_USER_TIMEOUT); rows of a COPY may have to wait for a slow trigger. So
the client does not ask for it: while it waits, it looks at when the server last acknowledged something.

See `keepalives_idle` and `tcp_user_timeout` among libpq's connection parameters, and `tcp_keepalives_idle` and
`tcp_user_timeout` among the server's settings, in PostgreSQL's documentation. A Unix-domain socket needs none of it.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

IDLE_SECONDS = 10
INTERVAL_SECONDS = 5
COUNT = 3
UNACKNOWLEDGED_SECONDS = 20.0
"""How long either end waits for an acknowledgement."""
USER_TIMEOUT_MILLISECONDS = round(UNACKNOWLEDGED_SECONDS * 1000)
_SECONDS_BETWEEN_LOOKS = 1.0

_INFO = "=3xB20xI28xI"
"""Of Linux's `struct tcp_info`: probes without an answer, segments without an acknowledgement, and how many
milliseconds ago the last acknowledgement came."""


def missing(parameters: Mapping[str, object]) -> dict[str, str]:
    """Return the connection parameters that a connection string leaves open."""
    wanted = {
        "keepalives_idle": IDLE_SECONDS,
        "keepalives_interval": INTERVAL_SECONDS,
        "keepalives_count": COUNT,
    }
    return {name: str(value) for name, value in wanted.items() if name not in parameters}


class Acknowledgements:
    """Watches, during one wait, whether the other end still acknowledges what it is sent."""

    def __init__(self, descriptor: int, when_missing: Callable[[], object]) -> None:
        """`when_missing` is called when nothing was acknowledged for `UNACKNOWLEDGED_SECONDS`, and should have been."""
        self._descriptor = descriptor
        self._when_missing = when_missing
        self._looked_at = time.monotonic()
        self._missing_since: float | None = None

    def check(self) -> None:
        """Look, unless that was done a moment ago."""
        now = time.monotonic()
        if now - self._looked_at < _SECONDS_BETWEEN_LOOKS:
            return
        self._looked_at = now
        since = _seconds_since_acknowledgement(self._descriptor)
        if since is None:
            self._missing_since = None
        elif self._missing_since is None or since < now - self._missing_since:
            self._missing_since = now
        elif now - self._missing_since >= UNACKNOWLEDGED_SECONDS:
            self._when_missing()


def _seconds_since_acknowledgement(descriptor: int) -> float | None:
    """Return how long ago the last one came, while one is waited for; None while none is, or it is not known."""
    if sys.platform != "linux":
        return None
    import socket
    import struct

    try:
        with socket.socket(fileno=os.dup(descriptor)) as own:
            if own.family == socket.AF_UNIX:
                return None
            info = own.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, struct.calcsize(_INFO))
            probes, segments, milliseconds = struct.unpack(_INFO, info)
    except OSError:
        return None
    return milliseconds / 1000 if probes or segments else None
