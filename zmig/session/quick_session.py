"""A session that only reads, over libpq itself, for what is asked most: whether anything is left to do, and the status.

Importing psycopg takes longer than all else of the two. An answer comes from the same questions that a session over
psycopg asks; where there is none, because something is unusual, that one asks, and says what is wrong.
"""

from __future__ import annotations

import os
import re
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from zmig.database import libpq, server, timeline, tracking_check
from zmig.database.fact_reader import FactReader
from zmig.errors import ManifestError, TrackingError
from zmig.manifest.declaration import DatabaseUrl
from zmig.planning import up_to_date
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from zmig.database.lock_queue import LockQueue
    from zmig.database.server import Server
    from zmig.database.timeline import TimelineChange
    from zmig.database.tracking_check import Inspection
    from zmig.database.types import Answer as Rows
    from zmig.manifest.declaration import Tracking
    from zmig.model import Migration
    from zmig.project.project import Project
    from zmig.session.snapshot import DatabaseSnapshot
    from zmig.session.tool_use import NotImported, StillUsed

_PLAIN_URL = re.compile(
    r"postgres(?:ql)?://(?:[^\s:@/?#\[\]]+(?::(?P<password>[^\s@/?#]*))?@)?[\w.,:-]*/[\w-]+"
    r"(?:\?(?:host|user|application_name)=[\w%./-]+)?"
)
"""A URL that names a host or a database, and sets nothing with which something could be wrong.

For any other, `zmig.database.connection_string` decides what it means, or says what is wrong with it.
"""


_PLAIN_TIMEOUT = re.compile("[0-9]{0,9}")
"""A PGCONNECT_TIMEOUT with which nothing is wrong. libpq checks the other variables itself, when it connects."""


@contextmanager
def connected(url: str, tracking: Tracking) -> Generator[QuickSession]:
    """Connect, and close the connection after the block. Raises libpq.Unavailable, TrackingError."""
    if not _PLAIN_URL.fullmatch(url) or not _PLAIN_TIMEOUT.fullmatch(os.environ.get("PGCONNECT_TIMEOUT", "")):
        raise libpq.Unavailable("a URL or a timeout that has to be looked at")
    with libpq.connect({"dbname": url, "application_name": "zmig", "client_encoding": "utf8"}) as connection:
        yield _opened(connection, tracking)


def password(url: str) -> str | None:
    """Return the password in a URL over which questions are asked, as it is written there; None where there is none."""
    found = _PLAIN_URL.fullmatch(url)
    return found and found["password"]


def _opened(connection: libpq.QuickConnection, tracking: Tracking) -> QuickSession:
    found = server.identify(connection, server.watching(connection.info.server_version))
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

    def ask_up_to_date(self) -> Rows | None:
        """Ask what the facts fold to, which `is_up_to_date` waits for; None where a session has to look."""
        self.inspection.check_readable(to_write=True)
        return None if self.inspection.in_recovery else self.facts.ask_up_to_date(self.inspection)

    def is_up_to_date(self, asked: Rows, expected: Sequence[str]) -> bool | None:
        """Whether the facts fold to the lines of `up_to_date.expected_lines`; None where a session has to look."""
        if not self.facts.is_up_to_date(asked, expected):
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

    def still_used(self, snapshot: DatabaseSnapshot) -> tuple[StillUsed, ...]:
        """Return what other tools have done since their history was imported."""
        if not snapshot.may_have_imported:
            return ()
        from zmig.database import imported_facts
        from zmig.session import still_used

        imported = imported_facts.rows(self.connection, self.facts.events)
        self.connection.execute(f"begin; {still_used.LIMITED}".encode()).fetchall()
        return still_used.read(self.connection, imported, snapshot.entries)

    def lock_queue(self, snapshot: DatabaseSnapshot) -> LockQueue | None:
        """Return who waits for the run in progress; None where none is, or nobody waits."""
        if snapshot.holder is None:
            return None
        from zmig.database import lock_queue

        return lock_queue.of_backend(self.connection, snapshot.holder.pid)

    def not_imported(self) -> NotImported | None:
        """Return whose history is there, where zmig has not run yet; None where it has, or there is none."""
        if self.inspection.has_events:
            return None
        from zmig.session import still_used

        return still_used.not_imported(self.connection)

    def _timeline_change(self) -> TimelineChange | None:
        return timeline.change(self.facts, self.server.identity)


class UpToDateQuestion:
    """Whether anything is left to do: the server works on the answer while the files of the migrations are read.

    What was applied is known as of before the files are read. A run that ends in between has applied what was declared
    then, so that the answer is no, or what is declared now, and whether it came before or after makes no difference.
    """

    def __init__(self, database_url: str | None, *, environ: Mapping[str, str]) -> None:
        """`database_url` is the one that was given in place of the manifest's."""
        self._database_url = database_url
        self._environ = environ
        self._closing = ExitStack()
        self._asked: tuple[QuickSession, Rows] | None = None
        self._is_begun = False

    def begin(self, project: Project) -> None:
        """Ask, once the manifests are read; a private server is not started before all is known to be right."""
        if self._database_url is not None or isinstance(project.database, DatabaseUrl):
            with suppress(ManifestError):  # it is reported with what is wrong with the files
                self._begin(project)

    def _begin(self, project: Project) -> None:
        self._is_begun = True
        url = project.database_url(self._database_url, environ=self._environ)
        try:
            session = self._closing.enter_context(connected(url, project.tracking))
            rows = session.ask_up_to_date()
        except (libpq.Unavailable, TrackingError):
            return
        if rows is not None:
            self._asked = (session, rows)

    def answer(self, project: Project, migrations: Sequence[Migration]) -> bool | None:
        """Return whether every migration is done as it is declared; None where that was not asked.

        Raises:
            ManifestError: the manifest names no database, or an unset variable.
            ServerError: the private server does not start.
        """
        with self._closing:
            expected = up_to_date.expected_lines(migrations)
            if not expected:
                return None
            if not self._is_begun:
                self._begin(project)
            if self._asked is None:
                return None
            session, rows = self._asked
            try:
                return session.is_up_to_date(rows, expected)
            except libpq.Unavailable:
                return None

    def close(self) -> None:
        """Close the connection, if it is open still."""
        self._closing.close()
