"""PostgreSQL's lexical rules: where a token of SQL text ends.

What you may rely on: the same boundaries as the server's own lexer for every string form, dollar quotes, nested
comments, `$` inside names and names in any script. No grammar. Whether a backslash escapes in an ordinary string is
what the server's `standard_conforming_strings` says: `conforming` is that setting.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from zmig.text.lazy_pattern import LazyPattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BLANKS = " \t\n\r\f\v"
SPACE = f"[{BLANKS}]"
# Written as what a name cannot hold, for a range of all characters above ASCII takes milliseconds to compile.
_NO_NAME = r"\x00-\x23\x25-/:-@\[-^`{-\x7f"
NAME_PART = f"[^{_NO_NAME}]"
NAME_START = f"[^{_NO_NAME}$0-9]"
NO_NAME = f"[{_NO_NAME}]"
LINE_COMMENT = r"--[^\r\n]*+"


class Kind(StrEnum):
    """What a token is; the values are the group names of the token pattern."""

    WORD = "word"
    """A keyword or an unquoted identifier."""
    QUOTED = "quoted"
    """`"..."` or `U&"..."`."""
    STRING = "string"
    """Any string constant, dollar quotes included."""
    NUMBER = "number"
    """A number, or a parameter such as `$1`."""
    SYMBOL = "symbol"
    """One character of anything else: an operator, a bracket, `;`, a stray backslash."""


_KINDS = {kind.value: kind for kind in Kind}


class Token(NamedTuple):
    """One token; `start` and `end` are 0-based offsets into the text it was read from."""

    kind: Kind
    text: str
    """Words in lower case, ASCII letters only as in the server; everything else as written."""
    start: int
    end: int


_new: Callable[[type[Token], tuple[Kind, str, int, int]], Token] = getattr(tuple, "__new__")  # noqa: B009 - its type
"""What `Token(...)` comes to in the end, in half the time: most values of a run are tokens."""


class UnterminatedError(Exception):
    """The text ends inside a construct; `offset` is where that construct begins (0-based)."""

    def __init__(self, construct: str, offset: int) -> None:
        super().__init__(f"unterminated {construct}")
        self.construct = construct
        self.offset = offset


@cache
def _token_pattern(*, conforming: bool) -> re.Pattern[str]:
    # Repeats are possessive: where a token does not match, a shorter one would not, and to try would take ever longer.
    escapes = r"'(?:[^'\\]++|\\.|'')*+'"
    # Constants with a line end between them are one (PostgreSQL documentation, "String Constants"). Those in E'...' are
    # taken together, for the parts after the first have escapes, too, without saying so; the others may stay apart.
    continued = rf"(?:[ \t\f\v]|{LINE_COMMENT})*+[\r\n](?:{SPACE}|{LINE_COMMENT}[\r\n])*+"
    plain = r"(?:[uU]&|[bBxXnN])?'[^']*+(?:''[^']*+)*+'"
    if not conforming:
        plain = rf"[nN]?{escapes}|(?:[uU]&|[bBxX])'[^']*+(?:''[^']*+)*+'"
    return re.compile(
        rf"""
        (?:{SPACE}++|{LINE_COMMENT})*+
        (?:(?P<comment>/\*)
        | (?P<string>[eE]{escapes}(?:{continued}{escapes})*+(?!{continued}')|{plain})
        | (?P<quoted>(?:[uU]&)?"[^"]*+(?:""[^"]*+)*+")
        | (?P<open>(?:[eEbBxXnN]|[uU]&)?'|(?:[uU]&)?")
        | (?P<dollar>\$(?:{NAME_START}[^{_NO_NAME}$]*+)?\$)
        | (?P<word>{NAME_START}{NAME_PART}*+)
        | (?P<number>\$?[0-9]++(?:_[0-9]++)*+(?:\.[0-9]*+)?(?:[eE][+-]?[0-9]++)?)
        | (?P<symbol>.))
        """,
        re.VERBOSE | re.DOTALL,
    )


_COMMENT_EDGE = LazyPattern(r"/\*|\*/")


def end_of_comment(text: str, start: int) -> int:
    """Return the offset after the block comment that opens at `start`; comments nest.

    Raises UnterminatedError.
    """
    depth = 0
    for edge in _COMMENT_EDGE.finditer(text, start):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    raise UnterminatedError("comment", start)


def tokens(text: str, start: int = 0, *, conforming: bool = True) -> Iterator[Token]:
    """Yield the tokens from `start` on, without blanks and comments, reading no further than asked.

    Raises UnterminatedError where the text ends inside a string, a quoted name or a comment.
    """
    match, word, token = _token_pattern(conforming=conforming).match, Kind.WORD, _new
    offset = start
    while matched := match(text, offset):
        group = matched.lastgroup or ""
        begin, offset = matched.span(group)
        if group == word:
            yield token(Token, (word, fold(matched[group]), begin, offset))
        elif (kind := _KINDS.get(group)) is not None:
            yield token(Token, (kind, matched[group], begin, offset))
        elif group == "comment":
            offset = end_of_comment(text, begin)
        elif group == "dollar":
            delimiter = matched[group]
            closing = text.find(delimiter, offset)
            if closing < 0:
                raise UnterminatedError(f"dollar quote {delimiter}", begin)
            offset = closing + len(delimiter)
            yield Token(Kind.STRING, text[begin:offset], begin, offset)
        else:
            raise UnterminatedError("quoted name" if matched.group()[-1] == '"' else "string", begin)


def fold(word: str) -> str:
    """Return `word` with its ASCII letters in lower case, which is all a UTF-8 server folds."""
    if word.isascii():
        return word.lower()
    return "".join(character.lower() if character.isascii() else character for character in word)
