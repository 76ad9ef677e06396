"""Which table's rows a statement changes, if it may be many of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.sql.lexer import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from zmig.sql.token_reader import Name, Reader


def _insert(reader: Reader) -> Name | None:
    table = reader.name() if reader.accept("into") else None
    # Rows come out of a table where a FROM is outside of parentheses, and no VALUES before it.
    words = (token.text for token in reader.outer_tokens() if token.text in ("values", "from", "table", "with"))
    return table if table and next(words, "values") != "values" else None


def _update(reader: Reader) -> Name | None:
    table = _target(reader)
    return None if _names_its_rows(reader) else table


def _target(reader: Reader) -> Name | None:
    reader.accept("only")
    return reader.name()


def _delete(reader: Reader) -> Name | None:
    reader.accept("from")
    return _update(reader)


_KEY = re.compile(r"(?:.*_)?(?:id|key|code|slug|name|uuid)")


def _names_its_rows(reader: Reader) -> bool:
    """Whether the WHERE compares a column that looks like a key with constants, so that few rows are meant."""
    if not any(token.text == "where" for token in reader.outer_tokens()):
        return False
    column = reader.name()
    if column is None or not _KEY.fullmatch(column.name) or not (reader.accept("=") or reader.accept("in", "(")):
        return False
    value = reader.peek()
    return value is not None and value.kind in (Kind.STRING, Kind.NUMBER)


def _merge(reader: Reader) -> Name | None:
    reader.accept("into")
    return _target(reader)


def _copy(reader: Reader) -> Name | None:
    table = reader.name()
    return table if reader.skip_to("from") else None


def _with(reader: Reader) -> Name | None:
    """Read the command that follows the common table expressions."""
    read = next((_DATA[token.text] for token in reader.outer_tokens() if token.text in _DATA), None)
    return read(reader) if read else None


_DATA: dict[str, Callable[[Reader], Name | None]] = {
    "delete": _delete,
    "insert": _insert,
    "merge": _merge,
    "update": _update,
}
READERS = {**_DATA, "copy": _copy, "with": _with}
"""By a statement's first word; a reader begins after it."""
