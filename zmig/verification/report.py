"""What was proved as findings, in the form that `zmig lint` reports its own. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.catalog.difference import Change
from zmig.catalog.objects import Kind, major
from zmig.errors import Location, Problem
from zmig.lint.finding import Finding, Severity, of_problem
from zmig.lint.registry import RULES as LINT_RULES
from zmig.lint.registry import severities
from zmig.lint.report.json import of_finding
from zmig.lint.rule import Rule
from zmig.lint.run import Report
from zmig.presentation.words import counted, duration
from zmig.text import listing
from zmig.valueclass import replace
from zmig.verification.round_trips import Stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from zmig.catalog.difference import Difference
    from zmig.manifest.lint_keys import LintSettings
    from zmig.model import Migration
    from zmig.verification import live
    from zmig.verification.proving import Result
    from zmig.verification.round_trips import Deviation, Proof, RowChange

_MOST_LINES = 60
"""Lines of a difference that are shown; a routine may have thousands."""
_CONTEXT_LINES = 2
_MOST_NOTED = 5
_MOST_FINDINGS = 20
"""Objects of one migration that are reported one by one."""
_CONTAINERS = frozenset(
    {
        *(Kind.SCHEMA, Kind.TABLE, Kind.FOREIGN_TABLE, Kind.VIEW, Kind.MATERIALIZED_VIEW, Kind.TYPE, Kind.DOMAIN),
        *(Kind.ROUTINE, Kind.AGGREGATE, Kind.SEQUENCE, Kind.INDEX, Kind.COLUMN, Kind.EXTENSION, Kind.TRIGGER),
        *(Kind.CONSTRAINT, Kind.POLICY, Kind.STATISTICS, Kind.PUBLICATION, Kind.EVENT_TRIGGER, Kind.SERVER),
    }
)
"""What others belong to: with a table go its columns, with any of these its owner, comment and rights."""
_MAY_BE_IGNORED = frozenset(
    {Kind.SCHEMA, Kind.TABLE, Kind.FOREIGN_TABLE, Kind.VIEW, Kind.MATERIALIZED_VIEW, Kind.SEQUENCE}
)
_BY_DEFINITION = frozenset({Kind.INDEX, Kind.SEQUENCE, Kind.STATISTICS})
"""What is named by itself, and says in its definition which table it belongs to."""


RULES = {
    rule.code: rule
    for rule in (
        Rule("verify/not-applied", Severity.ERROR, "a migration cannot be applied to an empty database"),
        Rule("verify/live-missing", Severity.ERROR, "the live database lacks what the files build"),
        Rule("verify/live-extra", Severity.ERROR, "the live database has what the files do not build"),
        Rule(
            "verify/live-changed", Severity.ERROR, "the live database has something otherwise than the files build it"
        ),
        *(rule for code, rule in LINT_RULES.items() if code.startswith("verify/") or code == "rollback/missing"),
    )
}


def of_proofs(result: Result, lint: LintSettings, *, notes: Sequence[str] = ()) -> Report:
    """Return the report of what was proved."""
    without = severities(lint, lint)["rollback/missing"]
    findings = [finding for proof in result.proofs for finding in of_proof(proof, without)]
    missing = [*notes, *filter(None, (result.remark,))]
    if result.stopped is not None:
        findings += of_proof(result.stopped, without)
        if result.left:
            missing.append(f"{counted(result.left, 'migration')} after it could not be proved")
    return Report(tuple(findings), len(result.proofs), missing=tuple(missing), rules=RULES, title="zmig verify")


def document(report: Report, result: Result) -> dict[str, object]:
    """Return what was proved as JSON types."""
    findings = [{**of_finding(finding), "details": list(finding.facts)} for finding in report.findings]
    proofs = [*result.proofs, *([] if result.stopped is None else [result.stopped])]
    return {
        "findings": findings,
        "proved": [one.migration.name for one in proofs if _is_proved(one) and one.is_of_anything],
        "not_proved": [one.migration.name for one in proofs if not _is_proved(one)],
        "without_rollback": [one.migration.name for one in proofs if _is_proved(one) and not one.is_of_anything],
        "server_version": result.server_version,
        "notes": list(report.missing),
    }


def summary(report: Report, result: Result, *, seconds: float) -> str:
    """Return how much was proved, in one line, and below it what could not be."""
    undone = [one for one in result.proofs if one.migration.is_reversible]
    proved = sum(map(_is_proved, undone))
    without = sum(not one.migration.is_reversible and not one.migration.is_repeatable for one in result.proofs)
    repeatables = sum(one.migration.is_repeatable for one in result.proofs)
    parts = [f"{proved} of {counted(len(undone), 'rollback')} proved"]
    parts += [f"{counted(without, 'migration')} without one"] if without else []
    parts += [f"{counted(repeatables, 'repeatable')} run twice"] if repeatables else []
    version = major(result.server_version)
    lines = [f"{', '.join(parts)}, on PostgreSQL {version}, in {duration(seconds)}"]
    return "\n".join((*lines, *(f"note: {reason}" for reason in report.missing)))


def _is_proved(proof: Proof) -> bool:
    return proof.is_proved or (
        proof.problem is None and not any(one.differences or _is_loss(one) for one in proof.deviations)
    )


def _is_loss(deviation: Deviation) -> bool:
    """Whether the rows that differ are a finding, and no note."""
    if deviation.stage is Stage.REPEAT:
        return deviation.is_by_rule and bool(deviation.rows)
    return any(one.after < one.before for one in deviation.rows)


def of_live(result: live.Result, manifest: str) -> Report:
    """Return the report of how a live database differs from what the files build."""
    findings: list[Finding] = []
    if result.failed is not None:
        migration, error = result.failed
        findings.append(_failure(migration, Stage.APPLY, error.problems[0]))
    makers = {id(one.difference): one.migration for one in result.deviants}
    for one, parts in main_ones([deviant.difference for deviant in result.deviants]):
        findings.append(_of_live(one, parts, makers[id(one)], manifest))
    notes = [_noted(reason, kept) for reason, kept in _by_reason(result.notes)]
    report = Report(tuple(findings), len(result.replayed), missing=(*result.remarks, *notes), rules=RULES)
    return replace(report, title="zmig verify")


def _of_live(one: Difference, parts: int, migration: Migration | None, manifest: str) -> Finding:
    what = called(one)
    name = "" if migration is None else f"`{migration.name}`"
    match one.change:
        case Change.MISSING:
            rule, message = "verify/live-missing", f"the live database lacks {what}"
            hint = f"make it there again, as {name} did" if name else "make it there"
            fact = f"made or last changed by {name}"
        case Change.EXTRA:
            rule, message = "verify/live-extra", f"the live database has {what}, which the files do not build"
            hint = "put it into a migration, or drop it there"
            if one.kind in _MAY_BE_IGNORED:
                hint = f"put it into a migration, drop it there, or write `verify: {{ignore: [{one.identity}]}}`"
            fact = f"dropped by {name}"
        case Change.CHANGED:
            rule, message = "verify/live-changed", f"the live database has {what} otherwise than the files build it"
            hint = "put the change into a migration, or undo it there"
            fact = f"made or last changed by {name}"
    facts = [*([fact] if name else []), *shown(one)]
    if parts:
        facts.append(f"with {counted(parts, 'thing')} that belong{'s' if parts == 1 else ''} to it")
    place = Location(manifest if migration is None else _file(migration))
    return _at(place, rule, Severity.ERROR, migration, message, hint, facts)


def _by_reason(notes: Sequence[Difference]) -> Iterator[tuple[str, list[Difference]]]:
    for reason in dict.fromkeys(one.reason or one.kind.value for one in notes):
        yield reason, [one for one in notes if (one.reason or one.kind.value) == reason]


def _noted(reason: str, notes: Sequence[Difference]) -> str:
    names = listing.quoted([one.identity for one in notes], _MOST_NOTED)
    words = "spelled differently by the server, and the same" if notes[0].is_respelled else f"{reason} differs"
    return f"{words}: {names}"


def live_document(report: Report, result: live.Result) -> dict[str, object]:
    """Return how a live database differs as JSON types."""
    return {
        "findings": [{**of_finding(finding), "details": list(finding.facts)} for finding in report.findings],
        "replayed": [one.name for one in result.replayed],
        "noted": [
            {"kind": one.kind.value, "identity": one.identity, "reason": one.reason or one.kind.value}
            for one in result.notes
        ],
        "server_version": result.server_version,
        "scratch_server_version": result.scratch_version,
        "notes": list(report.missing),
    }


def live_summary(report: Report, result: live.Result, *, seconds: float) -> str:
    """Return how much differs, in one line, and below it what counts for nothing."""
    found = len(report.findings)
    of = counted(len(result.replayed), "migration")
    if result.failed is not None:
        what = "nothing was compared"
    else:
        what = f"{counted(found, 'difference')} from" if found else "the live database is"
        what += f" what {of} build{'s' if len(result.replayed) == 1 else ''}"
    versions = (major(result.server_version), major(result.scratch_version))
    on = f"PostgreSQL {versions[0]}" + (f" and {versions[1]}" if versions[0] != versions[1] else "")
    lines = [f"{what}, on {on}, in {duration(seconds)}"]
    return "\n".join((*lines, *(f"note: {reason}" for reason in report.missing)))


def main_ones(differences: Sequence[Difference]) -> list[tuple[Difference, int]]:
    """Return differences without those that only go with another one, each with how many of those there are."""
    parents = [one for one in differences if one.kind in _CONTAINERS and one.change is not Change.CHANGED]
    with_parts: dict[int, int] = {}
    kept: list[Difference] = []
    for one in differences:
        parent = next((other for other in parents if other is not one and _goes_with(one, other)), None)
        if parent is None:
            kept.append(one)
        else:
            with_parts[id(parent)] = with_parts.get(id(parent), 0) + 1
    return [(one, with_parts.get(id(one), 0)) for one in kept]


def _goes_with(one: Difference, parent: Difference) -> bool:
    """Whether an object came or went only because another one did."""
    if one.change is not parent.change:
        return False
    name = parent.identity
    if one.kind in (Kind.OWNER, Kind.PRIVILEGES, Kind.COMMENT):
        return re.search(rf"(?:^| ){re.escape(name)}(?:$|[. ])", one.identity) is not None
    if one.kind in _BY_DEFINITION and parent.kind not in (Kind.SCHEMA, Kind.COLUMN):
        text = one.found or one.expected or ""
        return re.search(rf" {re.escape(name)}(?:[ .(]|$)", text, re.MULTILINE) is not None
    if parent.kind is Kind.COLUMN:
        return one.kind is Kind.STORAGE and one.identity == name
    return one.identity.startswith(f"{name}.") or (one.kind is Kind.COLUMN_ORDER and one.identity == name)


def called(one: Difference) -> str:
    """Return what people call an object."""
    kind, name = one.kind, one.identity
    if kind in (Kind.OWNER, Kind.PRIVILEGES, Kind.COMMENT, Kind.COLUMN_ORDER, Kind.STORAGE):
        return f"the {kind} of `{name}`"
    return f"{kind} `{name}`"


def of_proof(proof: Proof, without: Severity | None = None) -> Iterator[Finding]:
    """Yield what was found of one migration; `without` is how much it matters that it has no rollback."""
    migration = proof.migration
    for deviation in proof.deviations:
        yield from _of_deviation(migration, deviation)
    if proof.problem is not None:
        yield _failure(migration, proof.failed_at, proof.problem)
    elif not (migration.is_reversible or migration.is_repeatable) and proof.changes_schema and without is not None:
        message = f"`{migration.name}` has no rollback, so there is none to prove"
        yield _at(_declared(migration), "rollback/missing", without, migration, message, None)


def _failure(migration: Migration, stage: Stage | None, problem: Problem) -> Finding:
    rules = {
        Stage.APPLY: "verify/not-applied",
        Stage.ROLL_BACK: "verify/rollback-failed",
        Stage.AGAIN: "verify/not-again",
        Stage.REPEAT: "verify/not-repeatable",
    }
    what = {
        Stage.APPLY: problem.message,
        Stage.ROLL_BACK: problem.message,
        Stage.AGAIN: f"after its rollback, {problem.message}",
        Stage.REPEAT: f"run a second time, {problem.message}",
    }
    assert stage is not None
    hints = {
        Stage.ROLL_BACK: "correct the rollback file",
        Stage.AGAIN: "let the rollback leave nothing that is in its way",
        Stage.REPEAT: "let it run any number of times, as with `create or replace`",
    }
    hint = problem.hint if stage is Stage.APPLY or "--scratch-url" in str(problem.hint) else hints[stage]
    if stage is Stage.APPLY and hint is not None:
        hint = str(hint).partition(", then run `zmig")[0]  # on a scratch database there is nothing to try again
    place = replace(problem, message=what[stage], hint=hint, location=problem.location or Location(_file(migration)))
    return of_problem(place, rules[stage], Severity.ERROR, file=_file(migration), migration=migration.name)


def _of_deviation(migration: Migration, deviation: Deviation) -> Iterator[Finding]:
    place = Location(_rollback(migration) if deviation.stage is not Stage.REPEAT else _file(migration))
    found = main_ones(deviation.differences)
    for one, parts in found[:_MOST_FINDINGS]:
        rule, message, hint = _words(migration, deviation.stage, one)
        facts = [*shown(one)]
        if parts:
            facts.append(f"with {counted(parts, 'thing')} that belong{'s' if parts == 1 else ''} to it")
        yield _at(place, rule, Severity.ERROR, migration, message, hint, tuple(facts))
    if len(found) > _MOST_FINDINGS:
        more = len(found) - _MOST_FINDINGS
        message = f"{counted(more, 'object')} more {'is' if more == 1 else 'are'} not as before `{migration.name}`"
        yield _at(place, "verify/changed", Severity.ERROR, migration, message, "correct those that are named first")
    for rows in deviation.rows:
        yield _of_rows(migration, deviation, rows, place)
    for one in deviation.uncovered:
        message = (
            f"after the rollback of `{migration.name}` there is another number of {one.name}, which are not compared"
        )
        fact = f"{one.after} where there {'was' if one.before == 1 else 'were'} {one.before}"
        yield _at(place, "verify/leaves-uncovered", Severity.NOTE, migration, message, "undo that, too", (fact,))


def _words(migration: Migration, stage: Stage, one: Difference) -> tuple[str, str, str]:
    """Return the rule, the message and the hint for one object."""
    name, what = migration.name, called(one)
    if stage is Stage.AGAIN:
        became = {Change.MISSING: "is missing", Change.EXTRA: "is there, too", Change.CHANGED: "is another one"}
        message = f"{what} {became[one.change]} when `{name}` is applied again after its rollback"
        return "verify/not-again", message, "let the rollback undo all that the migration depends on"
    if stage is Stage.REPEAT:
        became = {Change.MISSING: "removes", Change.EXTRA: "makes", Change.CHANGED: "changes"}
        message = f"`{name}` {became[one.change]} {what} when it is run a second time"
        return "verify/not-repeatable", message, "let it leave the same, however often it runs"
    match one.change:
        case Change.EXTRA:
            return "verify/left", f"the rollback of `{name}` leaves {what}", "undo that in the rollback"
        case Change.MISSING:
            return (
                "verify/lost",
                f"the rollback of `{name}` does not bring {what} back, which was there before",
                "make it again in the rollback, as it was",
            )
        case Change.CHANGED:
            message = f"the rollback of `{name}` leaves {what} different from what it was before"
            return "verify/changed", message, "give it back what it had before"


def _of_rows(migration: Migration, deviation: Deviation, rows: RowChange, place: Location) -> Finding:
    facts = (f"`{rows.name}` holds {rows.after} where there {'was' if rows.before == 1 else 'were'} {rows.before}",)
    if deviation.stage is Stage.REPEAT:
        severity = Severity.ERROR if deviation.is_by_rule else Severity.NOTE
        message = f"`{migration.name}` changes how many rows are in `{rows.name}` when it is run a second time"
        hint = "let it leave the same, as with `on conflict do nothing`"
        return _at(place, "verify/not-repeatable", severity, migration, message, hint, facts)
    if rows.after < rows.before:
        message = f"the rollback of `{migration.name}` loses data of `{rows.name}`, which was filled before"
        hint = "keep what the migration takes away where the rollback finds it, or say that there is no way back"
        return _at(place, "verify/loses-data", Severity.ERROR, migration, message, hint, facts)
    message = f"the rollback of `{migration.name}` leaves rows in `{rows.name}` that were not there before"
    hint = "delete in the rollback what the migration inserts"
    return _at(place, "verify/leaves-rows", Severity.NOTE, migration, message, hint, facts)


def shown(one: Difference) -> Iterator[str]:
    """Yield the lines of a difference that matter, with some around each."""
    lines = list(one.lines)
    changed = [number for number, line in enumerate(lines) if not line.startswith(" ")]
    wanted = [line for line in range(len(lines)) if any(abs(line - other) <= _CONTEXT_LINES for other in changed)]
    last = -1
    for number in wanted[:_MOST_LINES]:
        if number != last + 1:
            yield "..."
        yield lines[number]
        last = number
    if len(wanted) > _MOST_LINES:
        yield f"... {counted(len(wanted) - _MOST_LINES, 'line')} more"


def _file(migration: Migration) -> str:
    return str(migration.file) if migration.file is not None else migration.name


def _rollback(migration: Migration) -> str:
    return _file(migration) if migration.rollback_file is None else str(migration.rollback_file)


def _declared(migration: Migration) -> Location:
    return migration.declared_at or Location(_file(migration))


def _at(
    place: Location,
    rule: str,
    severity: Severity,
    migration: Migration | None,
    message: str,
    hint: str | None,
    facts: Iterable[str] = (),
) -> Finding:
    problem = Problem(rule, message, place, facts=tuple(facts), hint=hint)
    name = None if migration is None else migration.name
    return of_problem(problem, rule, severity, file=place.path, migration=name)
