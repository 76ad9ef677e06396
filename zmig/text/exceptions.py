"""What an exception says, as text of a bearable length."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_TEXT = 4_000
"""In characters; a server quotes the value it cannot read, even one of many megabytes."""
_LONGEST_READ = 1 << 16
"""How much of a text is looked through for secrets, of which no more than `_LONGEST_TEXT` is shown."""


def words(error: BaseException) -> str:
    """Return what an exception says; its type where it says nothing, or cannot."""
    if isinstance(error, SystemExit):
        code = "" if error.code is None else repr(error.code)
        return f"it called `sys.exit({code})`, which ends no migration"
    try:
        return str(error).strip() or type(error).__name__
    except Exception:
        return type(error).__name__


def excerpt(text: str, redact: Callable[[str], str]) -> str:
    """Return `text` without its secrets, or the beginning of that where it is very long."""
    if len(text) <= _LONGEST_READ:
        return shortened(redact(text))
    return f"{redact(text[:_LONGEST_READ])[:_LONGEST_TEXT]}… ({len(text) - _LONGEST_TEXT} characters more)"


def shortened(text: str) -> str:
    """Return `text`, or its beginning where it is very long."""
    left_out = len(text) - _LONGEST_TEXT
    return text if left_out <= 0 else f"{text[:_LONGEST_TEXT]}… ({left_out} characters more)"
