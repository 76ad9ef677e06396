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

    from zmig.lint.sql_file import Act, SqlFile

_KINDS = frozenset({"table", "foreign table", "index", "type", "domain", "view", "materialized view", "schema"})
_MOVES = re.compile(r"\b(?:rename|drop|rollback|schema|search_path)\b", re.IGNORECASE)
"""Words of a body after which a name may be another thing's."""


class NewObjects:
    """The full names of what was made so far and is not in use."""

    def __init__(self) -> None:
        self._names: set[Name] = set()
        self._temporary: dict[str, bool] = {}
        """The session's own tables, which come before all schemas; each with whether it lasts until a commit only."""

    def has(self, act: Act, name: Name) -> bool:
        """Whether nobody can be using what a statement calls so."""
        return act.full(name) in self._names or (name.schema is None and name.name in self._temporary)

    def learn(self, act: Act) -> None:
        """Take note of what a statement makes, renames and takes away."""
        self._end(act)
        self._make(act)
        if act.parsed.renames is not None:
            self._rename(act, *act.parsed.renames)
        elif act.verb == "drop":
            self._drop(act)
        elif act.verb == "alter":
            self._move(act)

    def _end(self, act: Act) -> None:
        """Forget what a statement may have undone that does not say of which table."""
        if act.verb in ("abort", "rollback") or (act.verb in ("call", "do") and _MOVES.search(act.statement.text)):
            self._names.clear()
            self._temporary.clear()
        elif act.command.controls_transaction is not None or act.command.refuses_transaction is not None:
            self._temporary = {name: brief for name, brief in self._temporary.items() if not brief}
        elif search_path.may_change(act.statement):  # it may put other schemas before the session's own tables
            self._temporary.clear()

    def _make(self, act: Act) -> None:
        if (besides := _besides(act)) is not None:
            table, is_temporary = besides
            if is_temporary:
                self._temporary[table.name] = Reader(act.statement.text).skip_to("on", "commit", "drop")
            else:
                self._names.add(act.full(table))
        if act.parsed.is_guarded:  # with IF NOT EXISTS it may be another one, in use
            return
        for made in act.parsed.creates:
            if made.kind in _KINDS and not (made.kind == "index" and made.parent and not self.has(act, made.parent)):
                self._names.add(act.full(made.name))

    def _rename(self, act: Act, old: Name, new: Name) -> None:
        if old.schema is None and old.name in self._temporary:
            self._temporary[new.name] = self._temporary.pop(old.name)
            return
        before, after = act.full(old), act.full(new)
        self._names = self._names - {before, after} | ({after} if before in self._names else set())

    def _drop(self, act: Act) -> None:
        if act.parsed.kind == "schema":
            schemas = {name.name for name in act.parsed.changes}
            self._names = {name for name in self._names if name.schema not in schemas and name.name not in schemas}
            return
        for name in act.parsed.changes:
            self._names.discard(act.full(name))
            self._temporary.pop(name.name, None)

    def _move(self, act: Act) -> None:
        reader = Reader(act.statement.text)
        if act.parsed.kind == "schema":  # all its tables have other names then
            self._names.clear()
        elif act.parsed.changes and reader.skip_to("set", "schema"):
            reader.accept("set", "schema")
            before, schema = act.full(act.parsed.changes[0]), reader.identifier()
            self._rename(act, before, Name(schema, before.name))

    def copy(self) -> NewObjects:
        """Return another one that learns separately, for another file, whose session has no temporary tables."""
        copied = NewObjects()
        copied._names = set(self._names)
        return copied


def _besides(act: Act) -> tuple[Name, bool] | None:
    """Return the table that a statement makes and `creates` does not hold, with whether it is temporary."""
    parsed = act.parsed
    if act.verb == "create":
        return (parsed.name, True) if parsed.name and parsed.is_temporary and parsed.kind == "table" else None
    if act.verb not in ("select", "with") or "into" not in act.statement.text.lower():
        return None
    reader = Reader(act.statement.text)
    if not _goes_to_into(reader):
        return None
    reader.accept_any("global", "local")
    is_temporary = reader.accept_any("temp", "temporary") is not None
    reader.accept("unlogged")
    reader.accept("table")
    name = reader.name()
    return None if name is None else (name, is_temporary)


def _goes_to_into(reader: Reader) -> bool:
    """Take tokens up to the INTO of a SELECT; False if it has none."""
    depth, before = 0, ""
    while token := reader.take():
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.text == "into":
            return before not in {"insert", "merge", "."}
        before = token.text
    return False


def follow(file: SqlFile, known: NewObjects) -> Iterator[tuple[Act, bool]]:
    """Yield the statements of a file, each with whether it concerns only what nobody can be using."""
    own = known.copy()
    for act in file.acts:
        rewritten = act.parsed.rewrites_rows_of
        names = act.parsed.changes if rewritten is None else (*act.parsed.changes, rewritten)
        yield act, bool(names) and all(own.has(act, name) for name in names)
        own.learn(act)
