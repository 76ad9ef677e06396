"""The one place where a problem becomes text; the command line and the console both print its result.

What you may rely on: the text never makes a terminal act, whatever a server, a file name or a file says, and no
part of a problem can be mistaken for another: what continues is indented.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from zmig.presentation.hints import LibraryStyle, written
from zmig.presentation.spans import Span, Tone, plain
from zmig.text.terminal import display_width, one_line, visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.errors import Location, Problem
    from zmig.presentation.hints import HintStyle
    from zmig.presentation.spans import Line

_LIBRARY = LibraryStyle()
_LEVELS = {"warning": Tone.WARN, "note": Tone.ACCENT}
_LONGEST_LINE = 160
_LEAD = 60
"""How many characters of a longer line are shown before the marked one."""


def problem_text(problem: Problem, hints: HintStyle = _LIBRARY, *, level: str = "error") -> str:
    """Return the text of one problem; no final line end."""
    return "\n".join(map(plain, problem_lines(problem, hints, level=level)))


def problem_lines(problem: Problem, hints: HintStyle = _LIBRARY, *, level: str = "error") -> Iterator[Line]:
    """Yield the lines of one problem: message, place, marked line, facts, effect, hint."""
    yield from _paragraph(f"{level}: ", problem.message, _LEVELS.get(level.partition("[")[0], Tone.BAD))
    if problem.location is not None:
        yield from _place(problem.location)
    for fact in problem.facts if problem.effect is None else (*problem.facts, problem.effect):
        yield from _paragraph("   = ", written(fact, hints), Tone.QUIET)
    if problem.hint is not None:
        yield from _paragraph("hint: ", written(problem.hint, hints), Tone.ACCENT)


def _paragraph(label: str, text: str, tone: Tone) -> Iterator[Line]:
    """Yield the lines of `text`, the first after `label`, the others indented as far."""
    for number, line in enumerate(visible(text).strip("\n").split("\n")):
        yield (Span(label if number == 0 else " " * len(label), tone), Span(line, tone))


def _place(location: Location) -> Iterator[Line]:
    yield (Span(f"  --> {one_line(location.path)}:{location.line}:{location.column}", Tone.QUIET),)
    if location.text is not None:
        before, marked, after = _cut(location.text, location.column - 1, location.width)
        margin = " " * max(len(str(location.line)), 2)
        carets = " " * display_width(before) + "^" * max(1, display_width(marked))
        yield (Span(f"{margin} |"),)
        yield (Span(f"{location.line:>2} | ", Tone.QUIET), Span(f"{before}{marked}{after}"))
        yield (Span(f"{margin} | ", Tone.QUIET), Span(carets, Tone.BAD))


def _with_odd_blanks(text: str) -> str:
    """Return a line in which blanks that are none to PostgreSQL can be known from those that are: NBSP, for example."""
    if text.isascii():
        return text
    return "".join(
        f"\\u{ord(character):04x}" if character != " " and unicodedata.category(character) == "Zs" else character
        for character in text
    )


def _cut(line: str, offset: int, width: int) -> tuple[str, str, str]:
    """Return what is before, in and after the marked part; of a long line only what is around it."""
    begin = min(max(offset, 0), len(line))
    start = max(0, begin - _LEAD) if len(line) > _LONGEST_LINE else 0
    stop = min(len(line), start + _LONGEST_LINE)
    end = min(begin + max(width, 1), stop)
    before, marked, after = (
        _with_odd_blanks(one_line(part)) for part in (line[start:begin], line[begin:end], line[end:stop])
    )
    return "…" * (start > 0) + before, marked, after + "…" * (stop < len(line))
