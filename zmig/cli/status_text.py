"""A status as text: a table, the counts, who runs, and what is wrong with what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.cli import table
from zmig.database import lock_holder
from zmig.planning.state import Entry, FindingCode, State
from zmig.presentation import words
from zmig.presentation.problems import problem_text
from zmig.project import undeclared
from zmig.text.terminal import display_width, shortened, visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.presentation.hints import HintStyle
    from zmig.session.status import Status

_HEAD = ("  state", "version", "name", "kind", "applied at (UTC)", "took", "findings")
_NAME, _RIGHT = 2, frozenset({1, 5})
_SHORTEST_NAME = 16


def text(status: Status, hints: HintStyle, *, width: int | None, is_ascii: bool) -> str:
    """Return the whole text; with a `width`, names are shortened so that lines fit into it."""
    parts = [_title(status)]
    if status.migrations:
        parts.append("\n".join(_table(status, width, is_ascii=is_ascii)))
    parts.append(
        "\n".join(
            (
                _counts(status),
                *_standby(status),
                *_timeline(status),
                *_running(status),
                *_findings(status),
                *_notes(status),
            )
        )
    )
    zombie = lock_holder.zombie(status.holder)
    parts += [problem_text(zombie, hints)] if zombie is not None else []
    parts += _problems(status, hints)
    return "\n\n".join(parts)


def _title(status: Status) -> str:
    return visible(
        f"{status.manifest} ({status.environment.value}), database `{status.database}`, "
        f"version {status.current_version}{', standby' if status.standby is not None else ''}"
    )


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
        ", ".join(finding.code.value for finding in entry.findings),
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


def _running(status: Status) -> Iterator[str]:
    if status.holder is not None:
        yield visible(f"a run holds the lock: {lock_holder.describe(status.holder)}")


def _standby(status: Status) -> Iterator[str]:
    if status.standby is not None:
        yield visible(f"a standby of {status.standby.where}: {status.standby.lag}")


def _timeline(status: Status) -> Iterator[str]:
    if status.timeline_change is not None:
        yield visible(f"note: {status.timeline_change.message}")


def _notes(status: Status) -> Iterator[str]:
    if not status.is_guarded:
        from zmig.database import guard_trigger

        missing = guard_trigger.MISSING
        yield f"note: the facts' table is not as zmig makes it: {missing}; what is run next puts it there again"
    for row in status.odd_rows:
        yield visible(f"note: row {row.position} of the facts, of `{row.name}`, cannot be read in full: {row.reason}")
    if status.undeclared:
        yield visible(f"note: {undeclared.sentence(status.undeclared)}")


def _findings(status: Status) -> Iterator[str]:
    for entry in status.migrations:
        for finding in entry.findings:
            if finding.code is not FindingCode.DUE:
                yield visible(f"finding: `{entry.name}`: {finding.message}")


def _problems(status: Status, hints: HintStyle) -> Iterator[str]:
    unhealthy = [entry for entry in status.migrations if entry.state in (State.FAILED, State.STUCK)]
    if not unhealthy:
        return
    from zmig.planning import failure_report

    for entry in unhealthy:
        problem = failure_report.describe(entry)
        if problem is not None:
            yield problem_text(problem, hints)
