"""What squawk says, corrected by what it cannot know: which tables are not in use yet, and what is proved already.

Pure: it takes squawk's findings as values. `zmig.lint.squawk.program` runs it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.lint.advice.advice import Asked
from zmig.lint.advice.advise import advise
from zmig.lint.finding import Remark
from zmig.lint.replay.effects import (
    Builds,
    Drops,
    Fails,
    FailsIfRows,
    Makes,
    OpensRows,
    Redefines,
    Renames,
    Rewrites,
    Scans,
    Validates,
)
from zmig.lint.replay.objects import ConstraintKind, Domain, ObjectKind
from zmig.lint.squawk.narrowing import is_harmful

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zmig.lint.replay.effects import Effect
    from zmig.lint.replay.objects import Ref
    from zmig.lint.sql_file import SqlFile
    from zmig.lint.steps import Step
    from zmig.sql.token_reader import Name

ABOUT_FORM = frozenset(
    {
        "squawk/ban-alter-database-options",
        "squawk/ban-alter-role-options",
        "squawk/ban-alter-system-options",
        "squawk/ban-char-field",
        "squawk/ban-create-domain-with-constraint",
        "squawk/ban-drop-database",
        "squawk/ban-duplicate-column-assignments",
        "squawk/ban-truncate-cascade",
        "squawk/identifier-too-long",
        "squawk/prefer-bigint-over-int",
        "squawk/prefer-bigint-over-smallint",
        "squawk/prefer-identity",
        "squawk/prefer-text-field",
        "squawk/prefer-timestamp-tz",
        "squawk/require-enum-value-ordering",
        "squawk/require-table-schema",
    }
)
"""What squawk finds whether the table is in use or not."""

_SAID_BY = {
    "squawk/adding-field-with-default": {"squawk/adding-serial-primary-key-field"},
    "squawk/constraint-missing-not-valid": {
        "squawk/adding-foreign-key-constraint",
        "squawk/adding-serial-primary-key-field",
        "squawk/disallowed-unique-constraint",
    },
}
"""The rules that say the same as a more general one about the same statement, and better."""

_HINTS = {
    "squawk/ban-char-field": "use `text`, with a `check` if the length matters",
    "squawk/identifier-too-long": "choose a name of at most 63 bytes",
}


_DROPS = re.compile("squawk/ban-drop-(?:view|function|type|domain|sequence)")
"""What is often dropped to be made again in the same file."""

_DROPS_ALL = re.compile("squawk/ban-drop-.*")
"""What `data/drop-cascade` says with all names, where something goes with what is dropped."""

_WORK: Mapping[str, tuple[type[Effect], ...]] = {
    "squawk/adding-field-with-default": (Rewrites,),
    "squawk/adding-foreign-key-constraint": (Validates,),
    "squawk/adding-not-nullable-field": (Scans,),
    "squawk/adding-required-field": (FailsIfRows,),
    "squawk/adding-serial-primary-key-field": (Builds,),
    "squawk/changing-column-type": (Rewrites, Builds, Scans, Validates),
    "squawk/constraint-missing-not-valid": (Scans, Validates, Builds),
    "squawk/disallowed-unique-constraint": (Builds,),
    "squawk/require-concurrent-index-creation": (Builds,),
    "squawk/require-concurrent-reindex": (Builds,),
}
"""What a statement does of which a rule warns; where it does nothing of it, the rule has nothing to say."""


def weighed(file: SqlFile, said: Sequence[Remark], steps: Sequence[Step]) -> Iterator[Remark]:
    """Yield what remains of squawk's findings about a file; without `steps`, those that ask for nothing else."""
    by_statement: dict[int, list[Remark]] = {}
    for remark in said:
        statement = file.statement_at(remark.start)
        by_statement.setdefault(-1 if statement is None else statement.start, []).append(remark)
    yield from by_statement.pop(-1, ())
    if not steps:
        yield from (one for some in by_statement.values() for one in some if one.rule in ABOUT_FORM)
        return
    for number, step in enumerate(steps):
        remarks = by_statement.get(step.statement.start, ())
        for remark in remarks:
            action = step.action_at(remark.start)
            rules = {one.rule for one in remarks if step.action_at(one.start) == action}
            is_unused = (step.is_about_new or any(step.of(Fails))) and remark.rule not in ABOUT_FORM
            is_repeated = not rules.isdisjoint(_SAID_BY.get(remark.rule, ())) or _is_said_better(remark, step)
            if not (is_unused or is_repeated or _is_harmless(remark, step, steps[number:])):
                yield remark


def _is_harmless(remark: Remark, step: Step, onward: Sequence[Step]) -> bool:
    """Whether what squawk warns of does not happen, as far as this statement and those after it say."""
    if not is_harmful(remark.rule, step.statement, (one.statement for one in onward[1:])):
        return True
    if not step.effects and not step.targets and step.statement.verb == "drop" and step.statement.parsed.is_guarded:
        return remark.rule not in ABOUT_FORM  # nothing is there to be dropped
    work = _WORK.get(remark.rule)
    if work is not None and step.targets:
        action = step.action_at(remark.start)
        done = (one for one in step.effects if isinstance(one, work) and action in (None, one.action))
        return not any(map(step.is_in_use, (table for one in done if (table := _table_of(one)) is not None)))
    match remark.rule:
        case "squawk/ban-alter-domain-with-add-constraint":
            domains = [one.after for one in step.of(Redefines) if isinstance(one.after, Domain)]
            is_known = any(step.before.type(one.name) is not None for one in domains)
            return is_known and not any(step.is_in_use(one.table) for one in step.of(Scans))
        case "squawk/ban-drop-constraint":
            dropped = [one.ref for one in step.of(Drops) if one.ref.kind is ObjectKind.CONSTRAINT]
            return bool(dropped) and all(_is_kept(ref, step, onward) for ref in dropped)
        case "squawk/renaming-table":
            # The view that has the old name goes on serving those who use it.
            renamed = [one.before for one in step.of(Renames)]
            return bool(renamed) and all(_is_made(ref.name, ObjectKind.VIEW, onward) for ref in renamed)
        case _ if _DROPS.fullmatch(remark.rule) is not None:
            dropped = [one.ref for one in step.of(Drops)]
            return bool(dropped) and all(_is_made(ref.name, ref.kind, onward) for ref in dropped)
        case _:
            return False


def _is_said_better(remark: Remark, step: Step) -> bool:
    """Whether a rule of zmig's own says the same, with names."""
    if remark.rule == "squawk/ban-alter-policy-condition":
        return any(step.of(OpensRows))
    return _DROPS_ALL.fullmatch(remark.rule) is not None and any(one.cascaded for one in step.of(Drops))


def _table_of(effect: Effect) -> Name | None:
    return effect.table if isinstance(effect, (Rewrites, Builds, Scans, Validates, FailsIfRows)) else None


def _is_made(name: Name, kind: ObjectKind, onward: Sequence[Step]) -> bool:
    """Whether something of a name is made by one of these statements."""
    made = (one.ref for step in onward for one in step.of(Makes))
    return any(ref.name == name and ref.kind is kind for ref in made)


def _is_kept(ref: Ref, step: Step, onward: Sequence[Step]) -> bool:
    """Whether what a constraint says holds without it: it is made again, or only proves a column never null."""
    if any(one.ref == ref for later in onward for one in later.of(Makes)):
        return True
    table = step.before.table(ref.name)
    known = None if table is None else table.constraints.get(ref.part or "")
    if known is None or known.kind is not ConstraintKind.CHECK or known.expression is None:
        return False
    says = known.expression
    return len(says.never_null) == 1 and says.columns == says.never_null and not says.comparisons


def remark(
    file: SqlFile, rule: str, said: Mapping[str, object], start: int, end: int, *, version: int | None
) -> Remark:
    """Return one of squawk's findings as a remark, in zmig's words where it has some."""
    statement = file.statement_at(start)
    if statement is not None:
        advice = advise(Asked(rule, file, statement, start=start, version=version))
        if advice is not None:
            # Beside other statements it would not run as it is meant to.
            is_whole = len(advice.fix) == 1 and len(file.statements) == 1 and not file.skipped
            return Remark(
                rule,
                advice.message,
                advice.hint,
                file.source,
                start=start,
                end=end,
                fix=advice.fix,
                replaced=(statement.start, statement.end) if is_whole else None,
            )
    text, hint = said.get("message"), said.get("help")
    message = _lower((text if isinstance(text, str) else rule).strip().rstrip("."))
    advice = (
        hint.rstrip(".") if isinstance(hint, str) and hint else _HINTS.get(rule, f"run `zmig lint --explain {rule}`")
    )
    return Remark(rule, message, _lower(advice), file.source, start=start, end=end)


def _lower(text: str) -> str:
    """Begin in lower case, as all messages do, unless the first word is a keyword."""
    first = text.partition(" ")[0]
    return text if first.isupper() and len(first) > 1 else text[:1].lower() + text[1:]
