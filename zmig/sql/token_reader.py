"""A statement read token by token: keywords accepted, names unquoted and folded as the server does it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from zmig.sql import lexer
from zmig.sql.lexer import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zmig.sql.lexer import Token

_NAME_BYTES = 63

KIND_MODIFIERS = frozenset(
    {
        "access", "constraint", "default", "event", "foreign", "global", "local", "materialized", "procedural",
        "recursive", "search", "temp", "temporary", "text", "trusted", "unique", "unlogged",
    }
)  # fmt: skip
"""The words that may be between CREATE, ALTER or DROP and the kind of object."""
_PARTS_OF_KIND = frozenset({"event", "foreign", "materialized"})


_QUERIES = ("select", "with", "values", "table", "(")


class Name(NamedTuple):
    """A name as it is in the catalog, with its schema if it was written with one."""

    schema: str | None
    name: str


class Reader:
    """Reads a statement's tokens from its first one on, no further than asked."""

    def __init__(self, text: str, *, conforming: bool = True) -> None:
        self._tokens: Iterator[Token] = lexer.tokens(text, conforming=conforming)
        self._ahead: list[Token] = []
        self._conforming = conforming

    def peek(self, index: int = 0) -> Token | None:
        """Return the token `index` places ahead without taking it; None after the last one."""
        ahead = self._ahead
        while len(ahead) <= index:
            token = next(self._tokens, None)
            if token is None:
                return None
            ahead.append(token)
        return ahead[index]

    def take(self) -> Token | None:
        """Take the next token."""
        return self._ahead.pop(0) if self._ahead else next(self._tokens, None)

    def sees(self, *texts: str) -> bool:
        """Whether the next tokens are these: keywords in lower case, or symbols."""
        for index, text in enumerate(texts):
            token = self.peek(index)
            if token is None or token.text != text:
                return False
        return True

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
        """Take tokens until the next ones are these; False if they never come."""
        while self.peek() is not None:
            if self.sees(*texts):
                return True
            self.take()
        return False

    def outer_tokens(self) -> Iterator[Token]:
        """Take tokens, and yield those outside of parentheses."""
        depth = 0
        while token := self.take():
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            if depth == 0:
                yield token

    def object_kind(self) -> tuple[tuple[str, ...], str]:
        """Take what follows CREATE, ALTER or DROP: the modifiers of a kind of object, and the kind.

        That is empty where there is none.
        """
        modifiers = ["or", "replace"] if self.accept("or", "replace") else []
        while (word := self.take()) is not None and word.text in KIND_MODIFIERS:
            modifiers.append(word.text)
        return tuple(modifiers), full_kind(modifiers, word.text) if word else ""

    def options(self) -> dict[str, str]:
        """Take a parenthesised list such as `(verbose, concurrently off, slot_name = x)`.

        The value of an option without one is empty; the last of equal ones counts, as in the server.
        """
        options: dict[str, str] = {}
        words: list[str] = []
        self.accept("(")
        while token := self.take():
            if token.text in {",", ")"} and words:
                options[words[0]] = words[1] if len(words) > 1 else ""
                words = []
            elif token.text != "=":
                words.append(string(token, conforming=self._conforming) if token.kind is Kind.STRING else token.text)
            if token.text == ")":
                break
        return options

    def name(self) -> Name | None:
        """Take a name; of a longer path the last two parts count."""
        parts = [part] if (part := self.identifier()) is not None else []
        while parts and self.accept("."):
            parts.append(self.identifier() or "")
        if not parts:
            return None
        return Name(parts[-2] if len(parts) > 1 else None, parts[-1])

    def names(self) -> tuple[Name, ...]:
        """Take names with commas between them."""
        names = [name] if (name := self.name()) else []
        while names and self.accept(",") and (name := self.name()):
            names.append(name)
        return tuple(names)

    def identifier(self) -> str | None:
        """Take a word or a quoted name and return what it stands for, cut to 63 bytes as the server cuts it."""
        token = self.peek()
        if token is None or token.kind not in {Kind.WORD, Kind.QUOTED}:
            return None
        self.take()
        if token.kind is Kind.WORD:
            return _cut(token.text)
        return _cut(_unquote(token.text, '"', self._escape_character(token)))

    def string(self) -> str | None:
        """Take a string constant and return its value."""
        token = self.peek()
        if token is None or token.kind is not Kind.STRING:
            return None
        self.take()
        return string(token, self._escape_character(token), conforming=self._conforming)

    def _escape_character(self, token: Token) -> str:
        if token.text[:2].lower() != "u&" or not self.accept("uescape"):
            return "\\"
        character = self.peek()
        if character is None or character.kind is not Kind.STRING:
            return "\\"
        self.take()
        return string(character) or "\\"


def string(token: Token, escape: str = "\\", *, conforming: bool = True) -> str:
    """Return the value of a string constant."""
    text = token.text
    if text.startswith("$"):
        delimiter = text[: text.index("$", 1) + 1]
        return text[len(delimiter) : -len(delimiter)]
    if text[0] in "eE":
        return _unescape(text[2:-1].replace("''", "'"))
    if not conforming and text[0] in "'nN":
        return _unescape(text[text.index("'") + 1 : -1].replace("''", "'"))
    return _unquote(text, "'", escape)


def is_query(text: str) -> bool:
    """Whether a statement begins as a query does; one that begins so may still write."""
    return Reader(text).accept_any(*_QUERIES) is not None


def full_kind(modifiers: Iterable[str], kind: str) -> str:
    """Return what a kind of object is called: `materialized view`, but `table` where that is temporary."""
    for word in modifiers:
        if word in _PARTS_OF_KIND:
            kind = f"{word} {kind}"
    return kind


def is_true(value: str) -> bool:
    """Return what an option's value means where the server expects a boolean; an absent value is true."""
    return value.lower() not in {"false", "off", "0"}


def _unquote(text: str, quote: str, escape: str) -> str:
    content = text[text.index(quote) + 1 : -1].replace(quote * 2, quote)
    return _unescape_unicode(content, escape) if text[:2].lower() == "u&" else content


def _unescape_unicode(text: str, escape: str) -> str:
    mark = re.escape(escape)
    pattern = rf"{mark}([0-9A-Fa-f]{{4}})|{mark}\+([0-9A-Fa-f]{{6}})|{mark}{mark}"
    return _join_surrogates(re.sub(pattern, lambda found: _character(found[1] or found[2], 16) or escape, text))


_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def _unescape(text: str) -> str:
    def replacement(found: re.Match[str]) -> str:
        octal, code, other = found.group(1), found.group(2), found.group(3)
        return _character(octal, 8) or _character(code[1:] if code else None, 16) or _ESCAPES.get(other, other or "")

    pattern = r"(?s)\\(?:([0-7]{1,3})|(x[0-9A-Fa-f]{1,2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8})|(.))"
    return _join_surrogates(re.sub(pattern, replacement, text))


def _character(digits: str | None, base: int) -> str:
    code = int(digits, base) if digits else 0
    return chr(code) if 0 < code <= 0x10FFFF else ""


def _join_surrogates(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _cut(text: str) -> str:
    encoded = text.encode()
    return text if len(encoded) <= _NAME_BYTES else encoded[:_NAME_BYTES].decode(errors="ignore")
