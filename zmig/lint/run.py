"""`lint` opens manifests and files, asks the parser, squawk and git, and returns everything that was found."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from zmig.lint import check, squawk
from zmig.lint.check import Surroundings
from zmig.lint.config import severities
from zmig.lint.gather import Files, gather
from zmig.lint.grammar import Grammar
from zmig.lint.squawk import Job, Squawk, SquawkFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from zmig.lint.finding import Finding, Remark, Severity
    from zmig.lint.gather import Gathered

INSTALL = 'pip install "zmig[lint]"'
_OPT_IN = "squawk/require-table-schema"


@dataclass(frozen=True, slots=True)
class Report:
    """What was found."""

    findings: tuple[Finding, ...]
    """By file, line and column."""
    migrations: int
    """How many were looked at."""
    missing: tuple[str, ...] = ()
    """Which rules were not checked, and why."""
    remedy: str = INSTALL
    """The command that gets what is missing."""

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


def lint(paths: Sequence[Path], *, environ: Mapping[str, str], base: str | None = None) -> Report:
    """Return everything that is found in manifests and their files. No code of theirs is run.

    Raises ManifestError where a manifest cannot be read at all.
    """
    files = Files()
    projects = [gather(path, environ=environ, files=files) for path in paths]
    tools = _tools(projects)
    try:
        _begin(tools, projects)
        around = Surroundings(_rules(tools), tools.grammar, _said(tools))
        found = [finding for project in projects for finding in check.check(project, around)]
    finally:
        if tools.squawk is not None:
            tools.squawk.close()
    entries = {(entry.manifest.label, entry.version) for project in projects for entry in project.entries}
    return Report(_once(found), len(entries), tuple(tools.missing))


def _tools(projects: Iterable[Gathered]) -> _Tools:
    tools = _Tools()
    try:
        tools.grammar = Grammar()
    except (ImportError, OSError):
        tools.missing.append("`sql/syntax` was not checked: the package `postgast` is not installed")
    program = squawk.find()
    if program is None:
        tools.missing.append("the rules `squawk/...` were not checked: the program `squawk` is not installed")
    else:
        tools.squawk = Squawk(program, include=_included(projects))
    return tools


def _included(projects: Iterable[Gathered]) -> list[str]:
    """Return the rules that squawk must be asked for, because it does not check them otherwise."""
    roots = (project.opened[0].manifest.lint for project in projects)
    wanted = any(severities(root, root)[_OPT_IN] is not None for root in roots)
    return [_OPT_IN.partition("/")[2]] if wanted else []


def _begin(tools: _Tools, projects: Iterable[Gathered]) -> None:
    if tools.squawk is None:
        return
    try:
        tools.squawk.begin(dict.fromkeys(_jobs(projects)))
    except SquawkFailed as error:
        _give_up(tools, error)


def _jobs(projects: Iterable[Gathered]) -> Iterator[Job]:
    for project in projects:
        root = project.opened[0].manifest.lint.postgres_version
        own = {id(one.manifest.document.source): one.manifest.lint.postgres_version for one in project.opened}
        for entry in project.entries:
            if entry.sql is not None and not entry.sql.problems:
                yield Job(entry.sql, entry.is_transactional, root or own[id(entry.manifest)])


def _said(tools: _Tools) -> dict[int, tuple[Remark, ...]]:
    if tools.squawk is None:
        return {}
    try:
        return tools.squawk.end()
    except SquawkFailed as error:
        _give_up(tools, error)
        return {}


def _give_up(tools: _Tools, error: SquawkFailed) -> None:
    tools.missing.append(f"the rules `squawk/...` were not checked: squawk could not be run: {error}")
    if tools.squawk is not None:
        tools.squawk.close()
        tools.squawk = None


def _rules(tools: _Tools) -> frozenset[str]:
    return check.rules_that_run(
        has_grammar=tools.grammar is not None, has_squawk=tools.squawk is not None, has_base=False
    )


def _once(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings in order; what several manifests have in common is told once, as the strictest weighs it."""
    strictest: dict[tuple[object, ...], Finding] = {}
    for finding in found:
        key = (finding.file, finding.line, finding.column, finding.rule, finding.message)
        known = strictest.setdefault(key, finding)
        if finding.severity.rank > known.severity.rank:
            strictest[key] = finding
    return tuple(sorted(strictest.values(), key=lambda one: (one.file, one.line, one.column, one.rule)))
