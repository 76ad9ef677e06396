"""Reads the state of every migration: the facts, who holds the run's lock, what conditions say. Reads only.

Where the tracking tables are absent there are no facts, and nothing is created.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from zmig.planning import state
from zmig.planning.history import History, fold
from zmig.planning.snapshot import Snapshot
from zmig.planning.state import Entry, Liveness, State
from zmig.valueclass import replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from dataclasses import KW_ONLY

    from zmig.database.connection import WorkingConnection
    from zmig.database.fact_reader import FactReader
    from zmig.database.lock import RunLock
    from zmig.database.lock_holder import LockHolder
    from zmig.database.standby import Standby
    from zmig.database.tracking_check import Inspection
    from zmig.database.types import Questioning
    from zmig.facts import Fact, OddRow
    from zmig.model import LastRun, Migration
    from zmig.planning.orphaned_rows import OrphanedRow

    Asks = Callable[[Migration, LastRun | None], bool | None]
    """Asks the condition of a repeatable; None where it cannot be answered."""


@valueclass
class DatabaseSnapshot:
    """The state of every migration at one moment, and what of the database was seen with that."""

    migrations: Snapshot
    inspection: Inspection
    _: KW_ONLY
    holder: LockHolder | None = None
    """Who holds the run's lock."""
    standby: Standby | None = None
    """What the server is like, if it is a standby: what is seen is older than on the primary server."""
    odd_rows: tuple[OddRow, ...] = ()
    """Rows among the facts that can be read only in part, or not at all."""

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Every migration."""
        return self.migrations.entries

    @property
    def may_have_imported(self) -> bool:
        """Whether another tool's history may have been imported; one that was empty then is in no entry.

        That is worth a question until something is applied, when whatever the tool does would be done again.
        """
        if any(entry.origin for entry in self.entries):
            return True
        return self.inspection.has_events and not any(entry.is_applied for entry in self.entries)


class FactSource(Protocol):
    """The facts of one event store, as a snapshot needs them."""

    @property
    def revision(self) -> object:
        """What is another value once other facts were read; None where that is not known."""
        ...

    @property
    def table(self) -> object:
        """What is another value once the facts are those of another table."""
        ...

    def read(self, inspection: Inspection) -> None:
        """Read what is visible now."""
        ...

    def open_facts(self) -> Sequence[Fact]:
        """Return the facts by which something is started, and not ended."""
        ...

    def history(self, migrations: Sequence[Migration]) -> History:
        """Return what the facts say of the declared migrations, and of all others."""
        ...

    @property
    def is_empty(self) -> bool:
        """Whether there are no facts at all."""
        ...

    def unfounded(self, inspection: Inspection) -> Sequence[OrphanedRow]:
        """Return the rows of the simple table that no fact founds, as far as this role sees them."""
        ...


class RelevantFacts:
    """The facts that decide the state of each migration, read all at once."""

    revision = None
    table = None

    def __init__(self, store: FactReader, migrations: Iterable[Migration]) -> None:
        """`migrations` are those that are declared."""
        self._store = store
        self._versions = {migration.name: migration.version for migration in migrations}
        self._history = History()
        self._unfounded: list[OrphanedRow] | None = None

    def read(self, inspection: Inspection) -> None:
        """Read all of them; the first time with the rows that none of them founds, which one query looks for."""
        unfounded: list[OrphanedRow] | None = None
        if self._unfounded is None:
            self._unfounded = []
            unfounded = self._unfounded if inspection.sees_projection else None
        if inspection.has_events:
            self._history = fold(self._store.standing_facts(unfounded), versions=self._versions)
        elif unfounded is not None:
            unfounded += self._store.simple_rows()

    def open_facts(self) -> list[Fact]:
        """Return the facts by which something is started, and not ended or about to be tried again."""
        records = (*self._history.records.values(), *self._history.unversioned.values())
        return [record.open for record in records if record.open is not None]

    def history(self, migrations: Sequence[Migration]) -> History:
        """Return what the facts say."""
        return self._history

    @property
    def is_empty(self) -> bool:
        """Whether there are no facts at all."""
        return not (self._history.records or self._history.unversioned)

    def unfounded(self, inspection: Inspection) -> Sequence[OrphanedRow]:
        """Return the rows of the simple table that no fact founds."""
        return self._unfounded or ()


class SnapshotReader:
    """Assembles snapshots through one connection: once, or again and again while somebody watches."""

    def __init__(
        self,
        connection: Questioning,
        store: FactReader,
        lock: RunLock,
        facts: FactSource,
        *,
        stuck_after_seconds: float,
        ask: Asks | None = None,
        always_finds_holder: bool = False,
    ) -> None:
        """Without `ask`, no condition is asked.

        `always_finds_holder` asks who holds the lock, too, while nothing is started and not ended.
        """
        self._ask_condition = ask
        self._connection = connection
        self._store = store
        self._lock = lock
        self._facts = facts
        self._stuck_after = timedelta(seconds=stuck_after_seconds)
        self._always_finds_holder = always_finds_holder
        self._answers: dict[int, bool | None] = {}
        self._answers_table: object = None
        self._respelled: dict[int, tuple[Migration, Migration]] = {}
        """Edited migrations with the checksum of their tokens, after what they are without it."""
        self._entries: tuple[Entry, ...] = ()
        self._entries_key: tuple[object, ...] | None = None

    def read(
        self,
        migrations: Sequence[Migration],
        inspection: Inspection,
        *,
        holds_lock: bool = False,
        ask_repeatables: bool = True,
    ) -> DatabaseSnapshot:
        """Return a snapshot; `holds_lock` says that the asking session itself holds the run's lock."""
        self._facts.read(inspection)
        holder = None if holds_lock else self.find_holder(inspection)
        return self.assemble(migrations, inspection, holder, ask_repeatables=ask_repeatables)

    def find_holder(self, inspection: Inspection) -> LockHolder | None:
        """Return the lock's holder as it fits the facts, which are read again where it does not.

        A run may begin or end between the two questions. What was open before the lock was seen without its run,
        and is open still, has no run.
        """
        holder: LockHolder | None = None
        while inspection.has_events and (self._always_finds_holder or self._facts.open_facts()):
            holder = self._lock.holder(self._connection)
            orphans = self._orphans(holder)
            if not orphans:
                break
            self._facts.read(inspection)
            if self._orphans(holder) <= orphans:
                break
        return holder

    def _orphans(self, holder: LockHolder | None) -> set[int]:
        """Return the positions of the facts by which something is started and not ended, and not by the holder."""
        pid, run = (holder.pid, holder.run_id) if holder is not None else (None, None)
        return {fact.position for fact in self._facts.open_facts() if not state.is_held(fact, pid=pid, run=run)}

    def assemble(
        self,
        migrations: Sequence[Migration],
        inspection: Inspection,
        holder: LockHolder | None,
        *,
        ask_repeatables: bool,
    ) -> DatabaseSnapshot:
        """Return the snapshot that the facts, as they were read last, and the lock's holder amount to.

        `ask_repeatables` asks the conditions of those that have run; else what they answered before holds.
        """
        liveness = Liveness(
            inspection.now,
            holder.pid if holder is not None else None,
            stuck_after=self._stuck_after,
            holder_run=holder.run_id if holder is not None else None,
            sees_locks=not inspection.in_recovery,
        )
        entries = self._evaluated(migrations, liveness, ask_repeatables=ask_repeatables)
        if unfounded := self._facts.unfounded(inspection):
            from zmig.planning import orphaned_rows

            entries = orphaned_rows.marked(entries, unfounded)
        if holder is not None:
            entries, holder = with_running(entries, holder), identify_holder(holder, entries)
        return DatabaseSnapshot(
            Snapshot(entries, is_first=self._facts.is_empty),
            inspection,
            holder=holder,
            standby=standby_of(self._connection, inspection),
            odd_rows=self._store.odd_rows,
        )

    def _evaluated(
        self, migrations: Sequence[Migration], liveness: Liveness, *, ask_repeatables: bool
    ) -> tuple[Entry, ...]:
        """Return the entries; they are evaluated again only where something may have changed."""
        if self._answers_table != self._facts.table:
            self._answers, self._answers_table = {}, self._facts.table
        key = self._key(migrations, liveness)
        if key is not None and key == self._entries_key and not ask_repeatables:
            return self._entries
        history = self._facts.history(migrations)
        migrations = self._with_tokens(migrations, history)
        entries = state.evaluate(migrations, history, liveness, due=self._answers)
        if ask_repeatables and (answers := self._ask(entries)) != self._answers:
            self._answers = answers
            entries = state.evaluate(migrations, history, liveness, due=answers)
        self._entries, self._entries_key = entries, key
        return entries

    def _with_tokens(self, migrations: Sequence[Migration], history: History) -> Sequence[Migration]:
        """Return the migrations, of which those that were edited since have the checksum of their tokens, too."""
        edited = [
            one
            for one in migrations
            if (record := history.records.get(one.version)) is not None
            and record.token_checksum is not None
            and record.checksum != one.checksum
        ]
        if not edited:
            return migrations
        from zmig.project import token_checksums

        for one in edited:
            if self._respelled.get(one.version, (None,))[0] is not one:
                self._respelled[one.version] = one, replace(one, token_checksum=token_checksums.of_migration(one))
        known = {id(self._respelled[one.version][0]): self._respelled[one.version][1] for one in edited}
        return [known.get(id(one), one) for one in migrations]

    def _key(self, migrations: Sequence[Migration], liveness: Liveness) -> tuple[object, ...] | None:
        """Return what entries depend on; None where the time that goes by may change them, or facts unseen."""
        revision = self._facts.revision
        if revision is None or not liveness.sees_locks:
            return None
        if any(fact.integer("backend_pid") is None for fact in self._facts.open_facts()):
            return None
        return (tuple(map(id, migrations)), revision, liveness.holder_pid, liveness.holder_run)

    def _ask(self, entries: Iterable[Entry]) -> dict[int, bool | None]:
        """Ask the conditions of the repeatables that have run."""
        conditional = [
            (entry.migration, entry.record.last_run if entry.record else None)
            for entry in entries
            if entry.migration is not None and entry.state is State.DONE and entry.migration.is_conditional
        ]
        ask = self._ask_condition
        return {migration.version: ask and ask(migration, last_run) for migration, last_run in conditional}


def asking(connection: WorkingConnection) -> Asks:
    """Return what asks the conditions of repeatables over a connection."""

    def ask(migration: Migration, last_run: LastRun | None) -> bool | None:
        from zmig.session import conditions

        return conditions.answer(connection, migration, last_run)

    return ask


def standby_of(connection: Questioning, inspection: Inspection) -> Standby | None:
    """Return what a standby is like; None where the server is none."""
    if not inspection.in_recovery:
        return None
    from zmig.database import standby

    return standby.read(connection)


def identify_holder(holder: LockHolder, entries: Sequence[Entry]) -> LockHolder:
    """Return the holder with what the facts say of it: the migration it works on, and its client."""
    from zmig.database import client_identity

    for entry in entries:
        begun = _begun(entry, holder)
        if begun is not None:
            at_work = _at_work(holder, entries) or entry
            return replace(holder, migration=at_work.name, client=client_identity.state(begun.data.get("client")))
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
