"""Checks of batched statements: rounds that would never come to an end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.sql.lexer import Kind, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.lint.entries import Entry
    from zmig.lint.finding import Remark

_CURSOR = re.compile(r"(?<![:\w]):cursor\b")
_WRITES = frozenset({"update", "delete", "insert", "merge"})


def endless(entry: Entry) -> Iterator[Remark]:
    """Updates that nothing keeps from finding the same rows in every round."""
    if entry.declaration.batch is None or entry.sql is None or len(entry.sql.statements) != 1:
        return
    (statement,) = entry.sql.statements
    words = [token.text for token in tokens(statement.text) if token.kind is Kind.WORD]
    writes = [word for word in words if word in _WRITES]
    is_bare = words.count("where") <= 1 and writes[:1] == ["update"] and "join" not in words
    if is_bare and not _CURSOR.search(entry.sql.source.text[statement.start : statement.end]):
        yield entry.sql.remark(
            "batch/endless",
            statement,
            "nothing in this statement excludes the rows that are done, so rounds never come to an end",
            "choose rows by what the update changes, or by key: `where id > :cursor order by id limit :size`",
        )
