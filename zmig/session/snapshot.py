"""One look at a manifest and its database: every migration's state at that moment. Reads only.

Where the tracking tables are absent there are no facts, and nothing is created.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from zmig.model import RepeatRule
from zmig.planning import state
from zmig.planning.history import History, fold
from zmig.planning.state import Entry, Liveness, State
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zmig.database.connection import WorkingConnection
    from zmig.database.lock import RunLock
    from zmig.database.lock_holder import LockHolder
    from zmig.database.standby import Standby
    from zmig.database.store import Inspection, Store
    from zmig.facts import Fact, OddRow
    from zmig.model import Migration
    from zmig.planning.orphaned_rows import Unfounded


@valueclass
class Snapshot:
    """What is in the manifest and in the database at one moment."""

    entries: tuple[Entry, ...]
    inspection: Inspection
    holder: LockHolder | None = None
    """Who holds the run's lock; asked only where something is started and not ended."""
    awaited: frozenset[str] = frozenset()
    """The names of what was not completed when the same command first looked, before it waited for the lock."""
    standby: Standby | None = None
    """What the server is like, if it is a standby: what is seen is older than on the primary server."""
    is_first: bool = False
    """Whether the database has no facts at all."""
    odd_rows: tuple[OddRow, ...] = ()
    """Rows among the facts that can be read only in part, or not at all."""

    @property
    def current_version(self) -> int:
        """The highest applied version."""
        return state.current_version(self.entries)

    @property
    def is_someone_running(self) -> bool:
        """Whether another run is at work on one of the migrations."""
        return any(entry.state is State.STARTED for entry in self.entries)

    def after(self, earlier: Snapshot) -> Snapshot:
        """Return the same view, of a command whose first look was `earlier`."""
        return replace(self, awaited=frozenset(one.name for one in earlier.entries if one.state is not State.DONE))


@valueclass
class SnapshotReader:
    """Looks at the database through one connection."""

    connection: WorkingConnection
    store: Store
    lock: RunLock
    stuck_after_seconds: float

    def read(
        self,
        migrations: Sequence[Migration],
        inspection: Inspection,
        *,
        holds_lock: bool = False,
        ask_repeatables: bool = True,
    ) -> Snapshot:
        """Return the view; `holds_lock` says that the asking session itself holds the run's lock."""
        unfounded: list[Unfounded] = []
        history, holder = self._history(migrations, inspection, unfounded), None
        if not holds_lock:
            history, holder = self._with_holder(history, migrations, inspection)
        liveness = Liveness(
            inspection.now,
            holder.pid if holder is not None else None,
            timedelta(seconds=self.stuck_after_seconds),
            holder.run_id if holder is not None else None,
            sees_locks=not inspection.in_recovery,
        )
        entries = state.evaluate(migrations, history, liveness)
        if ask_repeatables:
            answers = self._answers(entries)
            if answers:
                entries = state.evaluate(migrations, history, liveness, due=answers)
        if unfounded:
            from zmig.planning import orphaned_rows as contradictions

            entries = contradictions.marked(entries, unfounded)
        if holder is not None:
            entries = with_running(entries, holder)
        return Snapshot(
            entries,
            inspection,
            identify_holder(holder, entries) if holder is not None else None,
            is_first=not (history.records or history.unversioned),
            standby=standby_of(self.connection, inspection),
            odd_rows=self.store.odd_rows,
        )

    def _history(
        self, migrations: Sequence[Migration], inspection: Inspection, unfounded: list[Unfounded] | None = None
    ) -> History:
        """Return what the facts say; the rows of the simple table that none of them founds are added to a list."""
        asks = unfounded is not None and inspection.sees_projection
        if not inspection.has_events:
            if asks and unfounded is not None:
                unfounded += self.store.simple_rows()
            return History()
        versions = {migration.name: migration.version for migration in migrations}
        return fold(self.store.standing_facts(unfounded if asks else None), versions=versions)

    def _with_holder(
        self, history: History, migrations: Sequence[Migration], inspection: Inspection
    ) -> tuple[History, LockHolder | None]:
        """Return the facts and the lock's holder as they fit together.

        A run may begin or end between the two questions. What was open before the lock was seen without its run,
        and is open still, has no run.
        """
        while open_facts := _open(history):
            holder = self.lock.holder(self.connection)
            orphans = _without(holder, open_facts)
            if not orphans:
                return history, holder
            history = self._history(migrations, inspection)
            if _without(holder, _open(history)) <= orphans:
                return history, holder
        return history, None

    def _answers(self, entries: Sequence[Entry]) -> dict[int, bool | None]:
        """Ask the conditions of the repeatables that have run."""
        conditional = [
            (entry.migration, entry.record.last_run if entry.record else None)
            for entry in entries
            if entry.migration is not None
            and entry.state is State.DONE
            and entry.migration.repeat is not None
            and entry.migration.repeat.rule is not RepeatRule.CHECKSUM
        ]
        if not conditional:
            return {}
        from zmig.session import conditions

        return {
            migration.version: conditions.answer(self.connection, migration, last_run)
            for migration, last_run in conditional
        }


def _open(history: History) -> list[Fact]:
    """Return the facts by which something is started, and not ended or about to be tried again."""
    records = (*history.records.values(), *history.unversioned.values())
    return [record.open for record in records if record.open is not None]


def _without(holder: LockHolder | None, facts: Iterable[Fact]) -> set[int]:
    """Return the positions of the facts that are not the lock holder's."""
    pid, run = (holder.pid, holder.run_id) if holder is not None else (None, None)
    return {fact.position for fact in facts if not state.is_held(fact, pid=pid, run=run)}


def standby_of(connection: WorkingConnection, inspection: Inspection) -> Standby | None:
    """Return what a standby is like; None where the server is none."""
    if not inspection.in_recovery:
        return None
    from zmig.database import standby

    return standby.read(connection)


def identify_holder(holder: LockHolder, entries: Sequence[Entry]) -> LockHolder:
    """Return the holder with what the facts say of it: the migration it works on, and its client."""
    from zmig.database import client_process

    for entry in entries:
        begun = _begun(entry, holder)
        if begun is not None:
            at_work = _at_work(holder, entries) or entry
            return replace(holder, migration=at_work.name, client=client_process.state(begun.data.get("client")))
    return holder


def with_running(entries: tuple[Entry, ...], holder: LockHolder) -> tuple[Entry, ...]:
    """Return the entries, of which that one is running, too, which a run is at whose facts cannot be seen yet."""
    at_work = _at_work(holder, entries)
    if at_work is None:
        return entries
    return tuple(replace(entry, state=State.STARTED) if entry is at_work else entry for entry in entries)


def _begun(entry: Entry, holder: LockHolder) -> Fact | None:
    """Return the fact by which the lock's holder has begun a migration; None where it has not."""
    begun = entry.record.open if entry.record else None
    return begun if begun is not None and state.is_held(begun, pid=holder.pid, run=holder.run_id) else None


def _at_work(holder: LockHolder, entries: Iterable[Entry]) -> Entry | None:
    """Return the migration that an atomic run is at after its first, by the name of its session; None for others."""
    version = holder.version
    if version is None:
        return None
    entries = tuple(entries)
    begun = [fact for entry in entries if (fact := _begun(entry, holder)) is not None]
    if not any(fact.data.get("atomic") is True for fact in begun):
        return None
    return next((entry for entry in entries if entry.version == version), None)
