"""What squawk is given of a script: all but what it need not see; and the way back to places in the whole."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING

from zmig.lint.ignores import SQUAWK_IGNORE_FILE
from zmig.text.places import Source
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.lint.sql_file import FileStatement, SqlFile

_LONGEST_DATA = 2000
"""A statement that writes rows and is longer has nothing to show but rows."""
_HEEDED_BY_NOBODY = SQUAWK_IGNORE_FILE.replace("-", "_")
"""Of the same length, so that every place stays where it is."""
_RESTRICT = re.compile(r"^\\(?:un)?restrict[ \t][^\r\n]*", re.MULTILINE)

_MAKES_TABLES = frozenset({"create", "select", "with"})
_EMPTY = "select"
_LINE = re.compile(r"[^\r\n]+")


@valueclass
class SquawkInput:
    """What is left of a script."""

    text: str
    lines: Source
    _starts: tuple[int, ...]
    """Where each kept part begins in `text`."""
    _origins: tuple[int, ...]
    """Where it begins in the script."""

    def origin(self, line: int, byte_column: int) -> int:
        """Return the offset in the script of a place in the text, both 0-based, the column in bytes."""
        # Columns are in bytes, and a text is in characters.
        start = self.lines.offset_of_line(line + 1)
        row = self.lines.line_text(line + 1)
        offset = start + len(row.encode()[:byte_column].decode(errors="ignore"))
        part = max(0, bisect_right(self._starts, offset) - 1)
        return self._origins[part] + offset - self._starts[part]


def squawk_inputs(file: SqlFile) -> Iterator[SquawkInput]:
    """Yield a script without rows, long data statements, pg_dump's `\\restrict` lines, and whole files' ignores.

    It is parted in two where a linter could take a table for one that the script has made itself, of which it would say
    nothing: it knows neither IF NOT EXISTS nor the search path. What changes something is then not in one text with
    what makes it, and `zmig.lint.replay` alone decides.
    """
    changing = [statement for statement in file.statements if statement.parsed.changes]
    making = [
        statement
        for statement in file.statements
        if not statement.parsed.changes and statement.command.controls_transaction is None
    ]
    if changing and any(statement.verb in _MAKES_TABLES for statement in making):
        yield _input(file, _without(file.text, making))
        yield _input(file, _without(file.text, changing))
    else:
        yield _input(file, file.text)


def _without(script: str, statements: Sequence[FileStatement]) -> str:
    """Return a script with an empty statement of the same length for each of these.

    A comment in front of one stays in front of a statement, rather than of the next.
    """
    pieces: list[str] = []
    position = 0
    for statement in statements:
        text = script[statement.start : statement.end]
        blank = _EMPTY + _LINE.sub(_blank, text[len(_EMPTY) :]) if len(text) > len(_EMPTY) else text
        pieces += (script[position : statement.start], blank)
        position = statement.end
    return "".join((*pieces, script[position:]))


def _blank(found: re.Match[str]) -> str:
    return " " * len(found[0])


def _input(file: SqlFile, script: str) -> SquawkInput:
    starts: list[int] = []
    origins: list[int] = []
    pieces: list[str] = []
    length = position = 0
    for start, end in [*sorted(_left_out(file)), (len(script), len(script))]:
        if start > position:
            starts.append(length)
            origins.append(position)
            pieces.append(script[position:start])
            length += start - position
        position = max(position, end)
    text = "".join(pieces).replace(SQUAWK_IGNORE_FILE, _HEEDED_BY_NOBODY)
    return SquawkInput(text, Source(file.path, text), tuple(starts or [0]), tuple(origins or [0]))


def _left_out(file: SqlFile) -> Iterator[tuple[int, int]]:
    """Yield the parts that squawk does not see."""
    yield from file.rows
    yield from file.skipped
    for statement in file.statements:
        is_data = (
            statement.parsed.rewrites_rows_of is None
            and statement.verb == "insert"
            and statement.end - statement.start > _LONGEST_DATA
        )
        if is_data or statement.raw.copy_data is not None:
            yield statement.start, statement.end
    if "restrict" in file.text:
        # pg_dump writes them at the beginning and at the end; the rest of a large dump is not looked through.
        yield from (line.span() for line in _RESTRICT.finditer(file.text, 0, min(len(file.text), 1 << 20)))
