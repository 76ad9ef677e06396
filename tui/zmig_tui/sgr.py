"""Fewer bytes for the same picture: of colours and styles (SGR, ECMA-48 8.3.117) only what changes is sent.

Textual sends the whole style with every piece of text and resets it after; over a slow line that is most of what a
key costs.
"""

from __future__ import annotations

import re
from functools import lru_cache

_SEQUENCE = re.compile(r"\x1b\[([0-9;]*)m|\x1b\[[0-9;]*H|[\r\n]+|(\x1b|[^\x1b\r\n]+)")
"""A style, a place, which no style matters for, or what is shown in the style that was set last."""
_RESET = "\x1b[m"
_DEFAULT_FOREGROUND, _DEFAULT_BACKGROUND = "39", "49"
_EXTENDED = ("38", "48")
_NUMBERS_AFTER = {"2": 4, "5": 2}
"""How many numbers an extended colour has after 38 or 48: 2 and three, or 5 and one."""
_INKLESS = frozenset({"1", "2", "3"})
"""Bold, faint and italic: a blank with no other style looks the same in every foreground."""

_Style = tuple[str, str, tuple[str, ...]]
"""The foreground, the background, and everything else."""
_PLAIN: _Style = ("", "", ())


def shorten(text: str) -> str:
    """Return what brings about the same on a terminal whose style is the default one, and leaves that style."""
    out: list[str] = []
    shown = wanted = _PLAIN
    for match in _SEQUENCE.finditer(text):
        style = match[1]
        if style is not None:
            wanted = _after(wanted, style)
            continue
        part = match[2]
        if part is not None:
            needed = wanted if part.strip(" ") or not _INKLESS.issuperset(wanted[2]) else (shown[0], *wanted[1:])
            if needed != shown:
                out.append(_change(shown, needed))
                shown = needed
        out.append(match[0])
    if shown != _PLAIN:
        out.append(_RESET)
    return "".join(out)


@lru_cache(maxsize=4096)
def _change(before: _Style, after: _Style) -> str:
    """Return the sequence that leads from one style to another."""
    if after == _PLAIN:
        return _RESET
    numbers = list(after[2])
    if before[2] == after[2]:
        numbers = []
    elif before[2]:  # a single one cannot be taken back by the same number everywhere
        numbers, before = ["0", *numbers], _PLAIN
    if before[0] != after[0]:
        numbers.append(after[0] or _DEFAULT_FOREGROUND)
    if before[1] != after[1]:
        numbers.append(after[1] or _DEFAULT_BACKGROUND)
    return f"\x1b[{';'.join(numbers)}m"


@lru_cache(maxsize=4096)
def _after(before: _Style, style: str) -> _Style:
    """Return the style after a sequence with these numbers."""
    numbers = style.split(";")
    (foreground, background), others, at = before[:2], list(before[2]), 0
    while at < len(numbers):
        number, at = numbers[at], at + 1
        if number in ("", "0"):
            foreground, background, others = "", "", []
        elif number in _EXTENDED:
            end = at + _NUMBERS_AFTER.get(numbers[at] if at < len(numbers) else "", 0)
            colour, at = ";".join((number, *numbers[at:end])), end
            foreground, background = (colour, background) if number == "38" else (foreground, colour)
        elif _is_colour(number, 30, 90):
            foreground = "" if number == _DEFAULT_FOREGROUND else number
        elif _is_colour(number, 40, 100):
            background = "" if number == _DEFAULT_BACKGROUND else number
        elif number not in others:
            others.append(number)
    return foreground, background, tuple(others)


def _is_colour(number: str, normal: int, bright: int) -> bool:
    return normal <= int(number) < normal + 10 or bright <= int(number) < bright + 8
