"""A session that only reads, over libpq itself, for what is asked most: whether anything is left to do, and the status.

Importing psycopg takes longer than all else of the two. An answer comes from the same questions that a session over
psycopg asks; where there is none, because something is unusual, that one asks, and says what is wrong.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from zmig.database import libpq, server, timeline, tracking_check
from zmig.database.fact_reader import FactReader
from zmig.errors import TrackingError
from zmig.planning import up_to_date
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zmig.database.server import Server
    from zmig.database.timeline import TimelineChange
    from zmig.database.tracking_check import Inspection
    from zmig.manifest.declaration import Tracking
    from zmig.model import Migration
    from zmig.session.snapshot import DatabaseSnapshot

Answer = TypeVar("Answer")

_PLAIN_URL = re.compile(
    r"postgres(?:ql)?://(?:[^\s:@/?#\[\]]+(?::(?P<password>[^\s@/?#]*))?@)?[\w.,:-]*/[\w-]+"
    r"(?:\?(?:host|user|application_name)=[\w%./-]+)?"
)
"""A URL that names a host or a database, and sets nothing with which something could be wrong.

For any other, `zmig.database.connection_string` decides what it means, or says what is wrong with it.
"""


def ask(url: str, tracking: Tracking, question: Callable[[QuickSession], Answer | None]) -> Answer | None:
    """Return the answer to a question; None where it was not asked, or has no answer here."""
    if not _PLAIN_URL.fullmatch(url):
        return None
    parameters = {"dbname": url, "application_name": "zmig", "client_encoding": "utf8"}
    try:
        with libpq.connect(parameters) as connection:
            return question(_opened(connection, tracking))
    except (libpq.Unavailable, TrackingError):
        return None


def password(url: str) -> str | None:
    """Return the password in a URL over which `ask` asks, as it is written there; None where there is none."""
    found = _PLAIN_URL.fullmatch(url)
    return found and found["password"]


def _opened(connection: libpq.QuickConnection, tracking: Tracking) -> QuickSession:
    found = server.identify(connection, {})
    if found.backend_pid != connection.info.backend_pid or found.has_citus:
        raise libpq.Unavailable("a pooler, or a cluster, of which more has to be asked")
    inspection = tracking_check.inspect(connection, tracking.schema, tracking.owner)
    return QuickSession(connection, tracking, found, inspection, FactReader(connection, tracking.schema))


@valueclass
class QuickSession:
    """One open database, and what is read through it. What it cannot say raises libpq.Unavailable."""

    connection: libpq.QuickConnection
    tracking: Tracking
    server: Server
    inspection: Inspection
    facts: FactReader

    def is_up_to_date(self, expected: Sequence[str]) -> bool | None:
        """Whether the facts fold to the lines of `up_to_date.expected_lines`; None where a session has to look."""
        self.inspection.check_readable(to_write=True)
        if self.inspection.in_recovery or not self.inspection.has_events:
            return None
        lines = self.facts.up_to_date_lines(with_projection=self.inspection.sees_projection)
        if not up_to_date.is_same(lines, expected):
            return False
        return None if self._timeline_change() is not None else True

    def status(self, migrations: Sequence[Migration]) -> tuple[DatabaseSnapshot, TimelineChange | None]:
        """Return the state of every migration, none of which has a condition, and how the timeline has changed."""
        from zmig.database.lock import RunLock
        from zmig.session.snapshot import RelevantFacts, SnapshotReader

        self.inspection.check_readable()
        if server.encoding_of(self.connection).name == "SQL_ASCII":
            raise libpq.Unavailable("texts may be of any bytes")
        facts, schema = self.facts, self.tracking.schema
        reader = SnapshotReader(
            self.connection,
            facts,
            RunLock(schema),
            RelevantFacts(facts, migrations),
            stuck_after_seconds=self.tracking.stuck_after_seconds,
        )
        snapshot = reader.read(migrations, self.inspection, ask_repeatables=False)
        return snapshot, self._timeline_change() if self.inspection.has_events else None

    def _timeline_change(self) -> TimelineChange | None:
        return timeline.change(self.facts, self.server.identity)
