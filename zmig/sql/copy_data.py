"""The rows that are in a script after a `COPY ... FROM STDIN`, read in pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.text.lazy_pattern import LazyPattern
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zmig.errors import ManifestError
    from zmig.sql.buffer import Window


_REST_OF_LINE = LazyPattern(r"[ \t\f\v]*+(?:--[^\r\n]*+)?(?:\r\n|\n|\r|\Z)")
_CLOSING_LINE = LazyPattern(r"\\\.(?<![^\r\n]\\\.)(?:\r\n|\n|\r|\Z)")
"""The two characters alone on their line: that nothing is before them is looked at once they are found."""


@valueclass
class CopyData:
    """The rows of one COPY, without the closing `\\.` line."""

    offset: int
    """0-based, in the file."""
    line: int
    """1-based; the line after the statement's last."""
    blocks: Iterable[str | bytes]
    """Whole lines in pieces of any size, as text or in UTF-8.

    From `split_stream`, they are read once, before the next statement.
    """


def open_rows(window: Window, statement_start: int) -> CopyData:
    """Return the rows that follow the statement that ends at the window's position.

    Raises ManifestError where the rows do not begin on the next line; reading the blocks raises it where they
    never end.
    """
    message, hint = "the rows of this COPY never end", "add a line `\\.` after the last row"
    unterminated = window.error(statement_start, "sql-unterminated", message, hint=hint)
    _skip_rest_of_line(window)
    line, _ = window.place(window.position)
    return CopyData(window.base + window.position, line, _blocks(window, unterminated))


def _skip_rest_of_line(window: Window) -> None:
    while True:
        rest = _REST_OF_LINE.match(window.text, window.position)
        if (rest is None or rest.end() == len(window.text)) and window.extend():
            continue
        if rest is None:
            message = "text follows COPY ... FROM STDIN on its line, but its rows begin on the next one"
            raise window.error(window.position, "sql-copy-rows", message, hint="move that text after the rows")
        window.position = rest.end()
        return


def _blocks(window: Window, unterminated: ManifestError) -> Iterator[str | bytes]:
    while True:
        start = window.position
        closing = _CLOSING_LINE.search(window.text, start)
        if closing and (window.ended or closing.end() < len(window.text)):
            window.position = closing.end()
            if closing.start() > start:
                yield window.rows(start, closing.start())
            return
        end = closing.start() if closing else _end_of_last_line(window.text, start)
        window.position = end
        if end > start:
            yield window.rows(start, end)
        if not window.extend():
            raise unterminated


def _end_of_last_line(text: str, start: int) -> int:
    """Return the index after the last line that is surely whole; a final CR may lack its LF yet."""
    return max(text.rfind("\n", start), text.rfind("\r", start, len(text) - 1), start - 1) + 1
