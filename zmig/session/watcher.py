"""A long look at one manifest and its database: what changed, who works, how far. It never locks and never writes.

`Watcher.poll` is called again and again, from one thread. It asks the server for new facts only, and reads the
manifest again only when one of its files has changed.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, TypeVar

import psycopg

from zmig.database import activity, table_estimates
from zmig.database import connection as database
from zmig.database.activity import Blocking
from zmig.database.lock import RunLock
from zmig.database.run_reader import MOST_FACTS, RunReader
from zmig.database.store import Store
from zmig.database.watched_queue import WatchedQueue
from zmig.errors import ManifestError, ZmigError
from zmig.facts import Run
from zmig.observer import isolated
from zmig.planning.history import fold
from zmig.project import code_migrations
from zmig.project.reload import Files
from zmig.session import database_session as opening
from zmig.session import schema_comparison, schema_drift, status
from zmig.session.database_session import DatabaseSession
from zmig.session.follower import EventFollower
from zmig.session.schema_comparison import Source
from zmig.session.snapshot import SnapshotReader, asking
from zmig.session.watched_tools import ToolsSeen, WatchedTools
from zmig.valueclass import field, replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from dataclasses import KW_ONLY
    from datetime import datetime
    from pathlib import Path

    from zmig.database.activity import Backend, BackendWork, Blocker
    from zmig.database.connection import Target, WorkingConnection
    from zmig.database.lock_queue import LockQueue
    from zmig.database.run_reader import RunPage
    from zmig.database.schema_facts import Recorded
    from zmig.database.table_estimates import TableEstimate, TableName
    from zmig.database.tracking_check import Inspection
    from zmig.database.types import Connection
    from zmig.errors import Problem
    from zmig.facts import Fact
    from zmig.model import Migration
    from zmig.planning.history import History
    from zmig.planning.orphaned_rows import OrphanedRow
    from zmig.project.project import Project
    from zmig.session.schema_drift import SchemaDrift
    from zmig.session.snapshot import DatabaseSnapshot
    from zmig.session.status import Status

Result = TypeVar("Result")

_SECONDS_BETWEEN_SCHEMAS = 30.0
"""Between two looks at whether the schema is as it was recorded, which takes the server some milliseconds."""

_APPLICATION = "zmig/console"
_LIMITS = {"statement_timeout": "'5s'", "lock_timeout": "'1s'"}


@valueclass
class Observation:
    """What was in the manifest and in the database at one moment."""

    status: Status
    _: KW_ONLY
    project: Project
    server: str
    """Where the server is: host and port."""
    now: datetime
    """The server's clock."""
    new_facts: tuple[Fact, ...] = ()
    """Facts that have become visible since the last observation, in order of position."""
    is_fresh: bool = False
    """Whether it is the first observation over its connection: `new_facts` are then the latest ones of all."""
    work: BackendWork | None = None
    """What the backend that holds the run's lock is doing."""
    queue: LockQueue | None = None
    """Who waits for that backend, as it was at most some seconds ago; None while nobody waits for a lock."""
    is_zombie: bool = False
    """Whether that backend works on although its client is provably gone."""
    tools: ToolsSeen = field(default_factory=ToolsSeen)
    """Other migration tools, as they were when they were looked for last."""
    manifest_problems: tuple[Problem, ...] = ()
    """What is wrong with the manifest as it is now; the rest is as it was before."""


class Watcher:
    """Observes one manifest and its database over a connection of its own."""

    def __init__(
        self,
        manifest: Path,
        *,
        database_url: str | None,
        environ: Mapping[str, str],
        registered: Sequence[Migration] = (),
    ) -> None:
        self._database_url = database_url
        self._environ = environ
        self._registered = registered
        self._joined: tuple[Project, Sequence[Migration]] | None = None
        """The project that was read last, with its migrations and those that are registered."""
        self._files = Files(manifest, environ)
        self._session: _Session | None = None
        self._has_changed = False
        """Whether the files changed since the last observation."""

    def poll(self, *, ask_repeatables: bool = False) -> Observation:
        """Return how everything is now.

        Conditions of repeatables are asked when something changed and nobody is running, and on request.

        Raises:
            ManifestError: no usable manifest was seen yet.
            ConnectionFailed, TrackingError, UsageError, ServerError: the database cannot be read now; the next call
                tries again.
        """
        changed = self._files.look() or self._has_changed
        loaded = self._files.require()
        session = self._connected(loaded)
        migrations = self._migrations(loaded)
        ask = changed or ask_repeatables
        observed = session.guarded(lambda: session.observe(loaded, migrations, self._files.problems, ask=ask))
        self._has_changed = False
        return observed

    def _migrations(self, loaded: Project) -> Sequence[Migration]:
        if not self._registered:
            return loaded.migrations
        if self._joined is None or self._joined[0] is not loaded:
            self._joined = loaded, code_migrations.joined(loaded, self._registered)
        return self._joined[1]

    def facts(self, name: str, *, most: int) -> list[Fact]:
        """Return the last facts of one migration, at most so many, oldest first. Raises like `poll`."""
        session = self._connected(self._files.require())
        return session.guarded(lambda: session.facts(name, most))

    def read(self, use: Callable[[DatabaseSession, DatabaseSnapshot], Result]) -> Result:
        """Return what `use` makes of the state of every migration as it is now; it may read, and nothing else.

        Of the facts only the new ones are read, and of the files those that changed. Raises like `poll`, and
        ManifestError where the manifest cannot be used as it is now.
        """
        self._has_changed = self._files.look(at_once=True) or self._has_changed
        if self._files.problems:
            raise ManifestError(*self._files.problems)
        loaded = self._files.require()
        migrations = self._migrations(loaded)
        session = self._connected(loaded)
        return session.guarded(lambda: use(session.as_session(loaded, migrations), session.snapshot(migrations)))

    def estimates(self, names: Sequence[TableName]) -> dict[TableName, TableEstimate]:
        """Return about how large tables are, of those of these that exist. Raises like `poll`."""
        session = self._connected(self._files.require())
        return session.guarded(lambda: table_estimates.read(session.connection, names))

    def run_facts(
        self, run_id: str, *, first: int | None = None, last: int | None = None, most: int = MOST_FACTS
    ) -> list[Fact]:
        """Return the last facts of a run from position `first` to `last`, oldest first. Raises like `poll`.

        Without them it is looked for among the latest facts. With what the run did come the pauses of that time.
        """
        session = self._connected(self._files.require())
        return session.guarded(lambda: session.runs.facts(run_id, first=first, last=last, most=most))

    def runs(self, *, after: int | None = None, before: int | None = None) -> RunPage:
        """Return the latest runs, or those between two positions, the newest first. Raises like `poll`."""
        session = self._connected(self._files.require())
        return session.guarded(lambda: session.runs.page(after=after, before=before))

    def cancel(self, backend: Backend) -> bool:
        """Cancel a backend's statement; return False when it is gone. Raises like `poll`."""
        session = self._connected(self._files.require())
        return session.guarded(lambda: session.cancel(backend))

    def terminate(self, backend: Backend) -> bool:
        """End a backend; return False when it was gone. Raises like `poll`."""
        session = self._connected(self._files.require())
        return session.guarded(lambda: session.terminate(backend))

    def blocking(self, remembered: Iterable[Blocker] = ()) -> Blocking:
        """Return who blocks the run now, and who of those `remembered` still could. Raises like `poll`."""
        session = self._connected(self._files.require())
        return session.guarded(lambda: session.blocking(remembered))

    def terminate_blocker(self, backend: Backend) -> bool | None:
        """End a backend unless it is the one that runs; return False when it was gone, None when it runs.

        Raises like `poll`.
        """
        session = self._connected(self._files.require())
        return session.guarded(lambda: session.terminate_blocker(backend))

    def close(self) -> None:
        """Close the connection; the next call would open another."""
        if self._session is not None:
            self._session.connection.close()
            self._session = None

    def _connected(self, loaded: Project) -> _Session:
        session = self._session
        if session is not None and session.fits(loaded):
            return session
        self.close()
        target = opening.target(loaded, self._database_url, environ=self._environ)
        self._session = _Session(loaded, target)
        return self._session


class _Session:
    """One connection, and what has been seen through it."""

    def __init__(self, loaded: Project, target: Target) -> None:
        self._target = target
        self._tracking = loaded.tracking
        self._declared = loaded.database
        self.connection: WorkingConnection = database.connect(target, application_name=_APPLICATION, limits=_LIMITS)
        self._store = Store(self.connection, self._tracking.schema, self._tracking.owner)
        self._lock = RunLock(self._tracking.schema)
        self._facts = FollowedFacts(self.connection, self._store)
        self._reader = SnapshotReader(
            self.connection,
            self._store,
            self._lock,
            self._facts,
            stuck_after_seconds=self._tracking.stuck_after_seconds,
            ask=asking(self.connection),
            always_finds_holder=True,
        )
        self._needs_answers = True
        self._schema = _WatchedSchema()
        self._tools = WatchedTools()
        self._tools_seen = ToolsSeen()
        self._queue = WatchedQueue()
        try:
            with database.translated(target):
                opening.server_of(self.connection, self._tracking.schema, target)
        except BaseException:
            self.connection.close()
            raise

    def fits(self, loaded: Project) -> bool:
        """Whether this session still leads to the database of `loaded`."""
        return (
            not database.is_lost(self.connection)
            and loaded.tracking == self._tracking
            and loaded.database == self._declared
        )

    def guarded(self, read: Callable[[], Result]) -> Result:
        """Call `read`; a connection that broke is closed, so that the next call opens another."""
        try:
            with database.translated(self._target):
                return read()
        except BaseException:
            if database.is_lost(self.connection):
                with contextlib.suppress(Exception):
                    self.connection.close()
            raise

    @property
    def runs(self) -> RunReader:
        return RunReader(self.connection, self._store)

    def facts(self, name: str, most: int) -> list[Fact]:
        return self._store.last_facts(name, most) if self._store.inspect().has_events else []

    def as_session(self, loaded: Project, migrations: Sequence[Migration]) -> DatabaseSession:
        """Return the same for what reads through an open database."""
        server = self.connection.server
        return DatabaseSession(
            project=loaded,
            migrations=migrations,
            target=self._target,
            connection=self.connection,
            server=server,
            store=self._store,
            lock=self._lock,
            run=Run("", "", server.backend_pid, _APPLICATION),
            observer=isolated(None),
        )

    def snapshot(self, migrations: Sequence[Migration]) -> DatabaseSnapshot:
        """Return the state of every migration as it is now; conditions are asked unless somebody is running."""
        inspection = self._store.inspect()
        self._facts.read(inspection)
        holder = self._reader.find_holder(inspection)
        asks = holder is None and any(migration.is_conditional for migration in migrations)
        return self._reader.assemble(migrations, inspection, holder, ask_repeatables=asks)

    def observe(
        self, loaded: Project, migrations: Sequence[Migration], problems: tuple[Problem, ...], *, ask: bool
    ) -> Observation:
        inspection = self._store.inspect()
        self._facts.read(inspection)
        holder = self._reader.find_holder(inspection)
        self._needs_answers = self._needs_answers or ask or bool(self._facts.new)
        asks_now = self._needs_answers and holder is None
        snapshot = self._reader.assemble(migrations, inspection, holder, ask_repeatables=asks_now)
        self._needs_answers = self._needs_answers and not asks_now
        holder = snapshot.holder
        made = status.make(snapshot, manifest=loaded.name, environment=loaded.environment)
        is_pooled = self.connection.info.backend_pid != self.connection.server.backend_pid
        if inspection.has_events and holder is None and not is_pooled:  # a pooler may refuse a transaction
            source = Source(
                self.connection, self._store.events, loaded, migrations, self.connection.info.server_version
            )
            made = replace(made, schema=self._schema.read(source, is_news=bool(self._facts.new)))
        if holder is None and not is_pooled:
            self._tools_seen = self._tools.read(
                self.connection, self._store.events, snapshot, is_news=bool(self._facts.new)
            )
        work = activity.work(self.connection, holder.pid) if holder is not None else None
        new_facts, is_fresh = self._facts.take_new()
        return Observation(
            made,
            project=loaded,
            server=self._target.host,
            now=inspection.now,
            new_facts=new_facts,
            is_fresh=is_fresh,
            work=work,
            queue=self._queue.read(self.connection, work),
            is_zombie=holder is not None and holder.is_orphaned,
            tools=self._tools_seen,
            manifest_problems=problems,
        )

    def blocking(self, remembered: Iterable[Blocker]) -> Blocking:
        holder = self._lock.holder(self.connection)
        return activity.blocking(self.connection, holder.pid, remembered) if holder is not None else Blocking()

    def terminate_blocker(self, backend: Backend) -> bool | None:
        holder = self._lock.holder(self.connection)
        if holder is not None and holder.pid == backend.pid:
            return None
        return self.terminate(backend)

    def cancel(self, backend: Backend) -> bool:
        self._queue.forget()
        return activity.cancel(self.connection, backend)

    def terminate(self, backend: Backend) -> bool:
        self._queue.forget()
        return activity.terminate(self.connection, backend)


class _WatchedSchema:
    """How the schema differs: looked for now and then, and compared where the catalogs are not as they were before."""

    def __init__(self) -> None:
        self._drift: SchemaDrift | None = None
        self._looked_at = float("-inf")
        self._compared: tuple[object, ...] | None = None
        """The fact and the state of the catalogs that `_drift` is about."""

    def read(self, source: Source, *, is_news: bool) -> SchemaDrift | None:
        """Return how it differs, as it was when that was looked for last; `is_news` says that there are new facts."""
        if is_news or time.monotonic() - self._looked_at >= _SECONDS_BETWEEN_SCHEMAS:
            self._look(source)
            self._looked_at = time.monotonic()
        return self._drift

    def _look(self, source: Source) -> None:
        recorded: Recorded | None = None
        try:
            recorded, state = schema_comparison.last_and_state(source)
            known = schema_drift.judged(recorded, state, source.project, source.server_version)
            seen = (recorded and recorded.position, state)
            if known is not None or seen != self._compared:
                self._drift = known or schema_comparison.compared(source, recorded)
            self._compared = seen
        except (ZmigError, psycopg.Error) as error:  # too slow for this connection, for one
            self._compared = None
            self._drift = schema_comparison.unreadable(source, recorded, error)


class FollowedFacts:
    """The facts of a live event store: each is read once, but for those of a table that took another one's place."""

    def __init__(self, connection: Connection, store: Store) -> None:
        self._connection = connection
        self._store = store
        self.new: list[Fact] = []
        """What has become visible since this list was cleared."""
        self.table: int | None = None
        """The table that the facts are of; None where there is none."""
        self._forget()

    def take_new(self) -> tuple[tuple[Fact, ...], bool]:
        """Return what has become visible since the last call, and whether that is the latest ones of all."""
        new, is_fresh = tuple(self.new), self._is_fresh
        self.new.clear()
        self._is_fresh = False
        return new, is_fresh

    def _forget(self) -> None:
        self._is_fresh = True
        self._follower = EventFollower(self._connection, self._store)
        self._unfounded: list[OrphanedRow] | None = None

    @property
    def revision(self) -> object:
        """What is another value once other facts were read."""
        return self.table, self._follower.revision

    @property
    def is_empty(self) -> bool:
        """Whether there are no facts at all."""
        return not self._follower.latest

    def read(self, inspection: Inspection) -> None:
        """Read what has become visible since the last time."""
        table = self._store.identity() if inspection.has_events else None
        if table != self.table or table is None:
            self._forget()
            self.table = table
        if table is not None:
            self.new += self._follower.read()

    def open_facts(self) -> Sequence[Fact]:
        """Return the facts by which something is started, and not ended."""
        return list(self._follower.open())

    def history(self, migrations: Sequence[Migration]) -> History:
        """Return what the facts say."""
        return fold(
            self._follower.latest.values(), versions={migration.name: migration.version for migration in migrations}
        )

    def unfounded(self, inspection: Inspection) -> Sequence[OrphanedRow]:
        """Return the rows of the simple table that no fact founds, asked for again where there are new facts."""
        if inspection.sees_projection and (self.new or self._unfounded is None):
            self._unfounded = self._store.unfounded_rows() if inspection.has_events else self._store.simple_rows()
        return self._unfounded or ()
