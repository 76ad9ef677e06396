"""Reads the data of a fact, whoever appended it: the table takes any JSON, also such as Python cannot read.

One row that cannot be read must not keep all others from being read, in a table from which nothing can be deleted.
"""

from __future__ import annotations

import json
from math import isfinite
from typing import cast

_DEEPEST = 100
"""How deep nested values are read; zmig's own are three deep."""
_LONGEST_NUMBER = 300
"""How many digits a number may have to be read as one. jsonb writes all of them, without an exponent."""
UNREADABLE = "unreadable"
"""The key that says, in place of all others, why the data of a fact cannot be read."""


def read(text: str) -> dict[str, object]:
    """Return what the data of a fact holds, as the server writes it; numbers of hundreds of digits become text."""
    return parsed(text)[0]


def parsed(text: str) -> tuple[dict[str, object], str | None]:
    """Return what the data of a fact holds, and what of it could not be read, if anything."""
    if text.count("[") + text.count("{") > _DEEPEST and _depth(text) > _DEEPEST:
        reason = f"values are nested more than {_DEEPEST} deep"
        return {UNREADABLE: reason}, reason
    oddity = None
    if len(text) <= _LONGEST_NUMBER:
        data: object = json.loads(text)
    else:
        numbers = _Numbers()
        data = json.loads(text, parse_int=numbers.integer, parse_float=numbers.fraction)
        oddity = numbers.oddity
    if not isinstance(data, dict):
        return {}, "its data is no JSON object"
    return cast("dict[str, object]", data), oddity


class _Numbers:
    """Reads numbers, and remembers whether one was too long."""

    oddity: str | None = None

    def integer(self, digits: str) -> int | str:
        return int(digits) if len(digits) <= _LONGEST_NUMBER else self._text(digits)

    def fraction(self, digits: str) -> float | str:
        number = float(digits)
        return number if isfinite(number) else self._text(digits)

    def _text(self, digits: str) -> str:
        self.oddity = f"a number has {len(digits):,} characters"
        return digits


def _depth(text: str) -> int:
    """Return how deep arrays and objects are nested; what is in strings does not count."""
    deepest = depth = 0
    is_string = is_escaped = False
    for character in text:
        if is_escaped:
            is_escaped = False
        elif is_string:
            is_escaped, is_string = character == "\\", character != '"'
        elif character == '"':
            is_string = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest
