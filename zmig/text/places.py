"""A text and the places in it: from character offsets to the lines and columns people are shown.

Lines end at LF, CRLF or CR, as in editors; columns count characters. A line that may hold a password is
never handed on for display.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cached_property

from zmig.errors import Location
from zmig.text import secrets

_AROUND = 1 << 10
"""How much of what is around a line is looked through for what makes it a secret."""
_LARGE = 1 << 20
_LINE_END = re.compile(r"\r\n|\r|\n")
_CREDENTIALS = re.compile(r"passw|pwd", re.IGNORECASE)


def may_hold_password(text: str) -> bool:
    """Return whether `text` looks like a connection string with a password in it."""
    if "://" in text and any("@" in word.partition("://")[2] for word in text.split()):
        return True
    return _CREDENTIALS.search(text) is not None


class Source:
    """A text with the label that messages call it by."""

    def __init__(self, label: str, text: str) -> None:
        self.label = label
        self.text = text

    @cached_property
    def _starts(self) -> list[int]:
        """The offset at which each line begins."""
        if "\r" in self.text:
            return [0, *(match.end() for match in _LINE_END.finditer(self.text))]
        starts = [0]
        for line in self.text.split("\n"):
            starts.append(starts[-1] + len(line) + 1)
        del starts[-1]
        return starts

    def line_and_column(self, offset: int) -> tuple[int, int]:
        """Return the 1-based line and column of a 0-based offset; past the end means the end."""
        offset = max(0, min(offset, len(self.text)))
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def line_text(self, line: int) -> str:
        """Return a line, by its 1-based number, without its line end; empty where there is no such line."""
        if not 1 <= line <= len(self._starts):
            return ""
        start = self._starts[line - 1]
        end = self._starts[line] if line < len(self._starts) else len(self.text)
        return self.text[start:end].rstrip("\r\n")

    def location(self, start: int, end: int | None = None) -> Location:
        """Return the place of the characters from `start` up to `end`, cut at the end of the line."""
        line, column = self.line_and_column(start)
        text = self.line_text(line)
        width = 1 if end is None else max(1, min(end - start, len(text) - column + 1))
        shown = None if may_hold_password(text) or self._is_secret(line, text) else text
        return Location(self.label, line, column, text=shown, width=width)

    @cached_property
    def _may_hold_secret(self) -> bool:
        """Whether what is around a line can make a secret of it; of a large text, that is not known beforehand."""
        return len(self.text) > _LARGE or secrets.may_be_in(self.text)

    def _is_secret(self, line: int, text: str) -> bool:
        """Whether a line holds a secret, which may show by what is around it."""
        if not self._may_hold_secret:
            return False
        start = self._starts[line - 1]
        return text not in secrets.redact(self.text[max(start - _AROUND, 0) : start + len(text) + _AROUND])

    def offset_of_line(self, line: int) -> int:
        """Return the 0-based offset at which a line begins, by its 1-based number; past the end means the end."""
        return self._starts[line - 1] if 1 <= line <= len(self._starts) else len(self.text)
