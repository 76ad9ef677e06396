"""`lint` opens manifests and files, asks the parser, squawk and git, and returns everything that was found."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from zmig.lint import check, snapshot, squawk
from zmig.lint.base import Comparison, compare
from zmig.lint.check import Surroundings
from zmig.lint.config import severities
from zmig.lint.finding import Remark
from zmig.lint.gather import Files, gather
from zmig.lint.git import Repository
from zmig.lint.grammar import Grammar
from zmig.lint.rules import RULES, Needs
from zmig.lint.squawk import Job, Squawk, SquawkFailed, SquawkReport
from zmig.project import outside, undeclared
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from zmig.lint.finding import Finding, Severity
    from zmig.lint.gather import Gathered

INSTALL = 'pip install "zmig[lint]"'


@valueclass
class Report:
    """What was found."""

    findings: tuple[Finding, ...]
    """By file, line and column."""
    migrations: int
    """How many were looked at."""
    missing: tuple[str, ...] = ()
    """What was not checked as it should be, and why."""
    remedy: str | None = None
    """The command that gets what is missing, where there is one."""
    is_whole: bool = True
    """Whether every rule was checked that is on: False where a tool that checks some is not there, or failed."""

    def count(self, least: Severity) -> int:
        """Return how many findings matter at least so much."""
        return sum(finding.severity.rank >= least.rank for finding in self.findings)

    def renamed(self, shown: Callable[[str], str]) -> Report:
        """Return the same findings with other names for the files."""
        return replace(self, findings=tuple(replace(one, file=shown(one.file)) for one in self.findings))


@dataclass(slots=True)
class _Tools:
    """What does part of the work, as far as it is installed."""

    grammar: Grammar | None = None
    squawk: Squawk | None = None
    missing: list[str] = field(default_factory=list[str])
    remedy: str | None = None


def lint(paths: Sequence[Path], *, environ: Mapping[str, str], base: str | None = None) -> Report:
    """Return everything that is found in manifests and their files. No code of theirs is run.

    With `base`, a git revision, the files are checked of those entries only that are not there as they are here.
    Raises ManifestError where a manifest cannot be read at all, UsageError where git does not know the revision.
    """
    files = Files()
    projects = [gather(path, environ=environ, files=files) for path in paths]
    tools = _tools(projects)
    try:
        bases = [_compared(project, base, environ, tools) for project in projects]
        _begin(tools, projects, bases)
        said = _said(tools)
    finally:
        if tools.squawk is not None:
            tools.squawk.close()
    rules, strays = _rules(tools, has_base=base is not None), _strays(projects)
    found = [
        finding
        for project, compared in zip(projects, bases, strict=True)
        for finding in check.check(
            project,
            Surroundings(rules, tools.grammar, said.remarks, said.unread, strays.get(project.path, ()), compared),
        )
    ]
    entries = {(entry.manifest.label, entry.version) for project in projects for entry in project.entries}
    missing = (*tools.missing, *_unread(tools, said))
    is_whole = tools.grammar is not None and tools.squawk is not None
    return Report(_redacted(_once(found)), len(entries), missing, tools.remedy, is_whole)


def _strays(projects: Sequence[Gathered]) -> dict[Path, tuple[Remark, ...]]:
    """Return what is reported of files that no entry of any manifest names, by the manifest that has their folder."""
    named = {project.path: list(project.files) for project in projects}
    found: dict[Path, tuple[Remark, ...]] = {}
    for path in undeclared.files([file for files in named.values() for file in files]):
        owner = next(one for one in projects if any(file.parent == path.parent for file in named[one.path]))
        source = owner.opened[0].manifest.document.source
        remark = Remark(
            "name/undeclared",
            f"`{path}` looks like a migration, and no entry names it, so it is never applied",
            "declare it in the manifest, or move it out of the folder",
            source,
            0,
            1,
        )
        found[owner.path] = (*found.get(owner.path, ()), remark)
    return found


def _compared(project: Gathered, base: str | None, environ: Mapping[str, str], tools: _Tools) -> Comparison | None:
    """Return how a project differs from a revision. Raises UsageError where git does not know it."""
    if base is None:
        return None
    repository = Repository.around(project.path.parent)
    tip = repository.commit(base)
    path = repository.inside(project.path)
    assert path is not None, "a file is inside of the repository around its folder"
    fork = repository.fork(tip)
    if fork is None:
        tools.missing.append(
            f"where this branch left `{base}` is not known here, so it is compared with `{base}` as it is"
        )
        fork = tip
    at_tip = snapshot.take(repository, tip, path, environ=environ)
    at_fork = at_tip if fork == tip else snapshot.take(repository, fork, path, environ=environ)
    return compare(project.entries, at_fork, at_tip, root=project.opened[0].manifest.document.source)


def _tools(projects: Iterable[Gathered]) -> _Tools:
    tools = _Tools()
    try:
        tools.grammar = Grammar()
    except (ImportError, OSError):
        tools.remedy = INSTALL
        tools.missing.append("`sql/syntax` was not checked: the package `postgast` is not installed")
    program = squawk.find()
    if program is None:
        tools.remedy = INSTALL
        tools.missing.append("the rules `squawk/...` were not checked: the program `squawk` is not installed")
    else:
        tools.squawk = Squawk(program, include=_included(projects))
    return tools


def _included(projects: Iterable[Gathered]) -> list[str]:
    """Return the rules that squawk must be asked for: it checks some of them only then."""
    roots = [project.opened[0].manifest.lint for project in projects]
    own = [opened.manifest.lint for project in projects for opened in project.opened]
    wanted = [severities(one, root) for root in roots for one in own]
    rules = (code for code, rule in RULES.items() if rule.needs is Needs.SQUAWK)
    return [code.partition("/")[2] for code in rules if any(weights[code] is not None for weights in wanted)]


def _begin(tools: _Tools, projects: Sequence[Gathered], bases: Sequence[Comparison | None]) -> None:
    if tools.squawk is None:
        return
    try:
        tools.squawk.begin(dict.fromkeys(_jobs(projects, bases)))
    except SquawkFailed as error:
        _give_up(tools, error)


def _jobs(projects: Sequence[Gathered], bases: Sequence[Comparison | None]) -> Iterator[Job]:
    for project, base in zip(projects, bases, strict=True):
        root = project.opened[0].manifest.lint.postgres_version
        own = {id(one.manifest.document.source): one.manifest.lint.postgres_version for one in project.opened}
        for entry in project.entries:
            is_examined = base is None or entry.version in base.examined
            if is_examined and entry.sql is not None and not entry.sql.problems:
                yield Job(entry.sql, entry.is_transactional, root or own[id(entry.manifest)])


def _said(tools: _Tools) -> SquawkReport:
    if tools.squawk is None:
        return SquawkReport()
    try:
        return tools.squawk.end()
    except SquawkFailed as error:
        _give_up(tools, error)
        return SquawkReport()


def _unread(tools: _Tools, said: SquawkReport) -> Iterator[str]:
    """Yield what is to be reported of files that squawk does not understand, and of rules that zmig does not know."""
    for rule, count in sorted(said.unknown.items()):
        times = "once" if count == 1 else f"{count} times"
        yield f"squawk found something {times} by its rule `{rule}`, which zmig does not know: it is not reported"
    for file in said.unread.values():
        if tools.grammar is not None and next(tools.grammar.check(file), None) is None:
            yield f"the rules `squawk/...` were not checked in `{file.path}`: squawk does not know its syntax"


def _give_up(tools: _Tools, error: SquawkFailed) -> None:
    tools.missing.append(f"the rules `squawk/...` were not checked: squawk could not be run: {error}")
    if tools.squawk is not None:
        tools.squawk.close()
        tools.squawk = None


def _rules(tools: _Tools, *, has_base: bool) -> frozenset[str]:
    return check.rules_that_run(
        has_grammar=tools.grammar is not None, has_squawk=tools.squawk is not None, has_base=has_base
    )


def _redacted(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings without lines and quotations of files outside of the project."""
    findings = tuple(findings)
    hidden = {file for file in {one.file for one in findings} if outside.is_outside(file)}
    return tuple(
        replace(
            one,
            text=None,
            message=outside.unquoted(one.message, one.file),
            facts=tuple(outside.unquoted(fact, one.file) for fact in one.facts),
        )
        if one.file in hidden
        else one
        for one in findings
    )


def _once(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings in order; what several manifests have in common is reported once, as the strictest weighs it."""
    strictest: dict[tuple[object, ...], Finding] = {}
    for finding in found:
        key = (finding.file, finding.line, finding.column, finding.rule, finding.message)
        known = strictest.setdefault(key, finding)
        if finding.severity.rank > known.severity.rank:
            strictest[key] = finding
    return tuple(sorted(strictest.values(), key=lambda one: (one.file, one.line, one.column, one.rule)))
