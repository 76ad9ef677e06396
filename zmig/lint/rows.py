"""Which table's rows a statement changes, if it may be many of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.lint.effects import Act
from zmig.sql.lexer import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from zmig.sql.lexer import Token
    from zmig.sql.statement import Statement
    from zmig.sql.token_reader import Reader


def _insert(reader: Reader, one: Statement, verb: str) -> Act:
    if not reader.accept("into"):
        return Act(one, verb)
    table = reader.name()
    return Act(one, verb, fills=table if _selects(reader) else None)


def _selects(reader: Reader) -> bool:
    """Whether rows come out of a table: a FROM outside of parentheses, in front of which no VALUES stands."""
    depth = 0
    while token := reader.take():
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.text in {"values", "from", "table", "with"}:
            return token.text != "values"
    return False


def _update(reader: Reader, one: Statement, verb: str) -> Act:
    reader.accept("only")
    table = reader.name()
    return Act(one, verb, fills=None if _names_its_rows(reader) else table)


def _delete(reader: Reader, one: Statement, verb: str) -> Act:
    reader.accept("from")
    return _update(reader, one, verb)


_KEY = re.compile(r"(?:.*_)?(?:id|key|code|slug|name|uuid)")


def _names_its_rows(reader: Reader) -> bool:
    """Whether the WHERE compares a column that looks like a key with constants, so that few rows are meant."""
    depth = 0
    while token := reader.take():
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.text == "where":
            return _compares_a_key(reader)
    return False


def _compares_a_key(reader: Reader) -> bool:
    column = reader.name()
    if column is None or not _KEY.fullmatch(column.name):
        return False
    if reader.accept("="):
        return _is_constant(reader.peek())
    return reader.accept("in", "(") and _is_constant(reader.peek())


def _is_constant(token: Token | None) -> bool:
    return token is not None and token.kind in {Kind.STRING, Kind.NUMBER}


def _merge(reader: Reader, one: Statement, verb: str) -> Act:
    reader.accept("into")
    reader.accept("only")
    return Act(one, verb, fills=reader.name())


def _copy(reader: Reader, one: Statement, verb: str) -> Act:
    table = reader.name()
    return Act(one, verb, fills=table if reader.skip_to("from") else None)


def _with(reader: Reader, one: Statement, verb: str) -> Act:
    """Read the command that follows the common table expressions."""
    depth = 0
    while token := reader.take():
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and (read := _DATA.get(token.text)):
            return read(reader, one, verb)
    return Act(one, verb)


_DATA: dict[str, Callable[[Reader, Statement, str], Act]] = {
    "delete": _delete,
    "insert": _insert,
    "merge": _merge,
    "update": _update,
}
READERS = {**_DATA, "copy": _copy, "with": _with}
"""By a statement's first word; a reader begins behind it."""
