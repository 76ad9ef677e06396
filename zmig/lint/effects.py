"""What one statement does, as values; `zmig.lint.acts` reads them out of its text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.sql.token_reader import Name
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from zmig.sql.statement import Statement


@valueclass
class Object:
    """Something a statement makes in the database."""

    kind: str
    name: Name
    parent: Name | None = None
    """The table it belongs to and is dropped with."""


@valueclass
class Act:
    """One statement, and what it does."""

    statement: Statement
    verb: str
    """Its first word, in lower case."""
    refuses: str | None = None
    """The command, if the server refuses it inside a transaction."""
    controls: str | None = None
    """The command, if it begins, ends or prepares a transaction."""
    makes: tuple[Object, ...] = ()
    changes: tuple[Name, ...] = ()
    """The tables, indexes and types whose definition it changes, or that it locks against use."""
    renames: tuple[Name, Name] | None = None
    """What it calls a table from then on: the name before, the name after."""
    fills: Name | None = None
    """The table of which it may change many rows."""
    schema: str = "public"
    """Where a name without a schema is taken to be, unless the role or the database says otherwise.

    Where that cannot be known, a mark of `zmig.lint.search_path` that only the statements beside it share.
    """
    is_guarded: bool = False
    """Whether it says IF EXISTS, IF NOT EXISTS or OR REPLACE, so that running it twice does no harm."""

    def full(self, name: Name) -> Name:
        """Return one of its names with a schema, or with the mark of one that cannot be known."""
        return name if name.schema is not None else Name(self.schema, name.name)

    @property
    def start(self) -> int:
        """Its offset in the file."""
        return self.statement.offset

    @property
    def end(self) -> int:
        """The offset behind it."""
        return self.statement.offset + len(self.statement.text)
