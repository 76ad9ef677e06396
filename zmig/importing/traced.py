"""A text that was put together of other ones, and of each of its characters the file that it came from."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from zmig.other_tools import files as project_files
from zmig.valueclass import field, replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zmig.errors import Location


class Origin(NamedTuple):
    """A text of a file, or a part of one."""

    path: str
    text: str
    line: int = 1
    """Where it begins in the file; 1-based."""

    def location(self, offset: int, *, width: int = 1) -> Location:
        """Return the place of an offset (0-based) in the file."""
        return project_files.location(self.path, self.text, offset, width=width, first=self.line)


class Piece(NamedTuple):
    """A stretch of a text, up to the next one."""

    start: int
    """Where it begins in the text."""
    origin: Origin
    offset: int
    """Where it begins in the origin's text."""
    is_verbatim: bool
    """Whether it is what is there; else it replaces what is there, and all of it came from one place."""


class Edit(NamedTuple):
    """A stretch of a text, and what comes in its place."""

    start: int
    end: int
    text: str | Traced = ""


@valueclass
class Traced:
    """A text with the places that its parts came from."""

    text: str = field(repr=False)
    pieces: tuple[Piece, ...] = field(repr=False)
    """In order; the first begins at 0."""

    @classmethod
    def of(cls, origin: Origin) -> Traced:
        """Return a text as its file has it."""
        return cls(origin.text, (Piece(0, origin, 0, is_verbatim=True),))

    @classmethod
    def joined(cls, origins: Iterable[Origin]) -> Traced:
        """Return texts one after the other, as their files have them."""
        pieces: list[Piece] = []
        length = 0
        for origin in origins:
            pieces.append(Piece(length, origin, 0, is_verbatim=True))
            length += len(origin.text)
        return cls("".join(piece.origin.text for piece in pieces), tuple(pieces))

    def location(self, offset: int, *, width: int = 1) -> Location:
        """Return where in its file the character at an offset (0-based) came from."""
        piece = self._piece(offset)
        past = offset - piece.start if piece.is_verbatim else 0
        return piece.origin.location(piece.offset + past, width=width)

    def edited(self, edits: Iterable[Edit]) -> Traced:
        """Return the text with some stretches replaced, which do not overlap and are in order."""
        texts: list[str] = []
        pieces: list[Piece] = []
        length = copied = 0
        for start, end, new in edits:
            length = self._copy(copied, start, length, texts, pieces)
            if isinstance(new, Traced):
                pieces += (piece._replace(start=piece.start + length) for piece in new.pieces)
                texts.append(new.text)
                length += len(new.text)
            elif new:
                before = self._piece(start)
                past = start - before.start if before.is_verbatim else 0
                pieces.append(Piece(length, before.origin, before.offset + past, is_verbatim=False))
                texts.append(new)
                length += len(new)
            copied = end
        self._copy(copied, len(self.text), length, texts, pieces)
        return Traced("".join(texts), tuple(pieces) or self.pieces[:1])

    def with_text(self, text: str) -> Traced:
        """Return another text of the same length, with the same places."""
        return replace(self, text=text)

    def _piece(self, offset: int) -> Piece:
        return self.pieces[max(bisect_right(self.pieces, offset, key=lambda piece: piece.start) - 1, 0)]

    def _copy(self, start: int, end: int, length: int, texts: list[str], pieces: list[Piece]) -> int:
        """Add a stretch as it is; return how long the text is with it."""
        if start >= end:
            return length
        for piece in self._between(start, end):
            past = max(start - piece.start, 0)
            offset = piece.offset + (past if piece.is_verbatim else 0)
            pieces.append(piece._replace(start=length + max(piece.start - start, 0), offset=offset))
        texts.append(self.text[start:end])
        return length + end - start

    def _between(self, start: int, end: int) -> Iterator[Piece]:
        first = max(bisect_right(self.pieces, start, key=lambda piece: piece.start) - 1, 0)
        for piece in self.pieces[first:]:
            if piece.start >= end:
                return
            yield piece
