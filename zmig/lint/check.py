"""Puts the checks together: every remark about a manifest's entries, weighed, without those that are ignored. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint import ignores, sizes
from zmig.lint.advice import own
from zmig.lint.cache.findings import Found
from zmig.lint.finding import Finding, Remark, Severity, of_problem, of_remark
from zmig.lint.registry import RULES, severities
from zmig.lint.registry import of_problem as rule_of
from zmig.lint.rule import Needs
from zmig.lint.rules import (
    batches,
    changes,
    design,
    failures,
    held,
    indexes,
    locks,
    losses,
    names,
    privileges,
    python,
    replication,
    rollbacks,
    rows,
    security,
    sessions,
    transactions,
    values,
    versions,
)
from zmig.lint.rules.locks import Reported
from zmig.lint.squawk import weighing
from zmig.lint.squawk.weighing import SquawkReport
from zmig.lint.steps import Replayed
from zmig.lint.tried import Tried, merged
from zmig.valueclass import field, replace, slotted, valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from dataclasses import KW_ONLY

    from zmig.lint.base import Comparison
    from zmig.lint.cache.cache import Cache
    from zmig.lint.entries import Entry, Gathered
    from zmig.lint.grammar import Grammar
    from zmig.lint.registry import Severities
    from zmig.lint.replay.catalog import Catalog
    from zmig.lint.sizes import Size, Sizes
    from zmig.lint.steps import Step, Undoing
    from zmig.sql.token_reader import Name

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
    python.signature,
    ignores.faults,
)
_CHECKS_OF_EFFECTS: tuple[Callable[[Entry, Sequence[Step]], Iterator[Remark]], ...] = (
    changes.mixed,
    failures.certain,
    locks.unlimited,
    held.several_tables,
    held.explicit,
    held.lifted,
    rows.unbounded,
    rows.of_server,
    losses.cascade,
    losses.unlogged,
    losses.skipped,
    security.search_path,
    security.public,
    security.views,
    security.hidden,
    sessions.ended,
    rows.locked,
    values.set_sequences,
    values.stale,
    design.tables,
    design.columns,
    design.keys,
    design.indexes,
    design.published,
    replication.stopped,
    rollbacks.missing,
)
_CHECKS_BESIDE_SQUAWK: tuple[Callable[[Entry, Sequence[Step], Reported], Iterator[Remark]], ...] = (
    locks.rewrite,
    locks.scan,
    held.slow,
    held.sleeps,
    rows.truncated,
    rows.without_triggers,
    security.roles,
    security.rows,
)
_CHECKS_OF_ROLLBACKS: tuple[Callable[[Undoing], Iterator[Remark]], ...] = (
    rollbacks.failing,
    rollbacks.needs_empty,
    rollbacks.incomplete,
    privileges.left,
    rollbacks.irreversible,
    rollbacks.loses_data,
)
_OF_MIGRATIONS_ALONE = frozenset(
    {
        *(failures.certain, rows.truncated, losses.cascade, losses.skipped, security.rows),  # said by one of rollbacks
        rollbacks.missing,  # said once of both
        replication.stopped,  # nobody needs what its migration made
        values.stale,  # said of its migration, and most of what is held is from before that
        held.several_tables,  # a rollback takes back what its migration did, all at once or not at all
        *(design.tables, design.columns, design.keys, design.indexes, design.published),  # made anew as it was
    }
)
"""What is not asked of rollbacks."""
_SAID_OTHERWISE = frozenset({"data/delete-all"})
"""What `rollback/loses-data` says of rollbacks."""


@valueclass
class CheckContext:
    """What the checks know besides the manifest."""

    ran: Collection[str]
    """The rules that can be checked here."""
    _: KW_ONLY
    grammar: Grammar | None = None
    squawk: SquawkReport = field(default_factory=SquawkReport)
    """What squawk says of its files."""
    strays: Sequence[Remark] = ()
    """What is wrong with the folders of its files."""
    base: Comparison | None = None
    """How the manifest differs from a revision; None where there is nothing to compare with."""
    tried: Mapping[int, Tried] = field(default_factory=dict[int, Tried])
    """What came of the entries that were tried on a server, by version."""
    sizes: Sizes = field(default_factory=dict["Name", "Size"])
    """How large tables are, where a file says so."""
    start_after: Mapping[int, int] = field(default_factory=dict[int, int])
    """By the `id` of a manifest's text: up to which version nothing is reported of its entries."""

    def examines(self, entry: Entry) -> bool:
        """Whether the files of an entry are checked: those that are not on the base as they are, and new enough."""
        if entry.version <= self.start_after.get(id(entry.manifest), 0):
            return False
        return self.base is None or entry.version in self.base.examined

    def rules_for(self, entry: Entry) -> Iterator[str]:
        """Yield the rules that were checked for an entry."""
        is_read = entry.sql is None or not (entry.sql.problems or id(entry.sql) in self.squawk.unread)
        yield from (code for code in self.ran if is_read or RULES[code].needs is not Needs.SQUAWK)
        if entry.version in self.tried:
            yield from (code for code, rule in RULES.items() if rule.needs is Needs.SERVER)

    def unread_in(self, entry: Entry) -> list[str]:
        """Return the files of an entry that are reported as such that squawk could not read."""
        not_checked = self.squawk.not_checked
        return [not_checked[one] for one in _given_to_squawk(entry) if one in not_checked]

    def unknown_in(self, entry: Entry) -> list[str]:
        """Return the rules of squawk that found something of an entry, and that zmig does not know."""
        return [name for one in _given_to_squawk(entry) for name in self.squawk.unknown.get(one, ())]

    def is_new(self, entry: Entry) -> bool:
        """Whether an entry is known not to be applied, so that nobody uses what it makes."""
        return self.base is not None and entry.version in self.base.new


def _given_to_squawk(entry: Entry) -> Iterator[int]:
    """Yield the `id` of what squawk checks of an entry."""
    if entry.sql is not None:
        yield id(entry.sql)
    if entry.inside is not None:
        yield id(entry.inside.file)


@slotted
class Evidence:
    """What findings about entries come from, by version: for who wants to know more than what is reported."""

    remarks: dict[int, list[Remark]] = field(default_factory=dict[int, "list[Remark]"])
    """Those that are reported."""
    before: dict[int, Catalog] = field(default_factory=dict[int, "Catalog"])
    """What is there before it; not of an entry that a squash replaces."""
    steps: dict[int, Sequence[Step]] = field(default_factory=dict[int, "Sequence[Step]"])
    """What it does to that."""
    end: Catalog | None = None
    """What is there after all of them; None without the grammar."""


def check(
    gathered: Gathered, context: CheckContext, *, evidence: Evidence | None = None, cache: Cache | None = None
) -> list[Finding]:
    """Return the findings about a manifest, those it includes and their files.

    `evidence` gets what they come from; `cache` has what was found before, and gets what is found now.
    """
    weights = _weights(gathered)
    findings = [*_of_no_entry(gathered, context, weights)]
    history = None if context.grammar is None else _History(gathered, context, context.grammar, cache)
    for position, entry in enumerate(gathered.entries):
        found = None if cache is None else cache.known(position)
        if found is None:
            own = _findings(position, gathered, context, weights[id(entry.manifest)], history, evidence)
            found = Found(own, context.unread_in(entry), context.unknown_in(entry))
            if cache is not None:
                cache.keep(position, found)
        findings += found.findings
    if history is not None:
        history.end(evidence)
    return findings


@valueclass
class EntryChecked:
    """One entry with everything that is known of it."""

    entry: Entry
    steps: Sequence[Step]
    """What its file does."""
    undoing: Undoing | None
    """What its rollback does; None where there is none that can be seen."""
    findings: Sequence[Finding]


def check_entries(gathered: Gathered, context: CheckContext, *, cache: Cache | None = None) -> Iterator[EntryChecked]:
    """Yield those entries that `context` examines, with what they do; those before them are replayed, and no more.

    `cache` has what is there before some entries, and gets what is there before the first of these.
    """
    weights = _weights(gathered)
    history = None if context.grammar is None else _History(gathered, context, context.grammar, cache)
    for position, entry in enumerate(gathered.entries):
        if not context.examines(entry):
            continue
        weight = weights[id(entry.manifest)]
        steps, undoing = history.at(position, None) if history is not None else ((), None)
        remarks = _unignored(entry, context, (steps, undoing), weight, gathered.postgres_version(entry))
        yield EntryChecked(entry, steps, undoing, (*_weighed(remarks, weight, entry.name),))


def _weights(gathered: Gathered) -> dict[int, Severities]:
    """Return how much each rule matters to the entries of a manifest, by the `id` of the text that declares them."""
    root = gathered.settings
    return {id(opened.manifest.document.source): severities(opened.manifest.lint, root) for opened in gathered.opened}


def _findings(
    position: int, gathered: Gathered, context: CheckContext, weight: Severities, history: _History | None,
    evidence: Evidence | None,
) -> list[Finding]:  # fmt: skip
    """Return what is found of one entry."""
    entry = gathered.entries[position]
    findings = [
        of_problem(problem, rule_of(problem.code), Severity.ERROR, file="", migration=entry.name)
        for file in entry.read_files
        for problem in file.problems
    ]
    steps: Sequence[Step] = ()
    undoing: Undoing | None = None
    if history is not None and (evidence is not None or context.examines(entry)):
        steps, undoing = history.at(position, evidence)
    remarks = _unignored(entry, context, (steps, undoing), weight, gathered.postgres_version(entry))
    if evidence is not None:
        evidence.remarks[entry.version] = [one for one in remarks if weight[one.rule] is not None]
    return [*findings, *_weighed(remarks, weight, entry.name)]


class _History:
    """The entries of a manifest, replayed as far as somebody asks for them."""

    def __init__(self, gathered: Gathered, context: CheckContext, grammar: Grammar, cache: Cache | None) -> None:
        self._gathered = gathered
        self._context = context
        self._grammar = grammar
        self._cache = cache
        self._replaced = replaced(gathered)
        self._replayed: Replayed | None = None
        self._position = 0
        """The entry that comes next."""

    def at(self, position: int, evidence: Evidence | None) -> tuple[Sequence[Step], Undoing | None]:
        """Return the steps of an entry that is later than those before, and its rollback where it is examined."""
        replayed = self._before(position)
        entry = self._gathered.entries[position]
        before, steps = replayed.catalog, self._follow(replayed)
        if self._is_replaced(position):
            return (), None
        if evidence is not None:
            evidence.before[entry.version], evidence.steps[entry.version] = before, steps
        if not self._context.examines(entry):
            return steps, None
        return steps, replayed.undoing(entry, steps, version=self._gathered.settings.postgres_version)

    def end(self, evidence: Evidence | None) -> None:
        """Take note of what is there after all entries."""
        if evidence is not None:
            evidence.end = self._before(len(self._gathered.entries)).catalog
        if self._replayed is not None:
            self._keep(self._replayed)

    def _before(self, position: int) -> Replayed:
        """Return what is there before an entry."""
        is_first = self._replayed is None
        if self._cache is not None and (kept := self._cache.catalog(position, after=self._position)) is not None:
            self._position, catalog, new = kept
            self._replayed = Replayed.resumed(self._grammar, catalog, new)
        if self._replayed is None:
            self._replayed = _replayed(self._gathered, self._grammar)
        while self._position < position:
            self._follow(self._replayed)
        if is_first and self._cache is not None:
            self._cache.keep_catalog(position, self._replayed.catalog, self._replayed.new)
        return self._replayed

    def _follow(self, replayed: Replayed) -> Sequence[Step]:
        """Return the steps of the next entry, and go on after it."""
        entry = self._gathered.entries[self._position]
        self._keep(replayed)
        is_replaced = self._is_replaced(self._position)
        self._position += 1
        if is_replaced:
            return ()
        version = self._gathered.settings.postgres_version
        return replayed.steps(entry, is_new=self._context.is_new(entry), version=version)

    def _keep(self, replayed: Replayed) -> None:
        if self._cache is not None and self._cache.wants_catalog(self._position):
            self._cache.keep_catalog(self._position, replayed.catalog, replayed.new)

    def _is_replaced(self, position: int) -> bool:
        return id(self._gathered.entries[position]) in self._replaced


def _of_no_entry(gathered: Gathered, context: CheckContext, weights: Mapping[int, Severities]) -> Iterator[Finding]:
    """Yield what is found of manifests, and of files that are no entry's."""
    for problem in gathered.problems:
        yield of_problem(problem, rule_of(problem.code), Severity.ERROR, file=str(gathered.path))
    for opened in gathered.opened:
        source = opened.manifest.document.source
        yield from _weighed(ignores.unknown_severities(opened.manifest.lint, source), weights[id(source)], None)
    for problem in gathered.start.problems if gathered.start is not None else ():
        yield of_problem(problem, rule_of(problem.code), Severity.ERROR, file="")
    remarks = (*gathered.remarks, *context.strays, *(context.base.gone if context.base else ()))
    yield from _weighed(remarks, severities(gathered.settings, gathered.settings), None)


def _replayed(gathered: Gathered, grammar: Grammar) -> Replayed:
    replayed = Replayed(grammar, gathered.start)
    for entry in gathered.entries:
        if entry.is_repeatable:
            replayed.allow_for_repeatable(entry)
    return replayed


def replaced(gathered: Gathered) -> frozenset[int]:
    """Return the entries, by their `id`, for which a squash, which builds what they build, is in the manifest too."""
    squashes = [(one, one.declaration.replaces) for one in gathered.entries if one.declaration.replaces is not None]
    return frozenset(
        id(entry)
        for entry in gathered.entries
        if any(one is not entry and entry.version in replaces for one, replaces in squashes)
    )


def _weighed(remarks: Iterable[Remark], weight: Severities, migration: str | None) -> Iterator[Finding]:
    """Yield the findings that remarks are, without those whose rule is off."""
    for remark in remarks:
        severity = weight[remark.rule]
        if remark.severity is not None and severity is RULES[remark.rule].severity:
            severity = remark.severity
        if severity is not None:
            yield of_remark(remark, severity, migration)


def _unignored(
    entry: Entry,
    context: CheckContext,
    replayed: tuple[Sequence[Step], Undoing | None],
    weight: Severities,
    version: int | None,
) -> list[Remark]:
    """Return what is wrong with an entry, without what it ignores, and with what it ignores for nothing."""
    remarks = [*context.base.remarks.get(entry.version, ())] if context.base else []
    if context.examines(entry):
        steps, undoing = replayed
        said = own.corrected(entry.sql, _remarks(entry, context, steps))
        remarks += sizes.weighed(said, steps, context.sizes)
        remarks += versions.too_new(entry, version)
        if undoing is not None:
            of_rollback = (one for one in _remarks_on_rollback(undoing) if not _is_of_both(one, entry, remarks))
            remarks += sizes.weighed([*own.corrected(entry.rollback, of_rollback)], undoing.steps, context.sizes)
    ignored, tried = tuple(ignores.declared(entry)), context.tried.get(entry.version, Tried())
    used = {ignore for ignore in ignored for remark in (*remarks, *tried.remarks) if ignore.covers(remark)}
    remarks = merged(remarks, tried, ignored)
    if ignored and context.examines(entry):
        on = {code for code, severity in weight.items() if severity is not None}
        remarks += ignores.unused(entry, used, {*context.rules_for(entry)}, on, ignored)
    if not ignored:
        return remarks
    return [remark for remark in remarks if not any(ignore.covers(remark) for ignore in ignored)]


def _is_of_both(remark: Remark, entry: Entry, said: Iterable[Remark]) -> bool:
    """Whether something about what an entry declares for its rollback as well is said of its migration already."""
    return remark.source is entry.manifest and any(
        one.rule == remark.rule and one.source is entry.manifest for one in said
    )


def _remarks(entry: Entry, context: CheckContext, steps: Sequence[Step]) -> Iterator[Remark]:
    for check_entry in _CHECKS:
        yield from check_entry(entry)
    said = context.squawk.remarks.get(id(entry.sql), ()) if entry.sql is not None else ()
    said_inside = () if entry.inside is None else context.squawk.remarks.get(id(entry.inside.file), ())
    for check_effects in _CHECKS_OF_EFFECTS:
        yield from check_effects(entry, steps)
    reported = Reported([one.remark for one in (*said, *said_inside)])
    for check_beside in _CHECKS_BESIDE_SQUAWK:
        yield from check_beside(entry, steps, reported)
    if context.grammar is not None:
        yield from context.grammar.check_condition(entry)
        yield from context.grammar.check_verify(entry)
        yield from _syntax(entry, context.grammar)
    if entry.sql is not None:
        yield from weighing.weighed(entry.sql, said, [step for step in steps if not _is_within(step)])
    if entry.inside is not None and any(step.file.is_inside for step in steps):
        own = [step for step in steps if step.file.is_inside and step.statement.shown is None]
        within = weighing.weighed(entry.inside.file, said_inside, own)
        yield from (replace(one, replaced=None) for one in within)


def _is_within(step: Step) -> bool:
    return step.file.is_inside or step.statement.shown is not None


def _syntax(entry: Entry, grammar: Grammar) -> Iterator[Remark]:
    """Yield what PostgreSQL's grammar refuses, also in what code executes."""
    found = [remark for file in entry.read_files for remark in grammar.check(file)]
    yield from found
    for inside in (entry.inside, entry.rollback_inside):
        if inside is not None and not found:  # else the body is refused already
            yield from grammar.check(inside.file)


def start_after(gathered: Gathered) -> dict[int, int]:
    """Return up to which version nothing is reported of entries, by the `id` of the text that declares them."""
    root = gathered.settings.start_after
    own = ((one.manifest.document.source, one.manifest.lint.start_after) for one in gathered.opened)
    return {id(source): root or said or 0 for source, said in own}


def _remarks_on_rollback(undoing: Undoing) -> Iterator[Remark]:
    """Yield what is said of a rollback, as a change of a database that is in use."""
    for check_rollback in _CHECKS_OF_ROLLBACKS:
        yield from check_rollback(undoing)
    said: list[Remark] = []
    for check_effects in _CHECKS_OF_EFFECTS:
        if check_effects not in _OF_MIGRATIONS_ALONE:
            said += check_effects(undoing.entry, undoing.steps)
    for check_beside in _CHECKS_BESIDE_SQUAWK:
        if check_beside not in _OF_MIGRATIONS_ALONE:
            said += check_beside(undoing.entry, undoing.steps, Reported(()))
    yield from (one for one in said if one.rule not in _SAID_OTHERWISE)


def rules_that_run(*, has_grammar: bool, has_squawk: bool, has_base: bool) -> frozenset[str]:
    """Return the rules that can be checked with what is there."""
    present = {
        Needs.NOTHING: True,
        Needs.GRAMMAR: has_grammar,
        Needs.SQUAWK: has_squawk,
        Needs.BASE: has_base,
        Needs.SERVER: False,
    }
    ran = frozenset(code for code, rule in RULES.items() if present[rule.needs])
    # Without the catalog, nobody knows of which tables squawk is right.
    unweighed = {code for code in ran if RULES[code].needs is Needs.SQUAWK} - weighing.ABOUT_FORM
    return ran if has_grammar else ran - unweighed
