"""What an operator decides, recorded as facts under the run's lock: resolved, accepted, baselined. Nothing is run.

What a decision names is looked up twice: before the lock is waited for, so that a slip of the pen is answered at once,
and once it is held. What cannot be recorded leaves no trace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.errors import PlanRefused, Problem, UsageError
from zmig.facts import EventType, Verdict
from zmig.hints import Hint, command
from zmig.planning import decisions, identity, orphaned_rows, refusals, selection
from zmig.planning.state import FindingCode, State
from zmig.project import token_checksums
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from zmig.planning.history import Record
    from zmig.planning.snapshot import Snapshot
    from zmig.planning.state import Entry
    from zmig.session.database_session import DatabaseSession


@valueclass
class Resolve:
    """A migration is done, failed or pending, whatever the facts said before.

    One that was applied under another version is done under its own instead of that one.
    """

    name: str
    verdict: str
    reason: str


@valueclass
class Accept:
    """The files of applied migrations were changed on purpose."""

    names: tuple[str, ...]
    reason: str


@valueclass
class Baseline:
    """Every migration up to version `to` that is not applied counts as applied, without being run.

    One that failed in its transaction, or was cut off in it, left nothing behind, so it is recorded as well.
    """

    to: int
    reason: str


Decision = Resolve | Accept | Baseline


@valueclass
class _Action:
    """What is to be recorded, once the tables are there."""

    names: list[str]
    """The migrations it is about."""
    statements: list[str]


def record(session: DatabaseSession, decision: Decision, *, lock_wait_seconds: float | None) -> list[str]:
    """Record a decision under the run's lock; return the names of the migrations it is about.

    Raises:
        UsageError: no migration has a name or a version it says, or two have; it gives no reason; the verdict is
            unknown; or what it says cannot be true of the migration in its state.
        PlanRefused: the simple table contradicts the facts, of other migrations.
        TrackingError: it cannot be written.
        LockNotObtained: another run kept the lock for too long.
    """
    snapshot = session.snapshot(session.inspect(to_write=True), ask_repeatables=False)
    session.report_timeline_change(snapshot.inspection)
    _check_words(decision, snapshot.entries)
    with session.locked(limit_seconds=lock_wait_seconds):
        snapshot = session.snapshot(session.inspect(to_write=True), holds_lock=True, ask_repeatables=False)
        match decision:
            case Resolve():
                action = _resolved(session, snapshot.migrations, decision)
            case Accept():
                action = _accepted(session, snapshot.migrations, decision)
            case Baseline():
                action = _baselined(session, snapshot.migrations, decision)
        refuse_contradictions(snapshot.migrations, action.names)
        session.store.check_names(action.names)
        if action.statements:
            with session.recording(), session.connection.transaction():
                session.prepare_store(snapshot)
                for statement in action.statements:
                    session.connection.execute(statement.encode())
    return action.names


def _check_words(decision: Decision, entries: Sequence[Entry]) -> None:
    """Make sure that a decision says something, whatever another run makes of the migrations' states meanwhile."""
    match decision:
        case Resolve():
            _check_verdict(decision.verdict)
            selection.find_one(entries, decision.name)
        case Accept():
            for name in decision.names:
                selection.find_one(entries, name)
        case Baseline():
            selection.check_target(entries, decision.to)
    check_reason(decision.reason)


def check_reason(reason: str, *, option: str = "--reason") -> None:
    """Make sure that a decision has a reason; `option` is where it is given. Raises UsageError."""
    if not reason.strip():
        raise UsageError(
            Problem(
                "reason-missing",
                "a decision needs a reason, which is in the history for ever",
                effect="nothing was recorded",
                hint=f"write `{option} 'why this is right'`",
            )
        )


def _check_verdict(verdict: str) -> None:
    if verdict not in set(Verdict):
        raise UsageError(
            Problem(
                "unknown-verdict",
                f"a migration cannot be resolved as `{verdict}`",
                facts=(f"verdicts: {', '.join(Verdict)}",),
                effect="nothing was recorded",
                hint="write `--as done`, `--as failed` or `--as pending`",
            )
        )


def refuse_contradictions(snapshot: Snapshot, names: Collection[str]) -> None:
    """Record nothing where the simple table contradicts the facts, but a decision about such a migration.

    Raises:
        PlanRefused: it does, of others than those named.
    """
    is_about_one = any(entry.name in names and entry.has(FindingCode.FACTS_MISSING) for entry in snapshot.entries)
    contradictions = orphaned_rows.refusals(snapshot.entries, effect="nothing was recorded")
    if not is_about_one and (problems := [refusal.problem for refusal in contradictions]):
        raise PlanRefused(*problems)


def _resolved(session: DatabaseSession, snapshot: Snapshot, decision: Resolve) -> _Action:
    entry, verdict, reason = selection.find_one(snapshot.entries, decision.name), decision.verdict, decision.reason
    data = fact_data(session, entry, reason) | {"as": str(verdict), "was": entry.state.value}
    before: list[str] = []
    if entry.has(FindingCode.SQUASHED):
        raise UsageError(_counted_by_parts(entry))
    if verdict == Verdict.DONE:
        _refuse_other(entry, snapshot)
        was = entry.moved_from
        # The same contents were applied under another version: from now on they are known under this one.
        if was is not None and entry.migration is not None and identity.is_same(entry.migration, was):
            before, data = [_superseded_sql(session, entry, was, reason)], data | {"renumbered_from": was.version}
    return _Action([entry.name], [*before, _resolved_sql(session, entry, Verdict(verdict), data)])


def _refuse_other(entry: Entry, snapshot: Snapshot) -> None:
    """Make sure that a decision about a version does not put one migration in the place of another."""
    problem = refusals.of_other(entry, snapshot.entries, effect="nothing was recorded")
    if problem is not None:
        raise UsageError(problem)


def _counted_by_parts(entry: Entry) -> Problem:
    replaces = entry.migration.replaces if entry.migration is not None else None
    return Problem(
        "squashed",
        f"migration `{entry.name}` counts as applied because {replaces}, which it replaces, are",
        facts=("there is nothing to decide about it, and what it replaces is not declared any more",),
        effect="nothing was recorded",
        hint="resolve one of those with the entries and files from before the squash",
    )


def _superseded_sql(session: DatabaseSession, entry: Entry, was: Record, reason: str) -> str:
    """Return what says that a migration is no longer known under the version it was applied as."""
    data = fact_data(session, entry, reason) | {
        "version": was.version,
        "name": was.name,
        "as": Verdict.PENDING.value,
        "was": State.DONE.value,
        "checksum": was.checksum,
        "renumbered_to": entry.version,
    }
    return session.store.taken_back_sql(session.run, EventType.RESOLVED, was.name, data)


def _resolved_sql(session: DatabaseSession, entry: Entry, verdict: Verdict, data: dict[str, object]) -> str:
    type = EventType.RESOLVED
    if entry.version is None:
        return session.store.append_sql(session.run, type, entry.name, data)
    if verdict is Verdict.DONE:
        return session.store.applied_sql(session.run, type, entry.name, data, kind=kind_of(entry))
    return session.store.taken_back_sql(session.run, type, entry.name, data)


def _accepted(session: DatabaseSession, snapshot: Snapshot, decision: Accept) -> _Action:
    entries = [_acceptable(snapshot, name) for name in dict.fromkeys(decision.names)]
    kept = {entry.name: entry for entry in entries}
    statements = [
        session.store.append_sql(
            session.run, EventType.ACCEPTED, entry.name, fact_data(session, entry, decision.reason)
        )
        for entry in kept.values()
    ]
    return _Action([*kept], statements)


def _acceptable(snapshot: Snapshot, name: str) -> Entry:
    """Return a migration whose file may be accepted as it is now. Raises UsageError."""
    entry = selection.find_one(snapshot.entries, name)
    _refuse_other(entry, snapshot)
    if not (entry.has(FindingCode.EDITED) or entry.has(FindingCode.COSMETIC)):
        raise UsageError(
            Problem(
                "nothing-to-accept",
                f"the file of migration `{entry.name}` has not changed since it was applied",
                effect="nothing was recorded",
                hint=Hint("see what was edited with ", command("status")),
            )
        )
    return entry


def _baselined(session: DatabaseSession, snapshot: Snapshot, decision: Baseline) -> _Action:
    selection.check_target(snapshot.entries, decision.to)
    chosen = [
        entry
        for entry in snapshot.entries
        if entry.migration is not None
        and not entry.migration.is_repeatable
        and not entry.is_applied
        and entry.migration.version <= decision.to
    ]
    in_part = (refusals.of_partly_replaced(entry, effect="nothing was recorded") for entry in chosen)
    if problems := [problem for problem in in_part if problem is not None]:
        raise UsageError(*problems)
    unclear = [decisions.unclear(entry) for entry in chosen if not decisions.is_untouched(entry)]
    if unclear:
        raise UsageError(*unclear)
    statements = [
        session.store.applied_sql(
            session.run,
            EventType.BASELINED,
            entry.name,
            fact_data(session, entry, decision.reason),
            kind=kind_of(entry),
        )
        for entry in chosen
    ]
    return _Action([entry.name for entry in chosen], statements)


def fact_data(session: DatabaseSession, entry: Entry, reason: str) -> dict[str, object]:
    """Return what the fact of a decision about a migration says."""
    migration, more = entry.migration, dict[str, object]()
    if migration is not None and (
        of_tokens := token_checksums.of_migration(migration, conforming=session.server.conforms)
    ):
        more["token_checksum"] = of_tokens
    replaces = migration.replaces if migration is not None else None
    return {
        **({} if replaces is None else {"replaces": str(replaces)}),
        "version": entry.version,
        "name": entry.name,
        "run_id": session.run.id,
        "reason": session.target.redactor(reason),
        "checksum": migration.checksum if migration is not None else None,
        **more,
        "kind": kind_of(entry),
    }


def kind_of(entry: Entry) -> str:
    """Return the kind of a migration, as facts have it."""
    if entry.migration is not None:
        return entry.migration.kind.value
    recorded = entry.record.applied.text("kind") if entry.record and entry.record.applied else None
    return recorded or "sql"
