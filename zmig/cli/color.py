"""Colours for text that is complete without them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.presentation.spans import Tone

if TYPE_CHECKING:
    from zmig.presentation.spans import Line

_RESET = "\x1b[0m"
_CODES = {
    Tone.STRONG: "1",
    Tone.QUIET: "2",
    Tone.ACCENT: "36",
    Tone.GOOD: "32",
    Tone.BUSY: "33",
    Tone.WARN: "33",
    Tone.BAD: "31",
    Tone.ALARM: "1;31",
}


def painted(line: Line) -> str:
    """Return a line with terminal colours."""
    return "".join(
        f"\x1b[{_CODES[span.tone]}m{span.text}{_RESET}" if span.tone in _CODES and span.text else span.text
        for span in line
    )
