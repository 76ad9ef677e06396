"""`zmig status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.cli import table
from zmig.cli.command import Command, CommandContext, Option, Options
from zmig.database import lock_holder
from zmig.errors import ExitCode
from zmig.planning.state import NO_WARNINGS, Entry, FindingCode, State
from zmig.presentation import words
from zmig.presentation.problems import problem_lines
from zmig.presentation.spans import Span, Tone
from zmig.project import undeclared
from zmig.text import listing
from zmig.text.terminal import display_width, shortened, visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.database.lock_queue import LockQueue
    from zmig.presentation.hints import HintStyle
    from zmig.presentation.spans import Line
    from zmig.session.schema_drift import SchemaDrift
    from zmig.session.status import Status


class StatusOptions(Options):
    """The options of `zmig status`."""

    check: bool


def run(call: CommandContext, options: StatusOptions) -> ExitCode:
    """Print the state of every migration."""
    status = call.migrator().status()
    if call.output.is_json:
        call.output.document(status.as_dict())
    else:
        is_ascii = not call.output.stdout.can_show("".join(words.GLYPHS.values()) + "…")
        call.output.data_lines(lines(status, call.hints, width=call.output.width, is_ascii=is_ascii))
    return _verdict(status) if options.check else ExitCode.OK


def _verdict(status: Status) -> ExitCode:
    from zmig.planning import planner
    from zmig.planning.request import Apply
    from zmig.planning.snapshot import Snapshot

    if status.failed or status.stuck:
        return ExitCode.UNHEALTHY
    is_undecided = any(entry.has(FindingCode.UNDECIDED) for entry in status.migrations)
    if planner.plan(Apply(), Snapshot(tuple(status.migrations))).refusals or (is_undecided and not status.pending):
        return ExitCode.WOULD_BE_REFUSED
    if any(used.done for used in status.still_used):
        return ExitCode.WOULD_BE_REFUSED
    if status.pending or status.due or status.running:
        return ExitCode.PENDING
    return ExitCode.DRIFT if status.schema is not None and status.schema.is_drift else ExitCode.OK


_HEAD = ("  state", "version", "name", "kind", "applied at (UTC)", "took", "findings")
_NAME, _RIGHT = 2, frozenset({1, 5})
_SHORTEST_NAME = 16
_MOST_APPLICATIONS = 3


def lines(status: Status, hints: HintStyle, *, width: int | None, is_ascii: bool) -> list[Line]:
    """Return the whole text; with a `width`, names are shortened so that lines fit into it."""
    title = f"{status.manifest} ({status.environment.value}), database `{status.database}`"
    title += f", version {status.current_version}{', standby' if status.standby is not None else ''}"
    shown: list[Line] = [(Span(visible(title)),), ()]
    if status.migrations:
        head, *rows = _table(status, width, is_ascii=is_ascii)
        shown.append((Span(head),))
        for entry, row in zip(status.migrations, rows, strict=True):
            state_cells = row.index(" ", row.index(" ") + 1)  # a glyph and a word
            shown.append((Span(row[:state_cells], words.TONES[entry.state]), Span(row[state_cells:])))
        shown.append(())
    shown += [(Span(_counts(status)),), *_notes(status), *_tool_lines(status, hints), *_schema_lines(status, hints)]
    problems = [lock_holder.zombie(status.holder)]
    if unhealthy := [entry for entry in status.migrations if entry.state in (State.FAILED, State.STUCK)]:
        from zmig.planning import failure_report

        problems += map(failure_report.describe, unhealthy)
    for problem in problems:
        if problem is not None:
            shown += [(), *problem_lines(problem, hints)]
    return shown


def _table(status: Status, width: int | None, *, is_ascii: bool) -> list[str]:
    rows = [_HEAD, *(_row(entry, is_ascii=is_ascii) for entry in status.migrations)]
    if not any(row[-1] for row in rows[1:]):
        rows = [row[:-1] for row in rows]
    lines = table.lines(rows, right=_RIGHT)
    excess = max(map(display_width, lines)) - width if width is not None else 0
    if excess <= 0:
        return lines
    room = max(max(display_width(row[_NAME]) for row in rows) - excess, _SHORTEST_NAME)
    fitting = [(*row[:_NAME], shortened(row[_NAME], room), *row[_NAME + 1 :]) for row in rows]
    return table.lines(fitting, right=_RIGHT)


def _row(entry: Entry, *, is_ascii: bool) -> tuple[str, ...]:
    record, glyph = entry.record, words.GLYPHS[entry.state]
    applied_at = record.applied_at if record else None
    took = record.duration_ms if record else None
    kind = entry.migration.kind.value if entry.migration else ""
    return (
        f"{words.in_ascii(glyph) if is_ascii else glyph} {words.state(entry.state)}",
        str(entry.version or ""),
        shortened(entry.name, table.LONGEST_NAME),
        kind,
        words.moment(applied_at) if applied_at else "",
        words.duration(took / 1000) if took is not None else "",
        ", ".join(finding.code.label for finding in entry.findings),
    )


def _counts(status: Status) -> str:
    counts = {
        "applied": status.applied,
        "pending": status.pending,
        "due": status.due,
        "running": status.running,
        "failed": status.failed,
        "stuck": status.stuck,
    }
    always = {"applied", "pending"}
    return ", ".join(f"{len(names)} {word}" for word, names in counts.items() if names or word in always)


def _notes(status: Status) -> Iterator[Line]:
    """Yield what is to be known beside the states, of the server, of single migrations and of the facts."""

    def note(text: str, label: str = "") -> Line:
        return (Span(label, Tone.WARN), Span(visible(text)))

    if status.standby is not None:
        yield note(f"a standby of {status.standby.where}: {status.standby.lag}")
    if status.timeline_change is not None:
        yield note(f"note: {status.timeline_change.message}")
    if status.holder is not None:
        yield note(f"a run holds the lock: {lock_holder.describe(status.holder)}")
        yield from map(note, _queue(status.queue))
    findings = ((entry.name, finding) for entry in status.migrations for finding in entry.findings)
    for name, finding in findings:
        if finding.code not in (FindingCode.DUE, FindingCode.SQUASHED):
            said = f"`{name}`: {finding.message}"
            yield note(f"note: {said}") if finding.code in NO_WARNINGS else note(f" {said}", "finding:")
    if not status.is_guarded:
        from zmig.database import tracking_sql

        missing = tracking_sql.GUARD_MISSING
        yield note(f"note: the facts' table is not as zmig makes it: {missing}; what is run next puts it there again")
    for row in status.odd_rows:
        yield note(f"note: row {row.position} of the facts, of `{row.name}`, cannot be read in full: {row.reason}")
    if status.undeclared:
        yield note(f"note: {undeclared.sentence(status.undeclared)}")


def _queue(queue: LockQueue | None) -> Iterator[str]:
    """Yield how many wait for the run, if anybody does."""
    if queue is None or not queue.count:
        return
    names = listing.quoted(queue.application_names, _MOST_APPLICATIONS)
    waiting = f"{words.counted(queue.count, 'other session')} {'waits' if queue.count == 1 else 'wait'} for it"
    yield f"note: {waiting}{f': {names}' if names else ''}"


def _tool_lines(status: Status, hints: HintStyle) -> Iterator[Line]:
    """Yield what is to be known of other tools."""
    from zmig.hints import command

    for used in status.still_used:
        if (message := used.more) is not None:
            record = hints.phrase(command("import", "--from", used.tool, "--database"))
            yield _warning(f"{message}; end that, and record it with {record}")
        if (message := used.less) is not None:
            undone = hints.phrase(command("resolve", used.taken_back[0], "--as", "pending", "--reason", "..."))
            yield _warning(f"{message}; look what is in the database, and if it is undone, say so with {undone}")
    if (existing := status.not_imported) is not None:
        record = hints.phrase(command("import", "--from", existing.tool, "--database"))
        how = f": {record} records it" if existing.can_be_imported else ""
        yield (Span(visible(f"note: {existing.message}{how}")),)


def _warning(text: str) -> Line:
    return (Span("warning:", Tone.WARN), Span(visible(f" {text}")))


def _schema_lines(status: Status, hints: HintStyle) -> Iterator[Line]:
    """Yield what is to be known of the schema."""
    schema = status.schema
    if schema is None or (message := schema.message) is None or not status.applied:
        return
    label = "drift: " if schema.is_drift else "note: "
    yield (Span(label, Tone.WARN), Span(visible(message)), *_see_drift(schema, hints))


def _see_drift(schema: SchemaDrift, hints: HintStyle) -> Iterator[Span]:
    from zmig.hints import command

    if schema.is_drift:
        yield Span(f"; see {hints.phrase(command('drift'))}")


COMMAND = Command(
    about=(
        "Prints every migration with its state and findings, who is running, and what to do about failed and stuck "
        "ones. Reads only, and takes no lock."
    ),
    document=(
        "current_version; the lists of names applied, pending, running, failed, stuck, due; lock_holder (pid, "
        "application_name, database_user, host, since, query, migration, seconds, client; or null); standby "
        "(replay_lag_seconds, primary; null on a primary server); timeline_change (run_id, before, now; or null); "
        "undeclared (files that look like migrations, and that no entry names); facts_guarded (false where the "
        "trigger is missing that keeps facts from being changed); odd_rows (position, name and reason of facts that "
        "cannot be read in full); schema (what `zmig drift` prints, without who made the objects; or null); "
        "other_tools (tool, table, not_imported: what another tool has applied since its history was imported, "
        "taken_back: what it does not have as applied any more); "
        "existing_history (tool, table; where another tool keeps its history, before zmig has run; or null); "
        "lock_queue (count, applications: how many sessions wait for the run in progress; or null); "
        "migrations (version, name, kind, state, findings, applied_at, duration_ms, error, blocked_by and more)"
    ),
    run=run,
    options_type=StatusOptions,
    options=(
        Option(
            "--check",
            "exit with 5 if something is pending, 6 if it is failed or stuck, 7 if apply would refuse, "
            "8 if others have changed the schema",
        ),
    ),
    examples=("zmig status manifests/demo.yaml", "zmig status manifests/demo.yaml --json"),
)
