"""The page about one step of a plan: how it runs, what is lost, and its file with what each statement does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint.finding import Severity
from zmig.model import Language
from zmig.planning.plan import Direction
from zmig.presentation import plans, words
from zmig.presentation.spans import Line, Span, Tone
from zmig_tui.models.plan import failed_after
from zmig_tui.pages import code, effects_text, plan_text
from zmig_tui.text import EMPTY, line, span, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from zmig.lint.finding import Finding
    from zmig.lint.preview import StatementEffects
    from zmig.model import Batch
    from zmig.planning.plan import Step
    from zmig.presentation.hints import HintStyle
    from zmig.running.rehearsal import StatementRehearsed, StepRehearsed
    from zmig_tui.models.details import File
    from zmig_tui.models.plan import PlanModel

_SHOWN = (Severity.ERROR, Severity.WARNING)


def step_lines(model: PlanModel, step: Step, hints: HintStyle, cells: int) -> list[Line]:
    """Return the page; the lines of the file are as long as they are, all others fit into `cells`."""
    head = [*_head(model, step), *_lost(model, step), *_rehearsed(model, step, hints)]
    lines = [piece for one in head for piece in wrapped(one, cells)]
    return [*lines, EMPTY, *_file(model, step, hints, cells)]


def _field(name: str, value: str, tone: Tone = Tone.PLAIN) -> Line:
    return line(span(f"  {name:<11} ", Tone.QUIET), span(value, tone))


def _head(model: PlanModel, step: Step) -> Iterator[Line]:
    migration = step.migration
    tone = Tone.WARN if step.direction is Direction.ROLLBACK else Tone.ACCENT
    yield line(span(f"{step.action.value} ", tone), span(migration.name, Tone.STRONG))
    if migration.description:
        yield line(migration.description)
    yield _field("because", step.reason)
    if step.mode is not None:
        how = "in one transaction" if step.mode.transactional else plans.transaction(step)
        yield _field("how", how, Tone.PLAIN if step.mode.transactional else Tone.WARN)
    took, failed = model.earlier.get(migration.version), failed_after(model.entries.get(migration.version))
    if took is not None:
        yield _field("expected", f"about {words.duration(took.seconds)}, which it took {took.where}")
    if failed is not None and step.direction is Direction.FORWARD:
        yield _field("last time", f"it failed after {words.duration(failed)}")
    if migration.batch is not None and step.direction is Direction.FORWARD:
        yield _field("rounds", _rounds(migration.batch))
    if migration.repeat is not None:
        yield _field("repeats", " ".join((migration.repeat.condition or migration.repeat.rule.value).split()))
    if migration.verify is not None and step.direction is Direction.FORWARD:
        query = " ".join((migration.verify.query or "").split())
        yield _field("verified by", str(migration.verify.file or query))
    yield _field("limits", plans.limits(step))


def _rounds(batch: Batch) -> str:
    pause = f"a pause of {words.duration(batch.pause_seconds)} after each" if batch.pause_seconds else "no pause"
    lag = "waits for no replica"
    if batch.max_lag_seconds:
        lag = f"waits for replicas that lag by more than {words.limit(batch.max_lag_seconds)} (max_lag)"
    return f"{words.counted(batch.size, 'row')} each (size), {pause}, {lag}"


def _lost(model: PlanModel, step: Step) -> Iterator[Line]:
    """Yield what a rollback takes away, before its text."""
    if step.direction is not Direction.ROLLBACK:
        return
    effects = model.effects_of(step)
    yield EMPTY
    yield line(span("what goes", Tone.ACCENT))
    if effects is None:
        yield line(span(f"  {_not_known(model)}", Tone.QUIET))
    else:
        lost = dict.fromkeys(one for each in effects.statements for one in each.loses)
        dropped = dict.fromkeys(one for each in effects.statements for one in each.drops)
        for one in dict.fromkeys([*lost, *dropped]):
            data = span(", and all that is in it", Tone.BAD) if one in lost else span("")
            yield line(span("  - ", Tone.BAD), one, data)
        if not (lost or dropped):
            yield line(span("  nothing that can be seen without running it", Tone.QUIET))
    if model.due_again:
        yield line(span("due again after it: ", Tone.QUIET), ", ".join(model.due_again))


def _not_known(model: PlanModel) -> str:
    return f"not known: {model.unknown}" if model.unknown is not None else "being worked out …"


def _rehearsed(model: PlanModel, step: Step, hints: HintStyle) -> Iterator[Line]:
    """Yield what came of the rehearsal as a whole; what was measured is beside each statement."""
    one = model.rehearsed(step)
    if one is None:
        return
    yield EMPTY
    if one.skipped is not None:
        yield line(span("not rehearsed: ", Tone.WARN), one.skipped)
    elif one.problem is not None:
        yield from plan_text.problem_lines([one.problem], hints)
    else:
        seconds = sum(each.seconds for each in one.statements)
        yield line(span(f"✓ rehearsed in {words.duration(seconds)}, and rolled back", Tone.GOOD))


def _file(model: PlanModel, step: Step, hints: HintStyle, cells: int) -> Iterator[Line]:
    version = step.migration.version
    if version not in model.files:
        yield line(span("…", Tone.QUIET))
        return
    file = model.files[version]
    if file is None:
        without = "defined in code, so there is no file" if step.file is None and not step.migration.is_empty else ""
        yield line(span(without or "there is nothing to run: its entry says `empty: true`", Tone.QUIET))
        return
    if file.is_outside:
        yield line(span("a link leads to its file, out of the project: what is in it is not shown", Tone.QUIET))
        return
    yield line(span(str(step.file), Tone.QUIET))
    if file.text is None:
        yield from plan_text.problem_lines(file.problems, hints)
        return
    if file.is_cut:
        yield line(span("the file is large: only its beginning is shown", Tone.WARN))
    yield from _annotated(model, step, file, cells)


def _language(step: Step) -> Language:
    file = step.file
    return Language.PYTHON if file is not None and file.suffix.lower() == ".py" else Language.SQL


def _annotated(model: PlanModel, step: Step, file: File, cells: int) -> Iterator[Line]:
    """Yield a file's lines: above each statement what it does, below it what lint finds."""
    assert file.text is not None
    effects, rehearsed = model.effects_of(step), model.rehearsed(step)
    above = _by_line(effects.statements if effects is not None else (), rehearsed)
    below: dict[int, list[Finding]] = {}
    notes = 0
    own = str(step.file)
    for found in effects.findings if effects is not None else ():
        if found.severity not in _SHOWN:
            notes += 1
        elif found.file == own:
            below.setdefault(found.end_line, []).append(found)
        else:
            yield from _wrapped(effects_text.finding_lines(found), cells, "", "  ", Tone.QUIET)
    lines = code.code_lines(file.text, _language(step))
    margin = " " * (len(str(max(len(lines), 1))) + 2)
    for number, shown in enumerate(lines, start=1):
        for statement, measured in above.get(number, ()):
            above_it = effects_text.statement_lines(statement, measured, model.estimates)
            yield from _wrapped(above_it, cells, margin, "┌│", Tone.ACCENT)
        yield shown
        for found in below.get(number, ()):
            yield from _wrapped(effects_text.finding_lines(found), cells, margin, "└ ", Tone.QUIET)
    if notes:
        yield EMPTY
        yield line(span(f"{words.counted(notes, 'note')} of lint: `zmig lint` has them", Tone.QUIET))


def _wrapped(lines: Iterable[Line], cells: int, margin: str, signs: str, tone: Tone) -> Iterator[Line]:
    """Yield lines after a margin with a sign, the first of `signs` before the first line."""
    for number, one in enumerate(lines):
        head = Span(f"{margin}{signs[min(number, 1)]} ", tone)
        yield from wrapped((head, *one), cells)


def _by_line(
    statements: Sequence[StatementEffects], rehearsed: StepRehearsed | None
) -> dict[int, list[tuple[StatementEffects | None, StatementRehearsed | None]]]:
    """Return what is known of the statements that begin in each line, in their order."""
    known: dict[int, list[StatementEffects]] = {}
    measured: dict[int, list[StatementRehearsed]] = {}
    for one in statements:
        known.setdefault(one.line, []).append(one)
    for each in rehearsed.statements if rehearsed is not None else ():
        measured.setdefault(each.line, []).append(each)
    paired: dict[int, list[tuple[StatementEffects | None, StatementRehearsed | None]]] = {}
    for number in {*known, *measured}:
        own, timed = known.get(number, []), measured.get(number, [])
        length = max(len(own), len(timed))
        paired[number] = [
            (own[at] if at < len(own) else None, timed[at] if at < len(timed) else None) for at in range(length)
        ]
    return paired
