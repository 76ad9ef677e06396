"""What the steps of a plan would do to the database: locks, work under them, losses and findings, by statement.

Reads the manifest and its files, replays what comes before the plan, and looks at its own migrations alone.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from zmig.lint import check
from zmig.lint.base import Comparison
from zmig.lint.check import CheckContext
from zmig.lint.entries import Files, gather
from zmig.lint.replay.effects import (
    Builds,
    Drops,
    Fails,
    FailsIfRows,
    Locks,
    LosesData,
    Rewrites,
    Scans,
    Validates,
)
from zmig.lint.replay.objects import TEMPORARY, LockMode
from zmig.lint.run import INSTALL, load_grammar, open_caches, redacted, squawk_findings
from zmig.lint.session import DEFAULT
from zmig.lint.squawk.weighing import SquawkReport
from zmig.valueclass import field, valueclass

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from dataclasses import KW_ONLY
    from pathlib import Path

    from zmig.lint.check import EntryChecked
    from zmig.lint.entries import Entry, Gathered
    from zmig.lint.finding import Finding
    from zmig.lint.replay.effects import Effect
    from zmig.lint.steps import Step
    from zmig.sql.token_reader import Name

One = TypeVar("One")

_WORTH_KEEPING = 500
"""Of a history of so many migrations, what it leads to is kept beside the manifest, as `zmig lint` does."""


class WorkKind(StrEnum):
    """What the server does with all rows of a table."""

    REWRITE = "rewrite"
    SCAN = "scan"
    BUILD = "build"


@valueclass
class TableLock:
    """A lock on a table that others may be using."""

    table: tuple[str, str]
    """Its schema, and its name in it."""
    mode: LockMode


@valueclass
class TableWork:
    """Work on a table that others may be using."""

    kind: WorkKind
    table: tuple[str, str]
    why: str
    _: KW_ONLY
    is_certain: bool = True
    """False where too little is known of the table to say so for certain."""
    is_concurrent: bool = False
    """Whether others read and write meanwhile."""


@valueclass
class StatementEffects:
    """What one statement of a file does, with the code that it runs."""

    line: int
    column: int
    """Where it begins, 1-based."""
    _: KW_ONLY
    locks: tuple[TableLock, ...] = ()
    """The strongest of each table, strongest first."""
    work: tuple[TableWork, ...] = ()
    drops: tuple[str, ...] = ()
    """What goes, and what goes with it, in words."""
    loses: tuple[str, ...] = ()
    """Whose data goes, in words."""
    fails: tuple[str, ...] = ()
    """Why it cannot succeed, or not where there are rows."""
    is_conditional: bool = False
    """Whether some of it is within a condition or a loop, and may not happen."""


@valueclass
class StepEffects:
    """What one step of a plan does."""

    version: int
    statements: tuple[StatementEffects, ...]
    findings: tuple[Finding, ...]
    """What lint says of it, by line: of the file that it runs, and of its entry."""


@valueclass
class PlanEffects:
    """What the steps of a plan do, as far as that can be known without running them."""

    steps: Mapping[int, StepEffects] = field(default_factory=dict[int, StepEffects])
    """By version."""
    missing: tuple[str, ...] = ()
    """What is not known, and why."""
    remedy: str | None = None
    """The command that gets what is missing, where there is one."""


def read(manifest: Path, versions: Collection[int], *, is_rollback: bool, environ: Mapping[str, str]) -> PlanEffects:
    """Return what applying these versions, or rolling them back, does.

    Raises ManifestError where the manifest cannot be read at all.
    """
    wanted = frozenset(versions)
    gathered = gather(manifest, environ=environ, files=Files())
    comparison = Comparison(new=frozenset() if is_rollback else wanted, examined=wanted)
    missing: list[str] = []
    grammar = load_grammar(missing)
    squawk = squawk_findings([gathered], [comparison], grammar, missing)
    context = CheckContext(
        check.rules_that_run(has_grammar=grammar is not None, has_squawk=squawk is not None, has_base=False),
        grammar=grammar,
        squawk=squawk or SquawkReport(),
        base=comparison,
    )
    is_long = len(gathered.entries) >= _WORTH_KEEPING
    [cache] = open_caches([gathered], [comparison], environ, {}) if is_long else [None]
    checked = list(check.check_entries(gathered, context, cache=cache))
    if cache is not None:
        cache.save()
    remedy = INSTALL if grammar is None or squawk is None else None
    return PlanEffects({one.entry.version: _step(one, gathered, is_rollback) for one in checked}, (*missing,), remedy)


def _step(one: EntryChecked, gathered: Gathered, is_rollback: bool) -> StepEffects:
    entry = one.entry.undoing if is_rollback else one.entry
    steps = one.steps if not is_rollback else one.undoing.steps if one.undoing is not None else ()
    label = entry.source.label if entry.source is not None else None
    manifests = {opened.manifest.document.source.label for opened in gathered.opened}
    findings = [found for found in one.findings if found.file == label or found.file in manifests]
    findings.sort(key=lambda found: (found.file != label, found.line, found.column))
    return StepEffects(one.entry.version, tuple(_statements(entry, steps)), redacted(findings))


def _statements(entry: Entry, steps: Sequence[Step]) -> Iterator[StatementEffects]:
    """Yield what each statement of a file does; what the code does that it runs counts as its own."""
    file = entry.sql if entry.sql is not None else entry.inside.file if entry.inside is not None else None
    by_place: dict[tuple[int, int], list[Step]] = {}
    within: list[Step] = []
    """What code does that is run by the statement that comes next."""
    for step in steps:
        within.append(step)
        if step.file is file and step.statement.shown is None:
            by_place.setdefault(_place(step), []).extend(within)
            within = []
    if within:
        by_place.setdefault(_place(within[0]), []).extend(within)
    for place, own in sorted(by_place.items()):
        yield _of_steps(place, own)


def _place(step: Step) -> tuple[int, int]:
    return step.statement.raw.line, step.statement.raw.column


def _of_steps(place: tuple[int, int], steps: Sequence[Step]) -> StatementEffects:
    """Return what the statement does that begins in a place."""
    locks: dict[tuple[str, str], LockMode] = {}
    for step in steps:
        for lock in step.of(Locks):
            if step.is_in_use(lock.table):
                name = _full(lock.table)
                locks[name] = max(lock.mode, locks.get(name, lock.mode))
    ordered = sorted(locks.items(), key=lambda one: (-one[1], one[0]))
    return StatementEffects(
        *place,
        locks=tuple(TableLock(table, mode) for table, mode in ordered),
        work=_once(work for step in steps for effect in step.effects for work in _work(step, effect)),
        drops=_once(words for step in steps for drop in step.of(Drops) for words in _drops(drop)),
        loses=_once(one.ref.shown for step in steps for one in step.of(LosesData) if _lasts(one.ref.name)),
        fails=_once(words for step in steps for effect in step.effects for words in _failures(effect)),
        is_conditional=any(step.is_conditional for step in steps),
    )


def _once(found: Iterable[One]) -> tuple[One, ...]:
    return tuple(dict.fromkeys(found))


def _work(step: Step, effect: Effect) -> Iterator[TableWork]:
    """Yield what is done with all rows of tables that others may be using."""
    match effect:
        case Rewrites() if step.is_in_use(effect.table):
            yield TableWork(
                WorkKind.REWRITE,
                _full(effect.table),
                f"since {effect.reason}",
                is_certain=effect.is_certain,
                is_concurrent=effect.concurrently,
            )
        case Scans() if step.is_in_use(effect.table):
            yield TableWork(WorkKind.SCAN, _full(effect.table), f"to {effect.reason}", is_certain=effect.is_certain)
        case Validates() if step.is_in_use(effect.table):
            why = f"to look up its rows in `{effect.references.name}`"
            yield TableWork(WorkKind.SCAN, _full(effect.table), why)
        case Builds() if step.is_in_use(effect.table) and not effect.is_of_nothing:
            index = "an index" if effect.index is None else f"the index `{effect.index.name}`"
            yield TableWork(WorkKind.BUILD, _full(effect.table), index, is_concurrent=effect.concurrently)
        case _:
            pass


def _drops(drop: Drops) -> Iterator[str]:
    """Yield what goes, and what goes with it that is no part of it."""
    if _lasts(drop.ref.name):
        yield drop.ref.shown
        yield from (f"{one.shown}, with it" for one in drop.cascaded)


def _failures(effect: Effect) -> Iterator[str]:
    match effect:
        case Fails():
            yield effect.reason
        case FailsIfRows():
            yield f"it fails as soon as `{effect.table.name}` has a row: {effect.reason}"
        case _:
            pass


def _lasts(name: Name) -> bool:
    return name.schema != TEMPORARY


def _full(table: Name) -> tuple[str, str]:
    """Return a table's schema and name; one without a schema is where PostgreSQL's own default leads."""
    return table.schema or DEFAULT[0], table.name
