"""The planner: a request and a snapshot in, a `Plan` out. What `zmig plan` prints is what the runner executes.

Pure. `plan` is the only way to a plan, for who wants to see it and, under the lock, for who runs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from zmig.errors import Problem, UsageError
from zmig.hints import Hint, command, run_command
from zmig.model import RepeatRule
from zmig.planning import checkpoint, orphaned_rows, reasons, refusals, selection
from zmig.planning.plan import Action, Direction, Plan, Step
from zmig.planning.request import Apply, Retry, Rollback
from zmig.planning.state import FindingCode, State
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from zmig.model import Migration, Repeat
    from zmig.planning.history import Record
    from zmig.planning.plan import Refusal
    from zmig.planning.request import Request
    from zmig.planning.snapshot import Snapshot
    from zmig.planning.state import Entry


def plan(request: Request, snapshot: Snapshot) -> Plan:
    """Return what a request would run, or why nothing may.

    Raises:
        UsageError: no migration has the version or the name that the request names, or one that is to be retried
            needs none; the number of migrations to roll back is no positive one.
    """
    match request:
        case Apply():
            return _apply(request, snapshot)
        case Retry():
            return _retry(request, snapshot)
        case Rollback():
            return _rollback(request, snapshot.entries)
        case _:
            assert_never(request)


def _apply(request: Apply, snapshot: Snapshot) -> Plan:
    """Plan everything pending, failed, stuck or due, up to a version."""
    entries, to = snapshot.entries, request.to
    selection.check_target(entries, to)
    within = [entry for entry in entries if to is None or (entry.version or 0) <= to]
    refused = _apply_refusals(request, entries, within)
    is_first = snapshot.is_first and not request.allow_existing
    return Plan(Direction.FORWARD, tuple(_steps(within)), refused, is_first=is_first, notes=_notes(within))


def apply_refusals(entries: Sequence[Entry]) -> tuple[Refusal, ...]:
    """Return what forbids applying everything, as far as the states of migrations say."""
    return _apply_refusals(Apply(), entries, entries)


def _apply_refusals(request: Apply, entries: Sequence[Entry], within: Iterable[Entry]) -> tuple[Refusal, ...]:
    refused: list[Refusal] = []
    partial: list[Refusal] = []
    ran = refusals.squashes_in_place(entries)
    for entry in within:
        # Of a long history nearly all are done, and there is nothing to say about them.
        if entry.findings or entry.state is not State.DONE:
            refused += refusals.of_apply(entry, entries, allow_out_of_order=request.allow_out_of_order, ran=ran)
            partial += refusals.of_partial(entry)
    return (*refused, *partial, *orphaned_rows.refusals(entries, effect="nothing was run"))


def _notes(entries: Iterable[Entry]) -> tuple[str, ...]:
    found = ((entry, entry.finding(FindingCode.COSMETIC)) for entry in entries if entry.findings)
    return tuple(f"`{entry.name}`: {finding.message}" for entry, finding in found if finding is not None)


_UNHEALTHY = frozenset({State.FAILED, State.STUCK})


def _retry(request: Retry, snapshot: Snapshot) -> Plan:
    """Plan another attempt at failed and stuck migrations.

    What is done by now of what was awaited, because another run completed it meanwhile, is left out.
    """
    entries = snapshot.entries
    if request.names:
        named = selection.find_all(entries, request.names)
        chosen = [entry for entry in named if entry.state is not State.DONE or entry.name not in snapshot.awaited]
        problems = [problem for entry in chosen for problem in _not_retryable(entry)]
        if problems:
            raise UsageError(*problems)
    else:
        unhealthy = frozenset({State.STUCK}) if request.only_stuck else _UNHEALTHY
        chosen = [entry for entry in entries if entry.state in unhealthy]
    wanted = set(map(id, chosen))
    kept = [entry for entry in entries if id(entry) in wanted]
    others = [entry for entry in entries if id(entry) not in wanted]
    ran = refusals.squashes_in_place(entries)
    refused = [one for entry in kept for one in refusals.of_apply(entry, entries, allow_out_of_order=True, ran=ran)]
    refused += refusals.out_of_order_retries(kept, others)
    refused += orphaned_rows.refusals(entries, effect="nothing was run")
    return Plan(Direction.FORWARD, tuple(_steps(kept)), tuple(refused))


def _not_retryable(entry: Entry) -> Iterator[Problem]:
    if entry.state not in _UNHEALTHY:
        yield Problem(
            "not-retryable",
            f"migration `{entry.name}` is {entry.state.value}, so there is nothing to retry",
            effect="nothing was run",
            hint=Hint("see every state with ", command("status")),
        )
    elif entry.migration is None:
        resolve = run_command("resolve", "--as", "pending", "--reason", "...", about=entry)
        yield Problem(
            "not-retryable",
            f"migration `{entry.name}` is no longer declared, so it cannot be run again",
            facts=(Hint("if nothing of it is left, ", resolve),),
            effect="nothing was run",
            hint="put its entry and its files back into the manifest",
        )


def _steps(entries: Iterable[Entry]) -> Iterator[Step]:
    is_first = True
    for entry in entries:
        if entry.migration is None:
            continue
        step = _step(entry, entry.migration, entry.record, is_first=is_first)
        if step is not None:
            is_first = False
            yield replace(step, out_of_order=True) if entry.has(FindingCode.OUT_OF_ORDER) else step


def _step(entry: Entry, migration: Migration, record: Record | None, *, is_first: bool) -> Step | None:
    match entry.state:
        case State.PENDING:
            return Step(migration, Action.APPLY, reasons.pending(record))
        case State.FAILED | State.STUCK if record is not None:
            return _rerun(entry, migration, record)
        case State.DONE if migration.repeat is not None and record is not None:
            return _repeat(migration, migration.repeat, record, due=entry.due, is_first=is_first)
        case _:
            return None


def _rerun(entry: Entry, migration: Migration, record: Record) -> Step | None:
    if record.is_in_rollback and entry.is_applied and not entry.is_repeatable:
        # A rollback that failed outside a transaction is refused; one that was cut off inside one left nothing.
        attempt, unended = max(record.attempt, 1), record.last
        end = Step(migration, Action.RECORD_END, reasons.END_RECORDED, attempt=attempt, unended=unended)
        return end if entry.state is State.STUCK else None
    attempt = max(record.attempt, 1) + 1
    reached = None if record.is_in_rollback else checkpoint.from_facts(record)
    if entry.state is State.FAILED:
        reason = reasons.failed(record, reached)
        return Step(migration, Action.RETRY, reason, attempt=attempt, checkpoint=reached)
    reason = reasons.stuck(record, reached)
    return Step(migration, Action.RESUME, reason, attempt=attempt, checkpoint=reached, unended=record.last)


def _repeat(migration: Migration, repeat: Repeat, record: Record, *, due: bool | None, is_first: bool) -> Step | None:
    """What runs before a repeatable can change what its condition says, so it is asked when its turn comes."""
    if repeat.rule is not RepeatRule.CHECKSUM and (due is None or not is_first):
        return Step(migration, Action.CHECK, reasons.checked(repeat), last_run=record.last_run)
    return Step(migration, Action.REPEAT, reasons.repeated(repeat, record), last_run=record.last_run) if due else None


def _rollback(request: Rollback, entries: Sequence[Entry]) -> Plan:
    """Plan a rollback, in reverse order of applying; repeatables, where they take part, before the others."""
    to = request.to
    selection.check_target(entries, to)
    if to is None and request.steps < 1:
        message = f"{request.steps} migrations cannot be rolled back"
        raise UsageError(Problem("steps-invalid", message, hint="write `--steps 1`"))
    applied = sorted(
        (entry for entry in entries if entry.is_applied),
        key=lambda entry: (entry.is_repeatable, entry.version or 0),
        reverse=True,
    )
    wanted = [
        entry
        for entry in applied
        if not entry.is_repeatable
        or (request.include_repeatables and entry.migration is not None and entry.migration.is_reversible)
    ]
    chosen = wanted[: request.steps] if to is None else [entry for entry in wanted if (entry.version or 0) > to]
    steps = [step for entry in chosen if (step := _rollback_step(entry)) is not None]
    refused = [*refusals.of_rollback(entries, chosen)]
    refused += orphaned_rows.refusals(entries, effect="nothing was rolled back")
    return Plan(Direction.ROLLBACK, tuple(steps), tuple(refused), notes=_notes(chosen))


def _rollback_step(entry: Entry) -> Step | None:
    migration, record = entry.migration, entry.record
    if migration is None or record is None or not migration.is_reversible:
        return None
    recorded = record.applied.text("rollback_checksum") if record.applied is not None else None
    if not record.is_in_rollback:
        return Step(migration, Action.ROLL_BACK, reasons.rolled_back(record, None), recorded_rollback=recorded)
    reached = checkpoint.from_facts(record)
    return Step(
        migration,
        Action.ROLL_BACK,
        reasons.rolled_back(record, reached),
        attempt=max(record.attempt, 1) + 1,
        checkpoint=reached,
        unended=record.last if entry.state is State.STUCK else None,
        recorded_rollback=recorded,
    )
