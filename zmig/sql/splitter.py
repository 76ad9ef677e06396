"""Where the next statement of a script begins and ends.

What you may rely on: a semicolon ends a statement unless it is in a quote, a comment, the parentheses of a
CREATE RULE or the BEGIN ATOMIC body of a routine; nothing is guessed from line ends.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from zmig.sql import lexer
from zmig.sql.buffer import line_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.errors import ManifestError
    from zmig.sql.buffer import Window
    from zmig.sql.lexer import Token


LONGEST_STATEMENT = 0x3FFFFFFF - 1024
"""In characters, of which none takes less than an octet: a server's message is of less than a gigabyte.

`MaxAllocSize` in https://github.com/postgres/postgres/blob/master/src/include/utils/memutils.h
"""


class Span(NamedTuple):
    """Where a statement is in the window."""

    start: int
    end: int
    """After its last token."""
    reads_client: bool
    """Whether it is a COPY that takes its rows from the client."""


def next_span(window: Window) -> Span | None:
    """Find the next statement and move the window's position after it; None at the end of the script.

    Raises ManifestError for what psql alone understands and for what never ends.
    """
    while True:
        span, unterminated = None, None
        try:
            span = _scan(window)
        except lexer.UnterminatedError as error:
            unterminated = error.with_traceback(None)  # whose frames hold the text
        if span is not None:
            return span
        _refuse_endless(window)
        if not window.extend():
            if unterminated is not None:
                raise _unterminated(window, unterminated) from None
            return None


def check_length(window: Window, start: int, end: int) -> None:
    """Make sure that the server can take a statement; a longer one ends the connection. Raises ManifestError."""
    if end - start > LONGEST_STATEMENT:
        raise _too_long(window, start)


def _refuse_endless(window: Window) -> None:
    """Read no further than the server could: what is in memory is one statement, or its beginning."""
    if len(window.text) - window.position > LONGEST_STATEMENT:
        raise _too_long(window, next(_starts(window), window.position))


def _starts(window: Window) -> Iterator[int]:
    with suppress(lexer.UnterminatedError):
        yield from (token.start for token in _tokens(window, window.position))


def _too_long(window: Window, start: int) -> ManifestError:
    message = f"the statement that begins here is longer than the server takes: {LONGEST_STATEMENT:,} characters"
    hint = "write it as several statements, or as a COPY with its rows after it"
    return window.error(start, "statement-too-long", message, hint=hint)


def _scan(window: Window) -> Span | None:
    """Like `next_span`, but None also where the text in memory is too short to know."""
    while (first := next(_tokens(window, window.position), None)) is not None:
        if first.text == ";":
            window.position = first.end
        elif first.text != "\\":
            return _span(window, first)
        elif (end := _end_of_restrict(window, first.start)) is not None:
            window.position = end
        else:
            return None
    return None


def _tokens(window: Window, start: int) -> Iterator[Token]:
    return lexer.tokens(window.text, start, conforming=window.conforming)


def _span(window: Window, first: Token) -> Span | None:
    nesting = _nesting(window, first)
    last = first
    for token in _tokens(window, first.start):
        if token.text == "\\":
            raise _psql_command(window, token.start)
        nesting.pass_by(token)
        if token.text == ";" and nesting.inside is None:
            window.position = token.end
            break
        last = token
    else:
        if not window.ended:
            return None
        nesting.check()
        window.position = len(window.text)
    reads_client = first.text == "copy" and _reads_client(window, first.end, last.end)
    return Span(first.start, last.end, reads_client)


class _Nesting:
    """What a statement's semicolons may be in; in most statements, nothing."""

    inside: str | None = None
    """The construct that is open."""
    opened_at: int = 0

    def pass_by(self, token: Token) -> None:
        """Take note of the statement's next token."""

    def check(self) -> None:
        """Raise UnterminatedError if the script may not end here."""
        if self.inside is not None:
            raise lexer.UnterminatedError(self.inside, self.opened_at)


class _Parentheses(_Nesting):
    """In CREATE RULE, semicolons between parentheses separate the rule's actions."""

    def __init__(self) -> None:
        self._depth = 0

    def pass_by(self, token: Token) -> None:
        if token.text == "(":
            self.opened_at = self.opened_at if self._depth else token.start
            self._depth += 1
        elif token.text == ")" and self._depth:
            self._depth -= 1
        self.inside = "parenthesis" if self._depth else None


class _AtomicBody(_Nesting):
    """In CREATE FUNCTION and PROCEDURE, a semicolon ends each statement of a BEGIN ATOMIC body.

    The body's END is after one of those, which distinguishes it from the END of a CASE and from a column's name.
    """

    def __init__(self) -> None:
        self._depth = 0
        self._before: Token | None = None

    def pass_by(self, token: Token) -> None:
        before = self._before
        self._before = token
        if token.text in {"(", ")"}:
            self._depth += 1 if token.text == "(" else -1
        elif before is None or self._depth > 0:
            return
        elif (before.text, token.text) == ("begin", "atomic"):
            self.inside, self.opened_at = "BEGIN ATOMIC body", before.start
        elif token.text == "end" and before.text in {";", "atomic"}:
            self.inside = None


def _nesting(window: Window, first: Token) -> _Nesting:
    if first.text != "create":
        return _Nesting()
    words = [token.text for token in islice(_tokens(window, first.end), 3)]
    if words[:2] == ["or", "replace"]:
        words = words[2:]
    if words[:1] == ["rule"]:
        return _Parentheses()
    return _AtomicBody() if words[:1] in (["function"], ["procedure"]) else _Nesting()


def _reads_client(window: Window, start: int, end: int) -> bool:
    """Whether a COPY takes its rows from the client, of which what follows that word is between two places."""
    words = lexer.tokens(window.text[start:end], conforming=window.conforming)
    depth = 0
    for token in words:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.text in {"from", "to"}:
            return token.text == "from" and next(words, token).text in {"stdin", "stdout"}
    return False


@cache
def _restrict_line() -> re.Pattern[str]:
    return re.compile(r"\\(?:un)?restrict[ \t].*+", re.DOTALL)


def _end_of_restrict(window: Window, start: int) -> int | None:
    """Return where pg_dump's `\\restrict` line ends; None where the text in memory is too short to know."""
    line = line_at(window.text, start)
    if start + len(line) == len(window.text) and not window.ended:
        return None
    if _restrict_line().fullmatch(line):
        return start + len(line)
    raise _psql_command(window, start)


_ONE_FILE_EACH = "give the included file an entry of its own in the manifest"
_PSQL_HINTS = {
    "copy": "write `COPY ... FROM STDIN;` with the rows after it and a last line `\\.`",
    ".": "put the rows after a `COPY ... FROM STDIN;`",
    "i": _ONE_FILE_EACH,
    "ir": _ONE_FILE_EACH,
    "include": _ONE_FILE_EACH,
    "include_relative": _ONE_FILE_EACH,
    "c": "give each database a manifest of its own",
    "connect": "give each database a manifest of its own",
}


def _psql_command(window: Window, start: int) -> ManifestError:
    command = re.match(r"\\([A-Za-z_]+|\S?)", window.shown(window.text[start : start + 40]))
    name = command.group(1) if command else ""
    message = f"`\\{name}` is a command of psql, which the server does not know"
    hint = _PSQL_HINTS.get(name, f"write `\\{name}` as SQL, or remove it")
    return window.error(start, "sql-psql-command", message, hint=hint)


def _unterminated(window: Window, error: lexer.UnterminatedError) -> ManifestError:
    construct = window.shown(error.construct)
    message = f"the {construct} that begins here never ends"
    return window.error(error.offset, "sql-unterminated", message, hint=f"close the {construct}")
