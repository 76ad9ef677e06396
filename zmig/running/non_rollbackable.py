"""What a rollback does not undo, though it is SQL in a transaction: `setval`, and what Citus has other servers do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import psycopg

    from zmig.sql.statement import Statement

_SETVAL = re.compile(
    r"\bsetval\s*\(\s*(?:'(?P<name>(?:[^']|'')+)'(?:::(?:pg_catalog\.)?regclass)?\s*,)?", re.IGNORECASE
)
_ELSEWHERE = re.compile(
    r"\b(run_command_on_[a-z_]{1,40}|master_run_on_worker|citus_rebalance_start|citus_cleanup_orphaned_[a-z]{1,20})\s*\(",
    re.IGNORECASE,
)
"""Functions of Citus that have other servers do something in transactions of their own."""


def reason(
    connection: psycopg.Connection[tuple[object, ...]], statements: Iterable[Statement], sequences: Collection[int]
) -> str | None:
    """Return why statements would leave something behind, None where they would not.

    `sequences` are those that others use; one that the transaction makes goes with it.
    """
    for one in statements:
        if (call := _ELSEWHERE.search(one.searchable)) is not None and one.command.verb != "create":
            return f"`{call[1].lower()}` in line {one.line} acts on other servers at once, since no rollback undoes it"
        if not one.spells("setval") or one.command.verb == "create":
            continue
        if any(_may_last(connection, found["name"], sequences) for found in _SETVAL.finditer(one.searchable)):
            return f"`setval` in line {one.line} would last, since no rollback undoes it"
    return None


def _may_last(connection: psycopg.Connection[tuple[object, ...]], name: str | None, sequences: Collection[int]) -> bool:
    if name is None:
        return True
    query = "select pg_catalog.to_regclass(%s)::pg_catalog.oid::bigint"
    row = connection.execute(query, [name.replace("''", "'")]).fetchone()
    return row is not None and row[0] in sequences
