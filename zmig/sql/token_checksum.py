"""A checksum of what the server's parser gets of a script: its tokens, whatever is between them.

Two scripts have one only if the server is sent the same tokens. Comments, white space and the case of ASCII letters
outside of quotes make no difference; constants, the bodies of dollar quotes, quoted names and rows of COPY count
exactly, and so does what is between the parts of a constant that goes on in the next line. Where it is not sure that
tokens are the same, such as in `a[1:N]` and `a[1 : n]`, they count as different: then a person decides.
"""

from __future__ import annotations

import re
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING

from zmig.sql import lexer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zmig.sql.statement import Statement

_BETWEEN, _ROWS, _END = b"\0", b"\0\0", b"\0\0\0"
"""What is put after a token, before rows and after a statement: no text of a script holds a NUL."""
_EXACT_END = frozenset(b"'\"$")
"""What constants, quoted names and dollar quotes end with, and no keyword does."""


def of_statements(statements: Iterable[Statement]) -> str | None:
    """Return the checksum, in hex, of a script's statements with their rows; one has one, whatever its line ends.

    None where it depends on the session how they are read: with a backslash, where it escapes in ordinary constants.
    """
    digest = sha256()
    for statement in statements:
        content = statement.content
        if not statement.conforming and b"\\" in content:
            return None
        digest.update(_canonical(content))
        if statement.copy_data is not None:
            digest.update(_ROWS)
            rows = b"".join(block.encode() if isinstance(block, str) else block for block in statement.copy_data.blocks)
            digest.update(_with_newlines(rows))
        digest.update(_END)
    return digest.hexdigest()


def _canonical(content: bytes) -> bytes:
    """Return the tokens of a statement, one after the other, words in lower case."""
    content = _with_newlines(content)
    found = _tokens(content) if b"/*" in content or b"$" in content else _token().findall(content)
    # Octets beyond ASCII stay as they are, as they do in a server with an encoding of more than one octet.
    return _BETWEEN.join([one if one[-1] in _EXACT_END else one.lower() for one in found if one])


def _tokens(content: bytes) -> list[bytes]:
    """Return the tokens of what may hold comments in comments, or dollar quotes.

    Where a server of another version would find no end, all of the rest is one token.
    """
    found: list[bytes] = []
    match, offset = _token().match, 0
    while (matched := match(content, offset)) and (one := matched[1]):
        begin, offset = matched.span(1)
        if one == b"/*":
            offset = _end_of_comment(content, begin)
            if offset < len(content):
                continue
            one = content[begin:]
        elif len(one) > 1 and one[:1] == b"$" == one[-1:] and not one[1:2].isdigit():
            closing = content.find(one, offset)
            offset = len(content) if closing < 0 else closing + len(one)
            one = content[begin:offset]
        found.append(one)
    return found


def _end_of_comment(content: bytes, start: int) -> int:
    try:
        # No octet of a character beyond ASCII is one of a slash or an asterisk.
        return lexer.end_of_comment(content.decode("latin-1"), start)
    except lexer.UnterminatedError:
        return len(content)


def _with_newlines(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in content else content


@cache
def _token() -> re.Pattern[bytes]:
    """Match blanks and line comments, and then a token, which is the only group.

    A token is never cut where the server would not cut it, so that equal tokens are read equally, whatever was between
    them. What opens a comment or a dollar quote is one by itself.
    """
    gap = f"(?:{lexer.SPACE}++|{lexer.LINE_COMMENT})*+"
    # Constants with a line end between them are one, and stay as they are written.
    continued = rf"(?:[ \t\f\v]|{lexer.LINE_COMMENT})*+\n(?:{lexer.SPACE}|{lexer.LINE_COMMENT}\n)*+"
    escapes = r"'(?:[^'\\]++|\\.|'')*+'"
    plain = r"'[^']*+(?:''[^']*+)*+'"
    exponent = "(?:[eE][+-]?[0-9]++)?+"
    # What is right after a number is a token of its own in old servers, and an error in new ones. From a dollar sign
    # there on all of the rest is one token: it may begin a dollar quote.
    quoted = r'"[^"]*+(?:""[^"]*+)*+"'
    name = f"{lexer.NAME_START}{lexer.NAME_PART}*+"
    junk = f"(?:[eE]{escapes}|(?:[uU]&|[bBxXnN]){plain}|[uU]&{quoted}|{name})?+"
    # An operator ends where a comment begins. A longer one ends in + or - only if one of the others is in it.
    plus, others = r"(?:[+*<>=]|-(?!-)|/(?!\*))", r"[~!@\#^&|`?%]"
    last = r"(?:[*<>=]|/(?!\*))"
    pattern = rf"""
        {gap}(
          [eE]{escapes}(?:{continued}{escapes})*+
        | (?:[uU]&|[bBxXnN])?{plain}(?:{continued}{plain})*+
        | (?:[uU]&)?{quoted}
        | /\*
        | \$(?:{lexer.NAME_START}(?:(?!\$){lexer.NAME_PART})*+)?\$
        | {name}
        | [.$]?[0-9][0-9_.eE]*+\$.*+
        | \$?[0-9][0-9_]*+(?:\.(?!\.)[0-9_]*+)?+{exponent}{junk}
        | \.[0-9][0-9_]*+{exponent}{junk}
        | (?={plus}{{0,63}}+{others})(?:{plus}|{others}){{1,64}}+
        | {plus}{{0,63}}{last}
        | {plus}
        | :(?:[:=]|(?!(?:[eEbBxXnN]|[uU]&)['"]){name})?+
        | \.\.?+
        | .
        | \Z
        )"""
    return re.compile(pattern.encode(), re.VERBOSE | re.DOTALL)
