"""PostgreSQL's own grammar, through libpg_query: whether a statement is one at all, and a PL/pgSQL body too.

Needs the package postgast, which is imported here and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint import plpgsql
from zmig.lint.finding import Remark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zmig.lint.entry import Entry
    from zmig.lint.plpgsql import BodyFault
    from zmig.lint.sql_file import Act, SqlFile


class Grammar:
    """The parser; loaded once."""

    def __init__(self) -> None:
        """Load the parser. Raises ImportError or OSError where it cannot be."""
        import postgast

        self._split: Callable[[str], object] = postgast.split
        self._parse_body: Callable[[str], object] = postgast.parse_plpgsql
        self._fault: type[Exception] = postgast.PgQueryError

    def check(self, file: SqlFile) -> Iterator[Remark]:
        """Yield the statements of a file that are none."""
        for act in file.acts:
            if (fault := self._refusal(act.statement.text)) is not None:
                yield _remark(file, act.start, act.end, fault)
            elif (found := self._body_refusal(act)) is not None:
                yield found.remark(file)
        for span in file.skipped:
            if (fault := self._refusal(file.text[span.start : span.end])) is not None:
                yield _remark(file, span.start, span.end, fault)

    def check_condition(self, entry: Entry) -> Iterator[Remark]:
        """Yield the condition of a repeatable if it is no statement; its place is that of the whole value."""
        repeat = entry.declaration.repeat
        if repeat is None or repeat.condition is None:
            return
        if (fault := self._refusal(repeat.condition)) is not None:
            message = f"the condition of `{entry.name}`: {fault[0]}"
            yield Remark("sql/syntax", message, "correct the query", entry.manifest, *entry.span("repeat"))

    def _body_refusal(self, act: Act) -> BodyFault | None:
        body = plpgsql.body(act)
        if body is None:
            return None
        try:
            self._parse_body(act.statement.text)
        except self._fault as fault:
            return plpgsql.fault(act, body, str(getattr(fault, "message", fault)), str(getattr(fault, "context", "")))
        except ValueError:  # postgast cannot read every tree that it builds; a tree is all that is asked for
            return None
        return None

    def _refusal(self, text: str) -> tuple[str, int] | None:
        try:
            self._split(text)
        except self._fault as fault:
            message: str = getattr(fault, "message", str(fault))
            position: int = getattr(fault, "cursorpos", 0)
            return message, position
        return None


def _remark(file: SqlFile, start: int, end: int, fault: tuple[str, int]) -> Remark:
    message, position = fault
    if position > 0:
        start = min(start + position - 1, max(start, end - 1))
        end = _end_of_word(file.text, start, end)
    return Remark("sql/syntax", message, "correct the statement", file.source, start, end)


def _end_of_word(text: str, start: int, limit: int) -> int:
    end = start
    while end < limit and (text[end].isalnum() or text[end] == "_"):
        end += 1
    return max(end, start + 1)
