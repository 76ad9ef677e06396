"""Where in a statement the server's error is, beyond the position it gives itself.

An error inside a DO block carries its line in the context, and one about a copied row carries the row's number. The
words around the numbers are in the server's language, so only names and numbers are looked at.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.sql.encoding import UTF8, Encoding
from zmig.sql.lexer import Kind

if TYPE_CHECKING:
    import psycopg

    from zmig.sql.statement import Statement

_BLOCK = re.compile(r"inline_code_block[^\d\n]{1,100}(\d+)")
_ROW = re.compile(r"^COPY .+?, [^\d,]+ (\d+)", re.MULTILINE)
_SAME = 16
"""How many characters distinguish an inner query."""


def index(statement: Statement, diagnostic: psycopg.errors.Diagnostic, *, shift: int, encoding: Encoding = UTF8) -> int:
    """Return the 0-based index in the statement's text of what an error is about; 0 where nothing says more.

    `shift` is how much of the message was before the statement, as the server counts.
    """
    position = diagnostic.statement_position
    if position is not None:
        place = max(int(position) - 1 - shift, 0)
        return encoding.index(statement.text, place) if encoding.counts_octets else place
    block = _BLOCK.search(diagnostic.context or "")
    return _in_block(statement, int(block[1]), diagnostic) if block else 0


def _in_block(statement: Statement, line: int, diagnostic: psycopg.errors.Diagnostic) -> int:
    """Return the index of what an error in a DO block is about: in the inner query it names, else its line."""
    text = statement.text
    body = next((token for token in statement.tokens if token.kind is Kind.STRING), None)
    if body is None or statement.command.verb != "do":
        return 0
    start = body.start + (body.text.index("$", 1) + 1 if body.text.startswith("$") else body.text.index("'") + 1)
    for _ in range(line - 1):
        start = text.find("\n", start) + 1
        if start == 0:
            return 0
    start += len(text[start:]) - len(text[start:].lstrip(" \t"))
    query, position = diagnostic.internal_query, diagnostic.internal_position
    place = text.find(query[:_SAME], start) if query is not None and position is not None else -1
    return place + int(position) - 1 if place >= 0 and position is not None else start


def copied_row(statement: Statement, diagnostic: psycopg.errors.Diagnostic) -> int | None:
    """Return the number of the row that a COPY refused, from 1; None where the error is about another thing."""
    if statement.copy_data is None:
        return None
    row = _ROW.search(diagnostic.context or "")
    return int(row[1]) if row else None
