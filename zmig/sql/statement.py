"""One statement of a script, as a value."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from zmig.sql import lexer, octets
from zmig.sql.command import Command
from zmig.sql.lexer import Kind
from zmig.text import secrets
from zmig.valueclass import field, valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator
    from dataclasses import KW_ONLY

    from zmig.sql.copy_data import CopyData
    from zmig.sql.lexer import Token

_SUMMARY_LIMIT, _LONG_LIMIT = 80, 400
_SUMMARY_SOURCE = 1 << 16
"""How many characters a summary is made from; nothing masked and no comment of a statement is so long."""
_SECRET_FOLLOWS = frozenset({"password", "connection"})


@valueclass
class Statement:
    """One statement of a script."""

    number: int
    """1-based place in the file."""
    source: str | bytes
    """From its first token to its last, verbatim, without the semicolon; in UTF-8 where it is large."""
    offset: int
    """0-based, in the file: in characters, or in octets where the file is read as them."""
    line: int
    column: int
    """1-based, like `line`; counts characters."""
    _: KW_ONLY
    copy_data: CopyData | None = None
    """The rows of a `COPY ... FROM STDIN`."""
    conforming: bool = True
    """How its strings were read: whether `standard_conforming_strings` was on."""
    _command: Command | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def text(self) -> str:
        """What it says; of a large one, a copy of all of it."""
        return self.source if isinstance(self.source, str) else self.source.decode()

    @property
    def content(self) -> bytes:
        """The same in UTF-8, as it is sent."""
        return self.source.encode() if isinstance(self.source, str) else self.source

    @property
    def is_large(self) -> bool:
        """Whether it is so large that it is held in UTF-8, once, and copied nowhere."""
        return isinstance(self.source, bytes)

    @property
    def searchable(self) -> str:
        """What to look for words of ASCII in: its text; the octets of a large one, which take no more than those."""
        return self.source if isinstance(self.source, str) else octets.from_bytes(self.source)

    def spells(self, word: str) -> bool:
        """Whether a word of lower-case ASCII letters is anywhere in its text, in whatever case."""
        if isinstance(self.source, str):
            return word in self.source.lower()
        return octets.holds(self.source, word.encode())

    @property
    def command(self) -> Command:
        """What it does; read where it is first asked for."""
        if self._command is None:
            object.__setattr__(self, "_command", Command(self.source, conforming=self.conforming))
        assert self._command is not None
        return self._command

    @property
    def tokens(self) -> Iterator[Token]:
        """Its tokens."""
        return lexer.tokens(self.text, conforming=self.conforming)

    @property
    def summary(self) -> str:
        """Its beginning on one line of at most 80 characters, without comments and passwords."""
        if isinstance(self.source, str):
            return _summary(self.source, conforming=self.conforming)
        return _summary(self.source[:_SUMMARY_SOURCE].decode(errors="ignore"), conforming=self.conforming)

    @property
    def long_summary(self) -> str:
        """The same of at most 400 characters, which takes several times as long."""
        if isinstance(self.source, str):
            return _summary(self.source, _LONG_LIMIT, conforming=self.conforming)
        return _summary(self.source[:_SUMMARY_SOURCE].decode(errors="ignore"), _LONG_LIMIT, conforming=self.conforming)


def first_summary(text: str, *, is_long: bool = False) -> str:
    """Return the summary of the first of plain statements that follow each other, read no further than it goes."""
    return _summary(text, _LONG_LIMIT if is_long else _SUMMARY_LIMIT, is_one=False)


def _summary(text: str, limit: int = _SUMMARY_LIMIT, *, is_one: bool = True, conforming: bool = True) -> str:
    return _short_summary(text[:_SUMMARY_SOURCE], limit, is_one=is_one, conforming=conforming)


@lru_cache(maxsize=16)  # it is asked for more than once while a statement is sent
def _short_summary(text: str, limit: int, *, is_one: bool, conforming: bool) -> str:
    beginning = text[:_BEGINNING]
    if is_one and _IS_PLAIN.fullmatch(beginning) is not None:
        shown = " ".join(beginning.split())
        if len(shown) > limit or len(beginning) == len(text):
            return _shortened(secrets.redact(shown), limit)
    shown = ""
    end = 0
    is_secret = False
    for token in _tokens(text, conforming=conforming):
        if token.text == ";" and not is_one:
            break
        gap = " " if shown and token.start > end else ""
        piece = text[token.start : token.end]
        if token.end == _SUMMARY_SOURCE:
            piece = _without_cut_url(piece)
        shown += gap + _shown(piece, token.kind, is_secret=is_secret)
        is_secret = token.text in _SECRET_FOLLOWS
        end = token.end
        if len(shown) > limit and not is_secret:
            break
    return _shortened(secrets.redact(shown), limit)


_BEGINNING = 400
"""How many characters are looked at to see whether a statement's beginning is plain."""
_IS_PLAIN = re.compile(r"[\w \t\r\n()\[\],.:=<>+*]*", re.ASCII)
"""Words and signs that hold no constant, no comment and no quoted name."""


def _shortened(shown: str, limit: int) -> str:
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _tokens(text: str, *, conforming: bool) -> Iterator[Token]:
    """Yield tokens; where the text is cut off inside of one, that comes last, as a string."""
    try:
        yield from lexer.tokens(text, conforming=conforming)
    except lexer.UnterminatedError as error:
        if error.construct != "comment":
            yield lexer.Token(Kind.STRING, text[error.offset :], error.offset, len(text))


def _without_cut_url(piece: str) -> str:
    """Return a piece without what follows a URL's scheme in its last word: the `@` after a password may be cut off."""
    word = "" if piece[-1:].isspace() else piece.split()[-1]
    scheme, mark, _ = word.partition("://")
    return piece if not mark else f"{piece[: -len(word)]}{scheme}{mark}{secrets.MASK}"


def _shown(piece: str, kind: Kind, *, is_secret: bool) -> str:
    if kind is Kind.STRING:
        piece = "'***'" if is_secret else secrets.redact(piece)
    return " ".join(piece.split())
