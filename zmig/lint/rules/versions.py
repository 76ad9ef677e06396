"""Checks of what the oldest server that the migrations are for does not know yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zmig.sql.lexer import Kind, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.lint.entries import Entry
    from zmig.lint.finding import Remark
    from zmig.lint.sql_file import FileStatement


class _Newer(NamedTuple):
    """Something that servers know since a major version; the release notes of each are where it is from."""

    since: int
    verbs: tuple[str, ...]
    words: tuple[str, ...]
    """What is in the statement, each with blanks between its tokens."""
    name: str
    instead: str


_RAISE = "raise `lint.postgres_version` when no older server is left"
_NEWER = (
    _Newer(
        11,
        ("create",),
        (" index ", " include ( "),
        "`INCLUDE`",
        "leave the columns out, or make them part of the index",
    ),
    _Newer(11, ("create",), (" procedure ",), "`CREATE PROCEDURE`", "create a function that returns `void`"),
    _Newer(11, ("create",), (" trigger ", " execute function "), "`EXECUTE FUNCTION`", "write `execute procedure`"),
    _Newer(
        12, ("alter", "create"), (" generated always as ( ", " ) stored "), "a generated column", "keep it by a trigger"
    ),
    _Newer(12, ("reindex",), (" concurrently ",), "`REINDEX CONCURRENTLY`", "build another index and drop this one"),
    _Newer(
        14,
        ("alter",),
        (" detach partition ", " concurrently "),
        "`DETACH ... CONCURRENTLY`",
        "leave `concurrently` out",
    ),
    _Newer(14, ("create",), (" create or replace trigger ",), "`CREATE OR REPLACE TRIGGER`", "drop the trigger first"),
    _Newer(15, ("merge",), (), "`MERGE`", "write `insert ... on conflict`, or an update and an insert"),
    _Newer(15, ("alter", "create"), (" nulls not distinct ",), "`NULLS NOT DISTINCT`", _RAISE),
    _Newer(15, ("alter",), (" set access method ",), "`SET ACCESS METHOD`", _RAISE),
    _Newer(15, ("alter", "create"), (" view ", " security_invoker "), "`security_invoker`", _RAISE),
    _Newer(17, ("alter",), (" set expression as ( ",), "`SET EXPRESSION`", "drop the column and add it again"),
    _Newer(17, ("merge",), (" returning ",), "`RETURNING` of `MERGE`", _RAISE),
    _Newer(18, ("alter", "create"), (" generated always as ( ", " ) virtual "), "`VIRTUAL`", "write `stored`"),
    _Newer(18, ("alter", "create"), (" not enforced ",), "`NOT ENFORCED`", "add the constraint `not valid`"),
    _Newer(18, ("alter", "create"), (" without overlaps ",), "`WITHOUT OVERLAPS`", "write an exclusion constraint"),
)
_IN_TRANSACTION = 12
"""Since this version a value can be added to an enum inside a transaction."""


def too_new(entry: Entry, version: int | None) -> Iterator[Remark]:
    """Yield the statements that a server of the oldest version refuses."""
    if version is None:
        return
    newer = [one for one in _NEWER if one.since > version]
    for file, is_transactional in entry.sql_files:
        for statement in file.statements:
            known = next((one for one in newer if _has(statement, one)), None)
            if known is not None:
                since = f"{known.name} is refused before PostgreSQL {known.since}"
                message = f"{since}, and the migrations are for {version} as well"
                yield file.remark("fails/version", statement, message, known.instead)
            elif version < _IN_TRANSACTION and is_transactional and _adds_value(statement):
                yield file.remark(
                    "fails/version",
                    statement,
                    f"`ADD VALUE` is refused inside of a transaction before PostgreSQL {_IN_TRANSACTION}, and the "
                    f"migrations are for {version} as well",
                    "give the statement an entry of its own that says `transaction: false`",
                )


def _has(statement: FileStatement, newer: _Newer) -> bool:
    if statement.verb not in newer.verbs:
        return False
    said = _words(statement)
    return all(words in said for words in newer.words)


def _adds_value(statement: FileStatement) -> bool:
    return statement.verb == "alter" and statement.parsed.kind == "type" and " add value " in _words(statement)


def _words(statement: FileStatement) -> str:
    """Return the tokens of a statement with blanks around them, without what is in strings and quoted names."""
    shown = (token.text if token.kind not in (Kind.STRING, Kind.QUOTED) else "''" for token in tokens(statement.text))
    return f" {' '.join(shown)} "
