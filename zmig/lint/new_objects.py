"""Which tables, indexes and types nobody can be using yet, because a migration makes them that has not run.

What makes anything uncertain makes it used: a statement that may have been passed over, a name that may lead elsewhere.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.lint import search_path
from zmig.sql.token_reader import Name, Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.lint.sql_file import FileStatement, SqlFile

_KINDS = frozenset({"table", "foreign table", "index", "type", "domain", "view", "materialized view", "schema"})
_MOVES = re.compile(r"\b(?:rename|drop|rollback|schema|search_path)\b", re.IGNORECASE)
"""Words of a body after which a name may be another thing's."""


class NewObjects:
    """The full names of what was made so far and is not in use."""

    def __init__(self) -> None:
        self._names: set[Name] = set()
        self._temporary: dict[str, bool] = {}
        """The session's own tables, which come before all schemas; each with whether it lasts until a commit only."""

    def has(self, statement: FileStatement, name: Name) -> bool:
        """Whether nobody can be using what a statement calls so."""
        return statement.full(name) in self._names or (name.schema is None and name.name in self._temporary)

    def learn(self, statement: FileStatement) -> None:
        """Take note of what a statement makes, renames and takes away."""
        self._forget_undone(statement)
        self._add_created(statement)
        if statement.parsed.renames is not None:
            self._rename(statement, *statement.parsed.renames)
        elif statement.verb == "drop":
            self._forget_dropped(statement)
        elif statement.verb == "alter" and statement.parsed.kind == "schema":  # all its tables have other names then
            self._names.clear()
        elif statement.verb == "alter" and statement.parsed.changes:
            reader = Reader(statement.text)
            if reader.skip_to("set", "schema"):
                reader.accept("set", "schema")
                before = statement.full(statement.parsed.changes[0])
                self._rename(statement, before, Name(reader.identifier(), before.name))

    def _forget_undone(self, statement: FileStatement) -> None:
        """Forget what a statement may have undone that does not say of which table."""
        if statement.verb in ("abort", "rollback") or (
            statement.verb in ("call", "do") and _MOVES.search(statement.text)
        ):
            self._names.clear()
            self._temporary.clear()
        elif statement.command.controls_transaction is not None or statement.command.refuses_transaction is not None:
            self._temporary = {name: brief for name, brief in self._temporary.items() if not brief}
        elif search_path.may_change(statement.raw):  # it may put other schemas before the session's own tables
            self._temporary.clear()

    def _add_created(self, statement: FileStatement) -> None:
        if (besides := _besides(statement)) is not None:
            table, is_temporary = besides
            if is_temporary:
                self._temporary[table.name] = Reader(statement.text).skip_to("on", "commit", "drop")
            else:
                self._names.add(statement.full(table))
        if statement.parsed.is_guarded:  # with IF NOT EXISTS it may be another one, in use
            return
        for created in statement.parsed.creates:
            # An index is new only on a table that is: else a build of it holds up whoever uses the table.
            is_on_used = created.kind == "index" and created.parent and not self.has(statement, created.parent)
            if created.kind in _KINDS and not is_on_used:
                self._names.add(statement.full(created.name))

    def _rename(self, statement: FileStatement, old: Name, new: Name) -> None:
        if old.schema is None and old.name in self._temporary:
            self._temporary[new.name] = self._temporary.pop(old.name)
            return
        before, after = statement.full(old), statement.full(new)
        self._names = self._names - {before, after} | ({after} if before in self._names else set())

    def _forget_dropped(self, statement: FileStatement) -> None:
        if statement.parsed.kind == "schema":
            schemas = {name.name for name in statement.parsed.changes}
            self._names = {name for name in self._names if name.schema not in schemas and name.name not in schemas}
            return
        for name in statement.parsed.changes:
            self._names.discard(statement.full(name))
            self._temporary.pop(name.name, None)

    def copy(self) -> NewObjects:
        """Return another one that learns separately, for another file, whose session has no temporary tables."""
        copied = NewObjects()
        copied._names = set(self._names)
        return copied


def _besides(statement: FileStatement) -> tuple[Name, bool] | None:
    """Return the table that a statement makes and `creates` does not hold, with whether it is temporary."""
    parsed = statement.parsed
    if statement.verb == "create":
        return (parsed.name, True) if parsed.name and parsed.is_temporary and parsed.kind == "table" else None
    if statement.verb not in ("select", "with") or "into" not in statement.text.lower():
        return None
    reader = Reader(statement.text)
    depth, before = 0, ""
    while (token := reader.take()) and not (depth == 0 and token.text == "into"):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        before = token.text
    if token is None or before in ("insert", "merge", "."):  # a statement in WITH, or a column that is called so
        return None
    reader.accept_any("global", "local")
    is_temporary = reader.accept_any("temp", "temporary") is not None
    reader.accept("unlogged")
    reader.accept("table")
    name = reader.name()
    return None if name is None else (name, is_temporary)


def follow(file: SqlFile, known: NewObjects) -> Iterator[tuple[FileStatement, bool]]:
    """Yield the statements of a file, each with whether it concerns only what nobody can be using."""
    own = known.copy()
    for statement in file.statements:
        rewritten = statement.parsed.rewrites_rows_of
        names = statement.parsed.changes if rewritten is None else (*statement.parsed.changes, rewritten)
        yield statement, bool(names) and all(own.has(statement, name) for name in names)
        own.learn(statement)
