"""Text of which each piece says how it is meant, as plain values: front ends turn tones into colours.

A tone never has a meaning alone: there is always a word or a glyph beside it.
"""

from __future__ import annotations

from enum import StrEnum

from zmig.text.terminal import display_width
from zmig.valueclass import valueclass


class Tone(StrEnum):
    """How a piece of text is meant."""

    PLAIN = "plain"
    STRONG = "strong"
    QUIET = "quiet"
    ACCENT = "accent"
    GOOD = "good"
    BUSY = "busy"
    WARN = "warn"
    BAD = "bad"
    ALARM = "alarm"
    """As a block: what must not be overlooked."""
    MARK = "mark"
    """The place in a text that something is about."""
    KEYWORD = "keyword"
    LITERAL = "literal"
    COMMENT = "comment"
    SYMBOL = "symbol"
    BLOCK_BAD = "block-bad"
    """Blocks for what statements do: the worst of it, less of it, and what is harmless."""
    BLOCK_WARN = "block-warn"
    BLOCK_GOOD = "block-good"
    BLOCK_QUIET = "block-quiet"


@valueclass
class Span:
    """A piece of one line, in which nothing makes a terminal act."""

    text: str
    tone: Tone = Tone.PLAIN

    @property
    def width(self) -> int:
        """Its width in cells."""
        return display_width(self.text)


Line = tuple[Span, ...]


def plain(line: Line) -> str:
    """Return the text of a line."""
    return "".join(span.text for span in line)
