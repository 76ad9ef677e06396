"""Parts of a file between lines that mark where they begin, as most tools write up and down in one file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


_COMMENTS = re.compile(r"(?:\s|--[^\n]*|/\*.*?\*/)*", re.DOTALL)


class Section(NamedTuple):
    """What follows a mark, up to the next one."""

    mark: re.Match[str] | None
    """None for what is before the first one."""
    text: str
    line: int
    """Where the text begins in the file; 1-based."""


def split(text: str, marks: re.Pattern[str]) -> Iterator[Section]:
    """Yield the parts of a text; a mark takes the rest of its line with it, so that no text is in two of them."""
    mark: re.Match[str] | None = None
    start = 0
    for found in marks.finditer(text):
        yield Section(mark, text[start : found.start()], text.count("\n", 0, start) + 1)
        end = text.find("\n", found.end())
        mark, start = found, len(text) if end < 0 else end + 1
    yield Section(mark, text[start:], text.count("\n", 0, start) + 1)


def holds_sql(text: str) -> bool:
    """Return whether there is more in a text than comments and blanks."""
    comments = _COMMENTS.match(text)
    return comments is None or comments.end() < len(text)
