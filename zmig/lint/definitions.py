"""What a statement makes and changes in the schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint.effects import Act, Object
from zmig.sql.token_reader import Name

if TYPE_CHECKING:
    from collections.abc import Callable

    from zmig.sql.statement import Statement
    from zmig.sql.token_reader import Reader

_BEFORE_KIND = frozenset(
    {
        "global", "local", "temp", "temporary", "unlogged", "unique", "recursive", "constraint", "trusted",
        "procedural", "foreign", "materialized", "event", "text", "search", "access", "default",
    }
)  # fmt: skip
_ON_A_TABLE = frozenset({"trigger", "policy", "rule"})


def _create(reader: Reader, one: Statement, verb: str) -> Act:
    replaces = reader.accept("or", "replace")
    words: list[str] = []
    while word := reader.accept_any(*_BEFORE_KIND):
        words.append(word)
    token = reader.take()
    kind = token.text if token else ""
    if kind == "index":
        return _create_index(reader, one, verb)
    is_guarded = reader.accept("if", "not", "exists") or replaces
    name = reader.name()
    if name is None or "temp" in words or "temporary" in words:
        return Act(one, verb, is_guarded=is_guarded)
    kind = _full_kind(kind, words)
    parent = _parent(reader, kind)
    made = Object(kind, name, parent)
    changes = (parent,) if parent and kind in _ON_A_TABLE else ()
    return Act(one, verb, makes=(made,), changes=changes, is_guarded=is_guarded)


def _parent(reader: Reader, kind: str) -> Name | None:
    """Return the table that something is dropped with."""
    before = "to" if kind == "rule" else "on"
    if kind in _ON_A_TABLE and reader.skip_to(before):
        reader.accept(before)
        return reader.name()
    return reader.name() if kind == "table" and reader.accept("partition", "of") else None


def _full_kind(kind: str, words: list[str]) -> str:
    full = [word for word in words if word in {"materialized", "event", "foreign"}]
    return " ".join([*full, kind])


def _create_index(reader: Reader, one: Statement, verb: str) -> Act:
    reader.accept("concurrently")
    is_guarded = reader.accept("if", "not", "exists")
    name = None if reader.sees("on") else reader.name()
    if not reader.accept("on"):
        return Act(one, verb)
    reader.accept("only")
    table = reader.name()
    if table is None:
        return Act(one, verb)
    makes = () if name is None else (Object("index", Name(table.schema, name.name), table),)
    return Act(one, verb, makes=makes, changes=(table,), is_guarded=is_guarded)


def _alter(reader: Reader, one: Statement, verb: str) -> Act:
    reader.accept_any("materialized", "foreign")
    token = reader.take()
    kind = token.text if token else ""
    is_guarded = reader.accept("if", "exists")
    reader.accept("only")
    name = reader.name()
    if name is None or kind not in {"table", "index", "type", "domain", "view", "sequence"}:
        return Act(one, verb, is_guarded=is_guarded)
    renames = None
    if reader.accept("rename", "to") and (new := reader.identifier()):
        renames = (name, Name(name.schema, new))
    makes = tuple(_added(reader, name)) if kind == "table" else ()
    return Act(one, verb, makes=makes, changes=(name,), renames=renames, is_guarded=is_guarded)


_CONSTRAINTS = frozenset({"check", "unique", "primary", "foreign", "exclude", "not"})


def _added(reader: Reader, table: Name) -> list[Object]:
    """Return the columns and constraints that the actions of an ALTER TABLE add."""
    found: list[Object] = []
    depth = 0
    begins = True
    while token := reader.peek():
        if begins and reader.accept("add"):
            found += _addition(reader, table)
        else:
            reader.take()
            depth += {"(": 1, ")": -1}.get(token.text, 0)
        begins = depth == 0 and token.text == ","
    return found


def _addition(reader: Reader, table: Name) -> list[Object]:
    kind = "column"
    if reader.accept("constraint"):
        kind = "constraint"
    elif not reader.accept("column") and (token := reader.peek()) and token.text in _CONSTRAINTS:
        return []
    reader.accept("if", "not", "exists")
    name = reader.identifier()
    return [] if name is None else [Object(kind, Name(None, name), table)]


def _drop(reader: Reader, one: Statement, verb: str) -> Act:
    reader.accept_any("materialized", "foreign")
    token = reader.take()
    kind = token.text if token else ""
    reader.accept("concurrently")
    is_guarded = reader.accept("if", "exists")
    names = reader.names()
    if kind in _ON_A_TABLE:
        names = (table,) if reader.accept("on") and (table := reader.name()) else ()
    return Act(one, verb, changes=names, is_guarded=is_guarded)


def _named(*before: str) -> Callable[[Reader, Statement, str], Act]:
    """Read a command whose names follow the words of `before`, each of which may be missing."""

    def read(reader: Reader, one: Statement, verb: str) -> Act:
        if reader.sees("("):
            reader.options()
        while reader.accept_any(*before):
            pass
        return Act(one, verb, changes=reader.names())

    return read


READERS: dict[str, Callable[[Reader, Statement, str], Act]] = {
    "alter": _alter,
    "cluster": _named("verbose"),
    "create": _create,
    "drop": _drop,
    "lock": _named("table", "only"),
    "refresh": _named("materialized", "view", "concurrently"),
    "reindex": _named("index", "table", "schema", "database", "system", "concurrently"),
    "truncate": _named("table", "only"),
    "vacuum": _named("full", "freeze", "verbose", "analyze"),
}
"""By a statement's first word; a reader begins behind it."""
