"""A tool's own placeholders written as zmig's `${name}`, with what else looks like one kept as text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""What a variable of zmig may be called."""
_LOOKS_LIKE_ONE = re.compile(r"\$\{(?P<reference>[A-Za-z_][A-Za-z0-9_]*\})?")


MARK = "\0"
"""Around the name of a variable, in a text whose own placeholders are not to be looked for by a pattern."""
MARKED = re.compile("\0(?P<name>[^\0]+)\0")


_MOST_REPORTED = 100
"""Each is looked for from the file's beginning, to say its line."""


class Rewritten(NamedTuple):
    """A text in which placeholders are zmig's."""

    text: str
    names: frozenset[str]
    """The variables that it refers to now; without any, `text` is what it was."""
    unwritable: tuple[int, ...] = ()
    """Where something is that cannot be written for zmig, such as a dollar quote right before a brace; 0-based."""


def rewrite(text: str, placeholders: re.Pattern[str], variable: Callable[[re.Match[str]], str | None]) -> Rewritten:
    """Write each placeholder as `${variable}`; those for which there is none stay as they are."""
    found = [(one, name) for one in placeholders.finditer(text) if (name := variable(one)) is not None]
    if not found:
        return Rewritten(text, frozenset())
    pieces: list[str] = []
    unwritable: list[int] = []
    copied = 0
    for one, name in found:
        pieces += _literal(text, copied, one.start(), unwritable)
        if one.start() and text[one.start() - 1] == "$":
            unwritable.append(one.start())
        pieces.append(f"${{{name}}}")
        copied = one.end()
    pieces += _literal(text, copied, len(text), unwritable)
    return Rewritten("".join(pieces), frozenset(name for _, name in found), tuple(unwritable[:_MOST_REPORTED]))


def _literal(text: str, start: int, end: int, unwritable: list[int]) -> Iterator[str]:
    """Yield a part of the text so that zmig finds no reference in it."""
    copied = start
    for one in _LOOKS_LIKE_ONE.finditer(text, start, end):
        if one["reference"] is None or text[one.start() - 1 : one.start()] == "$":
            unwritable.append(one.start())
        yield text[copied : one.start()] + "$"
        copied = one.start()
    yield text[copied:end]
