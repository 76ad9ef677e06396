"""`lint` opens manifests and files, asks the parser, squawk and git, and returns everything that was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from zmig.lint import check
from zmig.lint.base import Comparison, compare
from zmig.lint.base import here as base_here
from zmig.lint.base import read as read_base
from zmig.lint.cache import cache as caching
from zmig.lint.check import CheckContext
from zmig.lint.entries import Files, Gathered, gather
from zmig.lint.finding import Remark
from zmig.lint.git import Repository
from zmig.lint.grammar import Grammar
from zmig.lint.registry import RULES, severities
from zmig.lint.rule import Needs
from zmig.lint.squawk import program as squawk
from zmig.lint.squawk.program import Job, SquawkFailed
from zmig.lint.squawk.weighing import SquawkReport
from zmig.lint.tried import TrialReport
from zmig.project import outside, undeclared
from zmig.valueclass import field, replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from dataclasses import KW_ONLY
    from pathlib import Path

    from zmig.lint.cache.cache import Cache
    from zmig.lint.cache.findings import Found
    from zmig.lint.finding import Finding, Severity
    from zmig.lint.rule import Rule
    from zmig.lint.sizes import Sizes

INSTALL = 'pip install "zmig[lint]"'

Trial = Callable[[Gathered, Comparison | None], TrialReport]
"""Tries on a server what a manifest has, or of it what is not on the base."""


@valueclass
class Report:
    """What was found."""

    findings: tuple[Finding, ...]
    """By file, line and column."""
    migrations: int
    """How many were looked at."""
    _: KW_ONLY
    missing: tuple[str, ...] = ()
    """What was not checked as it should be, and why."""
    remedy: str | None = None
    """The command that gets what is missing, where there is one."""
    rules: Mapping[str, Rule] = field(default_factory=lambda: RULES)
    """The rules that findings may be of."""
    title: str = "zmig lint"
    """The command that found it."""
    tried: int = 0
    """How many were tried on a server."""
    tried_on: int = 0
    """The server's version, as in `server_version_num`; 0 where nothing was tried."""
    is_whole: bool = True
    """Whether every rule was checked that is on: False where a tool that checks some is not there, or failed."""

    def count(self, least: Severity) -> int:
        """Return how many findings matter at least so much."""
        return sum(finding.severity.rank >= least.rank for finding in self.findings)

    def renamed(self, shown: Callable[[str], str]) -> Report:
        """Return the same findings with other names for the files."""
        return replace(self, findings=tuple(replace(one, file=shown(one.file)) for one in self.findings))

    def without_secrets(self, redact: Callable[[str], str]) -> Report:
        """Return the same report, in which `redact` has masked the secrets of each text."""
        findings = tuple(one.without_secrets(redact) for one in self.findings)
        return replace(self, findings=findings, missing=tuple(map(redact, self.missing)))


def lint(
    paths: Sequence[Path],
    *,
    environ: Mapping[str, str],
    base: str | None = None,
    trial: Trial | None = None,
    sizes: Sizes | None = None,
    is_kept: bool = True,
) -> Report:
    """Return everything that is found in manifests and their files. No code of theirs is run, but by a trial.

    With `base`, a git revision, the files are checked of those entries only that are not there as they are here.
    `trial` tries on a server what is in a manifest; `sizes` says how large tables are. With `is_kept`, what was found
    before of what is as it was is not looked for again, and what is found is kept.
    Raises ManifestError where a manifest cannot be read at all, UsageError where git does not know the revision.
    """
    files, missing = Files(), list[str]()
    projects = [gather(path, environ=environ, files=files) for path in paths]
    comparisons = [compared(project, base, environ, missing) for project in projects]
    caches: list[Cache | None] = [None for _ in projects]
    if is_kept and trial is None:
        caches = open_caches(projects, comparisons, environ, sizes or {})
    is_known = all(map(_is_known, projects, caches))
    # Where all is known, it was found with both at hand, and neither is loaded or run.
    grammar = None if is_known else load_grammar(missing)
    squawk_report = squawk_findings(projects, comparisons, grammar, missing, caches=caches)
    has_grammar = is_known or grammar is not None
    ran = check.rules_that_run(has_grammar=has_grammar, has_squawk=squawk_report is not None, has_base=base is not None)
    strays = _strays(projects)
    findings: list[Finding] = []
    trials: list[TrialReport] = []
    for project, comparison, known in zip(projects, comparisons, caches, strict=True):
        trials.append(TrialReport() if trial is None else trial(project, comparison))
        context = CheckContext(
            ran,
            grammar=grammar,
            squawk=squawk_report or SquawkReport(),
            strays=strays.get(project.path, ()),
            base=comparison,
            tried=trials[-1].by_version,
            start_after=check.start_after(project),
            sizes=sizes or {},
        )
        findings += check.check(project, context, cache=known)
        if known is not None and has_grammar and squawk_report is not None and not squawk_report.lacking:
            known.save()
    entries = {(entry.manifest.label, entry.version) for project in projects for entry in project.entries}
    return Report(
        redacted(_once(findings)),
        len(entries),
        missing=(*missing, *(reason for one in trials for reason in one.missing)),
        remedy=None if has_grammar and squawk.find() is not None else INSTALL,
        is_whole=has_grammar
        and squawk_report is not None
        and not squawk_report.lacking
        and all(one.is_whole for one in trials),
        tried=sum(len(one.by_version) for one in trials),
        tried_on=max((one.server_version for one in trials), default=0),
    )


def compared(project: Gathered, base: str | None, environ: Mapping[str, str], missing: list[str]) -> Comparison | None:
    """Return how a project differs from a revision; None without one. Adds to `missing` what is not known of that.

    Raises UsageError where git does not know it.
    """
    if base is None:
        return None
    repository = Repository.around(project.path.parent)
    tip = repository.commit(base)
    path = repository.inside(project.path)
    assert path is not None, "a file is inside of the repository around its folder"
    fork = repository.fork(tip)
    is_fork_known = fork is not None
    if fork is None:
        missing.append(
            f"where this branch left `{base}` is not known here, so it is compared with `{base}` as it is, and what "
            "was deleted since is not known"
        )
        fork = tip
    here = base_here(repository, project)
    at_tip = read_base(repository, tip, path, environ=environ, here=here)
    at_fork = at_tip if fork == tip else read_base(repository, fork, path, environ=environ, here=here)
    return compare(
        project.entries, at_fork, at_tip, root=project.opened[0].manifest.document.source, is_fork_known=is_fork_known
    )


def load_grammar(missing: list[str]) -> Grammar | None:
    """Return PostgreSQL's grammar; None where it is not installed. Adds to `missing` what is not checked then."""
    try:
        return Grammar()
    except (ImportError, OSError):
        missing.append(
            "`sql/syntax`, and every rule about what tables are like, were not checked: the package `postgast` is not "
            "installed"
        )
        return None


def _is_known(project: Gathered, cache: Cache | None) -> bool:
    """Whether everything of a manifest's entries was found before."""
    return cache is not None and all(cache.known(number) is not None for number in range(len(project.entries)))


def open_caches(
    projects: Sequence[Gathered], comparisons: Sequence[Comparison | None], environ: Mapping[str, str], sizes: Sizes
) -> list[Cache | None]:
    """Return what was found before of each manifest; nothing where what checks is not whole."""
    tools = caching.tools(squawk.find())
    if tools is None:
        return [None for _ in projects]
    rules = (*_included(projects), *sorted(map(repr, sizes.items())))
    entries = [entry for project in projects for entry in project.entries]
    # An entry may name a file twice; two may name one for different ends.
    named = Counter(path for entry in entries for path in {file.path for file in entry.read_files})
    shared = {path for path, times in named.items() if times > 1}
    return [
        caching.open_cache(
            project,
            comparison,
            examined=_examined(project, comparison),
            tools=tools,
            environ=environ,
            replaced=check.replaced(project),
            shared=shared,
            rules=rules,
        )
        for project, comparison in zip(projects, comparisons, strict=True)
    ]


def squawk_findings(
    projects: Sequence[Gathered],
    comparisons: Sequence[Comparison | None],
    grammar: Grammar | None,
    missing: list[str],
    *,
    caches: Sequence[Cache | None] = (),
) -> SquawkReport | None:
    """Return what squawk finds; None where it is not installed, or failed. Adds to `missing` what it did not check.

    Of what is in `caches` it is not asked again.
    """
    program = squawk.find()
    if program is None:
        missing.append("the rules `squawk/...` were not checked: the program `squawk` is not installed")
        return None
    caches = caches or [None for _ in projects]
    known = [
        None if cache is None else [cache.known(number) for number in range(len(project.entries))]
        for project, cache in zip(projects, caches, strict=True)
    ]
    jobs = dict.fromkeys(job for one in zip(projects, comparisons, known, strict=True) for job in _jobs(*one))
    try:
        report = squawk.check(program, jobs, include=_included(projects))
    except SquawkFailed as error:
        missing.append(f"the rules `squawk/...` were not checked: squawk could not be run: {error}")
        return None
    for file in report.unread.values():
        # What PostgreSQL's own grammar refuses, too, is reported as that.
        if grammar is not None and not file.is_inside and next(grammar.check(file), None) is None:
            report.not_checked[id(file)] = file.path
    found = [one for some in known for one in some or () if one is not None]
    unknown = Counter(name for names in report.unknown.values() for name in names)
    unknown.update(name for one in found for name in one.unknown)
    for rule, count in sorted(unknown.items()):
        times = "once" if count == 1 else f"{count} times"
        missing.append(
            f"squawk found something {times} by its rule `{rule}`, which zmig does not know: it is not reported"
        )
    missing += (
        f"`squawk/{rule}` was not checked: the squawk that is installed has no rule of that name; where another has "
        f'taken its place, write `squawk/{rule}: "off"` under `lint.severity`'
        for rule in report.lacking
    )
    not_checked = (*report.not_checked.values(), *(path for one in found for path in one.unread))
    missing += (
        f"the rules `squawk/...` were not checked in `{path}`: squawk does not know its syntax"
        for path in sorted(not_checked)
    )
    return report


def _examined(project: Gathered, comparison: Comparison | None) -> list[bool]:
    """Return of each entry whether its files are checked."""
    context = CheckContext((), base=comparison, start_after=check.start_after(project))
    return [context.examines(entry) for entry in project.entries]


def _jobs(project: Gathered, comparison: Comparison | None, known: Sequence[Found | None] | None) -> Iterator[Job]:
    examined = _examined(project, comparison)
    for number, entry in enumerate(project.entries):
        if not examined[number] or (known is not None and known[number] is not None):
            continue
        if entry.sql is not None and not entry.sql.problems:
            yield Job(entry.sql, entry.is_transactional, project.postgres_version(entry))
        if entry.inside is not None:
            yield Job(entry.inside.file, entry.holds_locks, project.postgres_version(entry))


def _included(projects: Iterable[Gathered]) -> list[str]:
    """Return the rules that squawk must be asked for: it checks some of them only then."""
    roots = [project.settings for project in projects]
    own = [opened.manifest.lint for project in projects for opened in project.opened]
    wanted = [severities(one, root) for root in roots for one in own]
    rules = (code for code, rule in RULES.items() if rule.needs is Needs.SQUAWK)
    return [code.partition("/")[2] for code in rules if any(weights[code] is not None for weights in wanted)]


def _strays(projects: Sequence[Gathered]) -> dict[Path, tuple[Remark, ...]]:
    """Return what is reported of files that no entry of any manifest names, by the manifest that has their folder."""
    named = {project.path: list(project.files) for project in projects}
    strays: dict[Path, tuple[Remark, ...]] = {}
    for path in undeclared.files([file for files in named.values() for file in files]):
        owner = next(one for one in projects if any(file.parent == path.parent for file in named[one.path]))
        remark = Remark(
            "name/undeclared",
            f"`{path}` looks like a migration, and no entry names it, so it is never applied",
            "declare it in the manifest, or move it out of the folder",
            owner.opened[0].manifest.document.source,
            start=0,
            end=1,
        )
        strays[owner.path] = (*strays.get(owner.path, ()), remark)
    return strays


def redacted(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings without lines and quotations of files outside of the project."""
    findings = tuple(findings)
    hidden = {file for file in {one.file for one in findings} if outside.is_hidden(file)}
    return tuple(
        replace(
            one,
            text=None,
            message=outside.unquoted(one.message, one.file),
            hint=None if one.hint is None else outside.unquoted(one.hint, one.file),
            fix=(),
            replaced=None,
            replacement="",
            replaced_octets=None,
            facts=tuple(outside.unquoted(fact, one.file) for fact in one.facts),
        )
        if one.file in hidden
        else one
        for one in findings
    )


def _once(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings in order; what several manifests have in common is reported once, as the strictest weighs it."""
    strictest: dict[tuple[object, ...], Finding] = {}
    for finding in findings:
        key = (finding.file, finding.line, finding.column, finding.rule, finding.message)
        known = strictest.setdefault(key, finding)
        if finding.severity.rank > known.severity.rank:
            strictest[key] = finding
    return tuple(sorted(strictest.values(), key=lambda one: (one.file, one.line, one.column, one.rule)))
