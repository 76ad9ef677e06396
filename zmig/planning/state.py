"""From records to states: what each migration is now, and what is worth reporting beside that.

Pure. Only two questions need more than facts: whether a started migration is still running, and whether a
repeatable is due; their answers come in as `Liveness` and `due`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from zmig.facts import EventType, Verdict
from zmig.model import Kind, RepeatRule
from zmig.planning import identity
from zmig.valueclass import replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from zmig.facts import Fact
    from zmig.model import Migration
    from zmig.planning.history import History, Record


class State(StrEnum):
    """What a migration is now."""

    PENDING = "pending"
    STARTED = "started"
    """Running: started, not ended, and its backend holds the run's lock (or nothing can be proved yet)."""
    DONE = "done"
    FAILED = "failed"
    STUCK = "stuck"
    """Started, not ended, and no backend is working on it."""


class FindingCode(StrEnum):
    """Things worth reporting that are not states."""

    DRIFT = "drift"
    """It is not what was applied: its file's checksum differs, or nothing proves that it is the same."""
    MISSING = "missing"
    """Applied, no longer declared."""
    OUT_OF_ORDER = "out-of-order"
    """Not applied, while a later version is."""
    DUE = "due"
    """A repeatable that would run now."""
    RENAMED = "renamed"
    """Applied under another name."""
    ROLLBACK_FAILED = "rollback-failed"
    """Its rollback was tried last, and failed or was interrupted."""
    UNFOUNDED = "facts-missing"
    """Applied by the simple table, at a position that no fact about it has."""
    UNDECIDED = "undecided"
    """A repeatable whose condition, or `should_repeat`, gave no answer."""
    PAUSED = "paused"
    """Somebody asked it to wait between two rounds."""
    OTHER = "other-migration"
    """Its version was applied as another migration, with another name and another checksum."""
    RENUMBERED = "renumbered"
    """Not applied, but the same name or the same file is, under another version that is no longer its own."""


@valueclass
class Finding:
    """One finding about one migration."""

    code: FindingCode
    message: str


@valueclass
class Liveness:
    """What the server says about running work at one moment."""

    now: datetime
    """The server's clock."""
    holder_pid: int | None = None
    """The backend that holds the run's lock; None when nobody does, or when the asker does."""
    stuck_after: timedelta = timedelta(minutes=10)
    """How old a started fact must be before it counts as stuck, where nothing can be proved."""
    holder_run: str | None = None
    """The run that backend works for; None where its name does not say."""
    sees_locks: bool = True
    """False on a standby: the lock is held on the primary server, and cannot be seen."""


def derive_state(record: Record | None, liveness: Liveness) -> State:
    """Return the state that a record has at one moment."""
    if record is None or record.last is None:
        return State.PENDING
    if _is_running(record, liveness):
        return State.STARTED
    match record.last.type:
        case EventType.STARTED | EventType.ROLLBACK_STARTED:
            return State.STUCK
        case EventType.DONE | EventType.BASELINED:
            return State.DONE
        case EventType.FAILED:
            return _before(record) if record.was_taken_back else State.FAILED
        case EventType.ROLLBACK_FAILED:
            return _after_failed_rollback(record)
        case EventType.RESOLVED:
            return _RESOLVED_AS[record.last.verdict]
        case EventType.ROLLED_BACK | EventType.CHECKPOINT | EventType.ACCEPTED | EventType.PAUSED | EventType.RESUMED:
            return State.PENDING
        case EventType.OUTDATED:
            return State.PENDING


_RESOLVED_AS = {Verdict.DONE: State.DONE, Verdict.FAILED: State.FAILED, Verdict.PENDING: State.PENDING}


def _after_failed_rollback(record: Record) -> State:
    """A transaction that failed changed nothing; of anything else some statements may have taken effect."""
    if not record.is_undone:
        return State.FAILED
    return _before(record)


def _before(record: Record) -> State:
    """Return the state before an attempt that changed nothing."""
    return State.DONE if record.applied is not None else State.PENDING


def _is_running(record: Record, liveness: Liveness) -> bool:
    begun = record.open
    if begun is None:
        return False
    if begun.integer("backend_pid") is not None and liveness.sees_locks:
        return is_held(begun, pid=liveness.holder_pid, run=liveness.holder_run)
    return begun is record.last and liveness.now - _began_at(begun) < liveness.stuck_after


def is_held(fact: Fact, *, pid: int | None, run: str | None) -> bool:
    """Whether the backend `pid`, which works for `run`, is the one that a started fact names.

    Process ids are used again, so a run that is known must be the same too.
    """
    return fact.integer("backend_pid") == pid and (run is None or fact.run_id is None or run == fact.run_id)


def _began_at(fact: Fact) -> datetime:
    """Return when a started fact says it began: the earlier of its row's time and its `started_at`."""
    try:
        stated = datetime.fromisoformat(fact.text("started_at") or "")
    except ValueError:
        return fact.created_at
    return min(fact.created_at, stated.replace(tzinfo=stated.tzinfo or fact.created_at.tzinfo))


@valueclass
class Entry:
    """One migration as it is: declared, recorded, or both."""

    migration: Migration | None
    """None for an applied migration that is no longer declared."""
    record: Record | None
    state: State
    findings: tuple[Finding, ...] = ()
    due: bool | None = False
    """For a repeatable that has run: whether it would run now; None where that cannot be known yet."""
    moved_from: Record | None = None
    """What it was applied as, under another version; None for nearly all."""
    moved_to: int | None = None
    """The version under which what was applied as this one's version is declared now; None for nearly all."""

    @property
    def version(self) -> int | None:
        """Its version; None for facts that name no known migration."""
        if self.migration is not None:
            return self.migration.version
        return self.record.version if self.record is not None else None

    @property
    def name(self) -> str:
        """Its declared name, else the recorded one."""
        if self.migration is not None:
            return self.migration.name
        return self.record.name if self.record is not None else ""

    @property
    def is_applied(self) -> bool:
        """Whether its changes are in the database, as far as facts say."""
        return self.record is not None and self.record.applied is not None

    @property
    def is_whole(self) -> bool:
        """Whether everything it changed is in the database: nothing was begun since, or nothing came of it."""
        is_undone = self.record is not None and self.record.is_in_rollback and self.record.is_undone
        return self.is_applied and (self.state is State.DONE or is_undone)

    @property
    def is_repeatable(self) -> bool:
        """Whether it is declared as a repeatable, or was one when it was applied and is declared no longer."""
        if self.migration is not None:
            return self.migration.is_repeatable
        applied = self.record.applied if self.record is not None else None
        return applied is not None and applied.text("kind") == Kind.REPEATABLE

    @property
    def is_in_rollback(self) -> bool:
        """Whether its latest fact is about a rollback that did not complete."""
        return self.record is not None and self.record.is_in_rollback

    def finding(self, code: FindingCode) -> Finding | None:
        """Return its finding of this code, if it has one."""
        return next((finding for finding in self.findings if finding.code is code), None)

    def has(self, code: FindingCode) -> bool:
        """Whether it has a finding of this code."""
        return self.finding(code) is not None


def evaluate(
    migrations: Sequence[Migration],
    history: History,
    liveness: Liveness,
    *,
    due: Mapping[int, bool | None] | None = None,
) -> tuple[Entry, ...]:
    """Put every declared and every recorded migration side by side with its state, in the order they run.

    `due` holds, by version, what the conditions and `should_repeat` functions of repeatables answered.
    """
    declared = sorted(migrations, key=lambda migration: migration.order)
    standing = [_standing(migration, history.records.get(migration.version), liveness) for migration in declared]
    gone = [_undeclared(record, liveness) for record in _left_over(declared, history)]
    highest = current_version((*standing, *gone))
    open_ones = [not _is_closed(entry) for entry in standing]
    moved = _moved([entry for entry, is_open in zip(standing, open_ones, strict=True) if is_open], gone)
    left = {record.version: version for version, record in moved.items()}
    entries = [
        _with_findings(_placed(entry, moved, left), highest, (due or {}).get(entry.version or 0)) if is_open else entry
        for entry, is_open in zip(standing, open_ones, strict=True)
    ]
    if due:
        entries = list(_undecided(entries, due))
    return (*entries, *(_placed(entry, moved, left) for entry in gone if entry.state is not State.PENDING))


def _moved(standing: Iterable[Entry], gone: Iterable[Entry]) -> dict[int, Record]:
    """Return what was applied under another version than it is declared under, by the declared version."""
    loose = [entry.record for entry in gone if entry.record is not None and entry.is_applied]
    loose += [entry.record for entry in standing if entry.record is not None and _is_other(entry)]
    if not loose:
        return {}
    waiting = [entry.migration for entry in standing if entry.migration is not None and not entry.is_applied]
    return identity.renumbered(waiting, loose)


def _placed(entry: Entry, moved: Mapping[int, Record], left: Mapping[int | None, int]) -> Entry:
    """Return an entry with what it was applied as, and with where what it was applied as is declared now."""
    if not moved or entry.version is None:
        return entry
    return replace(entry, moved_from=moved.get(entry.version), moved_to=left.get(entry.version))


def _is_other(entry: Entry) -> bool:
    return entry.migration is not None and entry.record is not None and identity.is_other(entry.migration, entry.record)


def _standing(migration: Migration, record: Record | None, liveness: Liveness) -> Entry:
    return Entry(migration, record, derive_state(record, liveness))


def _left_over(declared: Iterable[Migration], history: History) -> Iterator[Record]:
    versions = {migration.version for migration in declared}
    yield from (record for version, record in sorted(history.records.items()) if version not in versions)
    yield from history.unversioned.values()


def _undeclared(record: Record, liveness: Liveness) -> Entry:
    missing = Finding(FindingCode.MISSING, "applied, but no longer declared")
    return Entry(None, record, derive_state(record, liveness), (missing,) if record.applied is not None else ())


def current_version(entries: Iterable[Entry]) -> int:
    """Return the highest applied version among migrations that run once; 0 when there is none."""
    return max((entry.version or 0 for entry in entries if entry.is_applied and not entry.is_repeatable), default=0)


def _is_closed(entry: Entry) -> bool:
    """Whether nothing can be found about it: done last, as it is. Of a long history nearly all are."""
    migration, record = entry.migration, entry.record
    return (
        migration is not None
        and record is not None
        and entry.state is State.DONE
        and record.last is record.applied
        and record.paused is None
        and migration.repeat is None
        and migration.checksum is not None
        and record.checksum == migration.checksum
        and record.name == migration.name
    )


def _with_findings(entry: Entry, highest: int, answer: bool | None) -> Entry:
    """Return an entry with its findings, and with whether it is due."""
    migration, record, due = entry.migration, entry.record, False
    findings = list(_order_findings(entry, highest))
    if migration is not None and record is not None:
        due = _is_due(migration, record, answer) if entry.state is State.DONE else False
        findings += _findings(entry, migration, record, due=due)
    return replace(entry, findings=tuple(findings), due=due) if findings or due is not False else entry


def _undecided(entries: Iterable[Entry], answers: Mapping[int, bool | None]) -> Iterator[Entry]:
    """Yield entries, of which those that were asked whether they are due, and gave no answer, say so."""
    finding = Finding(FindingCode.UNDECIDED, "whether it is due is not known: the question gave no answer")
    for entry in entries:
        is_asked = entry.state is State.DONE and entry.version in answers and entry.due is None
        yield replace(entry, findings=(*entry.findings, finding)) if is_asked else entry


def _order_findings(entry: Entry, highest: int) -> Iterator[Finding]:
    if entry.moved_from is not None:
        yield Finding(
            FindingCode.RENUMBERED, f"applied as `{entry.moved_from.name}`, version {entry.moved_from.version}"
        )
    elif not entry.is_applied and not entry.is_repeatable and (entry.version or 0) < highest:
        yield Finding(FindingCode.OUT_OF_ORDER, f"not applied, while version {highest} is")


def _findings(entry: Entry, migration: Migration, record: Record, *, due: bool | None) -> Iterator[Finding]:
    if due:
        yield Finding(FindingCode.DUE, "due: it would run now")
    if identity.is_other(migration, record):
        yield Finding(FindingCode.OTHER, f"version {entry.version} was applied as another migration, `{record.name}`")
    elif record.applied is not None and record.name != migration.name:
        yield Finding(FindingCode.RENAMED, f"applied as `{record.name}`")
    if entry.is_whole and not entry.is_repeatable and not identity.is_same(migration, record):
        yield Finding(FindingCode.DRIFT, _difference(migration, record))
    if record.is_in_rollback and entry.state is not State.STARTED:
        yield Finding(FindingCode.ROLLBACK_FAILED, "its rollback did not complete")
    if record.paused is not None:
        reason = record.paused.text("reason")
        who = f"paused by `{record.paused.database_user or '?'}`"
        yield Finding(FindingCode.PAUSED, f"{who}: {reason}" if reason else who)


def _is_due(migration: Migration, record: Record, answer: bool | None) -> bool | None:
    if migration.repeat is None:
        return False
    if migration.repeat.rule is RepeatRule.CHECKSUM:
        return record.checksum != migration.checksum or record.outdated is not None
    return answer


def _difference(migration: Migration, record: Record) -> str:
    if record.checksum is None or migration.checksum is None:
        return f"applied as `{record.name}`, and no checksum says that it is the same"
    return f"applied with checksum {record.checksum[:8]}, the file now has {migration.checksum[:8]}"
