"""Plain statements, which are nearly all: those whose first semicolon outside of quotes and comments ends them.

What you may rely on: a match is exact, and reads a statement of any length in one go in C. Where nothing matches,
`zmig.sql.splitter` decides, token by token; so it does where a backslash escapes in an ordinary string.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.sql.lexer import LINE_COMMENT, NAME_PART, NAME_START, NO_NAME, SPACE
from zmig.text.lazy_pattern import LazyPattern

if TYPE_CHECKING:
    from zmig.sql.buffer import Window

# All repeats are possessive: what one of them takes begins nothing else, and a text of many megabytes without an end
# must not be gone through again and again.
_OPEN_COMMENT = r"/\*(?:[^*/]++|\*(?!/)|/(?!\*))*+"
_FLAT_COMMENT = rf"{_OPEN_COMMENT}\*/"
_OPEN_ESCAPES = rf"(?<={NO_NAME}[eE])'(?:[^'\\]++|\\[\s\S]|'')*+"
_OPEN_DOLLARS = rf"(?<!{NAME_PART})\$\$(?:[^$]++|\$(?!\$))*+"
_LEAD = rf"(?:[ \t\n\r\f\v;]++|{LINE_COMMENT}[\r\n]|{_FLAT_COMMENT})*+"
_NOT_NESTING = rf"(?!(?i:copy\b|set\b|create\b(?!{SPACE}++(?!(?:or|rule|function|procedure)\b)[a-z])))"
"""What is read token by token: what may nest, and SET, after which the server may read text differently."""
_DATA_VERB = r"(?=(?i:insert|update|delete|select)\b)"
_ORDINARY = r"""[^'"$;\-/\\]*+"""
_SPECIAL = rf"""
      (?<![eE])'[^']*+'                                    # a constant; two quotes in it are two constants in a row
    | [-/](?![-*])                                         # an operator, which begins no comment
    | "[^"]*+"
    | (?:{LINE_COMMENT}[\r\n]{SPACE}*+)++(?!;)             # comments, but not at its end: they are no part of it there
    | (?<={NAME_START})\$|\$(?=[0-9])                      # in a name, or of a parameter, and no dollar quote
    | (?<=(?:{NAME_START}|\$)[eE])'[^']*+'                 # a constant after a name that ends with e, such as date
    | {_OPEN_ESCAPES}'(?!(?:{SPACE}|{LINE_COMMENT})*+')    # with escapes, and no other constant that continues it
    | {_OPEN_DOLLARS}\$\$
    | {_FLAT_COMMENT}(?!{SPACE}*+(?:;|--|/\*))             # likewise not at its end
"""
_BODY = f"{_ORDINARY}(?:(?:{_SPECIAL}){_ORDINARY})*+"
# What the text may be cut off inside of, where a piece of it ends.
_CUT_OFF = rf"""(?:{_OPEN_ESCAPES}|'[^']*+|"[^"]*+|{LINE_COMMENT}|{_OPEN_COMMENT}|{_OPEN_DOLLARS})?+"""


STATEMENT = LazyPattern(f"{_LEAD}{_NOT_NESTING}({_BODY});", re.VERBOSE)
"""The next statement if it is plain; group 1 is the statement, the match ends after its semicolon."""
DATA_STATEMENT = LazyPattern(f"{_LEAD}{_DATA_VERB}({_BODY});", re.VERBOSE)
"""The same, but only one that reads or writes rows and has no say in how a script runs."""
_CUT_SHORT = LazyPattern(rf"{_LEAD}{_NOT_NESTING}{_BODY}{_CUT_OFF}\Z", re.VERBOSE)
"""What may be the beginning of such a statement."""


def next_match(window: Window) -> re.Match[str] | None:
    """Match the next statement if it is plain, reading on where the text in memory ends inside of it."""
    if not window.conforming:
        return None
    while (plain := STATEMENT.match(window.text, window.position)) is None:
        if window.ended or not _CUT_SHORT.match(window.text, window.position):
            return None
        window.extend()
    return plain
