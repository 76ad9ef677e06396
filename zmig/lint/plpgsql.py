"""Where the body of a PL/pgSQL function is in its statement, and where in it the parser stumbled. Pure.

The parser knows no catalog: what it says of types and variables means nothing. What it says of the syntax holds.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from zmig.lint.finding import Remark
from zmig.sql.lexer import Kind, tokens
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from zmig.lint.sql_file import Act, SqlFile
    from zmig.sql.lexer import Token

_ABOUT_SYNTAX = re.compile(
    r"syntax error|missing |mismatched |incomplete |unterminated |too (?:many|few) parameters specified for RAISE"
)
_NEAR = re.compile(r'at or near "(.*)"', re.DOTALL)
_DOLLARS = re.compile(r"\$\w*\$")
_LINE = re.compile(r"near line (\d+)")


@valueclass
class BodyFault:
    """Why a body is none, and where."""

    message: str
    start: int
    """The offset in the file."""
    end: int

    def remark(self, file: SqlFile) -> Remark:
        """Return it as a remark."""
        return Remark("sql/syntax", self.message, "correct the function's body", file.source, self.start, self.end)


def body(act: Act) -> Token | None:
    """Return the string that holds a statement's PL/pgSQL; None where it has none."""
    if act.verb not in ("create", "do") or (act.verb == "create" and "plpgsql" not in act.statement.text.lower()):
        return None
    found = [*tokens(act.statement.text)]
    spoken = next((_unquoted(after) for word, after in pairwise(found) if word.text == "language"), None)
    if spoken != "plpgsql" and not (act.verb == "do" and spoken is None):
        return None
    texts = [(word.text, after) for word, after in pairwise(found) if after.kind is Kind.STRING]
    return next((one for word, one in texts if word == "as" or (act.verb == "do" and word != "language")), None)


def _unquoted(token: Token) -> str:
    return token.text.strip("'\"").lower()


def fault(act: Act, body: Token, message: str, context: str) -> BodyFault | None:
    """Return what the parser said, if it is about the syntax."""
    if not _ABOUT_SYNTAX.match(message):
        return None
    near, line = _NEAR.search(message), _LINE.search(context)
    text = act.statement.text
    start = _line_start(text, body, int(line[1]) if line else 1)
    if near is not None and (found := _as_a_word(near[1]).search(text, start, body.end)):
        return BodyFault(message, act.start + found.start(), act.start + found.end())
    if near is None and "end of input" in message:
        quote = _DOLLARS.match(body.text)
        return BodyFault(message, act.start + body.end - (len(quote[0]) if quote else 1), act.start + body.end)
    start += len(text[start : body.end]) - len(text[start : body.end].lstrip())
    return BodyFault(message, act.start + start, act.start + start + 1)


def _as_a_word(text: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(text)}(?!\w)" if text.isidentifier() else re.escape(text))


def _line_start(text: str, body: Token, line: int) -> int:
    """Return where a line of the body begins; the parser counts from the quote on."""
    start = body.start
    for _ in range(line - 1):
        start = text.find("\n", start, body.end) + 1 or start
    return start
