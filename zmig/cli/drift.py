"""`zmig drift`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.cli.command import Command, CommandContext, Option, Options
from zmig.cli.locking import LOCK_WAIT, running
from zmig.errors import ExitCode, Problem, UsageError
from zmig.hints import Hint, command
from zmig.presentation import words
from zmig.presentation.spans import Span, Tone
from zmig.session.schema_drift import Verdict
from zmig.text.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.catalog.difference import Difference
    from zmig.presentation.spans import Line
    from zmig.session.schema_drift import DriftedObject, SchemaDrift


class DriftOptions(Options):
    """The options of `zmig drift`."""

    record: bool
    reason: str | None
    lock_wait: float | None


def run(call: CommandContext, options: DriftOptions) -> ExitCode:
    """Print what others have changed, or record that it is right."""
    if options.record:
        return _record(call, options)
    if options.reason is not None:
        raise UsageError(
            Problem("usage", "`--reason` says why what is there is recorded", hint="write `--record`, too")
        )
    drift = call.migrator().drift()
    if call.output.is_json:
        call.output.document(drift.as_dict())
    if drift.verdict in _NOT_COMPARED:
        call.output.problems([_unrecorded(drift)])
        return ExitCode.REFUSED
    if not call.output.is_json:
        call.output.data_lines(list(lines(drift)))
        if drift.is_drift:
            record = call.hints.phrase(command("drift", "--record", "--reason", "..."))
            call.output.note(f"to have it recorded as it is now: {record}")
    return ExitCode.DRIFT if drift.is_drift else ExitCode.OK


def _record(call: CommandContext, options: DriftOptions) -> ExitCode:
    with running(call, lock_wait_seconds=options.lock_wait) as migrator:
        names = migrator.record_schema(reason=options.reason or "")
    for name in names:
        call.output.note(f"recorded as it is now: {name}")
    had = f": {words.counted(len(names), 'object')} had changed" if names else ""
    call.output.note(f"the schema is recorded{had}; nothing was run")
    if options.json:
        call.output.document({"recorded": names})
    return ExitCode.OK


_NOT_COMPARED = frozenset(Verdict) - {Verdict.SAME, Verdict.CHANGED, Verdict.OTHER_VERSION}


def _unrecorded(drift: SchemaDrift) -> Problem:
    message = drift.message or "the manifest says that nothing is recorded of the schema: `verify: {record: false}`"
    record = command("drift", "--record", "--reason", "...")
    return Problem(
        "schema-not-recorded",
        message,
        facts=("what a run records at its end is what `zmig drift` compares with",),
        effect="nothing was compared",
        hint=Hint("apply a migration, or record what is there now with ", record),
    )


def lines(drift: SchemaDrift) -> Iterator[Line]:
    """Yield the whole text: each object with its definition as it was recorded and as it is, and who made it."""
    last = drift.recorded
    if last is not None:
        by = f" by run {last.run_id}" if last.run_id is not None else ""
        when = words.moment(last.at)
        yield (Span(visible(f"compared with the schema as it was recorded at {when} (UTC){by}, after {last.name}")),)
    if drift.message is not None and not drift.is_drift:  # of another major version
        yield (Span("note: ", Tone.WARN), Span(visible(drift.message)))
    for one in drift.objects:
        yield ()
        yield from _object(one)
    yield from _section(drift.spelled, "spelled differently by this version of PostgreSQL, or changed by others")
    yield from _section(drift.notes, "beside that, and counting for nothing")
    if drift.uncovered:
        yield ()
        counts = ", ".join(f"{name} ({number})" for name, number in sorted(drift.uncovered.items()))
        yield (Span("not looked at: ", Tone.WARN), Span(counts))
    yield ()
    count = words.counted(len(drift.objects), "object")
    nothing = "nothing else was changed by others" if drift.spelled else "nothing was changed by others"
    yield (Span(f"{count} changed by others" if drift.is_drift else nothing),)


def _section(objects: Sequence[DriftedObject], title: str) -> Iterator[Line]:
    if objects:
        yield ()
        yield (Span(f"{title}:", Tone.STRONG),)
    for one in objects:
        yield from _object(one)


_WORDS = {"missing": "is gone", "extra": "was added", "changed": "was changed"}


def _object(one: DriftedObject) -> Iterator[Line]:
    difference = one.difference
    yield (Span(visible(one.name), Tone.STRONG), Span(f" {_WORDS[difference.change.value]}"))
    if one.attribution is not None and difference.expected is not None:
        yield (Span(f"    {visible(one.attribution.sentence)}", Tone.QUIET),)
    yield from _definition(difference)
    for part in one.parts:
        sign = "-" if part.found is None else "+"
        text = ", ".join((part.expected or part.found or "").splitlines())
        yield (Span(f"    {sign}{visible(f'{part.kind.value} {part.identity}: {text}')}", _tone(sign)),)


def _definition(difference: Difference) -> Iterator[Line]:
    for text in difference.lines:
        yield (Span(f"    {visible(text)}", _tone(text[:1])),)


def _tone(sign: str) -> Tone:
    return {"-": Tone.BAD, "+": Tone.GOOD}.get(sign, Tone.PLAIN)


COMMAND = Command(
    about=(
        "Prints which objects others have changed since the last run: the definition that the run recorded, the one "
        "that is there, and which migration made or last changed the object. Reads only, but for `--record`. Exit "
        "code 8 means that something was changed, 2 that nothing is recorded that could be compared with."
    ),
    document=(
        "verdict (same, changed, unrecorded, unrecorded-since, off, other-format, other-scope, other-version or "
        "unreadable), message, recorded (position, at, run_id, migration, server_version, fingerprint; or null), "
        "server_version; objects, notes and spelled_differently (kind, identity, change, recorded, found, parts, "
        "made_by with by, migrations, at, run_id, reason), uncovered (how many objects are not looked at, by what they "
        "are); with --record: recorded (the objects that had changed)"
    ),
    run=run,
    options_type=DriftOptions,
    options=(
        Option("--record", "record the schema as it is now, so that it is no drift any more; needs --reason"),
        Option("--reason", "why that is right; it is in the history for ever", "TEXT"),
        LOCK_WAIT,
    ),
    examples=("zmig drift manifests/demo.yaml", "zmig drift manifests/demo.yaml --json"),
)
