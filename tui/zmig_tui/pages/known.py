"""What is known of a migration, for whoever decides about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.planning import checkpoint, failure_report
from zmig.planning.state import FindingCode
from zmig.presentation import words
from zmig.presentation.spans import Line, Tone
from zmig_tui.text import EMPTY, line, one_line, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.facts import Fact
    from zmig.planning.history import Record
    from zmig.planning.state import Entry
    from zmig_tui.models.rows import Row

_CHANGES = (FindingCode.EDITED, FindingCode.COSMETIC)


def state_lines(row: Row, statement: str | None) -> list[Line]:
    """Return the state of a migration, its last error, and how far it came.

    `statement` is the one at which it failed or was cut off, None where that is not known.
    """
    shown = [line("it is ", span(f"{row.glyph} {words.state(row.state)}", row.tone), " now; nothing is run.")]
    record = row.entry.record
    if record is None or record.last is None:
        return [*shown, line(span("nothing is recorded of it", Tone.QUIET))]
    shown += [EMPTY, _last(record.last)]
    problem = failure_report.describe(row.entry)
    if problem is not None and record.last.error_message is not None:
        shown.append(_field("last error", record.last.error_message, Tone.BAD))
        place = problem.location
        shown += [_field("where", str(place))] if place is not None else []
        shown += [_field("details", fact) for fact in problem.facts[:1]]
        shown += [_field("effect", problem.effect)] if problem.effect is not None else []
    shown += [_field("statement", one_line(statement))] if statement is not None else []
    return [*shown, *_checkpoint(record)]


def _last(fact: Fact) -> Line:
    who = " ".join(part for part in (fact.database_user, f"on {fact.host}" if fact.host else "") if part)
    return _field("last event", f"{fact.type.label}, {words.moment(fact.created_at)} UTC {who}".rstrip())


def _checkpoint(record: Record) -> Iterator[Line]:
    """Yield how far a migration outside a transaction came."""
    reached = checkpoint.from_facts(record)
    if record.checkpoint is None or reached is None:
        return
    total = record.checkpoint.integer("statements")
    yield _field("checkpoint", checkpoint.stays(reached))
    if reached.sent is not None:
        what = "was refused by the server" if reached.sent.is_refused else "was sent, and no checkpoint has its end"
        of_all = f" of {total}" if total else ""
        yield _field("sent", f"statement {reached.sent.number}{of_all} {what}", Tone.WARN)


def edit_lines(row: Row) -> list[Line]:
    """Return how the file of an applied migration differs from what was applied."""
    findings = [one for one in row.entry.findings if one.code in _CHANGES]
    return [
        line("Its file, as it is now, counts as what was applied. The database stays as it is, and nothing is run."),
        EMPTY,
        *(_field(finding.code.label, finding.message, Tone.WARN) for finding in findings),
        line(span("  what the file has now, and what was applied: press 1 and 2", Tone.QUIET)),
    ]


def baseline_lines(entries: Sequence[Entry]) -> list[Line]:
    """Return which migrations a baseline records as applied."""
    count = words.counted(len(entries), "migration")
    return [
        line(f"{count} counted as applied from now on, without being run:"),
        EMPTY,
        *(
            line(
                span(f"  {words.GLYPHS[entry.state]} {words.state(entry.state):<9}", words.TONES[entry.state]),
                span(entry.name, Tone.STRONG),
            )
            for entry in entries
        ),
    ]


def _field(name: str, text: str, tone: Tone = Tone.PLAIN) -> Line:
    return line(span(f"  {name:<13}", Tone.QUIET), span(text, tone))
