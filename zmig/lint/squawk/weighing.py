"""What squawk says, corrected by what it cannot know: which tables are not in use yet, and what is proved already.

Pure: it takes squawk's findings as values. `zmig.lint.squawk.program` runs it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from zmig.lint.advice.advice import Asked
from zmig.lint.advice.advise import advise
from zmig.lint.finding import Remark, Severity
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
    StopsTriggers,
    Validates,
)
from zmig.lint.replay.objects import Domain, ObjectKind, Ref
from zmig.lint.replay.objects import Sequence as SequenceObject
from zmig.lint.rules.rows import enables_triggers
from zmig.lint.squawk.narrowing import is_harmful, new_owner
from zmig.sql.token_reader import Name
from zmig.valueclass import field, replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from zmig.lint.replay.catalog import Catalog
    from zmig.lint.replay.effects import Effect
    from zmig.lint.replay.objects import Column, OtherObject
    from zmig.lint.sql_file import SqlFile
    from zmig.lint.steps import Step

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

_ABOUT_NAMES = re.compile(
    "squawk/(?:renaming-.*|ban-drop-(?:column|default|function|not-null|sequence|table|type|domain|view))"
)
"""What is about clients that know something by its name, or rely on what a column is."""
_NOT_CALLED = frozenset(
    {ObjectKind.CONSTRAINT, ObjectKind.INDEX, ObjectKind.POLICY, ObjectKind.RULE, ObjectKind.TRIGGER}
)
"""What statements of clients hardly ever name."""
_SERVING = frozenset(
    {ObjectKind.DOMAIN, ObjectKind.MATERIALIZED_VIEW, ObjectKind.TABLE, ObjectKind.TYPE, ObjectKind.VIEW}
)
"""What clients use by its name, whatever has the name."""
_RENAMES_PART = re.compile(r"^\s*alter\s+index\b|\brename\s+constraint\b", re.IGNORECASE)
_OF_TRIGGERS = frozenset({"event_trigger", "trigger"})
"""What functions return that only the server calls."""

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


class Said(NamedTuple):
    """One of squawk's findings about a file; only of those that remain is asked what zmig says of it."""

    remark: Remark
    """In squawk's words."""
    version: int | None
    """The oldest major version of PostgreSQL that the file is for, where that is known."""


@valueclass
class SquawkReport:
    """What squawk said of files, each known by its `id`."""

    remarks: dict[int, list[Said]] = field(default_factory=dict[int, "list[Said]"])
    unread: dict[int, SqlFile] = field(default_factory=dict[int, "SqlFile"])
    """The files with syntax that it does not know; of those it says nothing else."""
    not_checked: dict[int, str] = field(default_factory=dict[int, str])
    """Those of them that are reported as such, as they are called."""
    unknown: dict[int, list[str]] = field(default_factory=dict[int, "list[str]"])
    """The rules by which it found something, and which zmig does not know; once for each time."""
    lacking: list[str] = field(default_factory=list[str])
    """The rules that it was asked for and does not have."""


def weighed(file: SqlFile, said: Sequence[Said], steps: Sequence[Step]) -> Iterator[Remark]:
    """Yield what remains of squawk's findings about a file; without `steps`, those that ask for nothing else."""
    by_statement: dict[int, list[Said]] = {}
    for one in said:
        statement = file.statement_at(one.remark.start)
        by_statement.setdefault(-1 if statement is None else statement.start, []).append(one)
    yield from (_worded(one, file) for one in by_statement.pop(-1, ()))
    if not steps:
        forms = (one for some in by_statement.values() for one in some if one.remark.rule in ABOUT_FORM)
        yield from (_worded(one, file) for one in forms)
        return
    own: set[Ref] = set()
    for number, step in enumerate(steps):
        of_step = by_statement.get(step.statement.start, ())
        remarks = [one.remark for one in of_step]
        for remark, whole in zip(remarks, of_step, strict=True):
            action = step.action_at(remark.start)
            better = _SAID_BY.get(remark.rule, frozenset[str]())
            beside = (one for one in remarks if one.rule in better and step.action_at(one.start) == action)
            is_unused = (step.is_about_new or any(step.of(Fails))) and remark.rule not in ABOUT_FORM
            is_repeated = _is_said_better(remark, step) or not all(
                _is_harmless(one, step, steps[number:], own) for one in beside
            )
            if not (is_unused or is_repeated or _is_harmless(remark, step, steps[number:], own)):
                yield _milder(_worded(whole, file), step)
        own.update(_named_by(step))


def _named_by(step: Step) -> Iterator[Ref]:
    """Yield what has its name from a statement, so that no client can have used it by that."""
    yield from (one.ref for one in step.of(Makes))
    yield from (one.after for one in step.of(Renames))


def _is_harmless(remark: Remark, step: Step, onward: Sequence[Step], own: Collection[Ref]) -> bool:
    """Whether what squawk warns of does not happen, as far as this statement and those after it say.

    `own` is what has its name from the statements before it.
    """
    is_of_form = is_harmful(remark.rule, step.statement, (one.statement for one in onward[1:]))
    if not is_of_form or _is_of_no_role(remark, step) or _is_given_away_at_once(remark, step, own):
        return True
    if not step.effects and not step.targets and step.statement.verb == "drop" and step.statement.parsed.is_guarded:
        return remark.rule not in ABOUT_FORM  # nothing is there to be dropped
    work = _WORK.get(remark.rule)
    if work is not None and step.targets:
        action = step.action_at(remark.start)
        done = (one for one in step.effects if isinstance(one, work) and action in (None, one.action))
        done = (one for one in done if not (isinstance(one, Builds) and one.is_of_nothing))
        return not any(map(step.is_in_use, (table for one in done if (table := _table_of(one)) is not None)))
    if _ABOUT_NAMES.fullmatch(remark.rule) is not None and _is_known_to_nobody(remark, step, onward, own):
        return True
    match remark.rule:
        case "squawk/ban-alter-domain-with-add-constraint":
            domains = [one.after for one in step.of(Redefines) if isinstance(one.after, Domain)]
            is_known = any(step.before.type(one.name) is not None for one in domains)
            return is_known and not any(step.is_in_use(one.table) for one in step.of(Scans))
        case "squawk/ban-drop-constraint":
            dropped = [one.ref for one in step.of(Drops) if one.ref.kind is ObjectKind.CONSTRAINT]
            return bool(dropped) and all(_is_kept(ref, step, onward) for ref in dropped)
        case "squawk/ban-disable-trigger":
            stopped = [*step.of(StopsTriggers)]
            is_named = bool(stopped) and all(one.trigger is not None for one in stopped)
            return is_named and all(any(enables_triggers(later, one.table) for later in onward[1:]) for one in stopped)
        case _ if _DROPS.fullmatch(remark.rule) is not None:
            dropped = [one.ref for one in step.of(Drops)]
            return bool(dropped) and all(_is_made(ref.name, ref.kind, onward) for ref in dropped)
        case _:
            return False


def _is_of_no_role(remark: Remark, step: Step) -> bool:
    """Whether it drops roles that no migration made, if they are there, which nobody knows."""
    if remark.rule != "squawk/ban-revoke" or step.statement.verb != "drop" or not step.statement.parsed.is_guarded:
        return False
    return all(_is_gone(step.before.other(one.ref)) for one in step.of(Drops))


def _is_given_away_at_once(remark: Remark, step: Step, own: Collection[Ref]) -> bool:
    """Whether something gets another owner that has its name from this file, so that nobody has used it."""
    if remark.rule != "squawk/ban-revoke" or new_owner(step.statement) is None:
        return False
    given = [one.ref for one in step.of(Redefines)]
    return bool(given) and all(ref in own for ref in given)


def _is_gone(found: OtherObject | None) -> bool:
    """Whether nothing is known to be there."""
    return found is None or found.is_gone


def _is_known_to_nobody(remark: Remark, step: Step, onward: Sequence[Step], own: Collection[Ref]) -> bool:
    """Whether no client can know a name that goes, or it serves them again at the end of the file."""
    effects = [*_effects_of(remark, step)]
    if "/renaming-" in remark.rule:
        renamed = [one.before for one in effects if isinstance(one, Renames)]
        end = onward[-1].after
        known = [ref for ref in renamed if not (ref in own or _is_called_by_server(ref, step.before))]
        return bool(renamed) and all(_serves(ref, step.before, end) for ref in known)
    if remark.rule == "squawk/ban-drop-default":
        columns = [one.ref for one in effects if isinstance(one, Redefines)]
        return bool(columns) and all(ref in own or _has_default(ref, onward[-1].after) for ref in columns)
    gone = [one.ref for one in effects if isinstance(one, (Drops, Redefines))]
    return bool(gone) and all(ref in own or _is_called_by_server(ref, step.before) for ref in gone)


def _has_default(ref: Ref, end: Catalog) -> bool:
    """Whether a column has a default again at the end of the file, or is gone, which is reported by itself."""
    table = end.table(ref.name)
    column = end.column(ref)
    if table is None or ref.part is None:
        return False
    return table.certainly_lacks(ref.part) if column is None else column.default is not None


def _effects_of(remark: Remark, step: Step) -> Iterator[Effect]:
    """Yield the effects of the action that a remark is about, and those of the statement as a whole."""
    action = step.action_at(remark.start)
    yield from (one for one in step.effects if action is None or one.action in (None, action))


def _serves(ref: Ref, before: Catalog, end: Catalog) -> bool:
    """Whether something of the old name is there at the end that does what it did."""
    if ref.part is None:
        found = end.type(ref.name) if ref.kind in (ObjectKind.TYPE, ObjectKind.DOMAIN) else end.relation(ref.name)
        return ref.kind in _SERVING and found is not None
    if ref.kind is not ObjectKind.COLUMN:
        return False
    was, is_now = before.column(ref), end.column(ref)
    return was is not None and is_now is not None and was.type is not None and was.type == is_now.type


def _is_called_by_server(ref: Ref, before: Catalog) -> bool:
    """Whether it is a function that only triggers call."""
    found = before.functions(ref.name) if ref.kind is ObjectKind.FUNCTION else ()
    return bool(found) and all(one.returns is not None and one.returns.name.name in _OF_TRIGGERS for one in found)


def _milder(remark: Remark, step: Step) -> Remark:
    """Return a remark as a note where what it is about hardly ever breaks a client."""
    effects = [*_effects_of(remark, step)]
    is_mild = False
    if remark.rule == "squawk/ban-revoke" and (owner := new_owner(step.statement)) is not None:
        remark = replace(
            remark,
            message=f"`{owner}` owns this from now on: who owned it, and was granted nothing, can neither use nor "
            "change it any more",
            hint=f"grant what the old owner needs, or let `run_as: {owner}` in the manifest make what it is to own",
        )
        is_mild = not _is_gone(step.before.other(Ref(ObjectKind.ROLE, Name(None, owner))))
    if remark.rule == "squawk/renaming-object":
        renamed = [one.before for one in effects if isinstance(one, Renames)]
        is_mild = all(ref.kind in _NOT_CALLED or _is_owned(ref, step.before) for ref in renamed)
        is_mild = is_mild if renamed else _RENAMES_PART.search(step.statement.text) is not None
    elif remark.rule == "squawk/ban-drop-default":
        # A client that leaves the column out goes on, and writes a null.
        columns = [step.after.column(one.ref) for one in effects if isinstance(one, Redefines) and one.ref.part]
        is_mild = bool(columns) and all(map(_may_be_null, columns))
    return replace(remark, severity=Severity.NOTE) if is_mild else remark


def _is_owned(ref: Ref, before: Catalog) -> bool:
    """Whether it is the sequence of a column, which fills the column whatever its name is."""
    found = before.relation(ref.name)
    return isinstance(found, SequenceObject) and found.owner is not None


def _may_be_null(column: Column | None) -> bool:
    """Whether a column certainly takes nulls; of one of which nobody knows the type, nobody knows that either."""
    return column is not None and column.type is not None and not column.is_not_null


def _is_said_better(remark: Remark, step: Step) -> bool:
    """Whether a rule of zmig's own says the same, with names."""
    if remark.rule == "squawk/ban-alter-policy-condition":
        return any(step.of(OpensRows))
    return _DROPS_ALL.fullmatch(remark.rule) is not None and any(one.cascaded for one in step.of(Drops))


def _table_of(effect: Effect) -> Name | None:
    return effect.table if isinstance(effect, (Rewrites, Builds, Scans, Validates, FailsIfRows)) else None


def _is_made(name: Name, kind: ObjectKind, onward: Sequence[Step]) -> bool:
    """Whether one of these statements makes something of a name, or gives the name to it."""
    made = [one.ref for step in onward for one in step.of(Makes)]
    made += (one.after for step in onward for one in step.of(Renames))
    return any(ref.name == name and ref.kind is kind for ref in made)


def _is_kept(ref: Ref, step: Step, onward: Sequence[Step]) -> bool:
    """Whether what a constraint says holds without it: it is made again, or only proves a column never null."""
    if any(one.ref == ref for later in onward for one in later.of(Makes)):
        return True
    table = step.before.table(ref.name)
    known = None if table is None else table.constraints.get(ref.part or "")
    return known is not None and known.is_only_not_null


def remark(file: SqlFile, rule: str, said: Mapping[str, object], start: int, end: int) -> Remark:
    """Return one of squawk's findings as a remark, in its own words."""
    text, hint = said.get("message"), said.get("help")
    message = _lower((text if isinstance(text, str) else rule).strip().rstrip("."))
    advice = (
        hint.rstrip(".") if isinstance(hint, str) and hint else _HINTS.get(rule, f"run `zmig lint --explain {rule}`")
    )
    return Remark(rule, message, _lower(advice), file.source, start=start, end=end)


def _worded(said: Said, file: SqlFile) -> Remark:
    """Return a finding in zmig's words, where it has some."""
    remark = said.remark
    statement = file.statement_at(remark.start)
    if statement is None:
        return remark
    advice = advise(Asked(remark.rule, file, statement, start=remark.start, version=said.version))
    if advice is None:
        return remark
    # Beside other statements it would not run as it is meant to.
    is_whole = len(advice.fix) == 1 and len(file.statements) == 1 and not file.skipped
    return replace(
        remark,
        message=advice.message,
        hint=advice.hint,
        fix=advice.fix,
        replaced=(statement.start, statement.end) if is_whole else None,
        replacement=advice.fix[0].removesuffix(";") if is_whole else "",  # the semicolon after it stays
    )


def _lower(text: str) -> str:
    """Begin in lower case, as all messages do, unless the first word is a keyword."""
    first = text.partition(" ")[0]
    return text if first.isupper() and len(first) > 1 else text[:1].lower() + text[1:]
