"""Lines of spans, made of text and cut, padded, wrapped and spread to a width; and bars.

Nothing here is ever read as markup, and what a terminal would act on is escaped where a span is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.presentation.spans import Line, Span, Tone, plain
from zmig.text.secrets import redact
from zmig.text.terminal import display_width, first_cells, shortened, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TAB = "    "


EMPTY: Line = ()

QUOTED = "| "
"""What the margin before a quoted line of a file ends with."""


def span(text: str, tone: Tone = Tone.PLAIN) -> Span:
    """Return `text`, made safe for one line of a terminal."""
    return Span(visible(text.replace("\t", _TAB).replace("\r\n", "\n").replace("\n", "⏎")), tone)


def line(*parts: str | Span) -> Line:
    """Return one line; plain texts are made safe."""
    return tuple(part if isinstance(part, Span) else span(part) for part in parts if part != "")


def lines(text: str, tone: Tone = Tone.PLAIN) -> list[Line]:
    """Return the lines of `text`."""
    return [(span(part.rstrip("\r"), tone),) for part in text.split("\n")]


def one_line(query: str) -> str:
    """Return a query as one line without passwords."""
    return " ".join(redact(query).split())


def width(shown: Line) -> int:
    """Return the width of a line in cells."""
    return sum(part.width for part in shown)


def spread(left: Line, right: Line, cells: int) -> Line:
    """Return `left` and `right` at the two ends of a line of `cells`; the right one gives way."""
    gap = cells - width(left) - width(right)
    if gap < 1:
        return fitted(left, cells)
    return (*left, Span(" " * gap), *right)


def fitted(shown: Line, cells: int) -> Line:
    """Return a line cut to `cells`, with an ellipsis where something was cut off."""
    if width(shown) <= cells:
        return shown
    kept: list[Span] = []
    room = cells - 1
    for part in shown:
        if part.width > room:
            return (*kept, Span(first_cells(part.text, room) + "…", part.tone)) if cells > 0 else ()
        kept.append(part)
        room -= part.width
    return tuple(kept)


def padded(text: str, cells: int, *, to_right: bool = False) -> str:
    """Return safe text at exactly `cells`: filled with blanks, or shortened in the middle."""
    text = shortened(text, cells)
    blanks = " " * (cells - display_width(text))
    return blanks + text if to_right else text + blanks


def wrapped(shown: Line, cells: int) -> Iterator[Line]:
    """Yield a line as lines of at most `cells`, broken at blanks where there are any.

    A first span that ends with a blank is a margin: what follows it goes on below itself, not below the margin.
    After a margin that ends with a bar comes a quotation, which is cut off instead.
    """
    if width(shown) <= cells or cells < 8:
        yield shown
        return
    if shown[0].text.endswith(QUOTED):
        yield fitted(shown, cells)
        return
    text, first = plain(shown), shown[0]
    has_margin = len(shown) > 1 and first.text.endswith(" ")
    indent = min(first.width if has_margin else len(text) - len(text.lstrip()), cells // 2)
    pending: list[Span] = []
    room = cells
    for part in _words(shown):
        rest = part
        while rest.width > room and rest.width > cells - indent:
            head = first_cells(rest.text, room)
            yield (*pending, Span(head, rest.tone))
            pending, room = [Span(" " * indent)], cells - indent
            rest = Span(rest.text[len(head) :], rest.tone)
        if rest.width > room:
            if not rest.text.strip():
                continue
            yield tuple(pending)
            pending, room = [Span(" " * indent)], cells - indent
        pending.append(rest)
        room -= rest.width
    yield tuple(pending)


def _words(shown: Line) -> Iterator[Span]:
    for part in shown:
        start = 0
        for index in range(1, len(part.text)):
            if (part.text[index - 1] == " ") != (part.text[index] == " "):
                yield Span(part.text[start:index], part.tone)
                start = index
        yield Span(part.text[start:], part.tone)


def joined(parts: Iterable[Line], separator: str = "   ") -> Line:
    """Return several pieces as one line."""
    result: list[Span] = []
    for part in parts:
        if result and part:
            result.append(Span(separator))
        result += part
    return tuple(result)


_FULL, _HALF_LEFT, _LEFT = "━", "╸", "─"


def bar(fraction: float, cells: int, tone: Tone = Tone.ACCENT) -> Line:
    """Return a bar of `cells` that is filled to `fraction`; readable without colour too."""
    halves = round(max(0.0, min(1.0, fraction)) * cells * 2)
    full, half = divmod(halves, 2)
    done = _FULL * full + _HALF_LEFT * half
    return tuple(part for part in (Span(done, tone), Span(_LEFT * (cells - len(done)), Tone.QUIET)) if part.text)
