"""Text with everything that differs from run to run replaced, so that the rest can be compared as a whole."""

from __future__ import annotations

import re

_RULES = (
    (r"\b[0-9a-f]{12}\b", "<run>"),
    (r"\bzmig_test_\w+", "<database>"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?", "<moment>"),
    (r"\b\d\d:\d\d:\d\d\b", "<time>"),
    (r"\b\d+(\.\d+)? (ms|s)\b", "<duration>"),
    (r"backend \d+", "backend <pid>"),
    (r"on host [^\s,]+", "on host <host>"),
    (r"\w+@[\w.-]+", "<who>"),
    (r"checksum [0-9a-f]{8}", "checksum <old>"),
    (r"now has [0-9a-f]{8}", "now has <new>"),
    (r"(?<=[^\s|]) {2,}", "  "),
)


def steady(text: str) -> str:
    """Return the text with names in place of ids, times and processes."""
    for pattern, name in _RULES:
        text = re.sub(pattern, name, text)
    return text
