"""Everything about one migration, as lines: where it stands, its files, its events."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, cast

from zmig import trouble
from zmig.events import EventType
from zmig.state import FindingCode, State
from zmig_tui import code, plantext, words
from zmig_tui.text import EMPTY, Line, Span, Tone, line, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.errors import Location, Problem
    from zmig.events import Fact
    from zmig.invocation import Invocation
    from zmig.model import Migration
    from zmig.plan import Plan
    from zmig.state import Entry, Record


class Tab(StrEnum):
    """The pages about a migration."""

    OVERVIEW = "overview"
    FILE = "file"
    ROLLBACK = "rollback"
    EVENTS = "events"


@dataclass(frozen=True, slots=True)
class File:
    """A migration's file as it was read, or why it was not."""

    text: str | None = None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Detail:
    """What was gathered about one migration."""

    entry: Entry
    invocation: Invocation
    file: File | None = None
    """None for a migration without a file."""
    rollback: File | None = None
    facts: tuple[Fact, ...] = ()
    plan: Plan | None = None
    """What applying would do with this migration alone."""
    plan_problems: tuple[Problem, ...] = ()

    def lines(self, tab: Tab) -> Sequence[Line]:
        """Return one page."""
        match tab:
            case Tab.OVERVIEW:
                return list(_overview(self))
            case Tab.FILE:
                return _file(self)
            case Tab.ROLLBACK:
                return _rollback(self)
            case Tab.EVENTS:
                return list(_events(self.facts))

    @property
    def marked_line(self) -> int | None:
        """The 0-based line of the file's page that should be seen first."""
        mark = _mark(self)
        return mark.line - 1 if mark is not None else None


def _overview(detail: Detail) -> Iterator[Line]:
    entry, migration = detail.entry, detail.entry.migration
    yield line(span(entry.name, Tone.STRONG))
    state = span(f"{words.GLYPHS[entry.state]} {words.state(entry.state)}", words.TONES[entry.state])
    facts = [migration.kind.value if migration is not None else "no longer declared", f"version {entry.version or '?'}"]
    if migration is not None and migration.declared_at is not None:
        facts.append(f"declared at {migration.declared_at}")
    yield line(state, span(f" · {' · '.join(facts)}", Tone.QUIET))
    if migration is not None and migration.description:
        yield line(migration.description)
    yield from _findings(detail)
    yield from _trouble(detail)
    yield from _effect(detail)
    yield from _recorded(entry)
    if migration is not None:
        yield from _settings(migration)


def _heading(text: str) -> Iterator[Line]:
    yield EMPTY
    yield line(span(text, Tone.ACCENT))


def _field(name: str, value: str, tone: Tone = Tone.PLAIN) -> Line:
    return line(span(f"  {name:<13}", Tone.QUIET), span(value, tone))


def _findings(detail: Detail) -> Iterator[Line]:
    if not detail.entry.findings:
        return
    yield from _heading("findings")
    for finding in detail.entry.findings:
        tone = Tone.ACCENT if finding.code is FindingCode.DUE else Tone.WARN
        yield line(span(f"  {finding.code.value}: ", tone), finding.message)
        if finding.code is FindingCode.DRIFT:
            yield from _drift(detail)


def _drift(detail: Detail) -> Iterator[Line]:
    """Yield what the fact tells of the file as it was applied, against what it is now."""
    record, migration = detail.entry.record, detail.entry.migration
    applied = record.applied if record is not None else None
    if record is None or applied is None or migration is None:
        return
    yield line(span(f"    - applied {words.moment(applied.created_at)} UTC: {(record.checksum or '?')[:16]}", Tone.BAD))
    statements = applied.integer("statements")
    now = _statements(detail)
    yield line(span(f"    + the file now:              {(migration.checksum or '?')[:16]}", Tone.GOOD))
    if statements is not None and now is not None and statements != now:
        yield line(span(f"    {statements} statements then, {now} now", Tone.WARN))


def _statements(detail: Detail) -> int | None:
    from zmig import script
    from zmig.errors import ZmigError

    text = detail.file.text if detail.file is not None else None
    migration = detail.entry.migration
    if text is None or migration is None or migration.file is None or migration.file.suffix == ".py":
        return None
    try:
        return sum(1 for _ in script.split(text, path=str(migration.file)))
    except ZmigError:
        return None


def _trouble(detail: Detail) -> Iterator[Line]:
    problem = trouble.of(detail.entry, invocation=detail.invocation)
    if problem is None:
        return
    yield EMPTY
    yield from plantext.problems([replace(problem, location=_with_text(problem.location, detail))])
    yield line(span("keys: ", Tone.QUIET), span("r retry   x resolve   4 events", Tone.ACCENT))


def _with_text(location: Location | None, detail: Detail) -> Location | None:
    """Return the place with the line that stands there, if that is still the file that failed."""
    text = detail.file.text if detail.file is not None else None
    if location is None or text is None or not _is_same_file(detail, location):
        return location
    found = text.replace("\r\n", "\n").split("\n")
    return replace(location, text=found[location.line - 1]) if location.line <= len(found) else location


def _is_same_file(detail: Detail, location: Location) -> bool:
    """Whether the file is the one that failed, and has not been edited since."""
    record, migration = detail.entry.record, detail.entry.migration
    if record is None or migration is None or migration.file is None or record.started is None:
        return False
    if migration.file.name != location.path.rpartition("/")[2]:
        return False
    return record.started.text("checksum") in (None, migration.checksum)


def _effect(detail: Detail) -> Iterator[Line]:
    plan = detail.plan
    if detail.plan_problems:
        yield from _heading("applying it is refused")
        yield from plantext.problems(detail.plan_problems)
        return
    if plan is None:
        return
    if plan.refusals:
        yield from _heading("applying it is refused")
        yield from plantext.refusals(plan)
    for step in plan.steps:
        yield from _heading("what `apply` does with it")
        yield _field("action", step.action.value, Tone.STRONG)
        yield _field("because", step.reason)
        if step.mode is not None:
            how = "in one transaction" if step.mode.transactional else f"statement by statement: {step.mode.reason}"
            yield _field("how", how, Tone.PLAIN if step.mode.transactional else Tone.WARN)
        statements = _statements(detail)
        if statements is not None:
            yield _field("statements", f"{statements:,}")


def _recorded(entry: Entry) -> Iterator[Line]:
    record = entry.record
    if record is None or record.last is None:
        return
    yield from _heading("recorded")
    if record.applied is not None:
        yield from _applied(record, record.applied)
    else:
        yield _field("last event", f"{record.last.type.value}, {words.moment(record.last.created_at)} UTC")
    if entry.state is not State.DONE and record.attempt:
        yield _field("attempts", str(record.attempt))
    if record.name != entry.name:
        yield _field("as", record.name)


def _applied(record: Record, applied: Fact) -> Iterator[Line]:
    verb = {EventType.DONE: "applied", EventType.BASELINED: "baselined"}.get(applied.type, "resolved")
    yield _field(verb, f"{words.moment(applied.created_at)} UTC by {applied.database_user or '?'}")
    if record.duration_ms is not None:
        yield _field("took", words.duration(record.duration_ms / 1000))
    if applied.run_id is not None:
        yield _field("run", applied.run_id + (f" on {applied.host}" if applied.host else ""))
    reason = applied.text("reason")
    if reason:
        yield _field("reason", reason)
    if record.checksum is not None:
        yield _field("checksum", record.checksum[:16])


def _settings(migration: Migration) -> Iterator[Line]:
    settings = migration.settings
    yield from _heading("declared")
    if migration.file is not None:
        yield _field("file", str(migration.file))
    yield _field("rollback", str(migration.rollback_file or ("in the file" if migration.has_code_rollback else "none")))
    if migration.repeat is not None:
        yield _field("repeats", migration.repeat.condition or migration.repeat.rule.value)
    if migration.checksum is not None:
        yield _field("checksum", migration.checksum[:16])
    yield _field("lock wait", _limit(settings.lock_timeout_seconds))
    yield _field("statement", _limit(settings.statement_timeout_seconds))
    yield _field("attempts", f"up to {settings.retry.attempts} after a lock timeout or a deadlock")


def _limit(seconds: float) -> str:
    return f"at most {words.duration(seconds)}" if seconds else "without limit"


def _file(detail: Detail) -> Sequence[Line]:
    migration = detail.entry.migration
    if migration is None:
        return [line(span("no longer declared, so its file is not known", Tone.QUIET))]
    return _contents(detail.file, migration, _mark(detail))


def _rollback(detail: Detail) -> Sequence[Line]:
    migration = detail.entry.migration
    if migration is None or not migration.is_reversible:
        return [line(span("no rollback is declared", Tone.QUIET))]
    if migration.rollback_file is None:
        return [line(span("`rollback(ctx)` stands in the file itself: press 2", Tone.QUIET))]
    return _contents(detail.rollback, migration)


def _contents(file: File | None, migration: Migration, mark: code.Mark | None = None) -> Sequence[Line]:
    if file is None:
        return [line(span("defined in code, so there is no file", Tone.QUIET))]
    if file.text is None:
        return plantext.problems(file.problems)
    return code.lines(file.text, migration.language, mark)


def _mark(detail: Detail) -> code.Mark | None:
    problem = trouble.of(detail.entry, invocation=detail.invocation)
    location = problem.location if problem is not None else None
    last = detail.entry.record.last if detail.entry.record is not None else None
    if problem is None or location is None or last is None or last.type is not EventType.FAILED:
        return None
    if not _is_same_file(detail, location):
        return None
    return code.Mark(location.line, location.column, last.error_message or problem.message)


_TONES = {
    EventType.DONE: Tone.GOOD,
    EventType.FAILED: Tone.BAD,
    EventType.ROLLBACK_FAILED: Tone.BAD,
    EventType.STARTED: Tone.BUSY,
    EventType.ROLLBACK_STARTED: Tone.BUSY,
    EventType.ROLLED_BACK: Tone.WARN,
    EventType.RESOLVED: Tone.ACCENT,
    EventType.ACCEPTED: Tone.ACCENT,
    EventType.BASELINED: Tone.ACCENT,
}
_TOLD = frozenset({"version", "name", "run_id", "started_at", "completed_at", "error", "client"})


def _events(facts: Sequence[Fact]) -> Iterator[Line]:
    if not facts:
        yield line(span("nothing has happened to it yet", Tone.QUIET))
    for fact in reversed(facts):
        who = " ".join(part for part in (fact.database_user, f"on {fact.host}" if fact.host else "") if part)
        yield line(
            span(f"{fact.position:>5}  ", Tone.QUIET),
            span(fact.type.value.removeprefix("migration."), _TONES.get(fact.type, Tone.PLAIN)),
            span(f"  {words.moment(fact.created_at)} UTC  {who}", Tone.QUIET),
        )
        if fact.error_message is not None:
            yield line(span(f"       {fact.error_message}", Tone.BAD))
        error = fact.data.get("error")
        if isinstance(error, dict):
            yield from _pairs(cast("dict[str, object]", error), frozenset({"message"}))
        yield from _pairs(fact.data, _TOLD)


def _pairs(data: object, told: frozenset[str]) -> Iterator[Line]:
    pairs = cast("dict[str, object]", data)
    shown = [f"{key} {_value(value)}" for key, value in pairs.items() if key not in told and value is not None]
    if shown:
        yield line(Span("       "), span(" · ".join(shown), Tone.QUIET))


def _value(value: object) -> str:
    if isinstance(value, str):
        return value[:12] if len(value) == 64 and value.isalnum() else value
    return json.dumps(value, ensure_ascii=False)
