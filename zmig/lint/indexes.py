"""Checks of indexes that are built concurrently: a build that fails leaves an invalid index behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint.finding import Remark
from zmig.sql.catalog_effect import CreateIndex

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.lint.entry import Entry
    from zmig.lint.sql_file import Act


def unnamed(entry: Entry) -> Iterator[Remark]:
    """Indexes whose name the server chooses, so that a retry would build a second one."""
    for act, index in _concurrent(entry):
        if index.name is None:
            yield _remark(
                entry,
                act,
                "index/unnamed",
                f"this index on `{index.table.name}` has no name, so an invalid one that a failed build leaves "
                "cannot be found by it",
                f"name it, for example `{_name_for(index)}`",
            )


def if_not_exists(entry: Entry) -> Iterator[Remark]:
    """Indexes that are taken for finished because an invalid one of that name exists."""
    for act, index in _concurrent(entry):
        if index.if_not_exists:
            yield _remark(
                entry,
                act,
                "index/if-not-exists",
                f"`IF NOT EXISTS` succeeds where an earlier build failed and left `{index.name}` invalid, so queries "
                "never use it",
                "remove `IF NOT EXISTS`: zmig continues at the statement that failed, and drops an invalid index first",
            )


def _concurrent(entry: Entry) -> Iterator[tuple[Act, CreateIndex]]:
    for act in entry.sql.acts if entry.sql else ():
        if act.command.refuses_transaction and act.verb == "create":
            found = act.command.effect
            if isinstance(found, CreateIndex) and found.concurrently:
                yield act, found


def _name_for(index: CreateIndex) -> str:
    return f"{index.table.name}_{'key' if index.is_unique else 'idx'}"


def _remark(entry: Entry, act: Act, rule: str, message: str, hint: str) -> Remark:
    assert entry.sql is not None
    return Remark(rule, message, hint, entry.sql.source, act.start, act.end)
