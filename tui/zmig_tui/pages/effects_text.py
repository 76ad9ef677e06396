"""What statements do, as chips: locks by PostgreSQL's names, and the work that is done under them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint.finding import Severity
from zmig.lint.replay.objects import LockMode
from zmig.presentation import words
from zmig.presentation.spans import Line, Span, Tone
from zmig.running.rehearsal import MODES
from zmig_tui.text import line, span, width

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from zmig.database.table_estimates import TableEstimate, TableName
    from zmig.lint.finding import Finding
    from zmig.lint.preview import StatementEffects, StepEffects, TableWork
    from zmig.running.rehearsal import StatementRehearsed

_TONES = {
    LockMode.ACCESS_EXCLUSIVE: Tone.BLOCK_BAD,
    LockMode.EXCLUSIVE: Tone.BLOCK_WARN,
    LockMode.SHARE_ROW_EXCLUSIVE: Tone.BLOCK_WARN,
    LockMode.SHARE: Tone.BLOCK_WARN,
    LockMode.SHARE_UPDATE_EXCLUSIVE: Tone.BLOCK_GOOD,
}
_WORK = ("rewrite", "scan", "build")
_MEASURED: dict[str, LockMode] = dict(zip(MODES, LockMode, strict=True))
"""The modes as `pg_locks` spells them, the weakest first."""
SEVERITY_TONES = {Severity.ERROR: Tone.BAD, Severity.WARNING: Tone.WARN, Severity.NOTE: Tone.QUIET}


def chip(text: str, tone: Tone) -> Span:
    """Return a word as a block."""
    return span(f" {text} ", tone)


def lock_chip(mode: LockMode) -> Span:
    """Return a lock's mode: red where nobody can read the table meanwhile, green where everybody writes on."""
    return chip(mode.shown, _TONES.get(mode, Tone.BLOCK_QUIET))


def summary(effects: StepEffects, cells: int) -> Line:
    """Return the worst of what a step does in at most `cells`: losses, its strongest lock, work, what lint finds."""
    parts: list[Span] = []
    modes = [lock.mode for one in effects.statements for lock in one.locks]
    if any(one.loses for one in effects.statements):
        parts.append(chip("LOSES DATA", Tone.BLOCK_BAD))
    if modes:
        parts.append(lock_chip(max(modes)))
    found = {work.kind for one in effects.statements for work in one.work if not work.is_concurrent}
    parts += (chip(kind.upper(), Tone.BLOCK_WARN) for kind in _WORK if kind in found)
    for severity, mark in ((Severity.ERROR, "✗"), (Severity.WARNING, "!")):
        count = sum(one.severity is severity for one in effects.findings)
        if count:
            parts.append(span(f"{mark} {count}", SEVERITY_TONES[severity]))
    while parts and width(_spaced(parts)) > cells:
        parts.pop()
    return _spaced(parts)


def statement_lines(
    effects: StatementEffects | None,
    rehearsed: StatementRehearsed | None,
    estimates: Mapping[TableName, TableEstimate],
) -> Iterator[Line]:
    """Yield what one statement does, by what is known of it and by what was measured."""
    locks = {lock.table: lock.mode for lock in effects.locks} if effects is not None else {}
    work = list(effects.work) if effects is not None else []
    may = "may " if effects is not None and effects.is_conditional else ""
    for lock in rehearsed.locks if rehearsed is not None else ():
        table, mode = _named(lock.table), _MEASURED[lock.mode]
        locks[table] = max(mode, locks.get(table, mode))
    for table, mode in sorted(locks.items(), key=lambda one: (-one[1], one[0])):
        chips = [lock_chip(mode), *(_work_chip(one, may=may) for one in work if one.table == table)]
        if rehearsed is not None and _is_rewritten(table, rehearsed) and not _says_rewrite(table, work):
            chips.append(chip("REWRITE", Tone.BLOCK_WARN))
        yield (*_spaced(chips), span(f" {shown(table)}", Tone.STRONG), span(_size(estimates.get(table)), Tone.QUIET))
    for one in work:
        if one.table not in locks:
            yield (_work_chip(one, may=may), span(f" {shown(one.table)}", Tone.STRONG))
        yield line(span(f"{_why(one)}", Tone.QUIET))
    if rehearsed is not None:
        yield from _measured(rehearsed)
    if effects is not None:
        yield from (line(span(f"drops {one}", Tone.WARN)) for one in effects.drops)
        yield from (line(span(f"the data of {one} is lost", Tone.BAD)) for one in effects.loses)
        yield from (line(span(f"it fails: {one}", Tone.BAD)) for one in effects.fails)


def _measured(rehearsed: StatementRehearsed) -> Iterator[Line]:
    rows = "" if rehearsed.rows is None else f", {words.counted(rehearsed.rows, 'row')}"
    yield line(span("rehearsed: ", Tone.QUIET), span(f"{words.duration(rehearsed.seconds)}{rows}", Tone.GOOD))
    if rehearsed.drawn:
        drawn = ", ".join(rehearsed.drawn)
        yield line(span(f"drew numbers of {drawn}, which stay drawn", Tone.WARN))


def finding_lines(found: Finding) -> Iterator[Line]:
    """Yield a finding of lint, with the corrected SQL."""
    tone = SEVERITY_TONES[found.severity]
    mark = "✗" if found.severity is Severity.ERROR else "!"
    yield line(span(f"{mark} ", tone), span(f"{found.message} ", tone), span(found.rule, Tone.QUIET))
    if found.hint is not None:
        yield line(span("  ", Tone.QUIET), span(f"hint: {found.hint}", Tone.PLAIN))
    for number, text in enumerate(found.fix, start=1):
        which = f"instead, in migration {number} of {len(found.fix)}:" if len(found.fix) > 1 else "instead:"
        yield line(span("  ", Tone.QUIET), span(which, Tone.QUIET))
        yield from (line(span("  + ", Tone.GOOD), span(one, Tone.GOOD)) for one in text.splitlines())


def shown(table: TableName) -> str:
    """Return how a table is called: without the schema that everything is in."""
    schema, name = table
    return name if schema == "public" else f"{schema}.{name}"


def _work_chip(work: TableWork, *, may: str = "") -> Span:
    tone = Tone.BLOCK_GOOD if work.is_concurrent else Tone.BLOCK_WARN
    may = may if work.is_certain else "may "
    return chip(f"{may}{work.kind.value}".upper(), tone)


def _why(work: TableWork) -> str:
    meanwhile = ", while others read and write" if work.is_concurrent else ""
    return {
        "rewrite": f"every row of {shown(work.table)} is written anew{meanwhile}, {work.why}",
        "scan": f"every row of {shown(work.table)} is read{meanwhile}, {work.why}",
        "build": f"{work.why} is built of every row of {shown(work.table)}{meanwhile}",
    }[work.kind.value]


def _size(estimate: TableEstimate | None) -> str:
    if estimate is None:
        return ""
    return "  rows: not known, never analyzed" if estimate.rows is None else f"  about {estimate.rows:,} rows"


def _named(text: str) -> TableName:
    """Return the table of a name that the server has quoted where it must."""
    schema, _, name = text.rpartition(".")
    return schema.strip('"'), name.strip('"')


def _is_rewritten(table: TableName, rehearsed: StatementRehearsed) -> bool:
    return any(_named(one) == table for one in rehearsed.rewritten)


def _says_rewrite(table: TableName, work: Iterable[TableWork]) -> bool:
    return any(one.table == table and one.kind.value == "rewrite" for one in work)


def _spaced(parts: Iterable[Span]) -> Line:
    result: list[Span] = []
    for part in parts:
        result += [Span(" "), part] if result else [part]
    return tuple(result)
