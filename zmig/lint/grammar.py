"""PostgreSQL's own grammar, through libpg_query: whether a statement is one, and a PL/pgSQL body, and what it does.

Needs the package postgast, which only this module and those of the replay import. Neither parser knows a catalog: what
the one of PL/pgSQL says of types and variables means nothing. What it says of the syntax holds.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.lint.finding import Remark
from zmig.lint.inside import code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zmig.lint.entries import Entry
    from zmig.lint.replay.catalog import Catalog
    from zmig.lint.replay.replay import Outcome
    from zmig.lint.sql_file import FileStatement, SqlFile
    from zmig.sql.lexer import Token

_ABOUT_SYNTAX = re.compile(
    r"syntax error|missing |mismatched |incomplete |unterminated |too (?:many|few) parameters specified for RAISE"
)
_NEAR = re.compile(r'at or near "(.*)"', re.DOTALL)
_LINE = re.compile(r"near line (\d+)")
_WORD = re.compile(r"\w+")
_LONGEST_INSERT = 10_000
_DOLLARS = re.compile(r"\$\w*\$")


class Grammar:
    """The parser; loaded once."""

    def __init__(self) -> None:
        """Load the parser. Raises ImportError or OSError where it cannot be."""
        import postgast
        from google.protobuf.message import DecodeError

        from zmig.lint.replay import replay, tree

        self._split: Callable[[str], object] = postgast.split
        self._parse_body: Callable[[str], object] = postgast.parse_plpgsql
        self._error: type[Exception] = postgast.PgQueryError
        self._parse = tree.parse
        self._replay = replay.replay_statement
        self._too_deep: tuple[type[Exception], ...] = (DecodeError, ValueError, RecursionError)
        self._refusals: dict[int, tuple[str, int] | None] = {}
        """What was said of statements that were replayed, by their `id`; they are not parsed twice."""

    def replay(self, statement: FileStatement, catalog: Catalog, version: int | None) -> Outcome | None:
        """Return what a statement does to a catalog; None for one that is none, or is not looked into."""
        if _is_data(statement):
            return None
        try:
            node = self._parse(statement.text)
        except self._error as error:
            self._refusals[id(statement)] = _refusal_of_error(error)
            return None
        except self._too_deep:  # it is one, but is nested deeper than its tree can be read
            return None
        self._refusals[id(statement)] = None
        return self._replay(node, catalog, path=statement.path, version=version, is_utc=statement.is_utc)

    def check(self, file: SqlFile) -> Iterator[Remark]:
        """Yield the statements of a file that are none."""
        for statement in file.statements:
            if (refusal := self._refusal_of(statement)) is not None:
                yield _remark(file, statement.start, statement.end, refusal)
            elif (found := code.body_of(statement)) is not None and found[0] == "plpgsql":
                yield from self._check_body(file, statement, found[1])
            elif found is not None and found[0] == "sql":
                yield from self._check_queries(file, statement, found[1])
        for span in file.skipped:
            if (refusal := self._refusal(file.text[span.start : span.end])) is not None:
                yield _remark(file, span.start, span.end, refusal)

    def check_condition(self, entry: Entry) -> Iterator[Remark]:
        """Yield the condition of a repeatable if it is no statement; its place is that of the whole value."""
        repeat = entry.declaration.repeat
        if repeat is None or repeat.condition is None:
            return
        yield from self._check_query(entry, "repeat", f"the condition of `{entry.name}`", repeat.condition)

    def check_verify(self, entry: Entry) -> Iterator[Remark]:
        """Yield the verify query that the manifest holds if it is no statement; its place is that of the value."""
        verify = entry.declaration.verify
        if verify is None or verify.query is None:
            return
        yield from self._check_query(entry, "verify", f"the verify query of `{entry.name}`", verify.query)

    def _check_query(self, entry: Entry, key: str, what: str, query: str) -> Iterator[Remark]:
        if (refusal := self._refusal(query)) is not None:
            yield entry.remark("sql/syntax", key, f"{what}: {refusal[0]}", "correct the query")

    def _check_body(self, file: SqlFile, statement: FileStatement, body: Token) -> Iterator[Remark]:
        try:
            self._parse_body(statement.text)
        except self._error as error:
            message, context = str(getattr(error, "message", error)), str(getattr(error, "context", ""))
            if _ABOUT_SYNTAX.match(message):
                start, end = place_in_body(statement.text, body, message, context)
                start, end = statement.start + start, statement.start + end
                yield Remark("sql/syntax", message, "correct the function's body", file.source, start=start, end=end)
        except self._too_deep:  # postgast cannot read every tree that it builds; a tree is all that is asked for
            return

    def _check_queries(self, file: SqlFile, statement: FileStatement, body: Token) -> Iterator[Remark]:
        """Yield the body of a function in SQL if it is none."""
        text = _unquoted(body.text)
        if text is None or (refusal := self._refusal(text)) is None:
            return
        quote = _DOLLARS.match(body.text)
        start = statement.start + body.start + (len(quote[0]) if quote else 1)
        yield _remark(file, start, start + len(text), refusal)

    def _refusal_of(self, statement: FileStatement) -> tuple[str, int] | None:
        key = id(statement)
        return self._refusals[key] if key in self._refusals else self._refusal(statement.text)

    def _refusal(self, text: str) -> tuple[str, int] | None:
        """Return what the parser says of a text that is no statement, and the 1-based place; 0 where it has none."""
        try:
            self._split(text)
        except self._error as error:
            return _refusal_of_error(error)
        return None


def _refusal_of_error(error: Exception) -> tuple[str, int]:
    return getattr(error, "message", str(error)), getattr(error, "cursorpos", 0)


def _is_data(statement: FileStatement) -> bool:
    """Whether a statement holds so many rows that nothing but their table matters."""
    return statement.verb == "insert" and len(statement.text) > _LONGEST_INSERT


def _remark(file: SqlFile, start: int, end: int, refusal: tuple[str, int]) -> Remark:
    message, position = refusal
    if position > 0:
        start = min(start + position - 1, max(start, end - 1))
        word = _WORD.match(file.text, start, end)
        end = max(word.end() if word else start, start + 1)
    return Remark("sql/syntax", message, "correct the statement", file.source, start=start, end=end)


def _unquoted(literal: str) -> str | None:
    """Return what is between the quotes of a string; None where something in it stands for something else."""
    if (dollars := _DOLLARS.match(literal)) is not None:
        return literal[dollars.end() : -len(dollars[0])]
    is_plain = literal.startswith("'") and "''" not in literal[1:-1] and "\\" not in literal
    return literal[1:-1] if is_plain else None


def place_in_body(text: str, body: Token, message: str, context: str) -> tuple[int, int]:
    """Return where in a statement the parser of PL/pgSQL stumbled, as far as its message and context say."""
    near, line = _NEAR.search(message), _LINE.search(context)
    start = body.start
    for _ in range(int(line[1]) - 1 if line else 0):  # lines are counted from the opening quote on
        start = text.find("\n", start, body.end) + 1 or start
    if near is not None and (word := _as_a_word(near[1]).search(text, start, body.end)):
        return word.span()
    if near is None and "end of input" in message:
        quote = _DOLLARS.match(body.text)
        return body.end - (len(quote[0]) if quote else 1), body.end
    start += len(text[start : body.end]) - len(text[start : body.end].lstrip())
    return start, start + 1


def _as_a_word(text: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(text)}(?!\w)" if text.isidentifier() else re.escape(text))
