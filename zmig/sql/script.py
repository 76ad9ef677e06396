"""An SQL file cut into statements, exactly as PostgreSQL's lexer sees them, lazily and in flat memory.

What you may rely on: a statement's text is a verbatim slice, so the server's error positions fit it; lines,
columns and offsets count characters of the file as given; anything that psql alone understands, or that never
ends, is a `ManifestError` with its place. Text is taken as
`zmig.project.text_file` reads it: decoded, without byte order mark and NUL.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from zmig.errors import Location
from zmig.sql import copy_data, fast_path, lexer, octets, splitter
from zmig.sql.buffer import Window, shown_line
from zmig.sql.lexer import Kind
from zmig.sql.statement import Statement
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


_LINE_END = re.compile(r"\r\n|\r|\n")
_DATA = re.compile(rb"(?i:insert|update|delete|merge|select|values|with)\b")
_OPENS_LARGE_OBJECT = re.compile(r"BEGIN;\s+SELECT pg_catalog\.lo_open\(")
_CLOSES_LARGE_OBJECT = "SELECT pg_catalog.lo_close(0);"


class Placed(Protocol):
    """A part of a script, as it was sent."""

    @property
    def text(self) -> str:
        """Verbatim."""
        ...

    @property
    def line(self) -> int:
        """Where it begins in the file; 1-based, like `column`."""
        ...

    @property
    def column(self) -> int:
        """In characters."""
        ...


def split(text: str, *, path: str, conforming: bool = True) -> Iterator[Statement]:
    """Yield the statements of `text`; `path` is what problems call it. Each statement holds its COPY rows.

    `conforming` is how strings are read: the server's `standard_conforming_strings`.
    Raises ManifestError where the text stops being a script.
    """
    yield from map(with_rows, split_stream((text,), path=path, conforming=conforming))


def with_rows(statement: Statement) -> Statement:
    """Return a statement that holds its rows, which are read now."""
    rows = statement.copy_data
    if rows is None:
        return statement
    return replace(statement, copy_data=replace(rows, blocks=tuple(rows.blocks)))


def split_stream(
    reads: Iterable[str], *, path: str, conforming: bool = True, is_octets: bool = False
) -> Iterator[Statement]:
    """Yield the statements of a text that comes in pieces, holding little more than the longest statement.

    COPY rows must be read before the next statement is asked for; what was not read is skipped. `is_octets` says that
    the pieces are as `zmig.sql.octets` has them. Raises ManifestError where the text stops being a script.
    """
    window = Window(reads, path=path, conforming=conforming, is_octets=is_octets)
    number = 1
    while (statement := next_statement(window, number)) is not None:
        yield statement
        skip_rows(statement)
        number += 1


def next_statement(window: Window, number: int) -> Statement | None:
    """Read the next statement, which becomes `number`, and move the window's position after it; None at the end.

    Raises ManifestError where the text stops being a script.
    """
    reads_client = False
    if plain := fast_path.next_match(window):
        start, end = plain.span(1)
        window.position = plain.end()
    elif span := splitter.next_span(window):
        start, end, reads_client = span
    else:
        return None
    splitter.check_length(window, start, end)
    return statement_at(window, number, start, end, reads_client=reads_client)


def statement_at(window: Window, number: int, start: int, end: int, *, reads_client: bool = False) -> Statement:
    """Return the statement between two indexes, which lie after those asked for before, and what may follow it.

    `reads_client` says that rows follow it.
    """
    line, column = window.place(start)
    while window.text[end - 1] in lexer.BLANKS:
        end -= 1
    text, offset = window.taken(start, end), window.base + start
    if isinstance(text, bytes) and not _lists_data(text):
        text = text.decode()
    rows = copy_data.open_rows(window, start) if reads_client else None
    if isinstance(text, bytes):
        window.drop()
    return Statement(number, text, offset, line, column, copy_data=rows, conforming=window.conforming)


def _lists_data(text: bytes) -> bool:
    """Whether a statement is one of those that may be as long as the data in them, and whose names zmig never asks."""
    return _DATA.match(text) is not None


def skip_rows(statement: Statement) -> None:
    """Read what was not read of the statement's rows."""
    if statement.copy_data is not None:
        for _ in statement.copy_data.blocks:
            pass


def locate(sent: Placed, position: int) -> tuple[int, int]:
    """Return line and column in the file of `position`, which counts from 1 over the text that was sent."""
    if isinstance(sent, Statement) and sent.is_large:
        line, column = octets.place(sent.content, max(position - 1, 0))
    else:
        index = min(max(position - 1, 0), len(sent.text))
        line, column = _whole(sent.text).place(index)
    return sent.line + line - 1, column + (sent.column - 1 if line == 1 else 0)


def location(text: str, offset: int, *, path: str) -> Location:
    """Return the place of `offset` (0-based) in a whole file's text, with its line."""
    line, column = _whole(text).place(offset)
    return Location(path, line, column, text=shown_line(text, offset - column + 1))


def is_outside_strings(text: str, offset: int, *, conforming: bool = True) -> bool:
    """Return whether `offset` (0-based) of a text is in no string, no quoted name and no comment."""
    try:
        for token in lexer.tokens(text, conforming=conforming):
            if token.end > offset:
                return token.kind in (Kind.WORD, Kind.NUMBER, Kind.SYMBOL) and token.start <= offset
    except lexer.UnterminatedError as error:
        return offset < error.offset
    return False


def surrounds_large_objects(text: str, statement: Statement) -> bool:
    """Whether a statement of `text` is the BEGIN or the COMMIT that pg_dump puts around the data of large objects.

    A large object is open until the end of a transaction; where the file is one already, the two are needed by nobody.
    """
    if statement.text == "BEGIN":
        return _OPENS_LARGE_OBJECT.match(text, statement.offset) is not None
    ends = (f"{_CLOSES_LARGE_OBJECT}\n\n", f"{_CLOSES_LARGE_OBJECT}\r\n\r\n")
    return statement.text == "COMMIT" and text.endswith(ends, 0, statement.offset)


def offset_of(text: str, line: int, column: int) -> int:
    """Return the offset (0-based) of a place in a whole file's text; line and column are 1-based."""
    offset = 0
    for _ in range(line - 1):
        end = _LINE_END.search(text, offset)
        if end is None:
            break
        offset = end.end()
    return min(offset + column - 1, len(text))


def _whole(text: str) -> Window:
    window = Window((text,), path="")
    window.extend()
    return window
