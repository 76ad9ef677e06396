"""From facts to states: what each migration is now, and what is worth telling beside that.

Pure. The last fact decides, by position. Only two questions need more than facts: whether a started migration
is still running, and whether a repeatable is due; their answers come in as `Liveness` and `due`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from zmig.events import EventType, Fact
from zmig.model import LastRun, RepeatRule

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from zmig.model import Migration


class State(StrEnum):
    """Where a migration stands."""

    PENDING = "pending"
    STARTED = "started"
    """Running: started, not ended, and its backend holds the run's lock (or nothing can be proved yet)."""
    DONE = "done"
    FAILED = "failed"
    STUCK = "stuck"
    """Started, not ended, and no backend is working on it."""


class FindingCode(StrEnum):
    """Things worth telling that are not states."""

    DRIFT = "drift"
    """The file's checksum differs from the one recorded when it was applied."""
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


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding about one migration."""

    code: FindingCode
    message: str


@dataclass(frozen=True, slots=True)
class Record:
    """What the facts say of one migration."""

    name: str
    version: int | None = None
    last: Fact | None = None
    """The fact that decides its state."""
    applied: Fact | None = None
    """The fact by which it counts as applied; None when it was never applied or was taken back."""
    completed: Fact | None = None
    """The latest `done`, even if it was rolled back since."""
    accepted: Fact | None = None
    """The latest `accepted` after `applied`: a changed file an operator agreed to."""
    started: Fact | None = None
    failed: Fact | None = None
    checkpoint: Fact | None = None
    """The latest checkpoint of an execution that is not completed."""

    @property
    def checksum(self) -> str | None:
        """The checksum that the file is expected to have, None where no fact recorded one."""
        source = self.accepted or self.applied
        return source.text("checksum") if source is not None else None

    @property
    def applied_at(self) -> datetime | None:
        """When it was applied."""
        return self.applied.created_at if self.applied is not None else None

    @property
    def duration_ms(self) -> int | None:
        """How long the applied execution took, in milliseconds."""
        return self.applied.integer("duration_ms") if self.applied is not None else None

    @property
    def attempt(self) -> int:
        """The number of the latest attempt since it was last completed; 0 when there is none."""
        if self.started is None or (self.completed is not None and self.completed.position > self.started.position):
            return 0
        return self.started.integer("attempt") or 1

    @property
    def last_run(self) -> LastRun | None:
        """The latest completed run, for `should_repeat`."""
        if self.completed is None:
            return None
        milliseconds = self.completed.integer("duration_ms")
        return LastRun(
            completed_at=self.completed.created_at,
            checksum=self.completed.text("checksum"),
            duration_seconds=None if milliseconds is None else milliseconds / 1000,
            data=self.completed.data,
        )


@dataclass(frozen=True, slots=True)
class History:
    """All facts, folded: a record per version, and records of names that belong to no known version."""

    records: Mapping[int, Record] = field(default_factory=dict[int, Record])
    strangers: Mapping[str, Record] = field(default_factory=dict[str, Record])


def fold(facts: Iterable[Fact], *, versions: Mapping[str, int] | None = None) -> History:
    """Fold facts, in order of position, into a history.

    A fact without a version (appended by hand) counts for the version that `versions`, or else the latest fact of
    its name that has one, gives. Only the latest fact of each slot matters, so a reader may leave others out.
    """
    by_name: dict[str, list[Fact]] = {}
    stated: dict[str, Fact] = {}
    for fact in facts:
        by_name.setdefault(fact.name, []).append(fact)
        if fact.version is not None and fact.position >= stated.get(fact.name, fact).position:
            stated[fact.name] = fact
    known = {name: fact.version for name, fact in stated.items()} | dict(versions or {})
    by_version: dict[int, list[Fact]] = {}
    strangers: dict[str, Record] = {}
    for name, own in by_name.items():
        for fact in own:
            version = fact.version if fact.version is not None else known.get(name)
            if version is not None:
                by_version.setdefault(version, []).append(fact)
        if name not in known:
            strangers[name] = _record(own, None)
    return History({version: _record(own, version) for version, own in by_version.items()}, strangers)


def _record(facts: list[Fact], version: int | None) -> Record:
    facts.sort(key=lambda fact: fact.position)
    record = Record(name=facts[-1].name, version=version)
    for fact in facts:
        record = _advance(record, fact)
    return record


def _advance(record: Record, fact: Fact) -> Record:
    match fact.type:
        case EventType.STARTED | EventType.ROLLBACK_STARTED:
            return _begin(record, fact)
        case EventType.DONE:
            return replace(_apply(record, fact), name=fact.name, completed=fact, checkpoint=None)
        case EventType.BASELINED:
            return _apply(record, fact)
        case EventType.FAILED:
            return replace(record, last=fact, failed=fact)
        case EventType.ROLLBACK_FAILED:
            return replace(record, last=fact)
        case EventType.ROLLED_BACK:
            return _take_back(record, fact)
        case EventType.CHECKPOINT:
            return replace(record, checkpoint=fact)
        case EventType.ACCEPTED:
            return replace(record, accepted=fact)
        case EventType.RESOLVED:
            return _resolve(record, fact)


def _begin(record: Record, fact: Fact) -> Record:
    continues = fact.integer("resumed_after") is not None
    began = replace(record, last=fact, checkpoint=record.checkpoint if continues else None)
    return replace(began, name=fact.name, started=fact) if fact.type is EventType.STARTED else began


def _apply(record: Record, fact: Fact) -> Record:
    return replace(record, last=fact, applied=fact, accepted=None)


def _take_back(record: Record, fact: Fact) -> Record:
    return replace(record, last=fact, applied=None, accepted=None, checkpoint=None)


def _resolve(record: Record, fact: Fact) -> Record:
    match fact.text("as"):
        case "done":
            return replace(_apply(record, fact), checkpoint=None)
        case "pending":
            return _take_back(record, fact)
        case _:
            was_rollback = record.last is not None and record.last.type in _ROLLBACK
            return replace(record, last=fact, failed=fact, checkpoint=None if was_rollback else record.checkpoint)


_ROLLBACK = frozenset({EventType.ROLLBACK_STARTED, EventType.ROLLBACK_FAILED})


@dataclass(frozen=True, slots=True)
class Liveness:
    """What the server says about running work at one moment."""

    now: datetime
    """The server's clock."""
    holder_pid: int | None = None
    """The backend that holds the run's lock; None when nobody does, or when the asker does."""
    stuck_after: timedelta = timedelta(minutes=10)
    """How old a started fact must be before it counts as stuck, where nothing can be proved."""
    holder_run: str | None = None
    """The run that backend works for; None where its name does not tell."""
    sees_locks: bool = True
    """False on a standby: the lock is held on the primary server, and cannot be seen."""


def judge(record: Record | None, liveness: Liveness) -> State:
    """Return the state that a record has at one moment."""
    if record is None or record.last is None:
        return State.PENDING
    last = record.last
    match last.type:
        case EventType.STARTED | EventType.ROLLBACK_STARTED:
            return State.STARTED if _is_running(last, liveness) else State.STUCK
        case EventType.DONE | EventType.BASELINED:
            return State.DONE
        case EventType.FAILED:
            return State.FAILED
        case EventType.ROLLBACK_FAILED:
            return State.FAILED if last.data.get("transactional") is False else State.DONE
        case EventType.RESOLVED:
            return {"done": State.DONE, "pending": State.PENDING}.get(last.text("as") or "", State.FAILED)
        case _:
            return State.PENDING


def _is_running(fact: Fact, liveness: Liveness) -> bool:
    if fact.integer("backend_pid") is not None and liveness.sees_locks:
        return is_held(fact, pid=liveness.holder_pid, run=liveness.holder_run)
    return liveness.now - _began(fact) < liveness.stuck_after


def is_held(fact: Fact, *, pid: int | None, run: str | None) -> bool:
    """Whether the backend `pid`, which works for `run`, is the one that a started fact tells of.

    Process ids are used again, so a run that is known must be the same too.
    """
    return fact.integer("backend_pid") == pid and (run is None or fact.run_id is None or run == fact.run_id)


def _began(fact: Fact) -> datetime:
    """Return when a started fact says it began: the earlier of its row's time and its `started_at`."""
    try:
        stated = datetime.fromisoformat(fact.text("started_at") or "")
    except ValueError:
        return fact.created_at
    return min(fact.created_at, stated.replace(tzinfo=stated.tzinfo or fact.created_at.tzinfo))


@dataclass(frozen=True, slots=True)
class Entry:
    """One migration as it stands: declared, recorded, or both."""

    migration: Migration | None
    """None for an applied migration that is no longer declared."""
    record: Record | None
    state: State
    findings: tuple[Finding, ...] = ()
    due: bool | None = False
    """For a repeatable that has run: whether it would run now; None where that cannot be told yet."""

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
        """Whether its changes are in the database, as far as facts tell."""
        return self.record is not None and self.record.applied is not None

    def has(self, code: FindingCode) -> bool:
        """Whether it has a finding of this code."""
        return any(finding.code is code for finding in self.findings)


def assess(
    migrations: Sequence[Migration],
    history: History,
    liveness: Liveness,
    *,
    due: Mapping[int, bool | None] | None = None,
) -> tuple[Entry, ...]:
    """Put every declared and every recorded migration side by side with its state, in the order they run.

    `due` holds, by version, what the conditions and `should_repeat` functions of repeatables answered.
    """
    highest = max(
        (m.version for m in migrations if not m.is_repeatable and _is_applied(history.records.get(m.version))),
        default=0,
    )
    entries = [
        _entry(migration, history.records.get(migration.version), liveness, highest, (due or {}).get(migration.version))
        for migration in sorted(migrations, key=lambda migration: migration.order)
    ]
    declared = {migration.version for migration in migrations}
    gone = [record for version, record in sorted(history.records.items()) if version not in declared]
    gone += history.strangers.values()
    return (*entries, *(_missing(record, liveness) for record in gone if record.last is not None))


def _is_applied(record: Record | None) -> bool:
    return record is not None and record.applied is not None


def _entry(migration: Migration, record: Record | None, liveness: Liveness, highest: int, answer: bool | None) -> Entry:
    state = judge(record, liveness)
    due = _is_due(migration, record, answer) if migration.is_repeatable and state is State.DONE else False
    findings = tuple(_findings(migration, record, highest, due=due))
    return Entry(migration, record, state, findings, due)


def _is_due(migration: Migration, record: Record | None, answer: bool | None) -> bool | None:
    if record is None or migration.repeat is None:
        return False
    if migration.repeat.rule is RepeatRule.CHECKSUM:
        return record.checksum is not None and record.checksum != migration.checksum
    return answer


def _findings(migration: Migration, record: Record | None, highest: int, *, due: bool | None) -> Iterable[Finding]:
    if due:
        yield Finding(FindingCode.DUE, "due: it would run now")
    applied = record is not None and record.applied is not None
    if not applied and not migration.is_repeatable and migration.version < highest:
        yield Finding(FindingCode.OUT_OF_ORDER, f"not applied, while version {highest} is")
    if record is None or not applied:
        return
    if _has_drifted(migration, record):
        yield Finding(
            FindingCode.DRIFT,
            f"applied with checksum {(record.checksum or '')[:8]}, the file now has {(migration.checksum or '')[:8]}",
        )
    if record.name != migration.name:
        yield Finding(FindingCode.RENAMED, f"applied as `{record.name}`")
    if record.last is not None and record.last.type in (EventType.ROLLBACK_FAILED, EventType.ROLLBACK_STARTED):
        yield Finding(FindingCode.ROLLBACK_FAILED, "its rollback did not complete")


def _has_drifted(migration: Migration, record: Record) -> bool:
    return (
        not migration.is_repeatable
        and record.checksum is not None
        and migration.checksum is not None
        and record.checksum != migration.checksum
    )


def _missing(record: Record, liveness: Liveness) -> Entry:
    findings = ()
    if record.applied is not None:
        findings = (Finding(FindingCode.MISSING, "applied, but no longer declared"),)
    return Entry(None, record, judge(record, liveness), findings)


def current_version(entries: Iterable[Entry]) -> int:
    """Return the highest applied version among migrations that run once; 0 when there is none."""
    return max(
        (
            entry.version
            for entry in entries
            if entry.is_applied
            and entry.version is not None
            and not (entry.migration.is_repeatable if entry.migration else _was_repeatable(entry.record))
        ),
        default=0,
    )


def _was_repeatable(record: Record | None) -> bool:
    return record is not None and record.applied is not None and record.applied.text("kind") == "repeatable"
