"""A text in which parts were replaced, and the way from a place in the result back to the text as it was written.

What you may rely on: a place inside of a replacement leads to the beginning of what was replaced.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from zmig.valueclass import field, valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable


class Part(NamedTuple):
    """A part of a text, by 0-based offsets, and what to put there."""

    start: int
    end: int
    text: str


@valueclass
class Substitution:
    """The result of replacing parts of a text. Neither text is shown by `repr`: they may hold a secret."""

    source: str = field(repr=False)
    text: str = field(repr=False)
    parts: tuple[Part, ...] = field(default=(), repr=False)
    """What was replaced, in order."""
    starts: tuple[int, ...] = field(default=(), repr=False)
    """Where each replacement begins in `text`."""

    def source_offset(self, offset: int) -> int:
        """Return the offset in `source` of what is at `offset` of `text`; both are 0-based."""
        index = bisect_right(self.starts, offset) - 1
        if index < 0:
            return offset
        part, start = self.parts[index], self.starts[index]
        past = offset - start - len(part.text)
        return part.start if past < 0 else part.end + past


def substitute(source: str, parts: Iterable[Part]) -> Substitution:
    """Replace parts of a text that are in order and do not overlap."""
    pieces: list[str] = []
    starts: list[int] = []
    kept = tuple(parts)
    copied = length = 0
    for part in kept:
        pieces += (source[copied : part.start], part.text)
        length += part.start - copied
        starts.append(length)
        length += len(part.text)
        copied = part.end
    pieces.append(source[copied:])
    return Substitution(source, "".join(pieces), kept, tuple(starts))
