"""Which statements depend on how the server reads a backslash in a constant, which statements before may change.

The server reads a message as a whole before it runs any of it. So a statement with a backslash in a constant must not
travel after one that may change `standard_conforming_strings`, or it would be read otherwise than by psql, which sends
them one by one (PostgreSQL documentation, "String Constants With C-Style Escapes"). Any code of the database's may
change it: functions, and what calls them where no call is to be seen, such as triggers, defaults, views and domains.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from zmig.sql import lexer
from zmig.sql.lexer import Kind

if TYPE_CHECKING:
    from zmig.sql.statement import Statement


def depends(statement: Statement) -> bool:
    """Like `text_depends`."""
    return text_depends(statement.text, conforming=statement.conforming)


def text_depends(text: str, *, conforming: bool) -> bool:
    """Whether what a statement means may depend on how the server reads a backslash in a constant.

    So it does in one with Unicode escapes, which the server takes in one of the ways only.
    """
    if "\\" not in text and "&'" not in text:
        return False
    for token in lexer.tokens(text, conforming=conforming):
        if token.kind is not Kind.STRING or token.text[0] == "$":
            continue
        if token.text[0] in "uU":
            return True
        # In E'...' a backslash escapes whatever is set; only whether it may hide a quote depends on `backslash_quote`.
        if ("\\'" if token.text[0] in "eE" else "\\") in token.text:
            return True
    return False


def is_cut_otherwise(statement: Statement) -> bool:
    """Whether a statement would end elsewhere, or be cut into other tokens, if a backslash had its other meaning."""
    if "\\" not in statement.text:
        return False
    other = lexer.tokens(statement.text, conforming=not statement.conforming)
    try:
        return any(here != there for here, there in zip_longest(map(_extent, statement.tokens), map(_extent, other)))
    except lexer.UnterminatedError:
        return True


def _extent(token: lexer.Token) -> tuple[Kind, int]:
    return token.kind, token.end
