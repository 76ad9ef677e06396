"""The rows of another tool's history beside the entries of a manifest: what is to be recorded, or why nothing may be.

Pure. What is wrong is found in full before anything is recorded, so that one run shows all of it.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from zmig.database.imported_facts import CODE, IN_BASELINE, LEFT_OUT, NO_FILE
from zmig.errors import Location, Problem
from zmig.hints import Hint, SuggestedCommand
from zmig.importing import outdated
from zmig.other_tools.history import came_later, highest_number
from zmig.planning import decisions, refusals, tool_rows
from zmig.text import listing
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from dataclasses import KW_ONLY

    from zmig.importing.plan import ImportPlan, PlannedMigration
    from zmig.other_tools.history import AppliedMigration, Matches, ToolHistory
    from zmig.planning.state import Entry

NOTHING = "nothing was recorded"
_SHOWN = 5


@valueclass
class Taken:
    """A row that makes an entry applied."""

    row: AppliedMigration
    entry: Entry
    matches: Matches


@valueclass
class Kept:
    """A row that is kept for the record alone, and why it makes no entry applied."""

    row: AppliedMigration
    reason: str
    matches: Matches = None


@valueclass
class Own:
    """A row of what zmig has as applied already, by other facts than an import: kept for the record alone."""

    row: AppliedMigration
    entry: Entry
    matches: Matches


@valueclass
class Matching:
    """What a history comes to."""

    taken: tuple[Taken, ...]
    """What is to be recorded as applied, in the order of the entries."""
    kept: tuple[Kept, ...]
    """What is to be recorded beside that."""
    _: KW_ONLY
    known: int
    """How many rows were imported before."""
    own: tuple[Own, ...]
    """Rows of what zmig has as applied already: recorded, too, so that nobody takes them for new ones later."""
    problems: tuple[Problem, ...]
    """Why nothing may be recorded."""
    notes: tuple[str, ...]
    """What is to be known: lower case, no final period."""
    baseline: Entry | None = None
    """The entry that is to be recorded as applied in place of all that code did."""

    @property
    def names(self) -> tuple[str, ...]:
        """The entries that are to be recorded as applied."""
        baseline = () if self.baseline is None else (self.baseline.name,)
        return (*baseline, *(one.entry.name for one in self.taken))


@valueclass
class Question:
    """Everything that decides what a history comes to."""

    plan: ImportPlan
    history: ToolHistory
    _: KW_ONLY
    table: str
    """The tool's table, as people write it."""
    entries: Sequence[Entry]
    """The migrations as zmig has them."""
    counted: Mapping[str, str]
    """The foreign ids that were imported before, each with the name of the entry that counted as applied by it."""
    kept: Collection[str]
    """Those that were imported for the record alone: they count once there is an entry for them."""
    matches: Callable[[AppliedMigration, PlannedMigration], Matches]
    """Whether a file is as the tool applied it."""
    path_of: Callable[[PlannedMigration], str]
    """The tool's own file, as it is shown."""
    accepts_mismatches: bool
    baseline: str | None = None
    """The entry that has what code did; None where the migrations are SQL, or nobody has made such an entry."""
    expected: Collection[str] | None = None
    """The foreign ids that were applied when that entry's file was made; None where it was made before."""


def match(question: Question) -> Matching:
    """Return what is to be recorded of a history, and what forbids it."""
    return _Matcher(question).result()


def _moved(title: str) -> Problem:
    return Problem(
        "history-moved",
        f"{title} was run while the baseline was made of the database",
        effect=f"{NOTHING}, and nothing was written",
        hint="run the same command again, once nobody runs it",
    )


class _Matcher:
    def __init__(self, question: Question) -> None:
        self._question = question
        self._title = question.plan.title
        self._planned = _planned(question)
        self._left_out = {one.id for one in question.plan.left_out}
        self._found = {one.id for one in question.plan.source.migrations}
        self._entries = {entry.version: entry for entry in question.entries}
        self._baseline = self._pending_baseline()
        self._taken: list[Taken] = []
        self._kept: list[Kept] = []
        self._known: list[str] = []
        self._own: list[Own] = []
        self._late: list[str] = []
        self._rows: dict[str, list[AppliedMigration]] = {}
        self._highest = highest_number((*question.counted, *question.kept))
        self._undeclared: list[PlannedMigration] = []
        self._problems: list[Problem] = list(question.history.problems)
        self._notes: list[str] = list(question.history.notes)

    def result(self) -> Matching:
        for row in self._question.history.applied:
            self._place(row)
        self._taken = list(self._once())
        self._taken.sort(key=lambda one: one.entry.version or 0)
        self._problems += self._found_problems()
        return Matching(
            tuple(self._taken),
            tuple(self._kept),
            known=len(self._known),
            own=tuple(self._own),
            problems=tuple(self._problems),
            notes=(*self._notes, *self._found_notes()),
            baseline=self._baseline,
        )

    def _pending_baseline(self) -> Entry | None:
        """Return the entry that is to count as applied for all that code did; None where there is nothing to do."""
        named = (one for one in self._question.entries if one.name == self._question.baseline)
        entry = next((one for one in named if one.migration is not None), None)
        return None if entry is None or entry.is_applied or decisions.was_made_pending(entry) else entry

    def _place(self, row: AppliedMigration) -> None:
        """Put one row where it belongs."""
        planned = self._planned.get(row.id)
        entry = self._entry(planned)
        if entry is not None:
            self._rows.setdefault(entry.name, []).append(row)
        before = self._question.counted.get(row.id)
        if before is not None or (row.id in self._question.kept and not self._counts_now(row, planned)):
            self._known.append(row.id)
            if before is not None and entry is not None and _would_run_again(entry, before):
                self._problems.append(self._renamed(row, entry, before))
        elif came_later(row, self._highest) and not (entry is not None and entry.is_applied):
            self._late.append(row.id)
        elif planned is None:
            self._kept.append(Kept(row, row.stands_for or self._reason(row.id)))
        elif entry is None or entry.migration is None:
            self._undeclared.append(planned)
        elif entry.is_applied:
            self._own.append(Own(row, entry, self._question.matches(row, planned)))
        elif decisions.was_made_pending(entry):
            self._kept.append(Kept(row, "taken back"))
            self._notes.append(self._stays(entry))
        elif not decisions.is_untouched(entry):
            self._problems.append(decisions.unclear(entry))
        else:
            self._take(row, entry, self._question.matches(row, planned))

    def _counts_now(self, row: AppliedMigration, planned: PlannedMigration | None) -> bool:
        """Whether a row that was kept for the record makes an entry applied, since that is there now."""
        entry = self._entry(planned)
        if (
            planned is None
            or entry is None
            or entry.migration is None
            or entry.is_applied
            or decisions.was_made_pending(entry)
        ):
            return False
        return not entry.is_repeatable or self._question.matches(row, planned) is True

    def _take(self, row: AppliedMigration, entry: Entry, matches: Matches) -> None:
        # One that runs again when its file changes is run again, unless it is known to be what the tool ran.
        if entry.is_repeatable and matches is not True:
            self._kept.append(Kept(row, "to be run again", matches))
        else:
            self._taken.append(Taken(row, entry, matches))

    def _once(self) -> Iterator[Taken]:
        """Yield what is to be recorded as applied, each entry once, by a row that says when where there is one.

        The tool may have rows for several names of a migration: the others are kept for the record.
        """
        by_name: dict[str, list[Taken]] = {}
        for one in self._taken:
            by_name.setdefault(one.entry.name, []).append(one)
        for name, several in by_name.items():
            first = next((one for one in several if _was_named(one.row)), several[0])
            yield first
            self._kept += (Kept(one.row, f"another name of `{name}`", one.matches) for one in several if one != first)

    def _twice(self) -> Iterator[Problem]:
        """Yield which migrations the tool has run under several names, which somebody has to know of."""
        before = {*self._question.counted, *self._question.kept}
        for name, rows in self._rows.items():
            ids = [row.id for row in rows if _was_named(row)]
            if len(ids) > 1 and not before.issuperset(ids) and not self._question.accepts_mismatches:
                yield self._applied_twice(name, ids)

    def _applied_twice(self, name: str, ids: Sequence[str]) -> Problem:
        accept = SuggestedCommand("import", ("--accept-mismatches", "..."), is_repetition=True)
        return Problem(
            "import-applied-twice",
            f"{self._title} has applied `{name}` more than once, as {listing.quoted(ids, _SHOWN)}",
            facts=(Hint("if that did no harm, it counts as applied once with ", accept),),
            effect=NOTHING,
            hint="look what the database has of it; if these are two migrations, take one out of the `origin` of "
            f"`{name}`",
        )

    def _entry(self, planned: PlannedMigration | None) -> Entry | None:
        """Return the entry that the manifest has for a migration; None where it has none."""
        entry = self._entries.get(planned.version) if planned is not None else None
        return entry if planned is not None and entry is not None and entry.name == planned.name else None

    def _found_problems(self) -> Iterator[Problem]:
        """Yield what is wrong with the rows together."""
        expected = self._question.expected
        if expected is not None and {row.id for row in self._question.history.applied} != set(expected):
            yield _moved(self._title)
        yield from self._twice()
        if self._baseline is not None and not decisions.is_untouched(self._baseline):
            yield decisions.unclear(self._baseline)
        if self._undeclared:
            yield _undeclared(self._undeclared, self._question.plan)
        placed = (
            self._question.baseline or self._taken or self._known or self._own or self._undeclared or self._problems
        )
        if self._kept and not placed and all(one.reason == NO_FILE for one in self._kept):
            yield self._of_other_project()
        for one in self._taken:
            if one.matches is False and not self._question.accepts_mismatches:
                yield self._mismatch(one)
            elif (planned := self._planned[one.row.id]).outdated and not self._question.accepts_mismatches:
                yield self._outdated(planned)
        yield from (
            problem
            for one in self._taken
            if (problem := refusals.of_partly_replaced(one.entry, effect=NOTHING)) is not None
        )

    def _reason(self, id: str) -> str:
        """Return why a row has no entry."""
        if id in self._left_out:
            return LEFT_OUT
        if self._baseline is not None:
            return f"{IN_BASELINE} `{self._baseline.name}`"
        return CODE if id in self._found else NO_FILE

    def _stays(self, entry: Entry) -> str:
        """Return what is to be known of a row of what zmig has taken back: nobody knows which of the two came last."""
        return (
            f"`{entry.name}` was taken back in zmig, so it stays {entry.state.value}: if {self._title} has applied it "
            f"since, say so with `{self._resolve(entry, 'done')}`"
        )

    def _resolve(self, entry: Entry, verdict: str) -> str:
        """Return the command by which somebody says what an entry is."""
        manifest = self._question.plan.manifest
        return f"zmig resolve {shlex.quote(str(manifest))} {shlex.quote(entry.name)} --as {verdict} --reason ..."

    def _mismatch(self, one: Taken) -> Problem:
        accept = SuggestedCommand("import", ("--accept-mismatches", "..."), is_repetition=True)
        return Problem(
            "import-mismatch",
            f"the file of `{one.entry.name}` is not what {self._title} applied",
            Location(self._question.path_of(self._planned[one.row.id])),
            facts=(
                f"{self._title} recorded {_evidence(one.row)}",
                Hint("if the difference is known, and harmless: ", accept),
            ),
            effect=NOTHING,
            hint="put the file back as it was applied",
        )

    def _outdated(self, planned: PlannedMigration) -> Problem:
        """Return the problem of a copy that is not what the file of the tool is, which is what it applied."""
        accept = SuggestedCommand("import", ("--accept-mismatches", "..."), is_repetition=True)
        return Problem(
            "import-mismatch",
            f"`{planned.name}` was copied before {self._title} applied it, and its file was another one then",
            Location(str(planned.outdated[0])),
            facts=(Hint("if the difference is known, and harmless: ", accept),),
            effect=NOTHING,
            hint=f"run {outdated.way(planned.name, planned.outdated)}",
        )

    def _renamed(self, row: AppliedMigration, entry: Entry, before: str) -> Problem:
        """Return the problem of an entry that a later name of the same migration has brought."""
        is_there = any(one.name == before and one.migration is not None for one in self._question.entries)
        leave_out = SuggestedCommand("import", ("--leave-out", row.id), is_repetition=True)
        return Problem(
            "import-renamed",
            f"`{entry.name}` is what {self._title} applied as `{row.id}`, and that was imported as `{before}`",
            facts=("`zmig apply` would run it a second time", Hint("no import brings it again with ", leave_out)),
            effect=NOTHING,
            hint=f"take `{entry.name}` out of `{self._question.plan.manifest}`"
            if is_there
            else f"call it `{before}` in `{self._question.plan.manifest}`",
        )

    def _of_other_project(self) -> Problem:
        ids = _listed([one.row.id for one in self._kept])
        return Problem(
            "history-foreign",
            f"no row of `{self._question.table}` is of a migration in `{self._question.plan.source.folder}`",
            facts=(f"it has {ids}",),
            effect=NOTHING,
            hint="name the folder that they come from, or another table with `--table`",
        )

    def _found_notes(self) -> Iterator[str]:
        """Yield what is to be known of the rows together."""
        table = self._question.table
        before = {*self._question.counted, *self._question.kept}
        new = [one.row.id for one in (*self._taken, *self._kept, *self._own) if one.row.id not in before]
        if before and new:
            yield f"`{table}` has rows since the last import, {_listed(new)}: somebody still runs {self._title}"
        yield from self._taken_back()
        yield from self._changed()
        if self._late:
            yield (
                f"{_listed(self._late)} came after the last import, with a number below that of `{table}`: "
                f"{self._title} never runs that, and it counts as not applied: `--allow-out-of-order` runs it"
            )
        code = [one.row.id for one in self._kept if one.reason == CODE]
        without = [one.row.id for one in self._kept if one.reason == NO_FILE]
        if self._question.baseline is not None:
            if code or without:
                yield f"what {_listed([*code, *without])} did is in no file of zmig's: `zmig drift` shows it"
            yield from self._pending_code()
            return
        for what, ids in (("no entry is there for", code), ("no file is there of", without)):
            if ids:
                it = "it" if len(ids) == 1 else "them"
                yield f"{what} {_listed(ids)}: kept in the history, and nothing counts as applied for {it}"
        for one in self._kept:
            if one.reason == "to be run again":
                planned = self._planned[one.row.id]
                why = "its file has changed since" if one.matches is False else "whether its file changed is not known"
                yield f"`{planned.name}` is due: it may run again, and {why}"
        yield from self._gaps()

    def _pending_code(self) -> Iterator[str]:
        """Yield which migrations that are code the tool has not applied: a baseline of the database lacks them."""
        done = {*(row.id for row in self._question.history.applied), *self._planned, *self._left_out}
        found = [one for one in self._question.plan.source.migrations if one.id not in done]
        pending = [one.name for one in found if not one.replaces or not done.issuperset(one.replaces)]
        if pending:
            verb, them = ("is", "it") if len(pending) == 1 else ("are", "them")
            todo = f"write {them} as SQL, under the same name"
            yield f"{_listed(pending)} {verb} not applied, and not in the baseline: {todo}"

    def _taken_back(self) -> Iterator[str]:
        """Yield which migrations the tool does not have as applied any more, though zmig has, by an earlier import."""
        rows = {row.id for row in self._question.history.applied}
        covered = {planned.name for id in rows if (planned := self._planned.get(id)) is not None}
        gone = set(tool_rows.taken_back(self._question.counted, rows, covered, self._question.entries))
        entries = [one for one in self._question.entries if one.name in gone]
        if entries:
            again = self._resolve(entries[0], "pending")
            names = _listed([one.name for one in entries])
            yield (
                f"{self._title} has taken back {names} since the last import, which zmig has as applied: look "
                f"what is in the database, and if it is undone, say so with `{again}`"
            )

    def _changed(self) -> Iterator[str]:
        """Yield which copies are not what the tool's files are any more, and what to do about each."""
        taken = {one.entry.name for one in self._taken}
        for planned in self._question.plan.migrations:
            entry = self._entry(planned) if planned.outdated else None
            if entry is None:
                continue
            what = f"`{planned.name}` has another text in {self._title}'s file than when it was copied"
            if entry.is_applied or entry.name in taken:
                yield f"{what}: what is applied stays as it is, and a change comes with a new migration"
            else:
                yield f"{what}: it is pending, so that {outdated.way(planned.name, planned.outdated)}"

    def _gaps(self) -> Iterator[str]:
        """Yield which entries the tool has not applied, though it has applied later ones."""
        applied = {one.entry.version for one in self._taken}
        declared = [entry for entry in self._question.entries if entry.migration is not None]
        run_once = [entry for entry in declared if not entry.is_repeatable]
        is_applied = [entry.is_applied or entry.version in applied for entry in run_once]
        last = max((number for number, done in enumerate(is_applied) if done), default=-1)
        gaps = [entry.name for entry, done in zip(run_once[:last], is_applied, strict=False) if not done]
        if gaps and self._taken:
            verb = "is" if len(gaps) == 1 else "are"
            yield f"{_listed(gaps)} {verb} not applied, though later ones are: only `--allow-out-of-order` runs them"


def _planned(question: Question) -> dict[str, PlannedMigration]:
    """Return the migrations by what the tool calls them, or has called them, as their entries say."""
    by_name = {one.name: one for one in question.plan.migrations}
    found = tool_rows.by_origin(question.entries, question.plan.source.tool)
    called = {id: by_name[entry.name] for id, entry in found.items() if entry.name in by_name}
    return called | {one.source.id: one for one in question.plan.migrations}


def _was_named(row: AppliedMigration) -> bool:
    """Whether the tool has run a migration, and has a row that says so, rather than a number above it or a mark."""
    return row.was_run and not row.is_concluded


def _evidence(row: AppliedMigration) -> str:
    """Return what a tool has that says what it applied, in words."""
    return f"checksum {row.checksum}" if row.checksum is not None else "the statements that it ran, and they are others"


def _would_run_again(entry: Entry, imported_as: str) -> bool:
    """Whether a migration has an entry that is due, though another one counts as applied for it."""
    return entry.name != imported_as and entry.migration is not None and not entry.is_applied


def _undeclared(missing: Sequence[PlannedMigration], plan: ImportPlan) -> Problem:
    names = _listed([one.name for one in missing])
    return Problem(
        "import-undeclared",
        f"`{plan.manifest}` has no entry for what {plan.title} has applied: {names}",
        effect=NOTHING,
        hint=Hint("write the entries with ", SuggestedCommand("import", ("--write",), is_repetition=True)),
    )


def _listed(names: Sequence[str]) -> str:
    """Return names in a sentence, the first few of them."""
    return listing.quoted(names, _SHOWN)
