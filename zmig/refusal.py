"""Why a plan may not run: each refusal's words stand here, next to the check that makes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

from zmig.errors import Location, Problem
from zmig.events import EventType
from zmig.state import FindingCode, State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from zmig.invocation import Invocation
    from zmig.model import Migration
    from zmig.state import Entry


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing may run."""

    version: int | None
    name: str
    problem: Problem


def moment(value: datetime | None) -> str:
    """Return a point in time as people read it in reasons and messages."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if value is not None else "at an unknown time"


def of_apply(entry: Entry, *, allow_out_of_order: bool, invocation: Invocation) -> Iterator[Refusal]:
    """Yield what forbids applying, as far as one entry is concerned."""
    if entry.migration is None:
        return
    for problem in (
        _drift(entry, invocation),
        None if allow_out_of_order else _out_of_order(entry, invocation),
        _unproven(entry, invocation),
        _half_rolled_back(entry, invocation),
    ):
        if problem is not None:
            yield Refusal(entry.version, entry.name, problem)


def _file_location(migration: Migration) -> Location | None:
    return Location(str(migration.file)) if migration.file is not None else migration.declared_at


def is_in_rollback(entry: Entry) -> bool:
    """Whether its latest fact is about a rollback that did not complete."""
    last = entry.record.last if entry.record else None
    return last is not None and last.type in (EventType.ROLLBACK_STARTED, EventType.ROLLBACK_FAILED)


def _drift(entry: Entry, invocation: Invocation) -> Problem | None:
    record, migration = entry.record, entry.migration
    if migration is None or record is None or not entry.has(FindingCode.DRIFT):
        return None
    if entry.has(FindingCode.RENAMED):
        message = f"version {entry.version} was applied as `{record.name}`, but the manifest declares `{entry.name}`"
    else:
        message = f"migration `{entry.name}` was edited after it was applied"
    return Problem(
        "checksum-changed",
        message,
        location=_file_location(migration),
        facts=(
            f"applied {moment(record.applied_at)} with checksum {(record.checksum or '')[:8]}, "
            f"the file now has {(migration.checksum or '')[:8]}",
        ),
        effect="nothing was run",
        hint="restore the file and put the change in a new migration; "
        f"if the edit is harmless, run `{invocation.command('accept', entry.name, '--reason', '...')}`",
    )


def _out_of_order(entry: Entry, invocation: Invocation) -> Problem | None:
    if entry.state is not State.PENDING or not entry.has(FindingCode.OUT_OF_ORDER) or entry.migration is None:
        return None
    finding = next(finding for finding in entry.findings if finding.code is FindingCode.OUT_OF_ORDER)
    return Problem(
        "out-of-order",
        f"migration `{entry.name}` is out of order: {finding.message}",
        location=entry.migration.declared_at,
        effect="nothing was run",
        hint="give it a version above the applied ones, "
        f"or run `{invocation.command('apply', '--allow-out-of-order')}`",
    )


def _unproven(entry: Entry, invocation: Invocation) -> Problem | None:
    last = entry.record.last if entry.record else None
    if entry.state is not State.STARTED or last is None or last.integer("backend_pid") is not None:
        return None
    return Problem(
        "started-unproven",
        f"migration `{entry.name}` was started {moment(last.created_at)} by a fact that names no backend",
        facts=("whether it still runs cannot be proved; it counts as stuck once `tracking.stuck_after` has passed",),
        effect="nothing was run",
        hint="if nothing runs it, "
        f"run `{invocation.command('resolve', entry.name, '--as', 'failed', '--reason', '...')}`",
    )


def _half_rolled_back(entry: Entry, invocation: Invocation) -> Problem | None:
    if not is_in_rollback(entry) or entry.state not in (State.FAILED, State.STUCK):
        return None
    if entry.state is State.STUCK and _last_is_transactional(entry):
        return None
    return Problem(
        "rollback-incomplete",
        f"the rollback of `{entry.name}` did not complete, and it ran outside a transaction",
        facts=("some of its statements may have taken effect",),
        effect="nothing was run",
        hint=f"look at the database, then run `{invocation.command('rollback')}` again "
        f"or `{invocation.command('resolve', entry.name, '--as', 'done', '--reason', '...')}`",
    )


def _last_is_transactional(entry: Entry) -> bool:
    last = entry.record.last if entry.record else None
    return last is not None and last.data.get("transactional") is not False


def of_rollback(entry: Entry, *, invocation: Invocation) -> Iterator[Refusal]:
    """Yield what forbids rolling one entry back."""
    problem = _irreversible(entry, invocation)
    if problem is not None:
        yield Refusal(entry.version, entry.name, problem)


def _irreversible(entry: Entry, invocation: Invocation) -> Problem | None:
    if entry.state is State.STARTED:
        return Problem(
            "running",
            f"migration `{entry.name}` is running",
            effect="nothing was rolled back",
            hint=f"wait for it; see it with `{invocation.command('status')}`",
        )
    if entry.migration is None:
        return Problem(
            "missing",
            f"migration `{entry.name}` is applied but no longer declared, so its rollback is not known",
            effect="nothing was rolled back",
            hint="put its entry and its files back into the manifest",
        )
    if entry.migration.is_reversible or entry.migration.is_repeatable:
        return None
    return Problem(
        "irreversible",
        f"migration `{entry.name}` has no rollback",
        location=entry.migration.declared_at,
        effect="nothing was rolled back",
        hint="write a rollback file and declare it with `rollback:`",
    )
