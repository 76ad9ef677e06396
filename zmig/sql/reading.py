"""How the server reads a backslash in a constant, and which statements may change that for those behind them.

The server reads a message as a whole before it runs any of it. So a statement that holds a backslash must not travel
behind one that may change `standard_conforming_strings`, or it would be read otherwise than by psql, which sends them
one by one (PostgreSQL documentation, "String Constants With C-Style Escapes").
"""

from __future__ import annotations

import re
from functools import cache


def depends(text: str) -> bool:
    """Whether what a statement means may depend on how the server reads a backslash."""
    return "\\" in text


def is_set(text: str) -> bool:
    """Whether a brief statement, as it is spelled, may change how the server reads a backslash in those behind it."""
    return _setting().search(text) is not None or _reset().match(text) is not None


def may_be_set(text: str) -> bool:
    """Whether a statement may change that: it spells it, or calls a function, which could."""
    if is_set(text):
        return True
    match _first_word(text):
        case "comment" | "grant" | "revoke" | "set" | "reset" | "create":
            return False
        case "do" | "call" | "execute":
            return True
        case "insert":
            rows = _rows().match(text)
            return _call().search(text, rows.end() if rows is not None else 0) is not None
        case _:
            return "(" in text


def _first_word(text: str) -> str:
    found = _word().match(text)
    return found.group().lower() if found is not None else ""


@cache
def _word() -> re.Pattern[str]:
    return re.compile(r"[a-z]+", re.IGNORECASE)


@cache
def _setting() -> re.Pattern[str]:
    """Spell the settings; a name with Unicode escapes may be any."""
    return re.compile(r"standard_conforming_strings|backslash_quote|set_config|\bdiscard\b|\bu&\"", re.IGNORECASE)


@cache
def _reset() -> re.Pattern[str]:
    """Match `reset all`, with comments in it or not."""
    return re.compile(r"reset\b(?!\s++(?:role|session)\b)", re.IGNORECASE)


@cache
def _call() -> re.Pattern[str]:
    """Match what may be a call: a parenthesis behind a name."""
    return re.compile(r"[\w\"]\s*+\(")


@cache
def _rows() -> re.Pattern[str]:
    """Match an INSERT up to its first row, where what stands before is plain."""
    return re.compile(
        r"insert\b[^()\"']*+(?:\([^()]*+\)\s*+values\s*+\(|(?<=values)\s*+\(|(?<=values )\()", re.IGNORECASE
    )
