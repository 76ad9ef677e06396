"""Statements that follow each other in a script, put together so that one message to the server holds many.

For scripts that run in one transaction: the server takes a message as one implicit transaction block.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from zmig.sql import backslashes, fast_path, octets, script, statement
from zmig.sql.buffer import Window
from zmig.sql.statement import Statement
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


SIZE = 1 << 16
"""How many characters a chunk has before it ends; the server parses a message as a whole, in memory."""


@valueclass
class Chunk:
    """One or more whole statements, and what is between them."""

    number: int
    """Which statement of the file the first one is; 1-based."""
    statements: int
    text: str
    """Verbatim, from the first statement to the last one's semicolon."""
    offset: int
    """0-based, in the file."""
    line: int
    column: int
    """1-based, like `line`; counts characters."""

    @property
    def summary(self) -> str:
        """The summary of its first statement."""
        return statement.first_summary(self.text)

    @property
    def long_summary(self) -> str:
        """The long summary of its first statement."""
        return statement.first_summary(self.text, is_long=True)


def chunks(
    reads: Iterable[str], *, path: str, size: int = SIZE, conforming: bool = True, is_octets: bool = False
) -> Iterator[Chunk | Statement]:
    """Yield a script that comes in pieces as chunks of about `size` characters.

    A statement that must be sent alone, is large, or is not plain to read comes as itself; its COPY rows must
    be read before the next one is asked for. `is_octets` says that the pieces are as `zmig.sql.octets` has them. Raises
    ManifestError where the text stops being a script.
    """
    window = Window(reads, path=path, conforming=conforming, is_octets=is_octets)
    number = 1
    while one := _next_chunk(window, number, size) or script.next_statement(window, number):
        number += one.statements if isinstance(one, Chunk) else 1
        yield one
        if isinstance(one, Statement):
            script.skip_rows(one)
        del one  # a large one is not held while the next is read


def member(chunk: Chunk, index: int) -> Statement | None:
    """Return the statement of a chunk with this 0-based index, as `script.split_stream` gives it; None of any other."""
    if index < 0:
        return None
    window = Window((chunk.text,), path="")
    numbers = range(chunk.number, chunk.number + chunk.statements)
    one = next(islice((script.next_statement(window, number) for number in numbers), index, None), None)
    if one is None:
        return None
    line, column = script.locate(chunk, one.offset + 1)
    return Statement(one.number, one.text, chunk.offset + one.offset, line, column)


def _next_chunk(window: Window, number: int, size: int) -> Chunk | Statement | None:
    first = fast_path.next_match(window)
    if first is None:
        return None
    match = fast_path.STATEMENT.match
    text, start, end, count = window.text, first.start(1), first.end(), 1
    if end - start > octets.LARGE:
        window.position = end
        last = first.end(1)
        del first, text  # they hold all of the window
        return script.statement_at(window, number, start, last)
    while end - start < size and (found := match(text, end)):
        if found.end() - end > octets.LARGE:
            break
        if backslashes.text_depends(found[1], conforming=True):  # none that can be in a chunk is sure to run no code
            break
        end = found.end()
        count += 1
    line, column = window.place(start)
    window.position = end
    return Chunk(number, count, window.shown(text[start:end]), window.base + start, line, column)
