"""Checks of changes of rows: of a whole table at once, of the server's own tables, and what is thrown away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint.finding import Severity
from zmig.lint.replay.effects import Extent, LocksRows, LosesData, Reads, RowChange, Sets, StopsTriggers, WritesRows
from zmig.lint.replay.objects import BUILT_IN
from zmig.lint.rules.changes import mixing
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.lint.entries import Entry
    from zmig.lint.finding import Remark
    from zmig.lint.rules.locks import Reported
    from zmig.lint.steps import Step
    from zmig.sql.token_reader import Name

_CHANGES = {RowChange.UPDATE: "changed", RowChange.DELETE: "deleted"}
_BATCHES = "in batches: `batch: {{size: 1000}}` in the manifest, and `where ... in (select ... limit :size)` here"
_TRUNCATE_OF_SQUAWK = frozenset({"squawk/ban-truncate-cascade"})
_TRIGGERS_OF_SQUAWK = frozenset({"squawk/ban-disable-trigger"})


def unbounded(entry: Entry, steps: Sequence[Step]) -> Iterator[Remark]:
    """Changes of all or many rows of a table in use, outside of batches."""
    if entry.declaration.batch is not None:
        return
    mixed = mixing(entry, steps)
    for step in steps:
        for one in step.of(WritesRows):
            if (mixed is None or mixed[0] is not step) and (said := _added(step, one)) is not None:
                yield said
            if one.change not in _CHANGES or not step.is_in_use(one.table) or is_of_server(one.table):
                continue
            name = one.table.name
            if one.change is RowChange.DELETE and one.extent is Extent.ALL:
                yield step.remark(
                    "data/delete-all",
                    one,
                    f"every row of `{name}` is deleted",
                    f"say which rows with `where`; if `{name}` is to be empty, say so with the reason in an ignore",
                )
            elif (mixed is not None and mixed[0] is step) or one.extent is Extent.FEW:
                continue
            elif one.extent is Extent.ALL:
                yield step.remark(
                    "lock/all-rows",
                    one,
                    f"every row of `{name}` is {_CHANGES[one.change]} in one transaction, and stays locked until the "
                    "last one is done",
                    f"change them {_BATCHES.format()}",
                )
            else:
                many = step.remark(
                    "lock/many-rows",
                    one,
                    f"all rows of `{name}` for which the condition holds are {_CHANGES[one.change]} in one "
                    "transaction, and stay locked until the last one is done",
                    f"unless they are few, change them {_BATCHES.format()}",
                )
                # Rows with one value of a column are some of a table, as a rule.
                yield replace(many, severity=Severity.NOTE) if one.is_picked else many


def locked(entry: Entry, steps: Sequence[Step]) -> Iterator[Remark]:
    """All or many rows of a table in use that are locked by FOR UPDATE and the like."""
    for step in steps:
        for one in step.of(LocksRows):
            if not step.is_in_use(one.table) or one.extent is Extent.FEW:
                continue
            name = one.table.name
            hint = "say which rows with `where` and a key, or leave the lock out: a change of a row takes its own"
            if one.extent is Extent.ALL:
                message = f"every row of `{name}` is locked until the transaction ends, and whoever changes one waits"
                yield step.remark("lock/all-rows", one, message, hint)
            else:
                message = f"all rows of `{name}` for which the condition holds are locked until the transaction ends"
                many = step.remark("lock/many-rows", one, message, hint)
                yield replace(many, severity=Severity.NOTE) if one.is_picked else many


def _added(step: Step, one: WritesRows) -> Remark | None:
    """Return what is said of rows that come from a query, and may be many."""
    if one.extent is not Extent.SOME or not step.is_in_use(one.table):
        return None
    name, hint = one.table.name, f"unless they are few, write them {_BATCHES.format()}"
    source = next((read.table for read in step.of(Reads) if step.is_in_use(read.table)), None)
    if source is None:
        return None
    if one.change is RowChange.MERGE or (one.change is RowChange.INSERT and one.overwrites):
        message = f"all rows of `{name}` that match are changed in one transaction, and stay locked until it ends"
        return step.remark("lock/many-rows", one, message, hint)
    if one.change is not RowChange.INSERT:
        return None
    message = (
        f"all rows that are found in `{source.name}` are added to `{name}` in one transaction: until it ends, whoever "
        "writes the same key waits, and what they reference stays locked"
    )
    # Those who read, and write other rows, go on.
    return replace(step.remark("lock/many-rows", one, message, hint), severity=Severity.NOTE)


def truncated(entry: Entry, steps: Sequence[Step], reported: Reported) -> Iterator[Remark]:
    """TRUNCATE of tables in use."""
    for step in steps:
        lost = {one.ref.name: one for one in step.of(LosesData)} if step.statement.verb == "truncate" else {}
        used = {name: one for name, one in lost.items() if step.is_in_use(name)}
        if used:
            name, first = next(iter(used.items()))
            if not reported.has(step, first, _TRUNCATE_OF_SQUAWK):
                others = [f"`{one.name}`" for one in used if one != name]
                shown = f"`{name.name}`" + (f", and of {', '.join(others)} with it," if others else "")
                yield step.remark(
                    "data/truncate",
                    first,
                    f"every row of {shown} is thrown away",
                    "take a copy first, and say with the reason in an ignore that the rows are not needed",
                )


def of_server(entry: Entry, steps: Sequence[Step]) -> Iterator[Remark]:
    """Changes of the server's own tables."""
    for step in steps:
        for one in step.of(WritesRows):
            if is_of_server(one.table):
                yield step.remark(
                    "data/system-catalog",
                    one,
                    f"this changes `{one.table.name}`, one of the server's own tables, past all its checks",
                    "use the statement that is made for it, such as ALTER TABLE or ALTER TYPE",
                )


def is_of_server(table: Name) -> bool:
    """Whether a table is one of the server's own."""
    is_named_so = table.name.startswith("pg_") and not (table.schema or "").startswith("pg_temp")
    return table.schema == BUILT_IN or (is_named_so and table.schema in (None, "public"))


def without_triggers(entry: Entry, steps: Sequence[Step], reported: Reported) -> Iterator[Remark]:
    """Triggers and foreign keys that are passed over, for a session or until somebody enables them again."""
    for number, step in enumerate(steps):
        for setting in step.of(Sets):
            is_origin = setting.is_reset or (setting.value or "").lower() == "origin"
            if setting.name == "session_replication_role" and not is_origin:
                yield step.remark(
                    "data/triggers-off",
                    setting,
                    "no trigger fires and no foreign key is checked from here on, so rows may come in that break them",
                    "remove the statement; to load data faster, add foreign keys `not valid` after it, and validate "
                    "them",
                )
        for one in step.of(StopsTriggers):
            if not step.is_in_use(one.table) or reported.has(step, one, _TRIGGERS_OF_SQUAWK):
                continue
            if not any(enables_triggers(later, one.table) for later in steps[number + 1 :]):
                which = "all triggers" if one.trigger is None else f"the trigger `{one.trigger}`"
                name = one.table.name
                yield step.remark(
                    "data/triggers-off",
                    one,
                    f"{which} of `{name}` {'is' if one.trigger else 'are'} disabled, so nothing keeps in step what "
                    "they kept, until somebody enables them again",
                    f"write `alter table {name} enable trigger {one.trigger or 'all'}` in the same migration",
                )


def enables_triggers(step: Step, table: Name) -> bool:
    """Whether a statement enables triggers of a table again."""
    text = step.statement.text.lower()
    return step.statement.verb == "alter" and table.name in text and "enable" in text and "trigger" in text
