"""An open database: the connection, with everything that reads and writes through it, and the run's lock."""

from __future__ import annotations

import contextlib
import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from zmig.database import connection as database
from zmig.database import lock_holder as holders
from zmig.database import pooler, timeline
from zmig.database.connection_hints import GIVEN_URL
from zmig.database.invariants import Broken
from zmig.database.lock import RunLock
from zmig.database.store import Store
from zmig.errors import TrackingError
from zmig.facts import Run
from zmig.manifest.declaration import EmbeddedDatabase
from zmig.planning import orphaned_rows, up_to_date
from zmig.progress import LockWaiting, Notice
from zmig.session.snapshot import RelevantFacts, SnapshotReader, asking, identify_holder
from zmig.valueclass import replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from dataclasses import KW_ONLY

    from zmig.database.connection import Target, WorkingConnection
    from zmig.database.lock_holder import LockHolder
    from zmig.database.lock_queue import LockQueue
    from zmig.database.server import Server
    from zmig.database.timeline import TimelineChange
    from zmig.database.tracking_check import Inspection
    from zmig.model import Migration
    from zmig.process.interrupts import Interrupts
    from zmig.progress import Observer
    from zmig.project.project import Project
    from zmig.session.snapshot import DatabaseSnapshot
    from zmig.session.tool_use import NotImported, StillUsed


def target(project: Project, database_url: str | None, *, environ: Mapping[str, str]) -> Target:
    """Return the database to go to: the one given, else the manifest's; a private server is started.

    Raises:
        ManifestError: the manifest names no database, or an unset variable.
        UsageError: the URL is not a connection string.
        ServerError: the private server does not start.
    """
    named = database.target(project.database_url(database_url, environ=environ), environ=environ)
    if database_url is not None:
        return replace(named, written_in=GIVEN_URL)
    return replace(named, is_embedded=isinstance(project.database, EmbeddedDatabase))


def server_of(connection: WorkingConnection, schema: str, target: Target) -> Server:
    """Return the server that a connection leads to, which keeps the facts in `schema`.

    Raises:
        UsageError, TrackingError: it is a node of a cluster that keeps them elsewhere.
    """
    server = connection.server
    if server.has_citus:
        from zmig.database import citus

        citus.check_node(connection, schema, target)
    return server


@valueclass
class DatabaseSession:
    """One connection to the target database, and what works through it."""

    _: KW_ONLY
    project: Project
    migrations: Sequence[Migration]
    target: Target
    connection: WorkingConnection
    server: Server
    store: Store
    lock: RunLock
    run: Run
    observer: Observer

    def inspect(self, *, to_write: bool = False) -> Inspection:
        """Return what there is of the tracking tables, and the rights to them.

        `to_write` says that facts are to be written next, so that all rights that are missing are reported at once.

        Raises:
            TrackingError: facts are to be written, and this is a standby; the message names the primary server.
        """
        with database.translated(self.target):
            inspection = self.store.inspect(to_write=to_write)
            if to_write:
                self.refuse_standby(inspection)
            return inspection

    def report_timeline_change(self, inspection: Inspection) -> None:
        """Warn where the server's timeline is another one than the last run's; the facts are read before."""
        changed = self.timeline_change(inspection)
        if changed is not None:
            self.observer(Notice(None, "WARNING", changed.message))

    def timeline_change(self, inspection: Inspection) -> TimelineChange | None:
        """Return how the server's timeline differs from that of the last run on record; None where it does not."""
        if not inspection.has_events:
            return None
        with database.translated(self.target):
            return timeline.change(self.store, self.server.identity)

    def refuse_standby(self, inspection: Inspection) -> None:
        """Make sure that the server takes writes; what is done there already may be undone on the primary server.

        Raises:
            TrackingError: it is a standby; the message names the primary server.
        """
        if inspection.in_recovery:
            from zmig.database import standby

            follower = standby.read(self.connection)
            raise TrackingError(inspection.standby(follower.where, follower.lag))

    def is_up_to_date(self, inspection: Inspection) -> bool:
        """Whether every migration is done as it is declared, so that nothing is left to do; False says nothing."""
        expected = up_to_date.expected_lines(self.migrations)
        if not expected:
            return False
        with database.translated(self.target):
            asked = self.store.ask_up_to_date(inspection)
            return asked is not None and self.store.is_up_to_date(asked, expected)

    @contextmanager
    def recording(self) -> Generator[None]:
        """Turn what keeps a fact from being written inside the block into an error people can act on.

        Raises:
            TrackingError: the fact was not written, or the database refuses.
        """
        with database.translated(self.target):
            try:
                yield
            except psycopg.Error as error:
                broken = self.store.broken_by(error)
                if broken is None:
                    raise
                problem = self.store.problem(broken, what="the decision")
                raise TrackingError(replace(problem, effect="nothing was recorded")) from error

    def snapshot(
        self, inspection: Inspection | None = None, *, holds_lock: bool = False, ask_repeatables: bool = True
    ) -> DatabaseSnapshot:
        """Return the state of every migration. Reads only; `inspection` is given where that was made just before."""
        seen = self.inspect() if inspection is None else inspection
        reader = SnapshotReader(
            self.connection,
            self.store,
            self.lock,
            RelevantFacts(self.store, self.migrations),
            stuck_after_seconds=self.project.tracking.stuck_after_seconds,
            ask=asking(self.connection),
        )
        with database.translated(self.target):
            return reader.read(self.migrations, seen, holds_lock=holds_lock, ask_repeatables=ask_repeatables)

    def still_used(self, snapshot: DatabaseSnapshot) -> tuple[StillUsed, ...]:
        """Return what other tools have done since their history was imported; less where that cannot be read."""
        if not snapshot.may_have_imported:
            return ()
        from zmig.database import imported_facts
        from zmig.session import still_used

        imported = imported_facts.rows(self.connection, self.store.events)
        try:
            with self.connection.transaction():
                self.connection.execute(still_used.LIMITED.encode())
                return still_used.read(self.connection, imported, snapshot.entries)
        except psycopg.Error:
            return still_used.of_facts(imported, snapshot.entries)

    def lock_queue(self, snapshot: DatabaseSnapshot) -> LockQueue | None:
        """Return who waits for the run in progress; None where none is, nobody waits, or that cannot be read now."""
        if snapshot.holder is None:
            return None
        from zmig.database import lock_queue

        try:
            return lock_queue.of_backend(self.connection, snapshot.holder.pid)
        except psycopg.Error:
            return None

    def not_imported(self, snapshot: DatabaseSnapshot) -> NotImported | None:
        """Return whose history is there, where zmig has not run yet; None where it has, or nobody knows."""
        if snapshot.inspection.has_events:
            return None
        from zmig.session import still_used

        try:
            return still_used.not_imported(self.connection)
        except psycopg.Error:
            return None

    def prepare_store(self, snapshot: DatabaseSnapshot) -> None:
        """Create what is missing of the tracking tables, and make the simple table fit the facts; under the lock."""
        if self.store.create(snapshot.inspection, has_citus=self.server.has_citus):
            from zmig.database import tracking_sql

            events = f"{self.project.tracking.schema}.migration_events"
            message = f"`{events}` was not as zmig makes it: {tracking_sql.GUARD_MISSING}; it is there again"
            self.observer(Notice(None, "WARNING", message))
        if snapshot.inspection.has_events:
            lagging = self.store.repair(snapshot.entries, keep=orphaned_rows.versions(snapshot.entries))
            if lagging is not None:
                self._advance_positions(lagging)

    def _advance_positions(self, highest: int) -> None:
        """Have new facts come after those that are there.

        Raises:
            TrackingError: this role may not.
        """
        try:
            self.store.advance_positions()
        except psycopg.errors.InsufficientPrivilege as error:
            problem = self.store.problem(Broken.POSITION, what="what is to be done")
            raise TrackingError(replace(problem, effect="nothing was run")) from error
        message = f"the positions of new facts were behind {highest}, the highest there is, and now continue after it"
        self.observer(Notice(None, "NOTICE", message))

    @contextmanager
    def locked(self, *, limit_seconds: float | None) -> Generator[None]:
        """Hold the run's lock inside the block.

        Raises:
            LockNotObtained: another run kept it for too long.
            UsageError: a transaction pooler is between.
        """
        with database.translated(self.target):
            pooler.refuse_transaction_pooling(self.connection, self.target, backend_pid=self.server.backend_pid)
        with self._given_back():
            with database.translated(self.target):
                self.connection.ask_as_usual()
                self.connection.execute(self.server.prepare_sql(self.run.application_name).encode())
                self.lock.wait(
                    self.connection,
                    limit_seconds=limit_seconds,
                    report=self._report_waiting,
                    known=self._identify,
                    database=self.connection.info.dbname,
                )
            try:
                yield
            finally:
                # Whatever keeps the lock from being released ends with the session, and so does the lock.
                with contextlib.suppress(psycopg.Error):
                    self.lock.release(self.connection)

    @contextmanager
    def _given_back(self) -> Generator[None]:
        """Leave the session as it began, for a pooler, which may give it to others as it is."""
        if self.connection.info.backend_pid == self.server.backend_pid:
            yield
            return
        try:
            yield
        finally:
            with contextlib.suppress(psycopg.Error), self.connection.interrupts.deferred():
                pooler.give_back(self.connection)

    def terminate_holder(self) -> None:
        """Make the server end the backend that holds the run's lock, if one does.

        Raises:
            UsageError: the process it works for is alive.
            TrackingError: this role may not end it.
        """
        with database.translated(self.target):
            holder = self.lock.holder(self.connection)
            if holder is None:
                return
            holder = self._identify(holder)
            holders.ensure_client_gone(holder)
            self.observer(Notice(None, "NOTICE", f"ending {holders.describe(holder)}"))
            self.lock.terminate(self.connection, holder)

    def _report_waiting(self, holder: LockHolder | None, seconds: float) -> None:
        self.observer(LockWaiting(holder, seconds))

    def _identify(self, holder: LockHolder) -> LockHolder:
        return identify_holder(holder, self.snapshot(ask_repeatables=False).entries)


@contextmanager
def open_session(
    project: Project,
    migrations: Sequence[Migration],
    target: Target,
    *,
    observer: Observer,
    interrupts: Interrupts,
    limits: Mapping[str, str] | None = None,
) -> Generator[DatabaseSession]:
    """Connect, and close the connection after the block. `limits` are settings for a session that only reads, as SQL.

    Raises:
        ConnectionFailed: the server cannot be reached.
    """
    run_id = os.urandom(6).hex()
    name = f"zmig/{run_id}"
    with database.connect(target, application_name=name, limits=limits) as connection:
        connection.interrupts = interrupts
        connection.add_notice_handler(_notices_to(observer, interrupts))
        with database.translated(target):
            server = server_of(connection, project.tracking.schema, target)
        yield DatabaseSession(
            project=project,
            migrations=migrations,
            target=target,
            connection=connection,
            server=server,
            store=Store(connection, project.tracking.schema, project.tracking.owner),
            lock=RunLock(project.tracking.schema),
            run=Run(run_id, socket.gethostname(), server.backend_pid, name),
            observer=observer,
        )


def _notices_to(observer: Observer, interrupts: Interrupts) -> Callable[[psycopg.errors.Diagnostic], None]:
    def report(diagnostic: psycopg.errors.Diagnostic) -> None:
        observer(
            Notice(
                None,
                diagnostic.severity or "NOTICE",
                diagnostic.message_primary or "",
                detail=diagnostic.message_detail or _explained(diagnostic),
                hint=diagnostic.message_hint,
            )
        )

    def hear(diagnostic: psycopg.errors.Diagnostic) -> None:
        try:
            report(diagnostic)
        except Exception:
            raise
        except BaseException as error:  # psycopg would drop it
            interrupts.keep(error)

    return hear


def _explained(diagnostic: psycopg.errors.Diagnostic) -> str | None:
    """Return what a warning means that the server gives no detail of: that of a lock that was to be released."""
    if diagnostic.severity_nonlocalized == "WARNING" and diagnostic.source_function == "LockRelease":
        return "an advisory lock was not held that was to be released; if it is the run's own, the run ends"
    return None
