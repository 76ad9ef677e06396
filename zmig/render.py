"""The one place where a problem becomes text; the command line and the console both print its result."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zmig.errors import Location, Problem

_INVISIBLE = frozenset({"Cc", "Cf", "Zl", "Zp"})


def visible(text: str) -> str:
    """Return `text` with control and formatting characters escaped, so that a terminal never acts on them."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode("ascii")
        if character not in "\n\t" and unicodedata.category(character) in _INVISIBLE
        else character
        for character in text
    )


def display_width(text: str) -> int:
    """Return how many terminal cells `text` takes; wide East Asian characters take two."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def problem_text(problem: Problem, *, level: str = "error") -> str:
    """Return the text of one problem: message, place, marked line, facts, effect, hint; no final line end."""
    lines = [f"{level}: {visible(problem.message)}"]
    if problem.location is not None:
        lines += _place(problem.location)
    facts = problem.facts if problem.effect is None else (*problem.facts, problem.effect)
    for fact in facts:
        first, *more = visible(fact).splitlines() or [""]
        lines.append(f"   = {first}")
        lines += [f"     {line}" for line in more]
    if problem.hint is not None:
        lines.append(f"hint: {visible(problem.hint)}")
    return "\n".join(lines)


def _place(location: Location) -> list[str]:
    lines = [f"  --> {visible(location.path)}:{location.line}:{location.column}"]
    if location.text is None:
        return lines
    number = str(location.line)
    margin = " " * max(len(number), 2)
    before, marked = _split_at(location)
    lines += [
        f"{margin} |",
        f"{number:>2} | {before + marked.rest}",
        f"{margin} | {' ' * display_width(before)}{'^' * marked.cells}",
    ]
    return lines


class _Marked:
    def __init__(self, rest: str, cells: int) -> None:
        self.rest = rest
        self.cells = cells


_LINE_LIMIT = 160
_LEAD = 60


def _split_at(location: Location) -> tuple[str, _Marked]:
    """Cut a long line around the marked column, so that a one-megabyte line stays one screen line."""
    text = (location.text or "").replace("\t", " ")
    index = min(location.column - 1, len(text))
    start = max(0, index - _LEAD) if len(text) > _LINE_LIMIT else 0
    end = min(len(text), start + _LINE_LIMIT)
    before = ("…" if start else "") + visible(text[start:index])
    marked = visible(text[index : min(end, index + max(location.width, 1))])
    after = visible(text[min(end, index + max(location.width, 1)) : end]) + ("…" if end < len(text) else "")
    return before, _Marked(marked + after, max(1, display_width(marked)))
