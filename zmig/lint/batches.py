"""Checks of batched statements: rounds that would never come to an end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.lint.finding import Remark
from zmig.sql.lexer import Kind, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.lint.entry import Entry
    from zmig.lint.sql_file import Act, SqlFile

_CURSOR = re.compile(r"(?<![:\w]):cursor\b")
_WRITES = frozenset({"update", "delete", "insert", "merge"})


def endless(entry: Entry) -> Iterator[Remark]:
    """Updates that nothing keeps from finding the same rows in every round."""
    for file, act in _batched(entry):
        words = _words(act)
        writes = [word for word in words if word in _WRITES]
        is_bare = words.count("where") <= 1 and writes[:1] == ["update"] and "join" not in words
        if is_bare and not _CURSOR.search(file.source.text[act.start : act.end]):
            yield Remark(
                "batch/endless",
                "nothing in this statement excludes the rows that are done, so rounds never come to an end",
                "choose rows by what the update changes, or by key: `where id > :cursor order by id limit :size`",
                file.source,
                act.start,
                act.end,
            )


def _batched(entry: Entry) -> Iterator[tuple[SqlFile, Act]]:
    if entry.declaration.batch is not None and entry.sql is not None and len(entry.sql.acts) == 1:
        yield entry.sql, entry.sql.acts[0]


def _words(act: Act) -> list[str]:
    return [token.text for token in tokens(act.statement.text) if token.kind is Kind.WORD]
