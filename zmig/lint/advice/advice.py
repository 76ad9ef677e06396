"""What is asked of an adviser, and what it answers."""

from __future__ import annotations

from itertools import dropwhile
from typing import TYPE_CHECKING

from zmig.sql import lexer
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from dataclasses import KW_ONLY

    from zmig.lint.sql_file import Action, FileStatement, SqlFile
    from zmig.sql.token_reader import Reader


@valueclass
class Advice:
    """What is wrong with a statement, and what to write instead."""

    message: str
    hint: str
    fix: tuple[str, ...] = ()
    """The corrected SQL: one text for each migration that it takes. Empty where it cannot be known."""


@valueclass
class Asked:
    """A rule, and the part of a statement that it is about."""

    rule: str
    file: SqlFile
    statement: FileStatement
    _: KW_ONLY
    start: int
    """0-based offset in the file of the first character that is meant."""
    version: int | None
    """The oldest major version of PostgreSQL that it is for, where that is known."""

    @property
    def action(self) -> Action | None:
        """The action of an ALTER TABLE that is meant; None for any other statement."""
        actions = [*self.statement.actions]
        return next((one for one in actions if one.start <= self.start < one.end), actions[0] if actions else None)

    @property
    def table(self) -> str:
        """The table of an ALTER TABLE, as it is written."""
        end = self.statement.start + (self.statement.parsed.actions or 0)
        return self.written(self.statement.start, end, "table").removesuffix("*").rstrip()

    @property
    def table_name(self) -> str:
        """The name of that table alone, as it is in the catalog."""
        return self.statement.parsed.changes[0].name if self.statement.parsed.changes else "table"

    @property
    def is_one_of_several(self) -> bool:
        """Whether an ALTER TABLE does something else as well."""
        return len([*self.statement.actions]) > 1

    def written(self, start: int, end: int, after: str = "") -> str:
        """Return a part of the file as it is written, variables included; `after` the words that lead to a name."""
        text = self.file.source.text[start:end].strip()
        if not after:
            return text
        leading = ("alter", "foreign", after, "if", "exists", "only")
        name = list(dropwhile(lambda token: token.text in leading, lexer.tokens(text)))
        return text[name[0].start : name[-1].end] if name else ""

    def name(self, reader: Reader) -> str:
        """Take a name, with what qualifies it, from a reader of the statement; as it is written, empty at its end."""
        first, begin = reader.peek(), self.statement.start
        end = name_end(reader, self.statement.text)
        return "" if first is None else self.written(begin + first.start, begin + end)

    def part(self, action: Action, start: int, end: int) -> str:
        """Return a part of an action, by offsets in it, as it is written."""
        return self.written(action.start + start, action.start + end)


def name_end(reader: Reader, text: str) -> int:
    """Take a name, with what qualifies it, and return where in the text it ends."""
    end = 0
    while (token := reader.take()) is not None:
        end = token.end
        if not reader.accept("."):
            break
    return min(end, len(text))
