"""Strings that are known before anything runs: constants, put together by `||`, `format` and `quote_ident`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.sql import quoting, token_reader
from zmig.sql.lexer import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zmig.sql.lexer import Token

_SPECIFIER = re.compile(r"%(%|[sIL])")
_NONE: Mapping[str, str] = {}
_TYPES = frozenset({"name", "regclass", "text", "varchar"})
"""What a constant may be cast to, and stay what it is."""
_DOLLARS = re.compile(r"\$\w*\$")


def value(tokens: Sequence[Token], variables: Mapping[str, str] = _NONE) -> str | None:
    """Return the text that an expression is, with the values of variables; None where it is not known."""
    reading = _Reading(tokens, variables)
    text = reading.joined()
    return text if text is not None and reading.is_done else None


def content_start(token: Token) -> int:
    """Return where the text of a string constant begins, after its quotes."""
    dollars = _DOLLARS.match(token.text)
    return token.start + (len(dollars[0]) if dollars else token.text.index("'") + 1)


def verbatim(token: Token) -> str | None:
    """Return the content of a string constant, each character at its place; None where there are escapes.

    A doubled quote becomes one with a blank outside of what it quotes, so that nothing moves.
    """
    dollars = _DOLLARS.match(token.text)
    if dollars:
        return token.text[len(dollars[0]) : -len(dollars[0])]
    if not token.text.startswith("'"):
        return None
    pieces = token.text[1:-1].split("''")
    is_open = False
    text = pieces[0]
    for piece in pieces[1:]:
        text += "' " if is_open else " '"
        is_open = not is_open
        text += piece
    return text


class _Reading:
    def __init__(self, tokens: Sequence[Token], variables: Mapping[str, str]) -> None:
        self._tokens = tokens
        self._variables = variables
        self._place = 0

    @property
    def is_done(self) -> bool:
        return self._place >= len(self._tokens)

    def joined(self) -> str | None:
        text = self._part()
        while text is not None and self._accept("|", "|"):
            more = self._part()
            text = None if more is None else text + more
        return text

    def _part(self) -> str | None:
        text = self._plain()
        while text is not None and self._accept(":", ":"):
            if self.is_done or self._tokens[self._place].text not in _TYPES:
                return None
            self._place += 1
        return text

    def _plain(self) -> str | None:
        if self.is_done:
            return None
        token = self._tokens[self._place]
        if token.kind is Kind.STRING and token.text[0] not in "bBxX":
            self._place += 1
            return token_reader.string(token)
        following = self._tokens[self._place + 1].text if self._place + 1 < len(self._tokens) else ""
        if token.kind is Kind.WORD and token.text in self._variables and following not in ("(", "."):
            self._place += 1
            return self._variables[token.text]
        if self._accept("("):
            return self._closed(self.joined())
        if self._accept("format", "("):
            return self._formatted()
        if self._accept("quote_ident", "("):
            text = self._closed(self.joined())
            return None if text is None else quoting.bare(text)
        if self._accept("quote_literal", "("):
            text = self._closed(self.joined())
            return None if text is None else quoting.literal(text)
        return None

    def _formatted(self) -> str | None:
        pattern = self.joined()
        given: list[str] = []
        while pattern is not None and self._accept(","):
            text = self.joined()
            if text is None:
                return None
            given.append(text)
        pattern = self._closed(pattern)
        return None if pattern is None else _filled(pattern, given)

    def _closed(self, text: str | None) -> str | None:
        return text if self._accept(")") else None

    def _accept(self, *texts: str) -> bool:
        seen = tuple(token.text for token in self._tokens[self._place : self._place + len(texts)])
        if seen != texts:
            return False
        self._place += len(texts)
        return True


def _filled(pattern: str, given: list[str]) -> str | None:
    """Return what `format` makes of its arguments; None where one is missing or the pattern is unusual."""
    if _SPECIFIER.sub("", pattern).count("%"):
        return None
    pieces: list[str] = []
    place = 0
    waiting = iter(given)
    for found in _SPECIFIER.finditer(pattern):
        pieces.append(pattern[place : found.start()])
        place = found.end()
        if found[1] == "%":
            pieces.append("%")
            continue
        text = next(waiting, None)
        if text is None:
            return None
        pieces.append({"s": str, "I": quoting.bare, "L": quoting.literal}[found[1]](text))
    return "".join((*pieces, pattern[place:]))
