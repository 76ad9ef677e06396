"""Checks of what a migration does to tables that are in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint import new_objects
from zmig.lint.finding import Remark
from zmig.lint.locks import locks_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.lint.entry import Entry
    from zmig.lint.new_objects import NewObjects
    from zmig.lint.sql_file import Act


def mixed(entry: Entry, known: NewObjects) -> Iterator[Remark]:
    """Changes of many rows in the transaction that also changes a table that is in use."""
    if entry.sql is None or not entry.is_transactional or entry.is_repeatable:
        return
    altering: Act | None = None
    filling: list[Act] = []
    for act, is_fresh in new_objects.follow(entry.sql, known):
        if act.parsed.rewrites_rows_of is not None and not is_fresh:
            filling.append(act)
        elif altering is None and not is_fresh and locks_table(act):
            altering = act
    for act in filling if altering else ():
        assert altering is not None
        table = act.parsed.rewrites_rows_of
        assert table is not None
        yield Remark(
            "change/mixed",
            f"rows of `{table.name}` are changed in the transaction that changes the schema in line "
            f"{altering.statement.line}, so its lock is held until the last row is done",
            "put the change of the rows into a migration of its own",
            entry.sql.source,
            act.start,
            act.end,
        )


def not_idempotent(entry: Entry) -> Iterator[Remark]:
    """Tables that are created without `IF NOT EXISTS`; for teams that want every file to run twice."""
    for act in entry.sql.acts if entry.sql else ():
        for made in act.parsed.creates:
            if act.verb == "create" and made.kind == "table" and not act.parsed.is_guarded:
                assert entry.sql is not None
                yield Remark(
                    "change/not-idempotent",
                    f"`create table {made.name.name}` fails where the table exists",
                    f"write `create table if not exists {made.name.name}`",
                    entry.sql.source,
                    act.start,
                    act.end,
                )
