"""Puts the checks together: every remark about a manifest's entries, weighed, without those that are ignored. Pure."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from zmig.lint import (
    batches,
    changes,
    config,
    ignores,
    indexes,
    locks,
    names,
    python,
    rollbacks,
    squawk_filter,
    transactions,
)
from zmig.lint.columns import Columns
from zmig.lint.finding import Finding, Remark, Severity, of_problem, of_remark
from zmig.lint.new_objects import NewObjects
from zmig.lint.rules import RULES, Needs
from zmig.lint.rules import of_problem as rule_of
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from zmig.errors import Problem
    from zmig.lint.base import Comparison
    from zmig.lint.config import Severities
    from zmig.lint.entry import Entry
    from zmig.lint.gather import Gathered
    from zmig.lint.grammar import Grammar
    from zmig.lint.ignores import Ignore
    from zmig.manifest.lint_keys import LintSettings

_CHECKS: tuple[Callable[[Entry], Iterator[Remark]], ...] = (
    transactions.refused,
    transactions.control,
    transactions.enum_value,
    transactions.mixed,
    transactions.undecidable,
    transactions.needed,
    batches.endless,
    locks.released,
    indexes.unnamed,
    indexes.if_not_exists,
    changes.not_idempotent,
    names.number,
    names.description,
    rollbacks.missing,
    rollbacks.incomplete,
    python.signature,
    ignores.faults,
)
_CHECKS_OF_USE: tuple[Callable[[Entry, NewObjects], Iterator[Remark]], ...] = (
    changes.mixed,
    locks.rewrite,
    locks.unlimited,
)


@valueclass
class Surroundings:
    """What the checks know besides the manifest."""

    ran: Collection[str]
    """The rules that can be checked here."""
    grammar: Grammar | None = None
    squawk: Mapping[int, Sequence[Remark]] = field(default_factory=dict[int, "list[Remark]"])
    """What squawk says of SQL files, by their `id`."""
    unread: Collection[int] = ()
    """The files that squawk could not read, by their `id`."""
    strays: Sequence[Remark] = ()
    """What is wrong with the folders of its files."""
    base: Comparison | None = None
    """How the manifest differs from a revision; None where there is nothing to compare with."""

    def examines(self, entry: Entry) -> bool:
        """Whether the files of an entry are checked: all, or those that are not on the base as they are."""
        return self.base is None or entry.version in self.base.examined

    def rules_for(self, entry: Entry) -> Iterator[str]:
        """Yield the rules that were checked for an entry."""
        is_read = entry.sql is None or not (entry.sql.problems or id(entry.sql) in self.unread)
        yield from (code for code in self.ran if is_read or RULES[code].needs is not Needs.SQUAWK)

    def is_new(self, entry: Entry) -> bool:
        """Whether an entry is known not to be applied, so that nobody uses what it makes."""
        return self.base is not None and entry.version in self.base.new


def check(gathered: Gathered, around: Surroundings) -> list[Finding]:
    """Return the findings about a manifest, those it includes and their files."""
    root = gathered.opened[0].manifest.lint
    found = [*_manifest_findings(gathered, root), *_gone(around, config.severities(root, root))]
    weights = {
        id(opened.manifest.document.source): config.severities(opened.manifest.lint, root) for opened in gathered.opened
    }
    known, columns = NewObjects(), Columns()
    for entry in gathered.entries:
        weight = weights[id(entry.manifest)]
        found += _entry_findings(entry, around, known, columns, weight)
        for act in entry.sql.acts if entry.sql else ():
            columns.learn(act)
        for act in entry.sql.acts if entry.sql and around.is_new(entry) else ():
            known.learn(act)
    return found


def _manifest_findings(gathered: Gathered, root: LintSettings) -> Iterator[Finding]:
    for problem in gathered.problems:
        rule = rule_of(problem.code)
        yield of_problem(problem, rule, Severity.ERROR, file=str(gathered.path))
    for opened in gathered.opened:
        chosen = opened.manifest.lint.severity
        places = [(name, choice.start, choice.end) for name, choice in chosen.items()]
        weight = config.severities(opened.manifest.lint, root)
        for remark in ignores.unknown_severities(places, opened.manifest.document.source):
            severity = weight[remark.rule]
            if severity is not None:
                yield of_remark(remark, severity, None)


def _gone(around: Surroundings, weight: Severities) -> Iterator[Finding]:
    for remark in (*around.strays, *(around.base.gone if around.base else ())):
        severity = weight[remark.rule]
        if severity is not None:
            yield of_remark(remark, severity, None)


def _entry_findings(
    entry: Entry, around: Surroundings, known: NewObjects, columns: Columns, weight: Severities
) -> Iterator[Finding]:
    remarks = [*around.base.remarks.get(entry.version, ())] if around.base else []
    for file, _ in entry.sql_files:
        yield from _script_findings(entry, file.problems)
    if around.examines(entry):
        remarks += _remarks(entry, around, known, columns)
    own = tuple(ignores.declared(entry))
    used = _used(own, remarks)
    if around.examines(entry):
        ran = {code for code in around.rules_for(entry) if weight[code] is not None}
        remarks += ignores.unused(entry, used, ran, own)
    hidden = {remark for remark in remarks for ignore in own if ignore.covers(remark)}
    for remark in remarks:
        severity = weight[remark.rule]
        if severity is not None and remark not in hidden:
            yield of_remark(remark, severity, entry.name)


def _script_findings(entry: Entry, problems: Iterable[Problem]) -> Iterator[Finding]:
    for problem in problems:
        yield of_problem(problem, rule_of(problem.code), Severity.ERROR, file="", migration=entry.name)


def _remarks(entry: Entry, around: Surroundings, known: NewObjects, columns: Columns) -> Iterator[Remark]:
    for look in _CHECKS:
        yield from look(entry)
    for look_at in _CHECKS_OF_USE:
        yield from look_at(entry, known)
    if around.grammar is not None:
        yield from around.grammar.check_condition(entry)
        for file, _ in entry.sql_files:
            yield from around.grammar.check(file)
    if entry.sql is not None:
        yield from squawk_filter.weighed(entry.sql, around.squawk.get(id(entry.sql), ()), known, columns)


def _used(own: Iterable[Ignore], remarks: Iterable[Remark]) -> set[Ignore]:
    return {ignore for ignore in own for remark in remarks if ignore.covers(remark)}


def rules_that_run(*, has_grammar: bool, has_squawk: bool, has_base: bool) -> frozenset[str]:
    """Return the rules that can be checked with what is there."""
    present = {Needs.NOTHING: True, Needs.GRAMMAR: has_grammar, Needs.SQUAWK: has_squawk, Needs.BASE: has_base}
    return frozenset(code for code, rule in RULES.items() if present[rule.needs])
