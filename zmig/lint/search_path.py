"""The schema that names without one are in, as far as the statements of a file say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.sql.token_reader import Reader

if TYPE_CHECKING:
    from zmig.sql.statement import Statement

DEFAULT = "public"
"""Where PostgreSQL's own default, `"$user", public`, leads where no schema is called like the role."""
_MAY_SET = frozenset({"call", "discard", "do", "reset", "select", "set"})


def may_change(statement: Statement) -> bool:
    """Whether a statement may set the search path; what functions do that it calls cannot be seen."""
    if statement.command.verb not in _MAY_SET:
        return False
    text = statement.text.lower()
    reader = Reader(text)
    if "search_path" in text or reader.accept("discard", "all") or reader.accept("reset", "all"):
        return True
    if not reader.accept_any("set", "reset"):
        return False
    reader.accept_any("session", "local")
    # SET SCHEMA is another spelling of it, and of which role the session is decides what `$user` means in it.
    return reader.accept_any("schema", "role", "authorization") is not None


class SearchPath:
    """Follows the statements of one file."""

    def __init__(self, path: str) -> None:
        self.schema = DEFAULT
        """The first schema of the path. Where it cannot be known, a mark in its place that stands for this stretch of
        this file alone: names are the same within it, and compare with those of no other place.
        """
        self._file = path
        self._unknown = 0
        self._lasting = DEFAULT
        """What it is when the transaction has ended, in which it was set with LOCAL."""
        self._before = DEFAULT
        """What it was when the transaction began."""

    def follow(self, statement: Statement) -> None:
        """Take note of a statement, for those after it."""
        controls = statement.command.controls_transaction
        if controls in ("BEGIN", "START TRANSACTION"):
            self._before = self.schema
        elif controls in ("ROLLBACK", "ABORT"):
            self.schema = self._lasting = self._before
        elif controls is not None:
            self.schema = self._lasting
        elif statement.command.verb == "rollback":  # to a savepoint
            self.schema = self._lasting = self._unknown_schema()
        elif may_change(statement):
            self._set(Reader(statement.text))

    def _set(self, reader: Reader) -> None:
        if reader.accept("reset", "search_path") or reader.accept("reset", "all") or reader.accept("discard", "all"):
            self.schema = self._lasting = DEFAULT
            return
        is_local = reader.sees("set", "local")
        self.schema = (_named(reader) or self._unknown_schema()) if reader.accept("set") else self._unknown_schema()
        if not is_local:
            self._lasting = self.schema

    def _unknown_schema(self) -> str:
        self._unknown += 1
        return f"\0{self._file}:{self._unknown}"


def _named(reader: Reader) -> str | None:
    """Return the first schema that a SET names; None where it cannot be known."""
    reader.accept_any("session", "local")
    if reader.accept("schema"):
        return reader.string()
    if not reader.accept("search_path") or reader.accept_any("to", "=") is None:
        return None
    name = reader.string() or reader.identifier()
    return DEFAULT if name == "default" else name if name and "$" not in name else None
