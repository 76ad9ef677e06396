"""Opens a manifest, those it includes and the files they name, for checks that want all of it at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.errors import ManifestError
from zmig.lint import sql_file
from zmig.lint.finding import Remark
from zmig.lint.inside import inside
from zmig.lint.lazy import Lazy
from zmig.manifest import yaml_parser
from zmig.model import Kind, Language
from zmig.planning.plan import Action, Plan, Step
from zmig.project import inclusion, text_file
from zmig.text.places import Source
from zmig.valueclass import field, replace, slotted, valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from dataclasses import KW_ONLY
    from pathlib import Path

    from zmig.errors import Problem
    from zmig.lint.inside.inside import Inside
    from zmig.lint.sql_file import SqlFile
    from zmig.manifest.declaration import Declaration
    from zmig.manifest.lint_keys import LintSettings
    from zmig.model import Migration
    from zmig.project.inclusion import LoadedManifest


_NOTHING: Lazy[Inside | None] = Lazy(lambda: None)


@valueclass
class Entry:
    """One entry of a manifest with everything that was read for it; a file that could not be read is None."""

    declaration: Declaration
    _: KW_ONLY
    sql: SqlFile | None = None
    python: Source | None = None
    rollback: SqlFile | None = None
    verify: SqlFile | None = None
    """The file that holds its verify query."""
    within: Lazy[Inside | None] = _NOTHING
    within_rollback: Lazy[Inside | None] = _NOTHING
    has_code_rollback: bool = False
    """Whether its Python file defines `rollback(ctx)`."""
    is_rollback: bool = False
    """Whether it stands for the rollback of an entry: its SQL file is the one that undoes it."""

    @property
    def inside(self) -> Inside | None:
        """What its file runs that its statements do not show."""
        return self.within.value

    @property
    def rollback_inside(self) -> Inside | None:
        """What its rollback, a file or a function of its Python file, runs that no statement shows."""
        return self.within_rollback.value

    @property
    def name(self) -> str:
        """What findings call it."""
        return self.declaration.name or "?"

    @property
    def version(self) -> int:
        """Its version; 0 where the manifest does not give one."""
        return self.declaration.version or 0

    @property
    def is_repeatable(self) -> bool:
        """Whether it runs again."""
        return self.declaration.effective_kind is Kind.REPEATABLE

    @property
    def manifest(self) -> Source:
        """The text of the manifest that declares it."""
        return self.declaration.document.source

    @property
    def is_transactional(self) -> bool:
        """Whether zmig runs its SQL file in one transaction; the rounds of a batch have one each."""
        if self.is_rollback:
            without = self.declaration.transaction is False
            return self.sql is not None and self.sql.is_transactional(False if without else None)
        if self.declaration.batch is not None:
            return False
        return self.sql is not None and self.sql.is_transactional(self.declaration.transaction)

    @property
    def holds_locks(self) -> bool:
        """Whether its file, which may be Python, keeps every lock that it takes until it is done."""
        return self.is_transactional or (self.python is not None and self.declaration.transaction is not False)

    @property
    def undoing(self) -> Entry:
        """Its rollback, as an entry that checks can be given."""
        return replace(
            self,
            sql=self.rollback,
            python=self.python if self.rollback is None and self.has_code_rollback else None,
            rollback=None,
            verify=None,
            within=self.within_rollback,
            within_rollback=_NOTHING,
            is_rollback=True,
        )

    @property
    def source(self) -> Source | None:
        """The text of its file."""
        return self.python if self.sql is None else self.sql.source

    @property
    def sql_files(self) -> Iterator[tuple[SqlFile, bool]]:
        """Its SQL files, each with whether it runs in one transaction."""
        if self.sql is not None:
            yield self.sql, self.is_transactional
        if self.rollback is not None:
            yield self.rollback, self.undoing.is_transactional

    @property
    def read_files(self) -> Iterator[SqlFile]:
        """Its SQL files, and the one that holds its verify query."""
        yield from (file for file in (self.sql, self.rollback, self.verify) if file is not None)

    def remark(self, rule: str, key: str, message: str, hint: str) -> Remark:
        """Return a remark about the value of `key` in the manifest; where it is absent, about the version or file."""
        node = self.declaration.node
        named = node.get(key) or node.get("version") or node.get("file") or node
        return Remark(rule, message, hint, self.manifest, start=named.start, end=named.end)


@valueclass
class Gathered:
    """One manifest, with everything that was read for it."""

    path: Path
    opened: tuple[LoadedManifest, ...]
    """The manifest itself, then those it includes."""
    entries: tuple[Entry, ...]
    """By version; those that could be read at all."""
    problems: tuple[Problem, ...]
    """What `zmig apply` would refuse the manifest for."""
    _: KW_ONLY
    start: SqlFile | None = None
    """What is there before the first migration, where the manifest says it."""
    remarks: tuple[Remark, ...] = ()
    """What is wrong with that."""

    @property
    def settings(self) -> LintSettings:
        """What the manifest itself says under `lint`, which counts more than what those that it includes say."""
        return self.opened[0].manifest.lint

    def postgres_version(self, entry: Entry) -> int | None:
        """Return the oldest major version of PostgreSQL that an entry is for, where a manifest says so."""
        own = next(one.manifest for one in self.opened if one.manifest.document.source is entry.manifest)
        return self.settings.postgres_version or own.lint.postgres_version

    @property
    def files(self) -> Iterator[Path]:
        """The files that its entries name, whether they are there or not."""
        start = self.settings.start
        if start is not None:
            yield self.opened[0].folder.path(start.file)
        for opened in self.opened:
            for declaration in opened.manifest.declarations:
                verify = declaration.verify.file if declaration.verify is not None else None
                texts = (declaration.file, declaration.rollback, verify and str(verify))
                yield from (opened.folder.path(text) for text in texts if text)


@slotted
class Files:
    """SQL files that were read; each is read once, however many manifests name it."""

    _known: dict[tuple[str, bool, bool], SqlFile | None] = field(
        default_factory=dict[tuple[str, bool, bool], "SqlFile | None"]
    )

    def sql(self, path: Path, declaration: Declaration, *, is_rollback: bool = False) -> SqlFile | None:
        """Return an entry's SQL file at `path`; None where it cannot be read, which is reported elsewhere."""
        is_batch = declaration.batch is not None and not is_rollback
        key = (str(path), declaration.has_variables, is_batch)
        if key not in self._known:
            try:
                text = text_file.read_small(path)
                text = text_file.read(path) if text is None else text
            except ManifestError:
                self._known[key] = None
            else:
                has_variables = declaration.has_variables
                self._known[key] = sql_file.read(text, path=str(path), has_variables=has_variables, is_batch=is_batch)
        return self._known[key]


def gather(path: Path, *, environ: Mapping[str, str], files: Files) -> Gathered:
    """Read the manifest at `path`. Raises ManifestError where there is nothing that could be read."""
    with yaml_parser.collector_paused():
        read = inclusion.read(path, environ=environ)
        if not read.opened:
            read.raise_for_problems()
        entries: list[Entry] = []
        for opened in read.opened:
            for declaration in opened.manifest.declarations:
                migration = opened.folder.migration(declaration, read.problems)
                entries.append(_entry(declaration, migration, opened, files))
                if migration is not None:
                    read.problems += _unfit(declaration, migration, opened, read.opened[0])
    entries.sort(key=lambda entry: (entry.is_repeatable, entry.version))
    start, remarks = _start(read.opened[0])
    return Gathered(path, tuple(read.opened), tuple(entries), tuple(read.problems), start=start, remarks=remarks)


def _start(opened: LoadedManifest) -> tuple[SqlFile | None, tuple[Remark, ...]]:
    """Return the file that says what is there before the first migration, and what is wrong with it."""
    start = opened.manifest.lint.start
    if start is None:
        return None, ()
    path = opened.folder.path(start.file)
    try:
        return sql_file.read(text_file.read(path), path=str(path)), ()
    except ManifestError as error:
        problem = error.problems[0]
        source = opened.manifest.document.source
        hint = str(problem.hint or "correct the path")
        return None, (Remark("file/missing", problem.message, hint, source, start=start.start, end=start.end),)


def _entry(declaration: Declaration, migration: Migration | None, opened: LoadedManifest, files: Files) -> Entry:
    rollback, verify = None, None
    if declaration.verify is not None and declaration.verify.file is not None:
        verify = files.sql(opened.folder.path(str(declaration.verify.file)), declaration, is_rollback=True)
    if declaration.rollback is not None and declaration.rollback.lower().endswith(".sql"):
        path = opened.folder.path(declaration.rollback)
        rollback = files.sql(path, declaration, is_rollback=True)
    undoing = _within(rollback)
    if migration is None or migration.file is None:
        return Entry(declaration, rollback=rollback, verify=verify, within_rollback=undoing)
    if declaration.language is Language.PYTHON:
        python = Source(str(migration.file), text_file.read(migration.file))
        has_code_rollback = migration.has_code_rollback
        return Entry(
            declaration,
            python=python,
            rollback=rollback,
            verify=verify,
            within=Lazy(lambda: inside.of_python(python, "execute")),
            within_rollback=Lazy(lambda: inside.of_python(python, "rollback")) if rollback is None else undoing,
            has_code_rollback=has_code_rollback,
        )
    sql = files.sql(migration.file, declaration)
    return Entry(declaration, sql=sql, rollback=rollback, verify=verify, within=_within(sql), within_rollback=undoing)


def _within(file: SqlFile | None) -> Lazy[Inside | None]:
    return _NOTHING if file is None else Lazy(lambda: inside.of_sql(file))


def _unfit_verify(migration: Migration) -> Iterator[Problem]:
    from zmig.project import verify_query

    if migration.verify is None or not (migration.verify.query or "x").strip():
        return
    try:
        verify_query.read(migration, conforming=True)
    except ManifestError as error:
        yield from (problem for problem in error.problems if problem.code == "verify-invalid")


_ABOUT_THE_ENTRY = ("batch-invalid", "batch-unordered", "variable-undefined", "variable-invalid")


def _unfit(
    declaration: Declaration, migration: Migration, opened: LoadedManifest, root: LoadedManifest
) -> Iterator[Problem]:
    """Yield why a file is not what an entry with variables, batches or a verify query says it is."""
    if declaration.verify is not None:
        yield from _unfit_verify(migration)
    if not (declaration.has_variables or declaration.batch is not None):
        return
    from zmig.project import prepare

    if declaration.has_variables:
        migration = replace(migration, variables=opened.variables(root))
    steps = [Step(migration, Action.APPLY, "")]
    if migration.rollback_file is not None:
        steps.append(Step(migration, Action.ROLL_BACK, ""))
    for step in steps:
        try:
            prepare.read(Plan(step.direction, (step,)))
        except ManifestError as error:
            # What the statements themselves lack is found by the checks, one by one and with their places.
            yield from (problem for problem in error.problems if problem.code in _ABOUT_THE_ENTRY)
