"""Everything that was reported of a run, as lines, for consoles that attach at any time. It takes bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_BYTES = 16 << 20
_KEPT_SHARE = 3 / 4
"""How much is left where it was too much: what is dropped is dropped in large parts."""
_PIECE_BYTES = 1 << 18


class Transcript:
    """Lines, each with its number from 0 on; of too many, the oldest are dropped.

    What is later than that is understood by the last lines of each kind that has a name, so those are kept.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._lines: list[bytes] = []
        self._first = 0
        self._bytes = 0
        self._kept: dict[str, tuple[int, bytes]] = {}

    @property
    def end(self) -> int:
        """How many lines there were."""
        return self._first + len(self._lines)

    def append(self, line: bytes, kind: str | None = None) -> None:
        """Add a line; the last of a `kind` is kept however much follows."""
        if kind is not None:
            self._kept[kind] = (self.end, line)
        self._lines.append(line)
        self._bytes += len(line)
        if self._bytes > self._most_bytes:
            self._drop()

    def _drop(self) -> None:
        dropped = 0
        while self._bytes > self._most_bytes * _KEPT_SHARE and dropped < len(self._lines) - 1:
            self._bytes -= len(self._lines[dropped])
            dropped += 1
        del self._lines[:dropped]
        self._first += dropped

    def after(self, number: int) -> tuple[int, Sequence[bytes], int]:
        """Return lines from `number` on, at most some, those that are lost counted: (lost, lines, next number)."""
        found: list[bytes] = []
        lost = 0
        if number < self._first:
            kept = sorted(one for one in self._kept.values() if number <= one[0] < self._first)
            found += [line for _, line in kept]
            lost = self._first - number - len(kept)
            number = self._first
        size = 0
        while number < self.end and size < _PIECE_BYTES:
            line = self._lines[number - self._first]
            found.append(line)
            size += len(line)
            number += 1
        return lost, found, number
