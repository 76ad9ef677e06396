"""Checks of what a migration does to tables that are in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint import new_objects
from zmig.lint.rules.locks import locks_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.lint.entries import Entry
    from zmig.lint.finding import Remark
    from zmig.lint.new_objects import NewObjects
    from zmig.lint.sql_file import FileStatement
    from zmig.sql.token_reader import Name


def mixed(entry: Entry, known: NewObjects) -> Iterator[Remark]:
    """Changes of many rows in the transaction that also changes a table that is in use."""
    if entry.sql is None or not entry.is_transactional or entry.is_repeatable:
        return
    altering: FileStatement | None = None
    filling: list[tuple[FileStatement, Name]] = []
    for statement, is_fresh in new_objects.follow(entry.sql, known):
        if (table := statement.parsed.rewrites_rows_of) is not None and not is_fresh:
            filling.append((statement, table))
        elif altering is None and not is_fresh and locks_table(statement):
            altering = statement
    if altering is None:
        return
    for statement, table in filling:
        yield entry.sql.remark(
            "change/mixed",
            statement,
            f"rows of `{table.name}` are changed in the transaction that changes the schema in line "
            f"{altering.line}, so its lock is held until the last row is done",
            "put the change of the rows into a migration of its own",
        )


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
