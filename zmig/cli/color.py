"""Colours for text that is complete without them."""

from __future__ import annotations

import re

_RESET = "\x1b[0m"
_BOLD_RED, _RED, _GREEN, _YELLOW, _BLUE, _CYAN, _DIM = (
    f"\x1b[{code}m" for code in ("1;31", "31", "32", "33", "34", "36", "2")
)

_RULES = (
    (re.compile(r"^(error(?:\[\S+\])?:)", re.MULTILINE), _BOLD_RED),
    (re.compile(r"^(hint:)", re.MULTILINE), _CYAN),
    (re.compile(r"^(finding:|warning\[\S+\]:)", re.MULTILINE), _YELLOW),
    (re.compile(r"^(note\[\S+\]:)", re.MULTILINE), _BLUE),
    (re.compile(r"^( *--> .*)$", re.MULTILINE), _BLUE),
    (re.compile(r"^ +\| +(\^+)$", re.MULTILINE), _BOLD_RED),
    (re.compile(r"^([✓+] \w+)", re.MULTILINE), _GREEN),
    (re.compile(r"^([✗x] \w+)", re.MULTILINE), _RED),
    (re.compile(r"^([!▶>] \w+)", re.MULTILINE), _YELLOW),
    (re.compile(r"^([·.] \w+)", re.MULTILINE), _DIM),
)
"""What is painted, line by line: the first group of each pattern."""


def painted(text: str) -> str:
    """Return `text` with terminal colours; its characters stay as they are."""
    for pattern, code in _RULES:
        text = pattern.sub(lambda match, code=code: _wrapped(match, code), text)
    return text


def _wrapped(match: re.Match[str], code: str) -> str:
    start, end = (place - match.start() for place in match.span(1))
    whole = match[0]
    return f"{whole[:start]}{code}{whole[start:end]}{_RESET}{whole[end:]}"
