"""The top of the plan's screen: what is planned, where, and what is known of it so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.model import Language
from zmig.presentation import words
from zmig.presentation.spans import Line, Tone
from zmig.running.rehearsal import LOCK_TIMEOUT
from zmig_tui.pages import effects_text, plan_text
from zmig_tui.text import fitted, line, span, spread, width

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.errors import Problem
    from zmig.lint.replay.objects import LockMode
    from zmig.running.rehearsal import Rehearsal
    from zmig_tui.models.plan import PlanModel

_MOST_TABLES = 6


def head_lines(
    model: PlanModel, where: Line, *, manifest_problems: Sequence[Problem], silent_seconds: float, cells: int
) -> list[Line]:
    """Return the heading in lines of `cells`; `where` is the environment and the database."""
    title = line(span(f" {model.request.title}", Tone.STRONG), *_amount(model))
    lines = [spread(fitted(title, cells - width(where) - 1), where, cells)]
    lines += _states(model, manifest_problems, silent_seconds)
    return [fitted(one, cells) for one in lines]


def _amount(model: PlanModel) -> Line:
    if model.problems:
        return line(span(": refused", Tone.BAD))
    if model.plan is None:
        return line(span(": planning …", Tone.QUIET))
    return line(span(f": {plan_text.plan_summary(model.plan)}", Tone.BAD if model.plan.refusals else Tone.ACCENT))


def _states(model: PlanModel, manifest_problems: Sequence[Problem], silent_seconds: float) -> Iterator[Line]:
    """Yield what has changed, what goes on, and what is missing: one line at least, so that nothing jumps."""
    said = [*_changes(model, manifest_problems, silent_seconds), *_rehearsal(model), *_effects(model)]
    yield from said or [line("")]


def _changes(model: PlanModel, manifest_problems: Sequence[Problem], silent_seconds: float) -> Iterator[Line]:
    if silent_seconds:
        seconds = words.clock(silent_seconds)
        yield line(" ", span(f" no answer from the database for {seconds}; what is shown may be old ", Tone.ALARM))
    if manifest_problems:
        yield line(span(f" the manifest cannot be used as it is now: {manifest_problems[0].message}", Tone.BAD))
    elif model.change is not None:
        yield line(span(" the plan is another one by now: ", Tone.WARN), span(model.change.summary, Tone.STRONG))
        yield line(span(" ctrl+r plans anew; this one can be agreed to no more", Tone.WARN))


def _rehearsal(model: PlanModel) -> Iterator[Line]:
    if model.is_rehearsing:
        yield line(
            span(" rehearsing …", Tone.BUSY), span(" it is rolled back in any case; c ends it early", Tone.QUIET)
        )
    elif model.rehearsal_problems:
        yield line(span(f" not rehearsed: {model.rehearsal_problems[0].message}", Tone.BAD))
    elif model.rehearsal is not None:
        yield _came_of(model.rehearsal)


def _came_of(rehearsal: Rehearsal) -> Line:
    skipped = sum(one.skipped is not None for one in rehearsal.steps)
    without = span(f", {words.counted(skipped, 'step')} not rehearsed", Tone.WARN) if skipped else span("")
    if rehearsal.problem is not None:
        failed = next(one for one in rehearsal.steps if one.problem is not None)
        return line(span(f" ✗ rehearsed: {failed.step.migration.name} failed; all was rolled back", Tone.BAD))
    done = [one for one in rehearsal.steps if one.skipped is None]
    seconds = sum(each.seconds for one in done for each in one.statements)
    count = words.counted(len(done), "step")
    return line(span(f" ✓ rehearsed {count} in {words.duration(seconds)}, and rolled back", Tone.GOOD), without)


def _effects(model: PlanModel) -> Iterator[Line]:
    if model.plan is None or not model.plan.steps:
        return
    if model.unknown is not None:
        yield line(span(f" what its statements lock and do is not known: {model.unknown}", Tone.WARN))
    elif model.effects is None:
        yield line(span(" working out what its statements lock and do …", Tone.QUIET))
    else:
        for number, missing in enumerate(model.effects.missing):
            remedy = f": {model.effects.remedy}" if model.effects.remedy and not number else ""
            yield line(span(f" {missing}{remedy}", Tone.WARN))


def rehearsal_question(model: PlanModel, database: str, server: str) -> list[Line]:
    """Return what is to be known before a plan is rehearsed."""
    skipped = sum(step.mode is not None and not step.mode.transactional for step in model.steps)
    in_sql = sum(step.migration.language is Language.SQL for step in model.steps) - skipped
    of_all = f"{max(in_sql, 0)} of {words.counted(len(model.steps), 'step')}"
    lines = [
        line("Runs the statements of ", span(of_all, Tone.STRONG)),
        line("in ", span(database, Tone.STRONG), f" on {server}, in one transaction, and rolls it back."),
        line(""),
        line("Every lock of a statement is kept until the rollback, while others wait for it:"),
        *_locks(model),
        line(""),
        line(f"It waits for no lock longer than {LOCK_TIMEOUT}. No other run can begin meanwhile."),
        line("What a rollback does not undo happens all the same: numbers are drawn from sequences,"),
        line("COPY writes files, dblink calls. Python is not rehearsed."),
    ]
    if skipped:
        count = words.counted(skipped, "step")
        lines.append(line(span(f"Not rehearsed, since they need to be outside of a transaction: {count}.", Tone.WARN)))
    return lines


def _locks(model: PlanModel) -> Iterator[Line]:
    strongest: dict[tuple[str, str], LockMode] = {}
    for one in model.effects.steps.values() if model.effects is not None else ():
        for lock in (lock for each in one.statements for lock in each.locks):
            strongest[lock.table] = max(lock.mode, strongest.get(lock.table, lock.mode))
    ordered = sorted(strongest.items(), key=lambda one: (-one[1], one[0]))
    for table, mode in ordered[:_MOST_TABLES]:
        yield line("  ", effects_text.lock_chip(mode), span(f" {effects_text.shown(table)}", Tone.STRONG))
    if len(ordered) > _MOST_TABLES:
        yield line(span(f"  and {words.counted(len(ordered) - _MOST_TABLES, 'table')} more", Tone.QUIET))
    if not ordered:
        known = model.effects is not None and not model.effects.missing
        yield line(
            span("  none that others could be waiting for" if known else "  which ones is not known", Tone.QUIET)
        )
