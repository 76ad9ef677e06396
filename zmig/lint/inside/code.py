"""The code of DO blocks, functions and procedures."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from zmig.sql.lexer import Kind, tokens

if TYPE_CHECKING:
    from zmig.lint.sql_file import FileStatement
    from zmig.sql.lexer import Token


def body_of(statement: FileStatement) -> tuple[str, Token] | None:
    """Return the language of a DO block, a function or a procedure, and the string that holds it; else None."""
    text = statement.text
    is_do = statement.verb == "do"
    if not is_do and (statement.verb != "create" or "language" not in text.lower()):
        return None
    words = [*tokens(text)]
    if not is_do and not any(one.text in ("function", "procedure") for one in words[1:4]):
        return None
    pairs = [*pairwise(words)]
    # The language may be a name, a quoted name or a string, and is before the body or after it.
    languages = (after.text.strip("'\"").lower() for word, after in pairs if word.text == "language")
    language = next(languages, "plpgsql" if is_do else None)
    strings = ((word.text, after) for word, after in pairs if after.kind is Kind.STRING)
    body = next((after for word, after in strings if word == "as" or (is_do and word != "language")), None)
    return None if language is None or body is None else (language, body)
