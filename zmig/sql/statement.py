"""One statement of a script, as a value."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from zmig.sql import lexer
from zmig.sql.command import Command
from zmig.sql.lexer import Kind
from zmig.text import secrets
from zmig.valueclass import field, valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.sql.copy_data import CopyData
    from zmig.sql.lexer import Token

_SUMMARY_LIMIT = 80
_SECRET_FOLLOWS = frozenset({"password", "connection"})


@valueclass
class Statement:
    """One statement of a script."""

    number: int
    """1-based place in the file."""
    text: str
    """From its first token to its last, verbatim, without the semicolon."""
    offset: int
    """0-based, in the file."""
    line: int
    column: int
    """1-based, like `line`; counts characters."""
    copy_data: CopyData | None = None
    """The rows of a `COPY ... FROM STDIN`."""
    conforming: bool = True
    """How its strings were read: whether `standard_conforming_strings` was on."""
    _command: Command | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def command(self) -> Command:
        """What it does; read where it is first asked for."""
        if self._command is None:
            object.__setattr__(self, "_command", Command(self.text, conforming=self.conforming))
        assert self._command is not None
        return self._command

    @property
    def tokens(self) -> Iterator[Token]:
        """Its tokens."""
        return lexer.tokens(self.text, conforming=self.conforming)

    @property
    def summary(self) -> str:
        """Its beginning on one line of at most 80 characters, without comments and passwords."""
        return _summary(self.text, conforming=self.conforming)


def first_summary(text: str) -> str:
    """Return the summary of the first of plain statements that follow each other, read no further than it goes."""
    return _summary(text, is_one=False)


@lru_cache(maxsize=16)  # it is asked for more than once while a statement is sent
def _summary(text: str, *, is_one: bool = True, conforming: bool = True) -> str:
    beginning = text[:_BEGINNING]
    if is_one and _IS_PLAIN.fullmatch(beginning) is not None:
        shown = " ".join(beginning.split())
        if len(shown) > _SUMMARY_LIMIT or len(beginning) == len(text):
            return _shortened(secrets.redact(shown))
    shown = ""
    end = 0
    is_secret = False
    for token in lexer.tokens(text, conforming=conforming):
        if token.text == ";" and not is_one:
            break
        gap = " " if shown and token.start > end else ""
        shown += gap + _shown(text[token.start : token.end], token.kind, is_secret=is_secret)
        is_secret = token.text in _SECRET_FOLLOWS
        end = token.end
        if len(shown) > _SUMMARY_LIMIT and not is_secret:
            break
    return _shortened(secrets.redact(shown))


_BEGINNING = 400
"""How many characters are looked at to see whether a statement's beginning is plain."""
_IS_PLAIN = re.compile(r"[\w \t\r\n()\[\],.:=<>+*]*", re.ASCII)
"""Words and signs that hold no constant, no comment and no quoted name."""


def _shortened(shown: str) -> str:
    return shown if len(shown) <= _SUMMARY_LIMIT else shown[: _SUMMARY_LIMIT - 1] + "…"


def _shown(piece: str, kind: Kind, *, is_secret: bool) -> str:
    if kind is Kind.STRING:
        piece = "'***'" if is_secret else secrets.redact(piece)
    return " ".join(piece.split())
