"""A long look at one manifest and its database: what changed, who works, how far. It never locks and never writes.

`Watcher.observe` is called again and again, from one thread. It asks the server for new facts only, and reads the
manifest again only when one of its files has changed.
"""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from zmig.database import activity
from zmig.database import connection as database
from zmig.database.activity import Blocking
from zmig.database.lock import RunLock
from zmig.database.store import Store
from zmig.model import RepeatRule
from zmig.planning import orphaned_rows, state
from zmig.planning.history import fold
from zmig.planning.state import Liveness, State
from zmig.project.reload import Files
from zmig.session import conditions, status
from zmig.session import session as opening
from zmig.session.follower import EventFollower
from zmig.session.snapshot import Snapshot, identify_holder, standby_of, with_running
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from zmig.database.activity import Backend, BackendWork, Blocker
    from zmig.database.connection import Target, WorkingConnection
    from zmig.database.lock_holder import LockHolder
    from zmig.database.tracking_check import Inspection
    from zmig.errors import Problem
    from zmig.facts import Fact
    from zmig.model import Migration
    from zmig.planning.orphaned_rows import Unfounded
    from zmig.planning.state import Entry
    from zmig.project.project import Project
    from zmig.session.status import Status

Result = TypeVar("Result")

_LIMITS = {"statement_timeout": "'5s'", "lock_timeout": "'1s'"}


@valueclass
class Observation:
    """What was in the manifest and in the database at one moment."""

    status: Status
    project: Project
    server: str
    """Where the server is: host and port."""
    now: datetime
    """The server's clock."""
    new_facts: tuple[Fact, ...] = ()
    """Facts that have become visible since the last observation, in order of position."""
    work: BackendWork | None = None
    """What the backend that holds the run's lock is doing."""
    is_zombie: bool = False
    """Whether that backend works on although its client is provably gone."""
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
        self._files = Files(manifest, environ)
        self._session: _Session | None = None

    def poll(self, *, ask_repeatables: bool = False) -> Observation:
        """Return how everything is now.

        Conditions of repeatables are asked when something changed and nobody is running, and on request.

        Raises:
            ManifestError: no usable manifest was seen yet.
            ConnectionFailed, TrackingError, UsageError, ServerError: the database cannot be read now; the next call
                tries again.
        """
        changed = self._files.look()
        loaded = self._files.require()
        session = self._connected(loaded)
        migrations = (*loaded.migrations, *self._registered) if self._registered else loaded.migrations
        ask = changed or ask_repeatables
        return session.guarded(lambda: session.observe(loaded, migrations, self._files.problems, ask=ask))

    def facts(self, name: str, *, most: int) -> list[Fact]:
        """Return the last facts of one migration, at most so many, oldest first. Raises like `observe`."""
        session = self._connected(self._files.require())
        return session.guarded(lambda: session.facts(name, most))

    def cancel(self, backend: Backend) -> bool:
        """Cancel a backend's statement; return False when it is gone. Raises like `observe`."""
        session = self._connected(self._files.require())
        return session.guarded(lambda: activity.cancel(session.connection, backend))

    def terminate(self, backend: Backend) -> bool:
        """End a backend; return False when it was gone. Raises like `observe`."""
        session = self._connected(self._files.require())
        return session.guarded(lambda: activity.terminate(session.connection, backend))

    def blocking(self, remembered: Iterable[Blocker] = ()) -> Blocking:
        """Return who blocks the run now, and who of those `remembered` still could. Raises like `observe`."""
        session = self._connected(self._files.require())
        return session.guarded(lambda: session.blocking(remembered))

    def terminate_blocker(self, backend: Backend) -> bool | None:
        """End a backend unless it is the one that runs; return False when it was gone, None when it runs.

        Raises like `observe`.
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
        self.connection: WorkingConnection = database.connect(target, application_name="zmig/console", limits=_LIMITS)
        self._store = Store(self.connection, self._tracking.schema, self._tracking.owner)
        self._lock = RunLock(self._tracking.schema)
        self._forget()
        try:
            with database.translated(target):
                opening.server_of(self.connection, self._tracking.schema)
        except BaseException:
            self.connection.close()
            raise

    def _forget(self) -> None:
        self._tail = EventFollower(self.connection, self._store)
        self._table: int | None = None
        self._unfounded: list[Unfounded] | None = None
        self._answers: dict[int, bool | None] = {}
        self._needs_answers = True
        self._assessed: tuple[Entry, ...] = ()
        self._assessed_from: tuple[object, ...] | None = None

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

    def facts(self, name: str, most: int) -> list[Fact]:
        return self._store.last_facts(name, most) if self._store.inspect().has_events else []

    def observe(
        self, loaded: Project, migrations: Sequence[Migration], problems: tuple[Problem, ...], *, ask: bool
    ) -> Observation:
        inspection = self._store.inspect()
        fresh, holder = self._read(inspection), None
        while inspection.has_events:
            holder = self._lock.holder(self.connection)
            orphans = self._orphans(holder)
            if not orphans:
                break
            # The run may have begun or ended between the two questions: what is open still is open without one.
            fresh += self._read(inspection)
            if self._orphans(holder) <= orphans:
                break
        self._needs_answers = self._needs_answers or ask or bool(fresh)
        liveness = Liveness(
            inspection.now,
            holder.pid if holder is not None else None,
            timedelta(seconds=loaded.tracking.stuck_after_seconds),
            holder.run_id if holder is not None else None,
            sees_locks=not inspection.in_recovery,
        )
        if inspection.sees_projection and (fresh or self._unfounded is None):
            self._unfounded = self._store.unfounded_rows() if inspection.has_events else self._store.simple_rows()
        entries = orphaned_rows.marked(self._entries(migrations, liveness), self._unfounded or ())
        if holder is not None:
            entries, holder = with_running(entries, holder), identify_holder(holder, entries)
        return Observation(
            status.make(
                Snapshot(entries, inspection, holder, standby=standby_of(self.connection, inspection)),
                manifest=loaded.name,
                environment=loaded.environment,
            ),
            loaded,
            self._target.host,
            inspection.now,
            tuple(fresh),
            activity.work(self.connection, holder.pid) if holder is not None else None,
            holder is not None and holder.is_orphaned,
            problems,
        )

    def blocking(self, remembered: Iterable[Blocker]) -> Blocking:
        holder = self._lock.holder(self.connection)
        return activity.blocking(self.connection, holder.pid, remembered) if holder is not None else Blocking()

    def terminate_blocker(self, backend: Backend) -> bool | None:
        holder = self._lock.holder(self.connection)
        if holder is not None and holder.pid == backend.pid:
            return None
        return activity.terminate(self.connection, backend)

    def _read(self, inspection: Inspection) -> list[Fact]:
        if not inspection.has_events:
            self._forget()
            return []
        table = self._store.identity()
        if table != self._table:
            self._forget()
            self._table = table
        return self._tail.read()

    def _orphans(self, holder: LockHolder | None) -> set[int]:
        """Return the positions of facts by which something is started and not ended, and not by the lock's holder."""
        pid, run = (holder.pid, holder.run_id) if holder is not None else (None, None)
        return {fact.position for fact in self._tail.open() if not state.is_held(fact, pid=pid, run=run)}

    def _entries(self, migrations: Sequence[Migration], liveness: Liveness) -> tuple[Entry, ...]:
        """Return the entries as they are; they are put together anew only when something has changed."""
        ask = self._needs_answers and liveness.holder_pid is None
        key = (tuple(map(id, migrations)), self._tail.revision, liveness.holder_pid, liveness.holder_run)
        depends_on_clock = not liveness.sees_locks or any(
            fact.integer("backend_pid") is None for fact in self._tail.open()
        )
        if key == self._assessed_from and not ask and not depends_on_clock:
            return self._assessed
        history = fold(self._tail.latest.values(), versions={one.name: one.version for one in migrations})
        if ask:
            self._answers = self._ask(state.evaluate(migrations, history, liveness))
            self._needs_answers = False
        self._assessed = state.evaluate(migrations, history, liveness, due=self._answers)
        self._assessed_from = key
        return self._assessed

    def _ask(self, entries: Iterable[Entry]) -> dict[int, bool | None]:
        return {
            entry.migration.version: conditions.answer(
                self.connection, entry.migration, entry.record.last_run if entry.record else None
            )
            for entry in entries
            if entry.migration is not None
            and entry.state is State.DONE
            and entry.migration.repeat is not None
            and entry.migration.repeat.rule is not RepeatRule.CHECKSUM
        }
