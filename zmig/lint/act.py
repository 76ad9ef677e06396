"""What one statement does: the objects it makes, the ones it changes, the rows it touches. Told by its keywords.

What you may rely on: names are unquoted and folded as the server does it. A DO block and dynamic SQL do nothing
that can be seen here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from zmig import statement
from zmig.lexer import Kind
from zmig.reader import Name, Reader

if TYPE_CHECKING:
    from collections.abc import Callable

    from zmig.lexer import Token
    from zmig.script import Statement


@dataclass(frozen=True, slots=True)
class Object:
    """Something a statement makes in the database."""

    kind: str
    name: Name
    parent: Name | None = None
    """The table it belongs to and is dropped with."""


@dataclass(frozen=True, slots=True)
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
    is_guarded: bool = False
    """Whether it says IF EXISTS, IF NOT EXISTS or OR REPLACE, so that running it twice does no harm."""

    @property
    def start(self) -> int:
        """Its offset in the file."""
        return self.statement.offset

    @property
    def end(self) -> int:
        """The offset behind it."""
        return self.statement.offset + len(self.statement.text)


def of(one: Statement) -> Act:
    """Return what a statement does."""
    reader = Reader(one.text)
    first = reader.take()
    verb = first.text if first else ""
    read = _READERS.get(verb)
    act = read(reader, one, verb) if read else Act(one, verb)
    refuses = statement.refuses_transaction(one) if verb in _MAY_REFUSE else None
    controls = statement.controls_transaction(one) if verb in _MAY_CONTROL else None
    if refuses is None and controls is None:
        return act
    return replace(act, refuses=refuses, controls=controls)


_MAY_REFUSE = frozenset({"alter", "cluster", "commit", "create", "discard", "drop", "reindex", "rollback", "vacuum"})
_MAY_CONTROL = frozenset({"abort", "begin", "commit", "end", "prepare", "rollback", "start"})
"""The only first words of such statements; most statements need not be looked at twice."""

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
    if kind in _ON_A_TABLE and reader.skip_to("on"):
        reader.accept("on")
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


def _insert(reader: Reader, one: Statement, verb: str) -> Act:
    if not reader.accept("into"):
        return Act(one, verb)
    table = reader.name()
    return Act(one, verb, fills=table if _selects(reader) else None)


def _selects(reader: Reader) -> bool:
    """Whether rows come out of a table: a FROM outside of parentheses, in front of which no VALUES stands."""
    depth = 0
    while token := reader.take():
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.text in {"values", "from", "table", "with"}:
            return token.text != "values"
    return False


def _update(reader: Reader, one: Statement, verb: str) -> Act:
    reader.accept("only")
    table = reader.name()
    return Act(one, verb, fills=None if _names_its_rows(reader) else table)


def _delete(reader: Reader, one: Statement, verb: str) -> Act:
    reader.accept("from")
    return _update(reader, one, verb)


_KEY = re.compile(r"(?:.*_)?(?:id|key|code|slug|name|uuid)")


def _names_its_rows(reader: Reader) -> bool:
    """Whether the WHERE compares a column that looks like a key with constants, so that few rows are meant."""
    depth = 0
    while token := reader.take():
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.text == "where":
            return _compares_a_key(reader)
    return False


def _compares_a_key(reader: Reader) -> bool:
    column = reader.name()
    if column is None or not _KEY.fullmatch(column.name):
        return False
    if reader.accept("="):
        return _is_constant(reader.peek())
    return reader.accept("in", "(") and _is_constant(reader.peek())


def _is_constant(token: Token | None) -> bool:
    return token is not None and token.kind in {Kind.STRING, Kind.NUMBER}


def _merge(reader: Reader, one: Statement, verb: str) -> Act:
    reader.accept("into")
    reader.accept("only")
    return Act(one, verb, fills=reader.name())


def _copy(reader: Reader, one: Statement, verb: str) -> Act:
    table = reader.name()
    return Act(one, verb, fills=table if reader.skip_to("from") else None)


def _with(reader: Reader, one: Statement, verb: str) -> Act:
    """Read the command that follows the common table expressions."""
    depth = 0
    while token := reader.take():
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and (read := _DATA.get(token.text)):
            return read(reader, one, verb)
    return Act(one, verb)


_DATA: dict[str, Callable[[Reader, Statement, str], Act]] = {
    "delete": _delete,
    "insert": _insert,
    "merge": _merge,
    "update": _update,
}
_READERS: dict[str, Callable[[Reader, Statement, str], Act]] = {
    **_DATA,
    "alter": _alter,
    "cluster": _named("verbose"),
    "copy": _copy,
    "create": _create,
    "drop": _drop,
    "lock": _named("table", "only"),
    "reindex": _named("index", "table", "schema", "database", "system", "concurrently"),
    "truncate": _named("table", "only"),
    "vacuum": _named("full", "freeze", "verbose", "analyze"),
    "with": _with,
}
