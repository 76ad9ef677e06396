"""Checks of what undoes a migration: whether it can, whether it does, and what is lost."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.lint.replay import conversions
from zmig.lint.replay.difference import Change, differences
from zmig.lint.replay.effects import (
    Drops,
    Extent,
    Fails,
    FailsIfRows,
    FailureCause,
    Locks,
    LosesData,
    Makes,
    Redefines,
    Renames,
    RowChange,
    RunsCode,
    WritesRows,
)
from zmig.lint.replay.objects import TEMPORARY, ObjectKind, Ref, Table, View
from zmig.lint.rules import failures
from zmig.text import listing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from zmig.lint.entries import Entry
    from zmig.lint.finding import Remark
    from zmig.lint.replay.catalog import Catalog
    from zmig.lint.replay.difference import Difference
    from zmig.lint.replay.objects import Relation
    from zmig.lint.steps import Step, Undoing
    from zmig.sql.token_reader import Name

_MOST = 3
"""Names in one message."""

# whether there is one


def missing(entry: Entry, steps: Sequence[Step]) -> Iterator[Remark]:
    """Migrations that could be undone, but have no rollback."""
    if entry.sql is None or entry.declaration.rollback is not None or entry.has_code_rollback or entry.is_repeatable:
        return
    if entry.declaration.replaces is not None:
        return  # what undoes it would undo everything
    does = next(_what_is_done(steps) if steps else _what_is_made(entry), None)
    if does is not None:
        rollback = f"{entry.declaration.text('file').rpartition('.')[0]}.rollback.sql"
        yield entry.remark(
            "rollback/missing",
            "file",
            f"`{entry.name}` {does} and has no rollback file",
            f"write a rollback file, and name it: `rollback: {rollback}`",
        )


def _what_is_made(entry: Entry) -> Iterator[str]:
    """Yield what statements say that they make, where nobody can look further into them."""
    for statement in entry.sql.statements if entry.sql is not None else ():
        if not statement.parsed.replaces and statement.verb in ("create", "alter"):
            yield from (f"makes the {made.kind} `{made.name.name}`" for made in statement.parsed.creates)


def _what_is_done(steps: Sequence[Step]) -> Iterator[str]:
    """Yield what could be undone of a migration."""
    last = steps[-1].after
    made: set[Ref] = set()
    for step in steps:
        made |= {one.ref for one in step.of(Makes)}
        for one in step.effects:
            match one:
                case Makes() if _is_there(one.ref, last) and not _is_shared(one.ref, step):
                    yield f"makes {one.ref.shown}"
                case Drops() if one.ref.name.schema != TEMPORARY and one.ref not in made:
                    yield f"drops {one.ref.shown}"
                case Renames():
                    yield f"renames {one.before.shown}"
                case Redefines() if one.what != "validated" and _is_lasting(one.ref.name, last):
                    yield f"changes {one.ref.shown}"
                case WritesRows() if one.change in _UNDONE and _is_lasting(one.table, last):
                    yield f"changes rows of `{one.table.name}`"
                case _:
                    pass


_UNDONE = frozenset({RowChange.UPDATE, RowChange.MERGE})
_SHARED = frozenset({ObjectKind.EXTENSION, ObjectKind.SCHEMA, ObjectKind.ROLE})
"""What several migrations, and other programs, rely on."""


def _is_shared(ref: Ref, step: Step) -> bool:
    """Whether something may be older than the migration, and used by others."""
    return ref.kind in _SHARED and step.statement.parsed.is_guarded


def _is_lasting(name: Name, last: Catalog) -> bool:
    return name.schema != TEMPORARY and name not in last.dropped_on_commit


def _is_there(ref: Ref, last: Catalog) -> bool:
    """Whether something that was made is still there at the end, as far as is known."""
    if not _is_lasting(ref.name, last):
        return False
    is_relation = ref.kind in _RELATIONS
    return not is_relation or last.relation(ref.name) is not None


_RELATIONS = frozenset(
    {
        ObjectKind.TABLE, ObjectKind.FOREIGN_TABLE, ObjectKind.VIEW, ObjectKind.MATERIALIZED_VIEW, ObjectKind.INDEX,
        ObjectKind.SEQUENCE,
    }
)  # fmt: skip


# whether it can be run


def failing(undoing: Undoing) -> Iterator[Remark]:
    """Statements of a rollback that cannot succeed, and those that could at another place of it."""
    texts: set[str] = set()
    for number, step in enumerate(undoing.steps):
        for one in step.of(Fails) if not step.is_conditional else ():
            place = None
            if step.statement.text not in texts:
                place = _better_place(undoing, step, one, undoing.steps[number + 1 :])
            if place is None:
                yield failures.remark(step, one)
            else:
                why, advice = place
                yield step.remark("rollback/wrong-order", one, f"{one.reason}, {why}", advice)
        texts.add(step.statement.text)


def _better_place(undoing: Undoing, step: Step, failure: Fails, later: Sequence[Step]) -> tuple[str, str] | None:
    """Return why a statement fails only where it is, and what to do; None where it fails everywhere."""
    if not undoing.fails_on(step, undoing.after):
        return "after the statements before it", "move it to the beginning of the rollback"
    if failure.cause is FailureCause.MISSING:  # what is missing is only said once, so it cannot be asked again
        made = {one.ref for each in later for one in each.of(Makes)}
        made |= {one.after for each in later for one in each.of(Renames)}
        comes = any(f"`{ref.name.name}`" in failure.reason for ref in made)
    else:
        comes = not undoing.fails_on(step, undoing.undone)
    return ("until the statements after it are done", "move it to the end of the rollback") if comes else None


def needs_empty(undoing: Undoing) -> Iterator[Remark]:
    """Statements of a rollback that fail as soon as their table has a row."""
    for step in undoing.steps:
        for one in step.of(FailsIfRows):
            yield step.remark(
                "rollback/needs-empty-table",
                one,
                f"this fails as soon as `{one.table.name}` has a row: {one.reason}",
                f"give `{one.column}` a default, and drop the default after" if one.column else "fill it first",
            )


# whether it undoes


def incomplete(undoing: Undoing) -> Iterator[Remark]:
    """What is not as it was before the migration, once its rollback is done."""
    if not _is_comparable(undoing):
        return
    made = {one.ref for step in undoing.done for one in step.of(Makes)}
    made |= {one.after for step in undoing.done for one in step.of(Renames)}
    excused = _words_of_code(undoing.steps)
    found: dict[int, tuple[Step, bool, list[Difference]]] = {}
    for one in differences(undoing.before, undoing.undone, made):
        if one.ref.name.name in excused or one.ref.part in excused:
            continue
        step = _changed_by(one.ref, (*undoing.done, *undoing.steps))
        if step is not None:
            is_own = any(step is one for one in undoing.steps)
            found.setdefault(id(step), (step, is_own, []))[2].append(one)
    for step, is_own, ones in found.values():
        yield _incomplete(undoing, step, ones, is_own=is_own)


def _is_comparable(undoing: Undoing) -> bool:
    """Whether everything that is done and undone is seen, and can be done."""
    if (
        not undoing.is_seen
        or undoing.entry.is_repeatable
        or undoing.entry.declaration.replaces is not None
        or not undoing.done
    ):
        return False
    if any(next(step.of(Fails), None) is not None for step in (*undoing.done, *undoing.steps)):
        return False
    for step in undoing.steps:
        if step.statement.verb == "call" and next(step.of(RunsCode), None) is None:
            return False
        if step.statement.verb == "drop" and step.statement.parsed.kind == "owned":
            return False
    return not any(_DYNAMIC.search(one.text) for step in undoing.steps for one in step.of(RunsCode))


_DYNAMIC = re.compile(r"\bexecute\b", re.IGNORECASE)
_WORD = re.compile(r"\w+")


def _words_of_code(steps: Iterable[Step]) -> frozenset[str]:
    """Return the words of code that is run: what they name may be undone by it."""
    return frozenset(word for step in steps for one in step.of(RunsCode) for word in _WORD.findall(one.text))


def _changed_by(ref: Ref, steps: Sequence[Step]) -> Step | None:
    """Return the last statement after which something is another than before it."""
    return next((step for step in reversed(steps) if _find(step.before, ref) is not _find(step.after, ref)), None)


def _made_by(ref: Ref, steps: Sequence[Step]) -> Step | None:
    """Return the last statement before which something was not there, but after which it is."""
    made = (one for one in reversed(steps) if _find(one.before, ref) is None and _find(one.after, ref) is not None)
    return next(made, None)


def _find(catalog: Catalog, ref: Ref) -> object:
    """Return what an object is in a catalog; None where it is not there."""
    match ref.kind:
        case ObjectKind.TYPE | ObjectKind.DOMAIN:
            return catalog.type(ref.name)
        case ObjectKind.FUNCTION:
            return catalog.functions(ref.name) or None
        case ObjectKind.SCHEMA:
            return catalog.schema(ref.name.name)
        case ObjectKind.ROLE | ObjectKind.EXTENSION | ObjectKind.PUBLICATION | ObjectKind.STATISTICS:
            found = catalog.other(ref)
            return None if found is None or found.is_gone else found
        case _:
            relation = catalog.relation(ref.name)
            return relation if ref.part is None else _part(relation, ref.kind, ref.part)


def _part(relation: Relation | None, kind: ObjectKind, name: str) -> object:
    if kind is ObjectKind.TRIGGER and isinstance(relation, (Table, View)):
        return relation.triggers.get(name)
    if not isinstance(relation, Table):
        return relation
    parts: Mapping[ObjectKind, Mapping[str, object]] = {
        ObjectKind.COLUMN: relation.columns,
        ObjectKind.CONSTRAINT: relation.constraints,
        ObjectKind.POLICY: relation.policies,
        ObjectKind.RULE: dict.fromkeys(relation.rules, True),
    }
    return parts.get(kind, {}).get(name)


def _incomplete(undoing: Undoing, step: Step, found: Sequence[Difference], *, is_own: bool) -> Remark:
    said = [_said(one, step, is_own=is_own) for one in found]
    taken = None if is_own else _index_that_became_a_constraint(found, step)
    if taken is not None:
        message = (
            f"the rollback drops the index `{taken.name.name}` with the constraint that this statement makes of it"
        )
        hint = f"make the index again at the end of `{undoing.path}`, with `concurrently`"
        return step.file.remark("rollback/incomplete", step.statement, message, hint)
    more = f", and {len(said) - 1} more" if len(said) > 1 else ""
    effect = next((one for one in step.effects if _is_about(one, found[0].ref)), None)
    hint = "correct the rollback" if is_own else f"undo it in `{undoing.path}`"
    if effect is None:
        return step.file.remark("rollback/incomplete", step.statement, said[0] + more, hint)
    return step.remark("rollback/incomplete", effect, said[0] + more, hint)


def _index_that_became_a_constraint(found: Sequence[Difference], step: Step) -> Ref | None:
    """Return the index that a constraint has taken over, where it is all that does not come back."""
    if len(found) != 1 or found[0].change is not Change.REMOVED or found[0].ref.kind is not ObjectKind.INDEX:
        return None
    ref = found[0].ref
    is_used = any(one.ref.kind is ObjectKind.CONSTRAINT for one in step.of(Makes)) and not any(step.of(Drops))
    return ref if is_used and step.before.index(ref.name) is not None else None


def _is_about(effect: object, ref: Ref) -> bool:
    match effect:
        case Makes() | Drops() | Redefines():
            return effect.ref == ref
        case Renames():
            return ref in (effect.before, effect.after)
        case _:
            return False


def _said(one: Difference, step: Step, *, is_own: bool) -> str:
    renamed = next((each for each in step.of(Renames) if one.ref in (each.before, each.after)), None)
    if renamed is not None and not is_own and one.change is not Change.CHANGED:
        name = renamed.before.part or renamed.before.name.name
        return f"the rollback does not give {renamed.after.shown} its name `{name}` back"
    match one.change:
        case Change.ADDED:
            added = "this makes {}, which was not there before the migration"
            return (added if is_own else "the rollback leaves {}, which this statement makes").format(one.ref.shown)
        case Change.REMOVED:
            removed = "this drops {}, which was there before the migration"
            kept = "the rollback does not bring {} back, which this statement drops"
            return (removed if is_own else kept).format(one.ref.shown)
        case Change.CHANGED:
            changed = "the rollback leaves {} otherwise than it was: {}"
            return changed.format(one.ref.shown, one.what)


# what is lost


def irreversible(undoing: Undoing) -> Iterator[Remark]:
    """What a migration throws away for good, though there is a rollback."""
    if not undoing.is_seen or any(next(step.of(Fails), None) is not None for step in (*undoing.done, *undoing.steps)):
        return
    for step in undoing.done:
        for lost in step.of(LosesData):
            if _was_there(lost.ref, undoing.before) and not _is_filled(lost.ref, undoing.steps):
                yield from _empty(undoing, step, lost)
        for one in step.of(WritesRows):
            if one.change in _OVERWRITES and _was_there(Ref(ObjectKind.TABLE, one.table), undoing.before):
                yield from _overwritten(undoing, step, one)
        for changed in step.of(Redefines):
            if changed.what == "type" and changed.ref.part is not None:
                yield from _narrowed(step, changed)


_OVERWRITES = frozenset({RowChange.UPDATE, RowChange.DELETE})


def _was_there(ref: Ref, before: Catalog) -> bool:
    """Whether a table or a column was there before, with values of its own."""
    table = before.table(ref.name)
    if ref.part is None or table is None:
        return table is not None and not table.is_temporary
    column = table.column(ref.part)
    return column is not None and column.generated is None


def _is_filled(ref: Ref, steps: Sequence[Step]) -> bool:
    """Whether a rollback writes into what it gives back, or runs code that may do so."""
    for step in steps:
        if next(step.of(RunsCode), None) is not None:
            return True
        for one in step.of(WritesRows):
            is_other = one.change in (RowChange.DELETE, RowChange.TRUNCATE) or one.table != ref.name
            if not is_other and (ref.part is None or not one.columns or ref.part in one.columns):
                return True
    return False


def _empty(undoing: Undoing, step: Step, lost: LosesData) -> Iterator[Remark]:
    advice = "leave it for now, and drop it in a later migration, once nobody wants to go back"
    if _find(step.after, lost.ref) is not None:
        message = f"what was in {lost.ref.shown} does not come back with the rollback"
        yield step.remark("rollback/irreversible", lost, message, "keep a copy that the rollback can read")
        return
    giving = _made_by(lost.ref, undoing.steps)
    if giving is None or _find(undoing.undone, lost.ref) is None:
        return  # that it does not come back at all is reported
    effect = next((one for one in giving.effects if _is_about(one, lost.ref)), None)
    message = (
        f"{lost.ref.shown} comes back empty: line {step.statement.line} of the migration throws away what is in it"
    )
    if effect is None:
        yield giving.file.remark("rollback/irreversible", giving.statement, message, advice)
    else:
        yield giving.remark("rollback/irreversible", effect, message, advice)


def _overwritten(undoing: Undoing, step: Step, one: WritesRows) -> Iterator[Remark]:
    table = undoing.before.table(one.table)
    assert table is not None, "it was there before"
    old = tuple(name for name in one.columns if name in table.columns)
    if one.change is RowChange.UPDATE and not old:
        return
    if any(_is_filled(Ref(ObjectKind.COLUMN, one.table, name), undoing.steps) for name in old or (None,)):
        return
    left = undoing.after.table(one.table)
    if left is None or (old and all(left.certainly_lacks(name) for name in old)):
        return  # it is dropped afterwards
    if one.change is RowChange.DELETE:
        message = f"the rows of `{one.table.name}` that this deletes do not come back with the rollback"
    else:
        columns = listing.quoted([f"{one.table.name}.{name}" for name in old], _MOST)
        message = f"what was in {columns} before this does not come back with the rollback"
    yield step.remark("rollback/irreversible", one, message, "keep a copy that the rollback can read")


def _narrowed(step: Step, changed: Redefines) -> Iterator[Remark]:
    old, new = step.before.column(changed.ref), step.after.column(changed.ref)
    if old is None or new is None or not step.is_in_use(changed.ref.name):
        return
    if conversions.loses(old.type, new.type):
        assert old.type is not None, "a type that is not known loses nothing"
        yield step.remark(
            "rollback/irreversible",
            changed,
            f"what {changed.ref.shown} loses by its new type does not come back with the rollback",
            "add a new column beside it, and drop the old one in a later migration",
        )


def loses_data(undoing: Undoing) -> Iterator[Remark]:
    """What a rollback throws away, by whether the migration made it."""
    if any(next(step.of(Fails), None) is not None for step in undoing.done):
        return
    names = {one.after.name: one.before.name for step in undoing.done for one in step.of(Renames)}
    parts = {one.after: one.before for step in undoing.done for one in step.of(Renames)}
    written = {one.table for step in undoing.done for one in step.of(WritesRows)}
    own: dict[Ref, tuple[Step, LosesData]] = {}
    for number, step in enumerate(undoing.steps):
        older: list[LosesData] = []
        for lost in step.of(LosesData):
            if _is_older(_before_renaming(lost.ref, parts, names), undoing):
                older += [] if _is_replaced(lost.ref, undoing.steps, number) else [lost]
            elif not _is_copied(lost.ref.name, undoing.steps[:number]):
                own.setdefault(lost.ref, (step, lost))
        if older:
            shown = listing.first([one.ref.shown for one in older], _MOST)
            message = f"this throws away what is in {shown}, which the migration did not make"
            yield step.remark("rollback/loses-data", older[0], message, "leave it out of the rollback, or keep a copy")
        for one in step.of(WritesRows):
            if one.change is RowChange.DELETE and _deletes_others(one, undoing, written):
                message = f"this deletes rows of `{one.table.name}`, which its migration did not insert"
                yield step.remark("rollback/loses-data", one, message, "delete only what the migration has inserted")
    if own:
        (step, lost), *_ = own.values()
        shown = listing.first([ref.shown for ref in own], _MOST)
        message = f"the rollback throws away what has come into {shown} since the migration"
        yield step.remark("rollback/loses-new-data", lost, message, "keep a copy before you roll back, if it matters")


def _before_renaming(ref: Ref, parts: Mapping[Ref, Ref], names: Mapping[Name, Name]) -> Ref:
    ref = parts.get(ref, ref)
    return ref._replace(name=names.get(ref.name, ref.name))


def _is_older(ref: Ref, undoing: Undoing) -> bool:
    """Whether something was there before the migration; what nobody knows of counts as older."""
    if any(one.ref == ref for step in undoing.done for one in step.of(Makes)):
        return False
    table = undoing.before.table(ref.name)
    if table is None:
        return undoing.after.table(ref.name) is None
    return ref.part is None or not table.certainly_lacks(ref.part)


def _is_replaced(ref: Ref, steps: Sequence[Step], number: int) -> bool:
    """Whether another column was filled before one is dropped, and gets its name after."""
    is_filled = any(
        one.change is RowChange.UPDATE and one.table == ref.name for s in steps[:number] for one in s.of(WritesRows)
    )
    return is_filled and any(one.after == ref for step in steps[number:] for one in step.of(Renames))


def _is_copied(name: Name, steps: Sequence[Step]) -> bool:
    """Whether one of these statements reads a table to write, or make, another one."""
    for step in steps:
        is_written = any(one.table != name for one in step.of(WritesRows)) or next(step.of(Makes), None) is not None
        if is_written and any(one.table == name for one in step.of(Locks)):
            return True
    return False


def _deletes_others(one: WritesRows, undoing: Undoing, written: Iterable[Name]) -> bool:
    table = undoing.before.table(one.table)
    if table is None or table.is_temporary or one.extent is Extent.FEW:
        return False
    return one.extent is Extent.ALL or one.table not in written
