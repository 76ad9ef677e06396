"""Why a plan may not run: each refusal's words are here, next to the check that makes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.errors import Location, Problem
from zmig.facts import EventType
from zmig.hints import Hint, command, run_command
from zmig.model import Versions
from zmig.other_tools.history_tables import MARKS
from zmig.planning import identity
from zmig.planning.plan import Direction, Refusal
from zmig.planning.reasons import moment
from zmig.planning.state import FindingCode, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from zmig.hints import SuggestedCommand
    from zmig.model import Migration
    from zmig.planning.existing_objects import Existing
    from zmig.planning.history import Record
    from zmig.planning.plan import Plan
    from zmig.planning.state import Entry

_NOTHING_RUN = "nothing was run"
_NOTHING_ROLLED_BACK = "nothing was rolled back"


def of_apply(
    entry: Entry, entries: Sequence[Entry], *, allow_out_of_order: bool, ran: Sequence[tuple[Record, Versions]] = ()
) -> Iterator[Refusal]:
    """Yield what forbids applying, as far as one of the entries is concerned.

    `ran` are the squashes that were applied, as `squashes_in_place` returns them.
    """
    late = None if allow_out_of_order else _out_of_order(entry)
    if entry.has(FindingCode.PARTLY_REPLACED):
        problems = (of_partly_replaced(entry, effect=_NOTHING_RUN),)
    elif inside := _inside(entry, ran):
        problems = (inside,)
    elif entry.migration is None or entry.record is None:
        problems = (_renumbered(entry), late)
    else:
        problems = (
            _renumbered(entry),
            _changed(entry, entry.migration, entry.record, entries, effect=_NOTHING_RUN),
            late,
            _unproven(entry, entry.record, effect=_NOTHING_RUN),
            _half_rolled_back(entry, entry.record),
        )
    yield from (Refusal(entry.version, entry.name, problem) for problem in problems if problem is not None)


_IN_DOUBT = frozenset({FindingCode.OUT_OF_ORDER, FindingCode.OTHER})
"""What a migration of a checkout from before a squash has, where the squash was applied instead."""


def squashes_in_place(entries: Sequence[Entry]) -> tuple[tuple[Record, Versions], ...]:
    """Return the squashes that were applied, with what they replace; none where no entry could be inside of one."""
    if not any(finding.code in _IN_DOUBT for entry in entries for finding in entry.findings):
        return ()
    from zmig.planning.squashes import replaced_by

    records = (entry.record for entry in entries if entry.is_applied)
    found = ((record, replaced_by(record)) for record in records if record is not None)
    return tuple((record, versions) for record, versions in found if versions is not None)


def _inside(entry: Entry, ran: Sequence[tuple[Record, Versions]]) -> Problem | None:
    """Return what is wrong with a migration that a squash was applied in the place of: it would be done twice."""
    migration = entry.migration
    if not ran or migration is None or not any(entry.has(code) for code in _IN_DOUBT):
        return None
    for record, versions in ran:
        if migration.version in versions and not migration.is_repeatable:
            return Problem(
                "squashed",
                f"`{record.name}`, which has `{entry.name}` in it, was applied here instead",
                location=migration.declared_at or _file(migration),
                facts=(f"it replaces {versions}, and was applied {moment(record.applied_at)}",),
                effect=_NOTHING_RUN,
                hint=f"use the entries and files that have `{record.name}`",
            )
    return None


def _changed(
    entry: Entry,
    migration: Migration,
    record: Record,
    entries: Sequence[Entry],
    *,
    effect: str,
) -> Problem | None:
    """Return what is wrong with a migration that is not what was applied."""
    other = of_other(entry, entries, effect=effect)
    finding = entry.finding(FindingCode.EDITED)
    if other is not None or finding is None:
        return other
    if entry.has(FindingCode.RENAMED):
        message = f"version {entry.version} was applied as `{record.name}`, but the manifest declares `{entry.name}`"
    else:
        message = f"migration `{entry.name}` was edited after it was applied"
    return Problem(
        "checksum-changed",
        message,
        location=_file(migration),
        facts=(
            f"applied {moment(record.applied_at)} {finding.message.removeprefix('applied ')}",
            Hint("if the edit is harmless, ", run_command("accept", "--reason", "...", about=entry)),
        ),
        effect=effect,
        hint="restore it as it was applied, and put the change in a new migration",
    )


def of_other(entry: Entry, entries: Sequence[Entry], *, effect: str) -> Problem | None:
    """Return what is wrong with a migration whose version was applied as another one; None for any other."""
    migration, record = entry.migration, entry.record
    if migration is None or record is None or not entry.has(FindingCode.OTHER):
        return None
    if entry.moved_to is not None:
        hint = Hint("first ", _record_as_done(entry.moved_to, entry.version))
    else:
        hint = f"give `{entry.name}` a version of its own, such as `version: {_free_version(entries)}`"
    return Problem(
        "version-taken",
        f"version {entry.version} was applied as `{record.name}`, which is another migration than `{entry.name}`",
        location=migration.declared_at or _file(migration),
        facts=(
            f"`{record.name}` was applied {moment(record.applied_at)}; "
            "two branches used the same version, or a version was given away again",
            f"if it is the same migration, renamed and edited at once, give it its name again: `name: {record.name}`",
        ),
        effect=effect,
        hint=hint,
    )


def of_partly_replaced(entry: Entry, *, effect: str) -> Problem | None:
    """Return what is wrong with a squash of which a part is applied; None for any other migration."""
    migration, finding = entry.migration, entry.finding(FindingCode.PARTLY_REPLACED)
    if migration is None or migration.replaces is None or finding is None:
        return None
    applied = Versions.of(
        (record.version, record.version)
        for record in entry.replaced
        if record.applied is not None and record.version is not None
    )
    return Problem(
        "squash-incomplete",
        f"migration `{entry.name}` replaces what is applied in part: {finding.message}",
        location=migration.declared_at or _file(migration),
        facts=(
            f"applied: {applied or 'nothing as a whole'}",
            "if there never was a migration of that version, take it out of `replaces`",
            Hint("if everything that is missing was done by hand, ", _resolve(entry, "done")),
        ),
        effect=effect,
        hint=Hint(
            "with the entries and files from before the squash, ",
            run_command("apply", "--to", str(migration.version)),
        ),
    )


def _free_version(entries: Iterable[Entry]) -> int:
    """Return the version after the highest one of migrations that run once."""
    used = {entry.version: entry for entry in entries if entry.version is not None}
    version = max((version for version, entry in used.items() if not entry.is_repeatable), default=0) + 1
    while version in used:
        version += 1
    return version


def _renumbered(entry: Entry) -> Problem | None:
    """Return what is wrong with a migration that was applied under another version: it would run twice."""
    was, migration = entry.moved_from, entry.migration
    if was is None or migration is None:
        return None
    is_edited = not identity.is_same(migration, was)
    edited = ("its file was edited since",) if is_edited else ()
    again = (
        f"if it is another migration, {'give it a name of its own' if is_edited else 'say so in a comment of its file'}"
    )
    return Problem(
        "renumbered",
        f"migration `{entry.name}` has version {entry.version}, but was applied as `{was.name}`, version {was.version}",
        location=migration.declared_at,
        facts=(f"applied {moment(was.applied_at)}; it is not run twice", *edited, again),
        effect=_NOTHING_RUN,
        hint=f"write `version: {was.version}` again"
        if is_edited
        else Hint(_record_as_done(migration.version, was.version)),
    )


def _record_as_done(version: int, before: int | None) -> SuggestedCommand:
    """Return the command that shows the facts of a new version."""
    return run_command("resolve", str(version), "--as", "done", "--reason", f"renumbered from {before}")


def _resolve(entry: Entry, verdict: str) -> SuggestedCommand:
    return run_command("resolve", "--as", verdict, "--reason", "...", about=entry)


def _file(migration: Migration) -> Location | None:
    return Location(str(migration.file)) if migration.file is not None else migration.declared_at


def _out_of_order(entry: Entry) -> Problem | None:
    finding = entry.finding(FindingCode.OUT_OF_ORDER)
    if finding is None or entry.state is not State.PENDING or entry.migration is None:
        return None
    return Problem(
        "out-of-order",
        f"migration `{entry.name}` is out of order: {finding.message}",
        location=entry.migration.declared_at,
        facts=(Hint("to apply it all the same, ", run_command("apply", "--allow-out-of-order")),),
        effect=_NOTHING_RUN,
        hint="give it a version above the applied ones",
    )


def _unproven(entry: Entry, record: Record, *, effect: str) -> Problem | None:
    """A fact that names no backend does not say whether somebody is at work."""
    if entry.state is not State.STARTED or record.open is None or record.open.integer("backend_pid") is not None:
        return None
    verdict = "done" if entry.is_applied else "failed"
    return Problem(
        "started-unproven",
        f"migration `{entry.name}` was started {moment(record.open.created_at)} by a fact that names no backend",
        facts=("whether it still runs cannot be proved; it counts as stuck once `tracking.stuck_after` has passed",),
        effect=effect,
        hint=Hint("if nothing runs it, ", _resolve(entry, verdict)),
    )


def _half_rolled_back(entry: Entry, record: Record) -> Problem | None:
    if not record.is_in_rollback or entry.state not in (State.FAILED, State.STUCK) or record.is_undone:
        return None
    repeatables = ("--include-repeatables",) if entry.is_repeatable else ()
    return Problem(
        "rollback-incomplete",
        f"the rollback of `{entry.name}` did not complete, and no transaction undid it",
        facts=(
            "some of its statements may have taken effect",
            Hint("if the migration is whole again, ", _resolve(entry, "done")),
        ),
        effect=_NOTHING_RUN,
        hint=Hint("complete it with ", command("rollback", *repeatables)),
    )


def of_existing(plan: Plan, existing: Existing, *, database: str) -> Refusal:
    """Return what forbids a first run on a database that is not empty."""
    first = plan.steps[0].migration
    baseline = Hint(
        "record what it has already, up to version N, with ", command("baseline", "--to", "N", "--reason", "...")
    )
    taken_over = _taken_over(existing, first)
    problem = Problem(
        "database-not-empty",
        f"database `{database}` is not empty, and zmig has never run on it",
        facts=(
            *existing.words,
            *(() if taken_over is None else (baseline,)),
            Hint(
                "if the migrations are to run on top of that, ",
                run_command("apply", "--allow-existing"),
                ", or write `tracking: {allow_existing: true}` in the manifest",
            ),
        ),
        effect=_NOTHING_RUN,
        hint=taken_over or baseline,
    )
    return Refusal(first.version, first.name, problem)


def _taken_over(existing: Existing, first: Migration) -> Hint | None:
    """Return how the history is taken over that is there; None where there is none that zmig reads."""
    from zmig.other_tools import registry

    if existing.history is None or existing.history[1] not in registry.NAMES:
        return None
    return _import_from(existing.history[1], first)


def _import_from(tool: str, first: Migration) -> Hint:
    """Return how a tool's history is recorded."""
    place = first.declared_at
    manifest = () if place is None else ("--manifest", place.path)
    return Hint(
        f"record what {MARKS[tool].title} has applied with ", command("import", "--from", tool, *manifest, "--database")
    )


def of_done_elsewhere(plan: Plan, ids: Mapping[int, str], *, tool: str, table: str) -> Iterator[Refusal]:
    """Yield what forbids to apply what another tool has applied, and no import has recorded as applied.

    `ids` is what that tool calls such migrations, by their versions.
    """
    for one in (step.migration for step in plan.steps if step.direction is Direction.FORWARD):
        if one.version not in ids:
            continue
        id = ids[one.version]
        as_what = "" if id in (one.name, str(one.version)) else f" as `{id}`"
        problem = Problem(
            "applied-by-other-tool",
            f"`{one.name}` would run again: {MARKS[tool].title} has applied it, which no import has recorded",
            one.declared_at,
            facts=(
                f"`{table}` has it{as_what}",
                Hint(
                    "if it is another one of that name or number: ",
                    command("resolve", "--as", "pending", "--reason", "...", about=one),
                ),
            ),
            effect=_NOTHING_RUN,
            hint=_import_from(tool, one)
            if one.replaces is None
            else Hint("if all that it replaces is applied, ", run_command("resolve", *_AS_DONE, about=one)),
        )
        yield Refusal(one.version, one.name, problem)


_AS_DONE = ("--as", "done", "--reason", "...")


def of_partial(entry: Entry) -> Iterator[Refusal]:
    """Yield what forbids applying again what may have committed a part before it failed; `retry` is a person's word."""
    last = entry.record.last if entry.record is not None else None
    if last is None or last.type is not EventType.FAILED or last.data.get("may_be_partial") is not True:
        return
    problem = Problem(
        "failed-partway",
        f"migration `{entry.name}` failed outside a transaction, and what of it is committed cannot be looked up",
        location=entry.migration.declared_at if entry.migration is not None else None,
        facts=(
            f"failed {moment(last.created_at)}: {last.error_message or 'no reason is recorded'}",
            Hint("if all of it is done, or was completed by hand, ", _resolve(entry, "done")),
        ),
        effect=_NOTHING_RUN,
        hint=Hint("if doing it again is right, ", run_command("retry", about=entry)),
    )
    yield Refusal(entry.version, entry.name, problem)


def out_of_order_retries(chosen: Sequence[Entry], others: Iterable[Entry]) -> Iterator[Refusal]:
    """Yield what forbids running some entries before others that come first and are not applied."""
    waiting = [entry for entry in others if _is_to_come(entry)]
    if not waiting:
        return
    first = min(waiting, key=lambda entry: entry.version or 0)
    for entry in chosen:
        if _is_to_come(entry) and (entry.version or 0) > (first.version or 0):
            problem = Problem(
                "out-of-order",
                f"migration `{entry.name}` cannot be retried before `{first.name}`, which is {first.state.value}",
                location=entry.migration.declared_at if entry.migration is not None else None,
                effect=_NOTHING_RUN,
                hint=Hint("run both in order with ", command("apply", "--to", str(entry.version))),
            )
            yield Refusal(entry.version, entry.name, problem)


def _is_to_come(entry: Entry) -> bool:
    """Whether it runs once, is not applied, and was not overtaken before."""
    is_declared = entry.migration is not None and not entry.is_repeatable
    return is_declared and not entry.is_applied and not entry.has(FindingCode.OUT_OF_ORDER)


def of_rollback(entries: Sequence[Entry], chosen: Sequence[Entry]) -> Iterator[Refusal]:
    """Yield what forbids rolling back the chosen entries, on account of them or of any other."""
    lowest = min((entry.version or 0 for entry in chosen), default=None)
    for entry in entries:
        problem = _unfinished_above(entry, lowest)
        if problem is not None:
            yield Refusal(entry.version, entry.name, problem)
    for entry in chosen:
        # A rollback file belongs to the migration it is beside, and says nothing about what was applied instead.
        problem = None
        if entry.migration is not None and entry.record is not None:
            problem = _changed(entry, entry.migration, entry.record, entries, effect=_NOTHING_ROLLED_BACK)
        problem = problem or _irreversible(entry)
        if problem is not None:
            yield Refusal(entry.version, entry.name, problem)


def _unfinished_above(entry: Entry, lowest: int | None) -> Problem | None:
    """Something that is running, or that may be half applied, could rest on what is to be rolled back."""
    if lowest is None or entry.record is None or entry.version is None:
        return None
    if entry.state is State.STARTED:
        return _unproven(entry, entry.record, effect=_NOTHING_ROLLED_BACK) or Problem(
            "running",
            f"migration `{entry.name}` is running",
            effect=_NOTHING_ROLLED_BACK,
            hint=Hint("wait for it; see it with ", command("status")),
        )
    is_above = not entry.is_applied and entry.version > lowest
    if not is_above or entry.state not in (State.FAILED, State.STUCK) or entry.record.is_undone:
        return None
    return Problem(
        "half-applied",
        f"migration `{entry.name}` is {entry.state.value}, and no transaction undid what it had done",
        facts=("it may rest on what is to be rolled back",),
        effect=_NOTHING_ROLLED_BACK,
        hint=Hint("undo by hand what is left of it, then ", _resolve(entry, "pending")),
    )


def _irreversible(entry: Entry) -> Problem | None:
    if entry.migration is not None and entry.has(FindingCode.SQUASHED):
        return Problem(
            "squashed",
            f"migration `{entry.name}` replaces {entry.migration.replaces}, which were applied one by one",
            location=entry.migration.declared_at,
            facts=("how each of them is undone, their own rollback files say, and those of the squash do not",),
            effect=_NOTHING_ROLLED_BACK,
            hint="roll back with the entries and files from before the squash",
        )
    if entry.migration is None:
        return Problem(
            "missing",
            f"migration `{entry.name}` is applied but no longer declared, so its rollback is not known",
            effect=_NOTHING_ROLLED_BACK,
            hint="put its entry and its files back into the manifest",
        )
    if entry.migration.is_reversible:
        return None
    return Problem(
        "irreversible",
        f"migration `{entry.name}` has no rollback",
        location=entry.migration.declared_at,
        effect=_NOTHING_ROLLED_BACK,
        hint="write a rollback file and declare it with `rollback:`",
    )
