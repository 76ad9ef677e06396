"""Checks of indexes that are built concurrently: a build that fails leaves an invalid index behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.sql.catalog_effect import CreateIndex

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.lint.entries import Entry
    from zmig.lint.finding import Remark
    from zmig.lint.sql_file import FileStatement, SqlFile


def unnamed(entry: Entry) -> Iterator[Remark]:
    """Indexes whose name the server chooses, so that a retry would build a second one."""
    for file, statement, index in _concurrent(entry):
        if index.name is None:
            yield file.remark(
                "index/unnamed",
                statement,
                f"this index on `{index.table.name}` has no name, so an invalid one that a failed build leaves "
                "cannot be found by it",
                f"name it, for example `{index.table.name}_{'key' if index.is_unique else 'idx'}`",
            )


def if_not_exists(entry: Entry) -> Iterator[Remark]:
    """Indexes that are taken for finished because an invalid one of that name exists."""
    for file, statement, index in _concurrent(entry):
        if index.if_not_exists:
            yield file.remark(
                "index/if-not-exists",
                statement,
                f"`IF NOT EXISTS` succeeds where an earlier build failed and left `{index.name}` invalid, so queries "
                "never use it",
                "remove `IF NOT EXISTS`: zmig continues at the statement that failed, and drops an invalid index first",
            )


def _concurrent(entry: Entry) -> Iterator[tuple[SqlFile, FileStatement, CreateIndex]]:
    for statement in entry.sql.statements if entry.sql else ():
        if statement.command.refuses_transaction and statement.verb == "create":
            effect = statement.command.effect
            if isinstance(effect, CreateIndex) and effect.concurrently:
                assert entry.sql is not None
                yield entry.sql, statement, effect
