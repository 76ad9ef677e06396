"""A statement read token by token: keywords accepted, names unquoted and folded as the server does it."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from zmig import lexer
from zmig.lexer import Kind

if TYPE_CHECKING:
    from zmig.lexer import Token

_NAME_BYTES = 63


class Name(NamedTuple):
    """A possibly qualified name, as it stands in the catalog."""

    schema: str | None
    name: str


class Reader:
    """Reads a statement's tokens from its first one on, no further than asked."""

    def __init__(self, text: str) -> None:
        self._tokens = lexer.tokens(text)
        self._ahead: list[Token] = []

    def peek(self, index: int = 0) -> Token | None:
        """Return the token `index` places ahead without taking it; None behind the last one."""
        missing = index + 1 - len(self._ahead)
        if missing > 0:
            self._ahead += islice(self._tokens, missing)
        return self._ahead[index] if index < len(self._ahead) else None

    def take(self) -> Token | None:
        """Take the next token."""
        token = self.peek()
        del self._ahead[:1]
        return token

    def sees(self, *texts: str) -> bool:
        """Whether the next tokens are these: keywords in lower case, or symbols."""
        return all((token := self.peek(index)) is not None and token.text == text for index, text in enumerate(texts))

    def accept(self, *texts: str) -> bool:
        """Take the next tokens if they are these."""
        if not self.sees(*texts):
            return False
        del self._ahead[: len(texts)]
        return True

    def accept_any(self, *texts: str) -> str | None:
        """Take the next token if it is one of these, and return it."""
        token = self.peek()
        if token is None or token.text not in texts:
            return None
        self.take()
        return token.text

    def skip_to(self, *texts: str) -> bool:
        """Take tokens until the next ones are these, outside of parentheses; False at the end."""
        while self.peek() is not None:
            if self.sees(*texts):
                return True
            if self.peek_text() == "(":
                self.options()
            else:
                self.take()
        return False

    def peek_text(self) -> str:
        """Return the next token's text, empty behind the last one."""
        token = self.peek()
        return token.text if token else ""

    def options(self) -> dict[str, str]:
        """Take a parenthesised list such as `(verbose, concurrently off, slot_name = x)`.

        The value of an option that stands alone is empty; the last of equal ones wins.
        """
        found: dict[str, str] = {}
        words: list[str] = []
        depth = 0
        while token := self.take():
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            if token.text in {",", ")"} and depth <= 1 and words:
                found[words[0]] = words[-1] if len(words) > 1 else ""
                words = []
            elif token.text not in {"(", ",", ")", "="}:
                words.append(token.text.strip("'"))
            if depth == 0:
                break
        return found

    def name(self) -> Name | None:
        """Take a name, qualified or not; of a longer path the last two parts count."""
        parts: list[str] = []
        while (token := self.peek()) is not None and token.kind in {Kind.WORD, Kind.QUOTED}:
            self.take()
            parts.append(identifier(token))
            if not self.accept("."):
                break
        if not parts:
            return None
        return Name(parts[-2] if len(parts) > 1 else None, parts[-1])


def identifier(token: Token) -> str:
    """Return the name that a word or a quoted name stands for, cut to 63 bytes as the server cuts it."""
    text = token.text
    if token.kind is Kind.QUOTED:
        escaped = text[0] in "uU"
        text = text[text.index('"') + 1 : -1].replace('""', '"')
        text = _unescape(text) if escaped else text
    return _cut(text)


def is_true(value: str) -> bool:
    """Return what an option's value means where the server expects a boolean; an absent value is true."""
    return value.lower() not in {"false", "off", "0"}


def _unescape(text: str) -> str:
    def character(found: re.Match[str]) -> str:
        code = found.group(1) or found.group(2)
        return chr(int(code, 16)) if code and int(code, 16) <= 0x10FFFF else "\\"

    return re.sub(r"\\([0-9A-Fa-f]{4})|\\\+([0-9A-Fa-f]{6})|\\\\", character, text)


def _cut(text: str) -> str:
    encoded = text.encode("utf-8", "surrogatepass")
    if len(encoded) <= _NAME_BYTES:
        return text
    return encoded[:_NAME_BYTES].decode("utf-8", "ignore")
