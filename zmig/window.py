"""A text that comes in pieces, of which a part is in memory, and the line and column of any place in that part.

What you may rely on: `text` never loses anything behind `position`; lines end in LF, CRLF or a lone CR.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.errors import Location, ManifestError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

_KEPT_BEFORE = 1 << 12
"""How much of the current line stays in memory in front of `position`, so that a problem can show it."""


class Window:
    """The part of a text that is in memory; indexes count from the beginning of that part."""

    __slots__ = ("_has_cr", "_line", "_line_start", "_mark", "_path", "_reads", "base", "ended", "position", "text")

    def __init__(self, reads: Iterable[str], *, path: str) -> None:
        self.text: str = ""
        self.base: int = 0
        """Offset in the whole text of the first character of `text`."""
        self.position: int = 0
        """Index from which on nothing was used yet."""
        self.ended = False
        """Whether nothing follows `text`."""
        self._path = path
        self._reads = iter(reads)
        self._has_cr = False
        self._mark: int = 0
        self._line: int = 1
        self._line_start: int = 0

    def extend(self) -> bool:
        """Drop what was used and read at least as much again as is left; False at the end of the text.

        Doubling keeps the whole scan linear where one statement spans many pieces.
        Raises ManifestError for a NUL character: libpq would cut the statement there without a word.
        """
        if self.ended:
            return False
        self._drop()
        kept = len(self.text)
        pieces = [self.text]
        missing = max(kept, 1)
        while missing > 0 and not self.ended:
            piece = next(self._reads, None)
            self.ended = piece is None
            pieces.append(piece or "")
            missing -= len(piece or "")
        self.text = "".join(pieces)
        self._has_cr = "\r" in self.text
        nul = self.text.find("\0", kept)
        if nul >= 0:
            raise self.error(nul, "sql-nul", "the file holds a NUL character", hint="save the file as UTF-8 text")
        return True

    def place(self, index: int) -> tuple[int, int]:
        """Return line and column (1-based) of `index`, which lies behind the last one asked for.

        It must not stand between a CR and its LF.
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
        self._mark = index
        return self._line, self.base + index - self._line_start + 1

    def error(self, index: int, code: str, message: str, *, hint: str) -> ManifestError:
        """Return the error to raise for what stands at `index`."""
        line, column = self.place(index)
        start = self._line_start - self.base
        text = line_at(self.text, start) if start >= 0 else None
        return ManifestError(Problem(code, message, Location(self._path, line, column, text), hint=hint))

    def _drop(self) -> None:
        self.place(self.position)
        line_start = self._line_start - self.base
        used = line_start if 0 <= self.position - line_start <= _KEPT_BEFORE and line_start >= 0 else self.position
        self.text = self.text[used:]
        self.base += used
        self.position -= used
        self._mark -= used


def line_at(text: str, start: int) -> str:
    """Return the line of `text` that begins at `start`, without its end."""
    ends = [end for end in (text.find("\n", start), text.find("\r", start)) if end >= 0]
    return text[start : min(ends, default=len(text))]
