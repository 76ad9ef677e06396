"""The actions of an ALTER TABLE, one by one: what is between its commas."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zmig.sql import lexer
from zmig.sql.token_reader import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.lint.sql_file import Act


class Action(NamedTuple):
    """One action, such as `add column note text`."""

    text: str
    start: int
    """Where it begins in the file, a 0-based offset."""
    end: int

    @property
    def reader(self) -> Reader:
        """A reader at its first word."""
        return Reader(self.text)


def words(text: str) -> set[str]:
    """Return every word and every quoted name in SQL."""
    reader = Reader(text)
    found: set[str] = set()
    while reader.peek() is not None:
        if (word := reader.identifier()) is not None:
            found.add(word)
        else:
            reader.take()
    return found


def actions(act: Act) -> Iterator[Action]:
    """Yield the actions of an ALTER TABLE; nothing for any other statement."""
    begin = act.parsed.actions
    if begin is None:
        return
    text, depth, start, end = act.statement.text, 0, begin, begin
    for token in lexer.tokens(text, begin):
        if depth == 0 and token.text == ",":
            yield _action(act, start, end)
            start = token.end
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(token.text, 0)
        end = token.end
    yield _action(act, start, end)


def _action(act: Act, start: int, end: int) -> Action:
    text = act.statement.text[start:end]
    start += len(text) - len(text.lstrip())
    return Action(act.statement.text[start:end], act.start + start, act.start + end)
