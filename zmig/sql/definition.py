"""Which statements only define something: by their command, they run nobody's code.

Such a statement changes nothing of the session and acts on nothing outside of its transaction. What PostgreSQL runs
beside the command itself was gone through for each kind: defaults and checks, which are evaluated for the rows that
are there, and those of domains with them; the bounds of partitions; queries that fill a table; scripts of extensions;
validators of languages; conditions on constants, which are worked out when a column is declared to be not null. A
constant is read when it is written: an array, a composite value or a range by what reads the values in it, which checks
them where they are of a domain. An index evaluates its expressions, but in an operation restricted for security, in
which nothing of the session can be changed for longer (`SECURITY_RESTRICTED_OPERATION` in PostgreSQL's sources).

Event triggers run behind every command; whether there are any, only the server knows.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from zmig.sql import lexer

if TYPE_CHECKING:
    from zmig.sql.statement import Statement


def only_defines(statement: Statement) -> bool:
    """Whether, by its command, a statement only defines, alters or drops something, and runs nobody's code."""
    command = _command()
    if command.match(statement.text) is None:
        return False
    text = _without_comments(statement)
    found = command.match(text)
    match found.lastgroup if found is not None else None:
        case "alone":
            return True
        case "alter":
            return _evaluates().search(text) is None
        case "fill":
            return _fills().search(text) is None and _reads_parts().search(text) is None
        case "create":
            known = all(one[1].lower() in _LANGUAGES for one in _language().finditer(text))
            return known and _reads_parts().search(text) is None
        case _:
            return False


_LANGUAGES = frozenset({"sql", "plpgsql"})
"""Those whose validators read a function's text and run nothing of it."""


@cache
def _command() -> re.Pattern[str]:
    made = "type|domain|sequence|function|procedure|view|trigger|policy|operator|cast|collation|rule"
    altered = "table|sequence|view|index|schema|trigger|policy|role|user"
    return re.compile(
        r"(?P<alone>(?:comment|grant|revoke)\s|create\s++(?:unique\s++)?index\b"
        r"|drop\s(?!\s*(?:extension|event|owned|database|subscription)\b))"
        rf"|(?P<alter>alter\s++(?:{altered})\b)"
        rf"|(?P<create>create\s++(?:or\s++replace\s++)?(?:{made})\b)"
        r"|(?P<fill>create\s++(?:(?:unlogged\s++)?table|schema)\b)",
        re.IGNORECASE,
    )


@cache
def _evaluates() -> re.Pattern[str]:
    """Return what is evaluated for the rows of a table that is altered; a new column counts but for a known type."""
    words = "type|validate|attach|default|using|check|constraint|generated|identity"
    name = r'(?:"[^"]++"|[^\s",]++)'
    known = (
        "bigint|int|integer|smallint|boolean|bool|real|numeric|text|varchar|uuid|json|jsonb|bytea|date|time|interval"
        "|timestamptz|timestamp|int2|int4|int8|float4|float8|inet"
        r"|double\s+precision|character\s+varying|time(?:stamp)?\s+with(?:out)?\s+time\s+zone"
    )
    column = rf"\s++(?:column\s++)?(?:if\s++not\s++exists\s++)?{name}\s++(?:{known})\s*+(?:,|null\b|\Z)"
    return re.compile(rf"\(|\b(?:{words})\b|\bnot\s+null\b|\badd\b(?!{column})", re.IGNORECASE)


@cache
def _fills() -> re.Pattern[str]:
    """Return what fills a new table, or works out its bounds."""
    query = r"\bas\s*+(?:\(\s*+)*+(?:select|with|table|values|execute)\b"
    return re.compile(rf"{query}|\bpartition\s+of\b", re.IGNORECASE)


@cache
def _reads_parts() -> re.Pattern[str]:
    """Return what begins a constant with other values in it: of an array, a composite type, a range, or JSON.

    The bracket may be written as an escape.
    """
    return re.compile(r"(?:'|\$\w*+\$)\s*+(?:[\[{(](?!\s*[\]})])|\\)")


@cache
def _language() -> re.Pattern[str]:
    return re.compile(r"\blanguage\s+['\"]?(\w+)", re.IGNORECASE)


def _without_comments(statement: Statement) -> str:
    """Return a statement without what the server reads as blanks; constants stay in it."""
    text = statement.text
    if "--" not in text and "/*" not in text:
        return text
    if any(one in text for one in ("/*", "\\", "$")):
        return " ".join(token.text for token in statement.tokens)
    return _line_comment().sub(lambda found: found[1] or " ", text)


@cache
def _line_comment() -> re.Pattern[str]:
    return re.compile(rf"('[^']*+'|\"[^\"]*+\")|{lexer.LINE_COMMENT}")
