"""The one place where a problem becomes text; the command line and the console both print its result.

What you may rely on: the text never makes a terminal act, whatever a server, a file name or a file says, and no
part of a problem can be mistaken for another: what continues is indented.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.errors import Location, Problem

_ESCAPED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Control, formatting (invisible, or changing the direction of what follows), surrogate, line separator."""

_WIDTHLESS = frozenset({"Mn", "Me", "Cf"})
_JOINING_JAMO = range(0x1160, 0x1200)
"""Korean vowels and finals: drawn into the cell of the consonant before them."""

_LONGEST_LINE = 160
_LEAD = 60
"""How many characters of a longer line are shown before the marked one."""


@lru_cache(maxsize=1)
def _joiner() -> re.Pattern[str]:
    """Match a joiner as Persian, Indic scripts and emoji use it, between two characters that are not ASCII."""
    return re.compile("(?<=[^\x00-\x7f])[\u200c\u200d](?=[^\x00-\x7f])")


def visible(text: str) -> str:
    """Return `text` with control and formatting characters escaped, so that a terminal never acts on them.

    Line feeds, tabs and joiners between letters stay; a CRLF becomes a line feed.
    """
    if text.isascii() and text.isprintable():
        return text
    text = text.replace("\r\n", "\n")
    joiners = {found.start() for found in _joiner().finditer(text)}
    return "".join(
        character if character in "\n\t" or index in joiners else _shown(character)
        for index, character in enumerate(text)
    )


_ASCII_TEXT = re.compile("[\n\t -~]*")


def safe(text: str) -> str:
    """Return what `visible` does, at once where a text of any length has nothing to escape."""
    return text if _ASCII_TEXT.fullmatch(text) else visible(text)


def _shown(character: str) -> str:
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


def problem_text(problem: Problem, *, level: str = "error") -> str:
    """Return the text of one problem: message, place, marked line, facts, effect, hint; no final line end."""
    lines = [*_paragraph(f"{level}: ", problem.message)]
    if problem.location is not None:
        lines += _place(problem.location)
    for fact in problem.facts if problem.effect is None else (*problem.facts, problem.effect):
        lines += _paragraph("   = ", fact)
    if problem.hint is not None:
        lines += _paragraph("hint: ", problem.hint)
    return "\n".join(lines)


def _paragraph(label: str, text: str) -> Iterator[str]:
    """Yield the lines of `text`, the first behind `label`, the others indented as far."""
    for number, line in enumerate(visible(text).strip("\n").split("\n")):
        yield (label if number == 0 else " " * len(label)) + line


def _place(location: Location) -> Iterator[str]:
    yield f"  --> {one_line(location.path)}:{location.line}:{location.column}"
    if location.text is not None:
        before, marked, after = _cut(location.text, location.column - 1, location.width)
        margin = " " * max(len(str(location.line)), 2)
        yield f"{margin} |"
        yield f"{location.line:>2} | {before}{marked}{after}"
        yield f"{margin} | {' ' * display_width(before)}{'^' * max(1, display_width(marked))}"


def _with_odd_blanks(text: str) -> str:
    """Return a line in which blanks that are none to PostgreSQL can be told from those that are: NBSP, for example."""
    if text.isascii():
        return text
    return "".join(
        f"\\u{ord(character):04x}" if character != " " and unicodedata.category(character) == "Zs" else character
        for character in text
    )


def _cut(line: str, offset: int, width: int) -> tuple[str, str, str]:
    """Return what stands before, in and after the marked part; of a long line only what is around it."""
    begin = min(max(offset, 0), len(line))
    start = max(0, begin - _LEAD) if len(line) > _LONGEST_LINE else 0
    stop = min(len(line), start + _LONGEST_LINE)
    end = min(begin + max(width, 1), stop)
    before, marked, after = (
        _with_odd_blanks(one_line(part)) for part in (line[start:begin], line[begin:end], line[end:stop])
    )
    return "…" * (start > 0) + before, marked, after + "…" * (stop < len(line))
