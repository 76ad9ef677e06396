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
    from dataclasses import KW_ONLY

    from zmig.facts import Fact
    from zmig.model import Migration
    from zmig.planning.history import History, Record
    from zmig.planning.squashes import Chosen


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

    EDITED = "drift"
    """It is not what was applied: its file's checksum differs, or nothing proves that it is the same."""
    COSMETIC = "cosmetic-edit"
    """Its file was edited since it was applied, in comments, white space or case only: the server saw no difference."""
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
    FACTS_MISSING = "facts-missing"
    """Applied by the simple table, at a position that no fact about it has."""
    UNDECIDED = "undecided"
    """A repeatable whose condition, or `should_repeat`, gave no answer."""
    PAUSED = "paused"
    """Somebody asked it to wait between two rounds."""
    OTHER = "other-migration"
    """Its version was applied as another migration, with another name and another checksum."""
    SQUASHED = "squashed"
    """A squash that counts as applied, because all that it replaces is."""
    PARTLY_REPLACED = "partly-replaced"
    """A squash of whose parts some are applied, and some are not."""
    REPLACED = "replaced"
    """Applied, and no longer declared, since a squash takes its place."""
    RENUMBERED = "renumbered"
    """Not applied, but the same name or the same file is, under another version that is no longer its own."""

    @property
    def label(self) -> str:
        """What people read. The code of an edited file is older than `zmig drift`, which is about the schema."""
        return "edited" if self is FindingCode.EDITED else self.value


NO_WARNINGS = frozenset({FindingCode.DUE, FindingCode.COSMETIC, FindingCode.SQUASHED})
"""What is worth knowing, and nobody has to do anything about."""


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
    _: KW_ONLY
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
            # A transaction that failed changed nothing; of anything else some statements may have taken effect.
            return _before(record) if record.is_undone else State.FAILED
        case EventType.RESOLVED:
            return _RESOLVED_AS[record.last.verdict]
        case EventType.ROLLED_BACK | EventType.CHECKPOINT | EventType.ACCEPTED | EventType.PAUSED | EventType.RESUMED:
            return State.PENDING
        case EventType.OUTDATED | EventType.OBSERVED | EventType.IMPORTED:
            return State.PENDING


_RESOLVED_AS = {Verdict.DONE: State.DONE, Verdict.FAILED: State.FAILED, Verdict.PENDING: State.PENDING}


def _before(record: Record) -> State:
    """Return the state before an attempt that changed nothing."""
    return State.DONE if record.applied is not None else State.PENDING


def _is_running(record: Record, liveness: Liveness) -> bool:
    begun = record.open
    if begun is None:
        return False
    if begun.integer("backend_pid") is not None and liveness.sees_locks:
        return is_held(begun, pid=liveness.holder_pid, run=liveness.holder_run)
    # A fact that was appended by hand names no backend, and a standby shows no lock: then only time can tell.
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
    _: KW_ONLY
    due: bool | None = False
    """For a repeatable that has run: whether it would run now; None where that cannot be known yet."""
    moved_from: Record | None = None
    """What it was applied as, under another version; None for nearly all."""
    moved_to: int | None = None
    """The version under which what was applied as this one's version is declared now; None for nearly all."""
    replaced: tuple[Record, ...] = ()
    """What was applied one by one of what it replaces, but for its own version; only for squashes."""

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
    def origin(self) -> Mapping[str, object]:
        """What is known of it from another tool's history by which it counts as applied; empty for any other."""
        applied = self.record.applied if self.record is not None else None
        return applied.origin if applied is not None else {}

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
    squashes = None
    if any(migration.replaces is not None for migration in migrations):
        squashes = _Squashes.of(migrations, history, liveness)
        migrations = squashes.migrations
    ordered = sorted(migrations, key=lambda migration: migration.order)
    declared: list[Entry] = []
    for migration in ordered:
        record = history.records.get(migration.version)
        declared.append(Entry(migration, record, derive_state(record, liveness)))
    versions = {migration.version for migration in ordered}
    others = [record for version, record in sorted(history.records.items()) if version not in versions]
    undeclared = [_undeclared(record, liveness) for record in (*others, *history.unversioned.values())]
    if squashes is not None:
        declared, undeclared = squashes.seen(declared, undeclared, liveness)
    # What is no longer declared counts, too: a version below one that was applied is late, whatever became of that.
    highest = current_version((*declared, *undeclared))
    # Of a long history nearly all is done and as it was: only of the others may there be something to say.
    is_notable = [not (_is_as_applied(entry) or entry.findings) for entry in declared]
    moved = _moved([entry for entry, notable in zip(declared, is_notable, strict=True) if notable], undeclared)
    left = {record.version: version for version, record in moved.items()}
    entries = [
        _with_findings(_placed(entry, moved, left), highest, due or {}) if notable else entry
        for entry, notable in zip(declared, is_notable, strict=True)
    ]
    return (*entries, *(_placed(entry, moved, left) for entry in undeclared if entry.state is not State.PENDING))


@valueclass
class _Squashes:
    """What there is to say of the squashes that are declared."""

    chosen: Chosen

    @classmethod
    def of(cls, migrations: Sequence[Migration], history: History, liveness: Liveness) -> _Squashes:
        from zmig.planning import squashes

        states = {version: derive_state(record, liveness) for version, record in history.records.items()}
        applied = {version for version, record in history.records.items() if record.applied is not None}
        whole = [version for version in applied if states[version] is State.DONE]
        there = {version for version, state in states.items() if state is not State.PENDING} | applied
        return cls(squashes.choose(migrations, history, whole=whole, there=there))

    @property
    def migrations(self) -> Sequence[Migration]:
        return self.chosen.migrations

    def seen(
        self, declared: list[Entry], undeclared: list[Entry], liveness: Liveness
    ) -> tuple[list[Entry], list[Entry]]:
        """Return the entries as they are seen: squashes as what they are, and what they replace only where it matters.

        An entry that has a finding already is not looked at again.
        """
        hidden: set[int | None] = set()
        seen: list[Entry] = []
        for entry in declared:
            squashed = self.chosen.squashed.get(entry.version or 0)
            migration = entry.migration
            if squashed is None or migration is None or migration.replaces is None:
                seen.append(entry)
                continue
            others = tuple(record for record in squashed.records if record.version != entry.version)
            if squashed.missing is not None:
                undeclared = [
                    *undeclared,
                    *(_undeclared(one, liveness) for one in squashed.records if one.version == entry.version),
                ]
                words = f"of {migration.replaces}, which it replaces, version {squashed.missing} is not applied"
                finding = Finding(FindingCode.PARTLY_REPLACED, words)
                seen.append(Entry(migration, None, State.PENDING, (finding,), replaced=squashed.records))
                continue
            hidden |= {record.version for record in others}
            if squashed.is_own:
                seen.append(replace(entry, replaced=others))
            else:
                words = f"counts as applied: {migration.replaces}, which it replaces, were applied one by one"
                finding = Finding(FindingCode.SQUASHED, words)
                seen.append(replace(entry, state=State.DONE, findings=(finding,), replaced=others))
        replaced = self.chosen.replaced
        kept = [
            replace(entry, findings=(_REPLACED,)) if entry.version in replaced and entry.findings else entry
            for entry in undeclared
            if entry.version not in hidden
        ]
        return seen, sorted(kept, key=lambda entry: (entry.version is None, entry.version or 0))


_REPLACED = Finding(FindingCode.REPLACED, "applied, and a squash takes its place")


def _moved(declared: Iterable[Entry], undeclared: Iterable[Entry]) -> dict[int, Record]:
    """Return what was applied under another version than it is declared under, by the declared version."""
    loose = [
        entry.record
        for entry in undeclared
        if entry.record is not None and entry.is_applied and not entry.has(FindingCode.REPLACED)
    ]
    for entry in declared:
        if (
            entry.migration is not None
            and entry.record is not None
            and identity.is_other(entry.migration, entry.record)
        ):
            loose.append(entry.record)
    if not loose:
        return {}
    waiting = [entry.migration for entry in declared if entry.migration is not None and not entry.is_applied]
    return identity.renumbered(waiting, loose)


def _placed(entry: Entry, moved: Mapping[int, Record], left: Mapping[int | None, int]) -> Entry:
    """Return an entry with what it was applied as, and with where what it was applied as is declared now."""
    if not moved or entry.version is None:
        return entry
    return replace(entry, moved_from=moved.get(entry.version), moved_to=left.get(entry.version))


def _undeclared(record: Record, liveness: Liveness) -> Entry:
    missing = Finding(FindingCode.MISSING, "applied, but no longer declared")
    return Entry(None, record, derive_state(record, liveness), (missing,) if record.applied is not None else ())


def current_version(entries: Iterable[Entry]) -> int:
    """Return the highest applied version among migrations that run once; 0 when there is none."""
    return max((entry.version or 0 for entry in entries if entry.is_applied and not entry.is_repeatable), default=0)


def _is_as_applied(entry: Entry) -> bool:
    """Whether it was done last, and is what was done, so that nothing can be found about it."""
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


def _with_findings(entry: Entry, highest: int, answers: Mapping[int, bool | None]) -> Entry:
    """Return an entry with its findings, and with whether it is due."""
    migration, record, due = entry.migration, entry.record, False
    findings = list(_order_findings(entry, highest))
    if migration is not None and record is not None:
        if entry.state is State.DONE and migration.repeat is not None:
            is_by_file = migration.repeat.rule is RepeatRule.CHECKSUM
            is_changed = record.checksum != migration.checksum or record.outdated is not None
            due = is_changed if is_by_file else answers.get(migration.version)
        findings += _findings(entry, migration, record, due=due)
        if entry.state is State.DONE and due is None and migration.version in answers:
            findings.append(Finding(FindingCode.UNDECIDED, _UNDECIDED))
    return replace(entry, findings=tuple(findings), due=due) if findings or due is not False else entry


_COSMETIC = "edited since it was applied, in comments, white space or case only"
_UNDECIDED = "whether it is due is not known: the question gave no answer"


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
    if entry.is_whole and not entry.is_repeatable and identity.is_respelled(migration, record):
        yield Finding(FindingCode.COSMETIC, _COSMETIC)
    elif entry.is_whole and not entry.is_repeatable and not identity.is_same(migration, record):
        if record.checksum is None or migration.checksum is None:
            difference = f"applied as `{record.name}`, and no checksum says that it is the same"
        else:
            difference = f"applied with checksum {record.checksum[:8]}, the file now has {migration.checksum[:8]}"
        yield Finding(FindingCode.EDITED, difference)
    if record.is_in_rollback and entry.state is not State.STARTED:
        yield Finding(FindingCode.ROLLBACK_FAILED, "its rollback did not complete")
    if record.paused is not None:
        reason = record.paused.text("reason")
        who = f"paused by `{record.paused.database_user or '?'}`"
        yield Finding(FindingCode.PAUSED, f"{who}: {reason}" if reason else who)
