"""What a standby server says of itself: how far behind it is, and which server it follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import psycopg

from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from zmig.database.types import Questioning

_QUERY = """
select extract(epoch from pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp())::float8,
    pg_catalog.pg_last_wal_receive_lsn() = pg_catalog.pg_last_wal_replay_lsn()
        and exists (select from pg_catalog.pg_stat_get_wal_receiver() where pid is not null),
    (select sender_host || ':' || sender_port from pg_catalog.pg_stat_get_wal_receiver() where pid is not null)
"""


@valueclass
class Standby:
    """A server that replays what another one writes."""

    replay_lag_seconds: float | None = None
    """The age of the last transaction it replayed; zero where it replayed all it received and is receiving.

    None where the server does not say.
    """
    primary: str | None = None
    """Host, or folder of the socket, and port of the server it follows; None where this role may not know it."""

    def as_dict(self) -> dict[str, object]:
        """Return the contents as JSON types."""
        return {"replay_lag_seconds": self.replay_lag_seconds, "primary": self.primary}

    @property
    def where(self) -> str:
        """The primary server, for messages."""
        return "the primary server" if self.primary is None else f"the primary server, `{self.primary}`"

    @property
    def lag(self) -> str:
        """How far behind it is, in words."""
        if self.replay_lag_seconds is None:
            return "how far it is behind is not known"
        if not self.replay_lag_seconds:
            return "it has replayed all it received"
        return f"the last transaction it replayed is {self.replay_lag_seconds:.0f} s old"


def read(connection: Questioning) -> Standby:
    """Ask a standby about itself; what it does not say, as on services that lack these functions, is None."""
    try:
        row = connection.execute(_QUERY.encode()).fetchone()
    except psycopg.Error:
        if connection.closed or connection.broken:
            raise
        return Standby()
    age, is_caught_up, primary = cast("tuple[float | None, bool | None, str | None]", row)
    return Standby(0.0 if is_caught_up else age, primary)
