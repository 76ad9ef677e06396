"""A text that comes in pieces, of which a part is in memory, and the line and column of any place in that part.

What you may rely on: `text` never loses anything after `position`; lines end in LF, CRLF or a lone CR. The text may
be given as its octets (`zmig.sql.octets`): then indexes and offsets count those, and columns count characters still.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from zmig.errors import Location, ManifestError, Problem
from zmig.sql import octets
from zmig.text import secrets

if TYPE_CHECKING:
    from collections.abc import Iterable

_AROUND = 1 << 10
"""How much of what is around a line is looked through for what makes it a secret."""
_SHOWN = 1 << 12
"""How much of a long line is kept in front of a place, and read after it, to show the line."""


class Window:
    """The part of a text that is in memory; indexes count from the beginning of that part."""

    __slots__ = (
        "_has_cr",
        "_hidden",
        "_is_octets",
        "_line",
        "_line_start",
        "_mark",
        "_path",
        "_reads",
        "base",
        "conforming",
        "ended",
        "position",
        "text",
    )

    def __init__(self, reads: Iterable[str], *, path: str, conforming: bool = True, is_octets: bool = False) -> None:
        self.text: str = ""
        self.conforming = conforming
        """Whether a backslash stands for itself in an ordinary string, as with `standard_conforming_strings`."""
        self.base: int = 0
        """Offset in the whole text of the first character of `text`."""
        self.position: int = 0
        """Index from which on nothing was used yet."""
        self.ended = False
        """Whether nothing follows `text`."""
        self._path = path
        self._reads = iter(reads)
        self._has_cr = False
        self._is_octets = is_octets
        self._hidden: int = 0
        """How many octets from the beginning of the line to the mark begin no character."""
        self._mark: int = 0
        self._line: int = 1
        self._line_start: int = 0

    def extend(self) -> bool:
        """Drop what was used and read at least half as much again as is left; False at the end of the text.

        That keeps the whole scan linear where one statement spans many pieces.
        """
        if self.ended:
            return False
        self.drop()
        # Python adds to a text in place where only one variable holds it, so none of it is held twice.
        text, self.text = self.text, ""
        missing = max(len(text) // 2, 1)
        while missing > 0 and not self.ended:
            piece = self._read()
            missing -= len(piece)
            text += piece
        self.text = text
        self._has_cr = "\r" in text
        return True

    def taken(self, start: int, end: int) -> str | bytes:
        """Return the text between two indexes; in UTF-8 where it is large and was read as octets."""
        if not self._is_octets:
            return self.text[start:end]
        if end - start > octets.LARGE:
            return octets.taken(self.text, start, end)
        return octets.decoded(self.text[start:end])

    def rows(self, start: int, end: int) -> str | bytes:
        """Return the rows between two indexes; in UTF-8 where they were read as octets."""
        return octets.taken(self.text, start, end) if self._is_octets else self.text[start:end]

    def shown(self, text: str) -> str:
        """Return a part of the text as people read it."""
        return octets.decoded(text) if self._is_octets else text

    def place(self, index: int) -> tuple[int, int]:
        """Return line and column (1-based) of `index`, which lies after the last one asked for.

        It must not be between a CR and its LF.
        """
        text, mark = self.text, self._mark
        newlines = text.count("\n", mark, index)
        last = text.rfind("\n", mark, index) if newlines else -1
        if self._has_cr:
            newlines += text.count("\r", mark, index) - text.count("\r\n", mark, index)
            last = max(last, text.rfind("\r", mark, index))
        if newlines:
            self._line += newlines
            self._line_start = self.base + last + 1
            self._hidden = 0
        if self._is_octets:
            begin = last + 1 if newlines else mark
            self._hidden += index - begin - octets.characters(text, begin, index)
        self._mark = index
        return self._line, self.base + index - self._line_start - self._hidden + 1

    def location(self, index: int) -> Location:
        """Return the place of `index`, which lies after the last one asked for.

        It has its line as far as that is in memory, and not at all where it may spell a password.
        """
        line, column = self.place(index)
        start = self._line_start - self.base
        return Location(self._path, line, column, text=self._shown_line(start) if start >= 0 else None)

    def _shown_line(self, start: int) -> str | None:
        if not self._is_octets:
            return shown_line(self.text, start)
        before = octets.decoded(self.text[max(start - _AROUND, 0) : start])
        line = self.text[start : start + octets.LARGE]
        if len(line) == octets.LARGE and line_at(line, 0) == line:
            return None  # nobody would see the place in a line so long
        return shown_line(before + octets.decoded(line), len(before))

    def error(self, index: int, code: str, message: str, *, hint: str) -> ManifestError:
        """Return the error to raise for what is at `index`; the window is of no use afterwards."""
        while len(self.text) - index < _SHOWN and not self.ended:
            self.text += self._read()
        return ManifestError(Problem(code, message, self.location(index), hint=hint))

    def _read(self) -> str:
        piece = next(self._reads, None)
        self.ended = piece is None
        return piece or ""

    def drop(self) -> None:
        """Drop what was used, but for the beginning of a line that may be shown."""
        self.place(self.position)
        line_start = self._line_start - self.base
        used = line_start if line_start >= 0 and self.position - line_start <= _SHOWN else self.position
        self.text = self.text[used:]
        self.base += used
        self.position -= used
        self._mark -= used


@cache
def _secret() -> re.Pattern[str]:
    return re.compile(
        r"""passw(?:or)?d(?:'\w[^']*'|["']?+\s*+(?:[:=]|[eE]?'|\$))""",
        re.IGNORECASE,
    )


@cache
def _login() -> re.Pattern[str]:
    """Match what leads to a password in a URL, which ends with an `@`."""
    return re.compile(r"://[^\s/@:]*+:")


def shown_line(text: str, start: int) -> str | None:
    """Return the line of `text` that begins at `start` for display; None where it may spell a password."""
    line = line_at(text, start)
    if _secret().search(line) or any(map(_has_password, line.split())):
        return None
    around = text[max(start - _AROUND, 0) : start + len(line) + _AROUND]
    return line if line in secrets.redact(around) else None


def _has_password(word: str) -> bool:
    end = word.rfind("@")
    return end >= 0 and _login().search(word, 0, end) is not None


def line_at(text: str, start: int) -> str:
    """Return the line of `text` that begins at `start`, without its end."""
    ends = [end for end in (text.find("\n", start), text.find("\r", start)) if end >= 0]
    return text[start : min(ends, default=len(text))]
