"""Fixes what can be fixed in a manifest's files, and proves it on copies before anything is written."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from zmig.errors import Problem, UsageError
from zmig.lint import check, run
from zmig.lint.base import Comparison
from zmig.lint.check import CheckContext, Evidence
from zmig.lint.entries import Files, gather
from zmig.lint.finding import Severity
from zmig.lint.fix import parts as splitting
from zmig.lint.fix import plan as planning
from zmig.lint.fix import proof
from zmig.lint.fix.pieces import MIXED, CannotFix, is_fixable
from zmig.lint.replay.effects import Fails
from zmig.project import new_files, outside, scaffold, written_file
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from dataclasses import KW_ONLY

    from zmig.lint.entries import Entry, Gathered
    from zmig.lint.finding import Remark
    from zmig.lint.fix.plan import Plan, Split
    from zmig.lint.grammar import Grammar
    from zmig.project.inclusion import LoadedManifest


_ROWS_ALONE = frozenset({"lock/all-rows", "lock/many-rows"})
"""What is left of a change of many rows when it no longer shares a transaction with one of the schema."""


_OF_INDEX = frozenset({"rollback/incomplete"})
"""A constraint takes its index with it, which an entry before it has built, and whose rollback drops it anyway."""


@valueclass
class Change:
    """A file that is another one afterwards."""

    path: Path
    before: str | None
    """None where it is new."""
    after: str | None
    """None where it is gone."""


@valueclass
class Fixes:
    """What can be fixed, and what cannot."""

    plans: tuple[tuple[LoadedManifest, Plan], ...] = ()
    """One for each manifest that changes, or whose files do."""
    _: KW_ONLY
    fixed: tuple[str, ...] = ()
    """The migrations that are put right, by name."""
    refused: tuple[tuple[str, str], ...] = ()
    """The migrations that are left as they are, each with the reason."""

    @property
    def changes(self) -> list[Change]:
        """Every file that changes."""
        return [change for opened, plan in self.plans for change in _changes(opened, plan)]


def find(path: Path, *, environ: Mapping[str, str], base: str | None, names: Collection[str]) -> Fixes:
    """Return what can be fixed in a manifest, of what is not on `base`, or of what is named.

    Raises ManifestError where it cannot be read, UsageError where nothing says which migrations nobody has applied,
    a name means none, or what is needed to check them is not installed.
    """
    return _Fixing(path, environ=environ, base=base, names=names).fixes()


class _Looked:
    """A manifest with what was remarked of its entries, and what they make."""

    def __init__(self, gathered: Gathered, comparison: Comparison, grammar: Grammar) -> None:
        missing: list[str] = []
        said = run.squawk_findings([gathered], [comparison], grammar, missing)
        if said is None:
            raise _missing("squawk")
        ran = check.rules_that_run(has_grammar=True, has_squawk=True, has_base=False)
        context = CheckContext(
            ran,
            grammar=grammar,
            squawk=said,
            base=comparison,
            start_after=check.start_after(gathered),
        )
        self.gathered = gathered
        evidence = Evidence()
        self.findings = check.check(gathered, context, evidence=evidence)
        self.remarks = evidence.remarks
        self.before = evidence.before
        self.failing = {
            version: failing.reason
            for version, steps in evidence.steps.items()
            if (failing := next((fails for step in steps for fails in step.of(Fails)), None)) is not None
        }
        assert evidence.end is not None, "there is a grammar"
        self.end = evidence.end

    def fixable(self, entry: Entry) -> list[Remark]:
        """Return what can be put right of an entry's file."""
        of_file = (one for one in self.remarks.get(entry.version, ()) if entry.source is one.source)
        return [one for one in of_file if is_fixable(one)]

    @cached_property
    def fixable_rules(self) -> Counter[str]:
        """How often each rule was broken in a way that can be put right, in files that are examined."""
        return Counter(one.rule for entry in self.gathered.entries for one in self.fixable(entry))

    @property
    def rules(self) -> Counter[str]:
        """How often each rule was broken that matters."""
        return Counter(one.rule for one in self.findings if one.severity is not Severity.NOTE)


class _Fixing:
    def __init__(self, path: Path, *, environ: Mapping[str, str], base: str | None, names: Collection[str]) -> None:
        self._path = path
        self._environ = environ
        missing: list[str] = []
        grammar = run.load_grammar(missing)
        if grammar is None:
            raise _missing("postgast")
        self._grammar = grammar
        gathered = gather(path, environ=environ, files=Files())
        self._new = _new(gathered, base, names, environ)
        self._looked = _Looked(gathered, Comparison(self._new, self._new), grammar)
        self._refused: list[tuple[str, str]] = []

    def fixes(self) -> Fixes:
        """Return what can be fixed."""
        plans: list[tuple[LoadedManifest, Plan]] = []
        fixed: list[str] = []
        for opened in self._looked.gathered.opened:
            splits: list[Split] = []
            accepted: Plan | None = None
            for entry in self._looked.gathered.entries:
                if entry.declaration.document is not opened.manifest.document or entry.version not in self._new:
                    continue
                if not (remarks := self._looked.fixable(entry)):
                    continue
                try:
                    splits, accepted = self._with(opened, splits, entry, remarks)
                except CannotFix as error:
                    self._refused.append((entry.name, str(error)))
            if accepted is not None:
                plans.append((opened, accepted))
                fixed += [one.entry.name for one in splits]
        return Fixes(tuple(plans), fixed=tuple(fixed), refused=tuple(self._refused))

    def _with(
        self, opened: LoadedManifest, splits: list[Split], entry: Entry, remarks: Sequence[Remark]
    ) -> tuple[list[Split], Plan]:
        """Return the entries that are split, with one more, and the plan for all of them. Raises CannotFix."""
        with suppress(CannotFix):
            more = [*splits, self._split(entry, remarks, keeps_order=False)]
            return more, self._proved(opened, more)
        more = [*splits, self._split(entry, remarks, keeps_order=True)]
        return more, self._proved(opened, more)

    def _split(self, entry: Entry, remarks: Sequence[Remark], *, keeps_order: bool) -> Split:
        assert entry.sql is not None, "what is fixable is in SQL"
        for file in entry.read_files:
            if outside.is_outside(file.path) or Path(file.path).is_symlink():
                raise CannotFix(f"`{file.path}` is a link, or outside of the project")
        if (other := self._also_named(entry)) is not None:
            raise CannotFix(f"`{other}` names its file, too, and would have a part of it: fix it by hand in both")
        if id(entry) in check.replaced(self._looked.gathered):
            raise CannotFix("a squash in the manifest replaces it")
        if self._looked.failing.get(entry.version) is not None:
            raise CannotFix(f"it certainly fails as it is: {self._looked.failing[entry.version]}")
        version = self._looked.gathered.settings.postgres_version
        found = splitting.split(
            entry,
            remarks,
            self._looked.before[entry.version],
            self._grammar,
            version=version,
            keeps_order=keeps_order,
        )
        return planning.Split(entry, found)

    def _also_named(self, entry: Entry) -> Path | None:
        """Return another manifest beside this one that may name the file of an entry."""
        known = {one.path.resolve() for one in self._looked.gathered.opened}
        name = (entry.declaration.file or "").rpartition("/")[2]
        for beside in sorted({path for one in known for path in one.parent.glob("*.y*ml")} - known):
            with suppress(OSError):
                if name in beside.read_text(encoding="utf-8", errors="replace"):
                    return Path(os.path.relpath(beside))
        return None

    def _plan(self, opened: LoadedManifest, splits: Sequence[Split], unused: Collection[tuple[int, int]]) -> Plan:
        return planning.plan(
            opened.manifest.document,
            splits,
            self._looked.gathered.entries,
            self._new,
            self._environ,
            lambda version, number: (version, number) not in unused,
        )

    def _proved(self, opened: LoadedManifest, splits: Sequence[Split]) -> Plan:
        """Return the plan, if copies of all files with it come to the same, and are better. Raises CannotFix."""
        plan = self._plan(opened, splits, ())
        looked = self._look_at(opened, plan)
        if unused := {*_unused_ignores(looked)}:
            plan = self._plan(opened, splits, unused)
            looked = self._look_at(opened, plan)
        if (name := proof.difference(self._looked.end, looked.end)) is not None:
            raise CannotFix(f"`{name}` would not be what it is now")
        broken, before = looked.rules, self._looked.rules
        mixed = any(one.rule == MIXED for split in splits for one in self._looked.fixable(split.entry))
        uses_index = any(" using index " in part.text for split in splits for part in split.parts)
        known = {*before, *(_ROWS_ALONE if mixed else ()), *(_OF_INDEX if uses_index else ())}
        if more := sorted(rule for rule in broken if rule not in known):
            found = next(one for one in looked.findings if one.rule == more[0])
            raise CannotFix(f"that would break another rule, `{more[0]}`: {found.message}")
        wanted = Counter(one.rule for split in splits for one in self._looked.fixable(split.entry))
        if any(looked.fixable_rules[rule] > self._looked.fixable_rules[rule] - count for rule, count in wanted.items()):
            raise CannotFix("that would be reported again")
        return plan

    def _look_at(self, opened: LoadedManifest, plan: Plan) -> _Looked:
        """Return what is found in copies of all files that are as planned."""
        gathered = self._looked.gathered
        named = [Path(os.path.abspath(one)) for one in gathered.files]  # noqa: PTH100 -- links are to stay in it
        manifests = [Path(os.path.abspath(one.path)) for one in gathered.opened]  # noqa: PTH100
        root = Path(os.path.commonpath([str(one.parent) for one in (*named, *manifests)]))
        with tempfile.TemporaryDirectory(prefix="zmig-lint-") as folder:

            def there(path: Path) -> Path:
                return Path(folder) / Path(os.path.abspath(path)).relative_to(root)  # noqa: PTH100

            for path in (*named, *manifests):
                if path.is_file():
                    there(path).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, there(path))
            for change in _changes(opened, plan):
                if change.after is None:
                    there(change.path).unlink(missing_ok=True)
                else:
                    there(change.path).write_bytes(change.after.encode())
            again = gather(there(gathered.opened[0].path), environ=self._environ, files=Files())
            problems = [
                *again.problems,
                *(one for entry in again.entries for file in entry.read_files for one in file.problems),
            ]
            known = {one.code for one in gathered.problems}
            for problem in problems:
                if problem.code not in known:
                    raise CannotFix(f"zmig would refuse it: {problem.message.replace(folder, str(root))}")
            old = {one.version for one in gathered.entries} - self._new
            new = frozenset(one.version for one in again.entries if one.version not in old)
            looked = _Looked(again, Comparison(new, new), self._grammar)
        for version, reason in looked.failing.items():
            if version in new:
                raise CannotFix(f"that would fail: {reason}")
        return looked


def _unused_ignores(looked: _Looked) -> Iterable[tuple[int, int]]:
    """Yield the ignores that nothing is left for, by version and number in their entry."""
    for entry in looked.gathered.entries:
        for remark in looked.remarks.get(entry.version, ()):
            if remark.rule == "ignore/unused" and remark.source is entry.manifest:
                for number, one in enumerate(entry.declaration.ignores):
                    if one.start == remark.start:
                        yield entry.version, number


def _new(gathered: Gathered, base: str | None, names: Collection[str], environ: Mapping[str, str]) -> frozenset[int]:
    """Return the versions that may be rewritten, since no database has applied them."""
    if base is not None:
        compared = run.compared(gathered, base, environ, [])
        assert compared is not None, "there is something to compare with"
        return compared.new
    known = {name: one.version for one in gathered.entries for name in (one.name, str(one.version))}
    for name in names:
        if name not in known:
            message = f"no migration is called `{name}`"
            raise UsageError(Problem("usage", message, hint="run `zmig lint` without `--only`, which names them"))
    if not names:
        raise UsageError(
            Problem(
                "usage",
                "which migrations nobody has applied yet is not known, and no other is rewritten",
                hint="add `--base origin/main`, or name them: `--only NAME`",
            )
        )
    return frozenset(known[name] for name in names)


def _missing(what: str) -> UsageError:
    return UsageError(
        Problem("usage", f"nothing can be fixed without `{what}`, which is not installed", hint=f"run `{run.INSTALL}`")
    )


def _contents(opened: LoadedManifest, plan: Plan) -> dict[Path, str | None]:
    """Return what is in files afterwards, of those that the plan is about; None for one that is gone."""
    place = opened.folder.path
    after: dict[Path, str | None] = {place(old): None for old in plan.moved}
    # Where one takes the name of another that moves as well, it is there afterwards.
    after |= {place(now): _read(place(old)) for old, now in plan.moved.items()}
    return after | {place(path): text for path, text in plan.files.items()}


def _changes(opened: LoadedManifest, plan: Plan) -> list[Change]:
    place = opened.folder.path
    ours = {place(path) for path in (*plan.moved, *plan.staging)}
    changes: list[Change] = []
    for path, text in _contents(opened, plan).items():
        before = _read(path) if path in ours else None
        if before != text:
            changes.append(Change(path, before, text))
    if plan.is_edited:
        changes.append(Change(opened.path, opened.manifest.document.source.text, plan.text))
    return changes


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        return None


_INSTEAD = "move it away, and run the command again"


def refuse_existing(fixes: Fixes) -> None:
    """Raise UsageError where a new file that is planned exists already, as `write` does."""
    for change in fixes.changes:
        if change.before is None and os.path.lexists(change.path):
            raise UsageError(new_files.taken(change.path, _INSTEAD))


def write(fixes: Fixes) -> None:
    """Write what is planned. Whenever it is cut off, a manifest and its files are those from before, or the new ones.

    So a file that a manifest names is never replaced while the manifest says something else of it: the manifest is
    given a copy under another name first, at once with everything else, and the file's own name when that is there.
    Raises UsageError where a file exists, was changed meanwhile, or cannot be written.
    """
    for opened, plan in fixes.plans:
        changes = _changes(opened, plan)
        if not plan.is_edited:
            for change in changes:
                _replace(change.path, change.after or "")
            continue
        place = opened.folder.path
        contents = _contents(opened, plan)
        staged = {place(name): contents[place(path)] or "" for path, name in plan.staging.items()}
        created = {one.path: one.after for one in changes if one.before is None and one.after is not None}
        with new_files.written({**created, **staged}, instead=_INSTEAD):
            scaffold.replace_manifest(opened, plan.staged if staged else plan.text)
        if staged:
            for path in map(place, plan.staging):
                _replace(path, contents[path] or "")
            _replace(opened.path, plan.text)
        for gone in (*staged, *(one.path for one in changes if one.after is None)):
            with suppress(FileNotFoundError):
                gone.unlink()


def _replace(path: Path, text: str) -> None:
    try:
        written_file.write(path, text.encode())
    except OSError as error:
        raise UsageError(new_files.unwritable(path, error)) from None
