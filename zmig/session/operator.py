"""What an operator decides, as facts to be recorded: resolved, accepted, baselined. Nothing is run.

Every function is called while the run's lock is held, and writes nothing: what cannot be recorded leaves no trace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.errors import Problem, UsageError
from zmig.facts import EventType, Verdict
from zmig.hints import Hint, command, run_command
from zmig.planning import identity, refusals, selection
from zmig.planning.state import FindingCode, State
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Collection

    from zmig.planning.snapshot import Snapshot
    from zmig.planning.state import Entry
    from zmig.session.database_session import DatabaseSession


@valueclass
class OperatorAction:
    """What is to be recorded, once the tables are there."""

    names: list[str]
    """The migrations it is about."""
    statements: list[str]


def resolve(session: DatabaseSession, snapshot: Snapshot, *, name: str, verdict: str, reason: str) -> OperatorAction:
    """Say that a migration is done, failed or pending, whatever the facts said before.

    One that was applied under another version is done under its own instead of that one.

    Raises:
        UsageError: no migration has that name, or two have; the verdict is unknown; the reason is empty; its version
            was applied as another migration, so that it cannot be done.
    """
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
    entry = selection.find_one(snapshot.entries, name)
    data = _data(session, entry, reason) | {"as": str(verdict), "was": entry.state.value}
    before: list[str] = []
    if verdict == Verdict.DONE:
        _refuse_other(entry, snapshot)
        if _is_moved(entry):
            before, data = [_superseded_sql(session, entry, reason)], data | _moved_from(entry)
    return OperatorAction([entry.name], [*before, _resolved_sql(session, entry, Verdict(verdict), data)])


def _refuse_other(entry: Entry, snapshot: Snapshot) -> None:
    """Make sure that a decision about a version does not put one migration in the place of another."""
    problem = refusals.of_other(entry, snapshot.entries, effect="nothing was recorded")
    if problem is not None:
        raise UsageError(problem)


def _is_moved(entry: Entry) -> bool:
    """Whether a migration is one that was applied, with the same contents, under another version."""
    was, migration = entry.moved_from, entry.migration
    return was is not None and migration is not None and identity.is_same(migration, was)


def _moved_from(entry: Entry) -> dict[str, object]:
    return {"renumbered_from": entry.moved_from.version if entry.moved_from is not None else None}


def _superseded_sql(session: DatabaseSession, entry: Entry, reason: str) -> str:
    """Return what says that a migration is no longer known under the version it was applied as."""
    was = entry.moved_from
    if was is None:
        raise AssertionError("only a migration that was applied under another version is superseded")
    data = _data(session, entry, reason) | {
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
        return session.store.applied_sql(session.run, type, entry.name, data, kind=_kind(entry))
    return session.store.taken_back_sql(session.run, type, entry.name, data)


def accept(session: DatabaseSession, snapshot: Snapshot, *, names: Collection[str], reason: str) -> OperatorAction:
    """Say that the files of applied migrations were changed on purpose.

    Raises:
        UsageError: no migration has that name, its file has not changed, its version was applied as another migration,
            or the reason is empty.
    """
    entries = [_acceptable(snapshot, name) for name in dict.fromkeys(names)]
    kept = {entry.name: entry for entry in entries}
    statements = [
        session.store.append_sql(session.run, EventType.ACCEPTED, entry.name, _data(session, entry, reason))
        for entry in kept.values()
    ]
    return OperatorAction([*kept], statements)


def _acceptable(snapshot: Snapshot, name: str) -> Entry:
    """Return a migration whose file may be accepted as it is now. Raises UsageError."""
    entry = selection.find_one(snapshot.entries, name)
    _refuse_other(entry, snapshot)
    if not entry.has(FindingCode.DRIFT):
        raise UsageError(
            Problem(
                "nothing-to-accept",
                f"the file of migration `{entry.name}` has not changed since it was applied",
                effect="nothing was recorded",
                hint=Hint("see what has drifted with ", command("status")),
            )
        )
    return entry


def baseline(session: DatabaseSession, snapshot: Snapshot, *, to: int, reason: str) -> OperatorAction:
    """Say of every migration up to version `to` that is not applied that it is, without running it.

    One that failed in its transaction, or was cut off in it, left nothing behind, so it is recorded as well.

    Raises:
        UsageError: no migration has that version; one of them may have left a part behind; or the reason is empty.
    """
    selection.check_target(snapshot.entries, to)
    _check_reason(reason)
    chosen = [
        entry
        for entry in snapshot.entries
        if entry.migration is not None
        and not entry.migration.is_repeatable
        and not entry.is_applied
        and entry.migration.version <= to
    ]
    unclear = [_unclear(entry) for entry in chosen if not _is_untouched(entry)]
    if unclear:
        raise UsageError(*unclear)
    return OperatorAction(
        [entry.name for entry in chosen],
        [
            session.store.applied_sql(
                session.run, EventType.BASELINED, entry.name, _data(session, entry, reason), kind=_kind(entry)
            )
            for entry in chosen
        ],
    )


def _is_untouched(entry: Entry) -> bool:
    """Whether nothing of a migration that is not applied is in the database because zmig ran it."""
    is_undone = entry.record is not None and entry.record.is_undone
    return entry.state is State.PENDING or (is_undone and entry.state in (State.FAILED, State.STUCK))


def _unclear(entry: Entry) -> Problem:
    resolve = run_command("resolve", "--as", "done", "--reason", "...", about=entry)
    return Problem(
        "baseline-unclear",
        f"migration `{entry.name}` is {entry.state.value}, and no transaction undid what it had done",
        facts=("a baseline says that all of a migration is there; of this one a part may be",),
        effect="nothing was recorded",
        hint=Hint("if all of it is there, ", resolve, ", then the baseline again"),
    )


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise UsageError(
            Problem(
                "reason-missing",
                "a decision needs a reason, which is in the history for ever",
                effect="nothing was recorded",
                hint="write `--reason 'why this is right'`",
            )
        )


def _data(session: DatabaseSession, entry: Entry, reason: str) -> dict[str, object]:
    _check_reason(reason)
    checksum = entry.migration.checksum if entry.migration is not None else None
    return {
        "version": entry.version,
        "name": entry.name,
        "run_id": session.run.id,
        "reason": session.target.redactor(reason),
        "checksum": checksum,
        "kind": _kind(entry),
    }


def _kind(entry: Entry) -> str:
    if entry.migration is not None:
        return entry.migration.kind.value
    recorded = entry.record.applied.text("kind") if entry.record and entry.record.applied else None
    return recorded or "sql"
