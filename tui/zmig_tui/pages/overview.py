"""The page with a migration's state, what is wrong with it, and what applying it would do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.facts import EventType
from zmig.planning import blocked_by, failure_report
from zmig.planning.state import NO_WARNINGS, FindingCode, State
from zmig.presentation import origins, plans, words
from zmig.presentation.spans import Line, Tone
from zmig.valueclass import replace
from zmig_tui.pages import failure_mark, plan_text
from zmig_tui.text import EMPTY, line, span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.facts import Fact
    from zmig.model import Migration
    from zmig.planning.history import Record
    from zmig.planning.state import Entry
    from zmig.presentation.hints import HintStyle
    from zmig_tui.models.details import Detail


def overview_lines(detail: Detail, hints: HintStyle) -> Iterator[Line]:
    """Yield the page."""
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
    yield from _failure(detail, hints)
    yield from _effect(detail, hints)
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
        tone = Tone.ACCENT if finding.code in NO_WARNINGS else Tone.WARN
        yield line(span(f"  {finding.code.label}: ", tone), finding.message)
        if finding.code is FindingCode.EDITED:
            yield from _edit(detail)


def _edit(detail: Detail) -> Iterator[Line]:
    """Yield the file as it was applied, by its fact, against what it is now."""
    record, migration = detail.entry.record, detail.entry.migration
    applied = record.applied if record is not None else None
    if record is None or applied is None or migration is None:
        return
    yield line(span(f"    - applied {words.moment(applied.created_at)} UTC: {(record.checksum or '?')[:16]}", Tone.BAD))
    statements, now = applied.integer("statements"), detail.statements
    yield line(span(f"    + the file now:              {(migration.checksum or '?')[:16]}", Tone.GOOD))
    if statements is not None and now is not None and statements != now:
        yield line(span(f"    {statements} statements then, {now} now", Tone.WARN))


def _failure(detail: Detail, hints: HintStyle) -> Iterator[Line]:
    problem = failure_report.describe(detail.entry)
    if problem is None:
        return
    yield EMPTY
    problem = replace(problem, location=failure_mark.with_source_line(problem.location, detail))
    yield from plan_text.problem_lines([problem], hints)
    yield from _blocked(detail)
    yield line(span("keys: ", Tone.QUIET), span("r retry   x resolve   4 events", Tone.ACCENT))


def _blocked(detail: Detail) -> Iterator[Line]:
    """Yield who was in the way more than once in the run that failed; of the last time the problem has everything."""
    record = detail.entry.record
    last = record.last if record is not None else None
    failed = (EventType.FAILED, EventType.ROLLBACK_FAILED)
    if last is None or last.type not in failed:
        return
    attempts = [fact for fact in detail.facts if fact.type in failed and fact.run_id == last.run_id]
    names = [{one.name for one in blocked_by.of_fact(fact) if one.depth == 0} for fact in attempts]
    counts = {
        name: sum(name in found for found in names) for name in dict.fromkeys(one for some in names for one in some)
    }
    often = [f"{name} {count} times" for name, count in counts.items() if count > 1]
    if often:
        text = f"in {words.counted(len(attempts), 'attempt')} of that run blocked by {', '.join(often)}"
        yield line(span(text, Tone.WARN))


def _effect(detail: Detail, hints: HintStyle) -> Iterator[Line]:
    plan = detail.plan
    if detail.plan_problems:
        yield from _heading("applying it is refused")
        yield from plan_text.problem_lines(detail.plan_problems, hints)
        return
    if plan is None:
        return
    if plan.refusals:
        yield from _heading("applying it is refused")
        yield from plan_text.refusal_lines(plan, hints)
    for step in plan.steps:
        yield from _heading("what `apply` does with it")
        yield _field("action", step.action.value, Tone.STRONG)
        yield _field("because", step.reason)
        if step.mode is not None:
            how = "in one transaction" if step.mode.transactional else plans.transaction(step)
            yield _field("how", how, Tone.PLAIN if step.mode.transactional else Tone.WARN)
        if detail.statements is not None:
            yield _field("statements", f"{detail.statements:,}")


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
    imported = origins.sentence(applied)
    if imported is not None:
        yield _field("origin", imported)
    reason = applied.text("reason")
    if reason and reason not in (imported or ""):
        yield _field("reason", reason)
    if record.checksum is not None:
        yield _field("checksum", record.checksum[:16])


def _settings(migration: Migration) -> Iterator[Line]:
    settings = migration.settings
    yield from _heading("declared")
    if migration.file is not None:
        yield _field("file", str(migration.file))
    without = "in the file" if migration.has_code_rollback else "nothing to undo" if migration.is_empty else "none"
    yield _field("rollback", str(migration.rollback_file or without))
    if migration.repeat is not None:
        yield _field("repeats", migration.repeat.condition or migration.repeat.rule.value)
    if migration.verify is not None:
        yield _field("verified by", str(migration.verify.file or " ".join((migration.verify.query or "").split())))
    if migration.checksum is not None:
        yield _field("checksum", migration.checksum[:16])
    yield _field("lock wait", _limit(settings.lock_timeout_seconds))
    yield _field("statement", _limit(settings.statement_timeout_seconds))
    yield _field("attempts", f"up to {settings.retry.attempts} after a lock timeout or a deadlock")


def _limit(seconds: float) -> str:
    return f"at most {words.limit(seconds)}" if seconds else "without limit"
