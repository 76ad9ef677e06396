"""Text on a terminal: nothing in it makes the terminal act, and its width is known in cells."""

from __future__ import annotations

import re
import unicodedata

from zmig.text.lazy_pattern import LazyPattern

_ESCAPED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Control, formatting (invisible, or changing the direction of what follows), surrogate, line separator."""

_WIDTHLESS = frozenset({"Mn", "Me", "Cf"})
_JOINING_JAMO = range(0x1160, 0x1200)
"""Korean vowels and finals: drawn into the cell of the consonant before them."""


_JOINER = LazyPattern("(?<=[^\x00-\x7f])[\u200c\u200d](?=[^\x00-\x7f])")
"""A joiner as Persian, Indic scripts and emoji use it, between two characters that are not ASCII."""


def visible(text: str) -> str:
    """Return `text` with control and formatting characters escaped, so that a terminal never acts on them.

    Line feeds, tabs and joiners between letters stay; a CRLF becomes a line feed.
    """
    if all(map(str.isprintable, text.split("\n"))):
        return text
    text = text.replace("\r\n", "\n")
    joiners = {found.start() for found in _JOINER.finditer(text)}
    return "".join(
        character if character in "\n\t" or index in joiners else _escaped(character)
        for index, character in enumerate(text)
    )


_ASCII_TEXT = re.compile("[\n\t -~]*")


def safe(text: str) -> str:
    """Return what `visible` does, at once where a text of any length has nothing to escape."""
    return text if _ASCII_TEXT.fullmatch(text) else visible(text)


def _escaped(character: str) -> str:
    if unicodedata.category(character) not in _ESCAPED:
        return character
    return character.encode("unicode_escape").decode("ascii")


def one_line(text: str) -> str:
    """Return `text` visible on one line: line feeds become spaces, and so do tabs."""
    if text.isascii() and text.isprintable():
        return text
    return visible(text).replace("\n", " ").replace("\t", " ")


def display_width(text: str) -> int:
    """Return how many terminal cells visible text takes: wide East Asian characters take two, accents none."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(character: str) -> int:
    if unicodedata.category(character) in _WIDTHLESS or ord(character) in _JOINING_JAMO:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def first_cells(text: str, cells: int) -> str:
    """Return as much of the beginning of visible text as takes at most `cells`."""
    if text.isascii():
        return text[: max(cells, 0)]
    taken = 0
    for index, character in enumerate(text):
        taken += _cells(character)
        if taken > cells:
            return text[:index]
    return text


def shortened(text: str, cells: int) -> str:
    """Return visible text in at most `cells`, with its middle left out: both ends say more than it."""
    if display_width(text) <= cells:
        return text
    tail = first_cells(text[::-1], max((cells - 1) // 2, 0))[::-1]
    head = first_cells(text, max(cells - 1 - display_width(tail), 0))
    return f"{head}…{tail}" if cells > 0 else ""
