"""Every statement of a manifest's migrations with what it does to the catalog that those before it leave behind.

This is what checks of effects are given. A rollback is replayed beside, on the catalog after its migration: by then,
everything that this has made is in use.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from zmig.lint.finding import Remark
from zmig.lint.inside import called
from zmig.lint.replay.catalog import Catalog
from zmig.lint.replay.effects import (
    Effect,
    Extent,
    Fails,
    FailsIfRows,
    FiresTrigger,
    Makes,
    Reads,
    Redefines,
    RowChange,
    RunsCode,
    WritesRows,
)
from zmig.lint.replay.objects import ObjectKind, Space
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from dataclasses import KW_ONLY

    from zmig.lint.entries import Entry
    from zmig.lint.grammar import Grammar
    from zmig.lint.inside.inside import Inside
    from zmig.lint.inside.part import Part
    from zmig.lint.replay.objects import Node
    from zmig.lint.sql_file import FileStatement, SqlFile
    from zmig.sql.token_reader import Name

One = TypeVar("One", bound=Effect)
_NONE: list[Any] = []


class Step:
    """One statement, with its effects and the catalog before and after it."""

    def __init__(
        self, file: SqlFile, statement: FileStatement, before: Catalog, after: Catalog, effects: tuple[Effect, ...],
        targets: tuple[Node, ...], *, is_conditional: bool = False,
    ) -> None:  # fmt: skip
        self.file = file
        self.statement = statement
        self.before = before
        self.after = after
        self.effects = effects
        self.targets = targets
        """What it is about that was there before it."""
        self.is_conditional = is_conditional
        """Whether it may not run: it is within a condition, a loop or a handler of code."""
        self._by_kind: dict[type[Effect], list[Any]] = {}
        for one in effects:
            self._by_kind.setdefault(type(one), []).append(one)

    def of(self, kind: type[One]) -> Iterator[One]:
        """Return its effects of one kind; no kind is a kind of another."""
        return iter(self._by_kind.get(kind, _NONE))

    def is_in_use(self, table: Name) -> bool:
        """Whether others may be using a table, view or index: it was there before this migration, or may have been."""
        where = self.before if self.before.relation(table) is not None else self.after
        return where.is_in_use(table)

    @property
    def is_about_new(self) -> bool:
        """Whether it is only about what nobody can be using yet."""
        return bool(self.targets) and not any(map(self._is_target_in_use, self.targets))

    def _is_target_in_use(self, target: Node) -> bool:
        match target.space:
            case Space.RELATION:
                return self.before.is_in_use(target.name)
            case Space.TYPE:
                return self.before.is_type_in_use(target.name)
            case Space.FUNCTION:
                found = self.before.functions(target.name)
                return not found or any(one.made_by not in self.before.new_generations for one in found)

    def action_at(self, offset: int) -> int | None:
        """Return which action of an ALTER TABLE is at an offset in the file; None where there is none."""
        numbered = enumerate(self.statement.actions)
        return next((number for number, one in numbered if one.start <= offset < one.end), None)

    def remark(self, rule: str, effect: Effect, message: str, hint: str) -> Remark:
        """Return a remark about one of its effects, at the action that has it."""
        start, end = self.statement.start, self.statement.end
        actions = self.statement.actions if effect.action is not None else ()
        if effect.action is not None and effect.action < len(actions):
            action = actions[effect.action]
            start, end = action.start, action.end
        return Remark(rule, message, hint, self.file.source, start=start, end=end, facts=self.statement.facts)


TABLES_OF_TOOLS = (
    "__diesel_schema_migrations", "_prisma_migrations", "_sqlx_migrations", "alembic_version", "databasechangelog",
    "django_migrations", "flyway_schema_history", "goose_db_version", "knex_migrations", "migration_events",
    "refinery_schema_history", "schema_migrations",
)  # fmt: skip
"""Tables that migration tools make for themselves, zmig among them, under names that a project hardly gives to its own.

Written here, since a tool's own module is imported where a project of that tool is read.
"""
_SAVEPOINT = re.compile(r"savepoint\s+(\w+)|rollback\b.*?\bto\s+(?:savepoint\s+)?(\w+)", re.IGNORECASE | re.DOTALL)


class Replayed:
    """The migrations of one manifest, replayed in order."""

    def __init__(self, grammar: Grammar, start: SqlFile | None = None) -> None:
        """Begin with what the statements of `start` make, all of which is in use; without it, with nothing."""
        self._grammar = grammar
        self._catalog = Catalog()
        if start is not None:
            _, catalog = follow(start, self._catalog, grammar, version=None, is_transactional=True)
            self._catalog = catalog.copy()
            self._catalog.end_session()
        self._catalog.allow_for_names(TABLES_OF_TOOLS)
        self._before = self._catalog
        """What was there before the last entry."""
        self._new: frozenset[int] = frozenset()
        """The generations of entries that have been applied nowhere."""

    @classmethod
    def resumed(cls, grammar: Grammar, catalog: Catalog, new: frozenset[int]) -> Replayed:
        """Go on from what was there, and was new, after earlier entries."""
        made = cls(grammar)
        made._catalog = made._before = catalog
        made._new = new
        return made

    @property
    def catalog(self) -> Catalog:
        """What is there after the entries so far."""
        return self._catalog

    @property
    def new(self) -> frozenset[int]:
        """The generations of entries that have been applied nowhere."""
        return self._new

    def allow_for_repeatable(self, entry: Entry) -> None:
        """Take note of what a repeatable makes, which is there when later migrations run, and replayed at the end."""
        for statement in entry.sql.statements if entry.sql is not None else ():
            self._catalog.allow_for_names(made.name.name for made in statement.parsed.creates)

    def steps(self, entry: Entry, *, is_new: bool, version: int | None) -> list[Step]:
        """Return the steps of an entry, and go on after it.

        `is_new` says that it has been applied nowhere, so that nobody uses what it makes when the next one runs.
        """
        self._before = self._catalog
        catalog = self._catalog.copy()
        catalog.begin_generation()
        catalog.new_generations |= self._new
        steps: list[Step] = []
        if entry.sql is not None and entry.sql.text != entry.sql.source.text:
            catalog.allow_for_code("execute")  # what its variables name may be any table
        if entry.sql is not None and not entry.sql.problems:
            steps, catalog = follow(
                entry.sql,
                catalog,
                self._grammar,
                version=version,
                is_transactional=entry.is_transactional,
                inside=entry.inside,
            )
        elif entry.python is not None:
            if entry.inside is not None:
                code = _Code(self._grammar, entry.inside, version=version)
                steps = code.within(entry.inside.of(0), entry.inside.file, catalog)
            catalog.allow_for_code(entry.python.text)
            catalog.allow_for_code("execute")
        else:
            catalog.lose_track()
        catalog = catalog.copy()
        catalog.end_session()
        self._new = catalog.new_generations if is_new else catalog.new_generations & self._new
        self._catalog = catalog
        return steps

    def undoing(self, entry: Entry, done: Sequence[Step], *, version: int | None) -> Undoing | None:
        """Return what the rollback does of the entry whose steps were asked for last; None where there is none."""
        rollback = entry.undoing
        catalog = self._catalog.copy()
        catalog.begin_generation()
        if rollback.sql is not None and not rollback.sql.problems:
            if rollback.sql.text != rollback.sql.source.text:
                catalog.allow_for_code("execute")
            steps, undone = follow(
                rollback.sql,
                catalog,
                self._grammar,
                version=version,
                is_transactional=rollback.is_transactional,
                inside=rollback.inside,
            )
        elif rollback.python is not None and rollback.inside is not None:
            code = _Code(self._grammar, rollback.inside, version=version)
            steps = code.within(rollback.inside.of(0), rollback.inside.file, catalog)
            undone = _lost_track(catalog)
        else:
            return None
        again = partial(self._fails, version=version)
        return Undoing(rollback, tuple(done), tuple(steps), self._before, catalog, undone=undone, fails_on=again)

    def _fails(self, step: Step, catalog: Catalog, *, version: int | None) -> bool:
        """Whether a statement would certainly fail on another catalog."""
        outcome = self._grammar.replay(step.statement, catalog, version)
        return outcome is not None and any(isinstance(one, Fails) for one in outcome.effects)


@valueclass
class Undoing:
    """A rollback, with what it is to undo."""

    entry: Entry
    """The rollback as an entry."""
    done: tuple[Step, ...]
    """What the migration did."""
    steps: tuple[Step, ...]
    """What the rollback does."""
    before: Catalog
    """What was there before the migration."""
    after: Catalog
    """What is there when the rollback begins."""
    _: KW_ONLY
    undone: Catalog
    """What is left when it has ended."""
    fails_on: Callable[[Step, Catalog], bool]
    """Whether one of its statements would fail on another catalog."""

    @property
    def is_seen(self) -> bool:
        """Whether everything that the rollback does is seen, but for what code does: it is no Python."""
        return self.entry.sql is not None

    @property
    def path(self) -> str:
        """What messages call the file that is run."""
        assert self.entry.source is not None, "a rollback that was replayed has a file"
        return self.entry.source.label


def follow(
    file: SqlFile,
    catalog: Catalog,
    grammar: Grammar,
    *,
    version: int | None,
    is_transactional: bool,
    inside: Inside | None = None,
) -> tuple[list[Step], Catalog]:
    """Return the steps of a file that is run on a catalog, and the catalog after them."""
    steps: list[Step] = []
    begun: Catalog | None = catalog if is_transactional else None
    savepoints: dict[str, Catalog] = {}
    code = _Code(grammar, inside, version=version)
    for statement in file.statements:
        step = _step(file, statement, catalog, grammar, version=version)
        after = step.after
        steps += code.run_by(step)
        steps.append(step)
        controls = statement.command.controls_transaction
        if controls in ("BEGIN", "START TRANSACTION"):
            begun = after
        elif controls is not None:
            after = begun if controls in ("ROLLBACK", "ABORT") and begun is not None else after
            begun = None
        elif (found := _savepoint(statement)) is not None:
            name, is_rollback = found
            if is_rollback:
                after = savepoints.get(name) or _lost_track(after)
            else:
                savepoints[name] = after
        catalog = _committed(after) if begun is None else after
    return steps, catalog


def _step(
    file: SqlFile, statement: FileStatement, catalog: Catalog, grammar: Grammar, *, version: int | None,
    is_conditional: bool = False,
) -> Step:  # fmt: skip
    """Return what one statement does to a catalog: nothing, where it is not looked into."""
    outcome = grammar.replay(statement, catalog, version)
    if outcome is None:
        return Step(file, statement, catalog, catalog, (), (), is_conditional=is_conditional)
    return Step(
        file, statement, catalog, outcome.catalog, outcome.effects, outcome.targets, is_conditional=is_conditional
    )


_MOST_CALLS = 3
"""So deep is code looked into that code calls."""


class _Code:
    """The code that the statements of one file run, directly or by functions and triggers."""

    def __init__(self, grammar: Grammar, inside: Inside | None, *, version: int | None) -> None:
        self._grammar = grammar
        self._inside = inside
        self._version = version
        self._made: dict[Name, FileStatement] = {}
        """The functions that the file has made so far."""
        self._seen: set[Name] = set()
        """Those of them whose code was looked into, at its place; no place is reported twice."""
        self._followed: set[tuple[Name, str]] = set()
        """The functions of earlier files that were looked into, and what led to them: a thousand rows say it once."""

    def run_by(self, step: Step, depth: int = 0) -> list[Step]:
        """Return the steps of the code that a step runs: its own, or that of functions that were made before it."""
        for made in (*step.of(Makes), *step.of(Redefines)):
            if made.ref.kind is ObjectKind.FUNCTION and step.statement.verb == "create":
                self._made[made.ref.name] = step.statement
                self._seen.discard(made.ref.name)
        steps: list[Step] = []
        if depth < _MOST_CALLS:
            for one in step.of(RunsCode):
                steps += self._called(step, one.function, f"`{one.function.name}`" if one.function else "", depth)
            for one in step.of(FiresTrigger):
                how = f"the trigger `{one.trigger}` of `{one.table.name}` calls `{one.function.name}`, which"
                steps += map(_of_trigger, self._called(step, one.function, how, depth))
        return steps

    def _called(self, step: Step, function: Name | None, how: str, depth: int) -> list[Step]:
        host = step.statement if function is None else self._made.get(function)
        if host is not None:
            if function in self._seen:
                return []
            inner = () if self._inside is None or host.shown is not None else self._inside.of(host.start)
            file = step.file if self._inside is None else self._inside.file
            if function is not None:
                self._seen.add(function)
            elif not inner:
                inner = called.within_do(host)
            return self.within(inner, file, step.before, depth + 1, is_conditional=step.is_conditional)
        assert function is not None, "only a DO block has code of its own"
        if (function, how) in self._followed:
            return []
        self._followed.add((function, how))
        # What came of the names in it since it was made is not known well enough to say that it fails.
        inner = (
            each for one in step.before.functions(function) for each in called.statements(one, step.statement, how)
        )
        return [*map(_without_failures, self.within(inner, step.file, step.before, depth + 1))]

    def within(
        self,
        inner: Iterable[tuple[FileStatement, Part]],
        file: SqlFile,
        catalog: Catalog,
        depth: int = 0,
        *,
        is_conditional: bool = False,
    ) -> list[Step]:
        """Return the steps of what code runs on a catalog.

        What is made or proved in a branch counts in that branch alone: outside of it, it may not have happened.
        """
        steps: list[Step] = []
        open_branches: list[tuple[int, Catalog]] = []
        for statement, part in inner:
            shared = 0
            while shared < len(open_branches) and part.branch[shared : shared + 1] == (open_branches[shared][0],):
                shared += 1
            if shared < len(open_branches):
                _, catalog = open_branches[shared]
                del open_branches[shared:]
            for number in part.branch[shared:]:
                open_branches.append((number, catalog))
            conditional = part.is_conditional or is_conditional
            step = _step(file, statement, catalog, self._grammar, version=self._version, is_conditional=conditional)
            steps += self.run_by(step, depth)
            steps.append(step)
            catalog = step.after
            open_branches = [(number, _after_code(outer, statement.text)) for number, outer in open_branches]
        return steps


def _without_failures(step: Step) -> Step:
    """Return a step without what would fail, of code in whose names there may be more than a catalog has."""
    return _with_effects(step, (one for one in step.effects if not isinstance(one, (Fails, FailsIfRows))))


def _of_trigger(step: Step) -> Step:
    """Return a step of a trigger's code: what it inserts of no table that is known, it has of the rows at hand."""
    step, reads = _without_failures(step), any(step.of(Reads))
    return _with_effects(step, (one for one in step.effects if reads or not _copies(one)))


def _copies(effect: Effect) -> bool:
    return isinstance(effect, WritesRows) and effect.change is RowChange.INSERT and effect.extent is Extent.SOME


def _with_effects(step: Step, effects: Iterable[Effect]) -> Step:
    return Step(
        step.file,
        step.statement,
        step.before,
        step.after,
        tuple(effects),
        step.targets,
        is_conditional=step.is_conditional,
    )


def _after_code(catalog: Catalog, code: str) -> Catalog:
    catalog = catalog.copy()
    catalog.allow_for_code(code)
    return catalog


def _committed(catalog: Catalog) -> Catalog:
    if not catalog.dropped_on_commit:
        return catalog
    catalog = catalog.copy()
    catalog.end_transaction()
    return catalog


def _lost_track(catalog: Catalog) -> Catalog:
    catalog = catalog.copy()
    catalog.lose_track()
    return catalog


def _savepoint(statement: FileStatement) -> tuple[str, bool] | None:
    """Return the savepoint that a statement sets, or rolls back to, and which of the two."""
    if statement.verb not in ("rollback", "savepoint"):
        return None
    found = _SAVEPOINT.match(statement.text)
    return None if found is None else ((found[1] or found[2]).lower(), found[2] is not None)
