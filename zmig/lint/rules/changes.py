"""Checks of what a migration does to tables that are in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint.replay.effects import Extent, RowChange, WritesRows
from zmig.lint.rules.locks import locked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.lint.entries import Entry
    from zmig.lint.finding import Remark
    from zmig.lint.steps import Step


def mixed(entry: Entry, steps: Sequence[Step]) -> Iterator[Remark]:
    """Changes of many rows in a transaction that has locked a table that is in use."""
    found = mixing(entry, steps)
    if found is None:
        return
    step, filled, altering = found
    yield step.file.remark(
        "change/mixed",
        step.statement,
        f"rows of `{filled}` are changed in the transaction that changes the schema in line "
        f"{altering.statement.line}, so its lock is held until the last row is done",
        "put the change of the rows into a migration of its own",
    )


def mixing(entry: Entry, steps: Sequence[Step]) -> tuple[Step, str, Step] | None:
    """Return the statement that changes many rows, of which table, and the one that has locked another before."""
    if not entry.holds_locks or entry.is_repeatable:
        return None
    altering: Step | None = None
    for step in steps:
        filled = _filled(step)
        if filled is not None and altering is not None:
            return step, filled, altering
        if filled is None and altering is None and any(step.is_in_use(table) for table, _ in locked(step)):
            altering = step
    return None


def _filled(step: Step) -> str | None:
    """Return the table in use of which a statement may change many rows."""
    for one in step.of(WritesRows):
        is_many = one.extent is not Extent.FEW and one.change is not RowChange.TRUNCATE
        if is_many and step.is_in_use(one.table):
            return one.table.name
    return None


def not_idempotent(entry: Entry) -> Iterator[Remark]:
    """Tables that are created without `IF NOT EXISTS`; for teams that want every file to run twice."""
    if entry.sql is None:
        return
    for statement in entry.sql.statements:
        for created in statement.parsed.creates:
            if statement.verb == "create" and created.kind == "table" and not statement.parsed.is_guarded:
                yield entry.sql.remark(
                    "change/not-idempotent",
                    statement,
                    f"`create table {created.name.name}` fails where the table exists",
                    f"write `create table if not exists {created.name.name}`",
                )
