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


def depends(one: Statement) -> bool:
    """Like `text_depends`."""
    return text_depends(one.text, conforming=one.conforming)


def text_depends(text: str, *, conforming: bool) -> bool:
    """Whether what a statement means may depend on how the server reads a backslash in a constant.

    So it does in one with Unicode escapes, which the server takes in one of the ways only.
    """
    if "\\" not in text and "&'" not in text:
        return False
    constants = (one.text for one in lexer.tokens(text, conforming=conforming) if one.kind is Kind.STRING)
    return any(one[0] in "uU" or ("\\" in one and _is_undecided(one)) for one in constants)


def _is_undecided(constant: str) -> bool:
    """Whether a setting says what the backslashes of a constant mean; in `E'...'`, whether one may hide a quote."""
    return constant[0] != "$" and (constant[0] not in "eE" or "\\'" in constant)


def is_cut_otherwise(one: Statement) -> bool:
    """Whether a statement would end elsewhere, or be cut into other tokens, if a backslash had its other meaning."""
    if "\\" not in one.text:
        return False
    other = lexer.tokens(one.text, conforming=not one.conforming)
    try:
        return any(here != there for here, there in zip_longest(map(_extent, one.tokens), map(_extent, other)))
    except lexer.UnterminatedError:
        return True


def _extent(token: lexer.Token) -> tuple[Kind, int]:
    return token.kind, token.end
