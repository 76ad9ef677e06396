"""How soon either end of a TCP connection notices that the other one is gone without a word: within half a minute.

Keepalives find out while nothing is under way, and run while nothing is unacknowledged only; for the rest there is
the user timeout of RFC 5482. See `keepalives_idle` and `tcp_user_timeout` among libpq's connection parameters, and
`tcp_keepalives_idle` and `tcp_user_timeout` among the server's settings, in PostgreSQL's documentation. A Unix-domain
socket needs none of it, and ignores it; so does libpq where the system lacks it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import pq

if TYPE_CHECKING:
    from collections.abc import Mapping

IDLE_SECONDS = 10
INTERVAL_SECONDS = 5
COUNT = 3
USER_TIMEOUT_MILLISECONDS = 20_000

_USER_TIMEOUT_SINCE = 120000
"""libpq's version."""


def missing(parameters: Mapping[str, object]) -> dict[str, str]:
    """Return the connection parameters that a connection string leaves open."""
    wanted = {
        "keepalives_idle": IDLE_SECONDS,
        "keepalives_interval": INTERVAL_SECONDS,
        "keepalives_count": COUNT,
    }
    if pq.version() >= _USER_TIMEOUT_SINCE:
        wanted["tcp_user_timeout"] = USER_TIMEOUT_MILLISECONDS
    return {name: str(value) for name, value in wanted.items() if name not in parameters}
