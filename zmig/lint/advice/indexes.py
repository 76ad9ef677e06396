"""Indexes: built, rebuilt and dropped without locking anybody out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint.advice.advice import Advice, name_end
from zmig.lint.advice.definitions import made_name
from zmig.sql.token_reader import Reader

if TYPE_CHECKING:
    from zmig.lint.advice.advice import Asked

_ALONE = "in a file that has nothing else: zmig runs it without a transaction"


def _like(word: str, model: str) -> str:
    """Return a keyword in the case of another one."""
    return word.upper() if model.isupper() else word


def creation(asked: Asked) -> Advice | None:
    """An index that is built while nobody can write."""
    statement, begin = asked.statement, asked.statement.start
    reader = Reader(statement.text)
    if not reader.skip_to("index"):
        return None
    word = reader.take()
    assert word is not None, "it is where it was found"
    reader.accept("if", "not", "exists")
    name = "" if reader.sees("on") else asked.name(reader)
    on = reader.peek()
    if on is None or not reader.accept("on"):
        return None
    reader.accept("only")
    table = asked.name(reader)
    if not table:
        return None
    columns = key_columns(reader)
    name = name or made_name(asked.table_name, columns, "idx")
    concurrently = _like("concurrently", asked.file.source.text[begin + word.start : begin + word.end])
    head, tail = asked.written(begin, begin + word.end), asked.written(begin + on.start, statement.end)
    return Advice(
        f"building `{name}` reads all of `{table}`, and nobody can write to it meanwhile",
        f"build it concurrently, {_ALONE}",
        (f"{head} {concurrently} {name} {tail};",),
    )


def key_columns(reader: Reader) -> list[str]:
    """Return what PostgreSQL would call an index after: its columns, and `expr` for an expression."""
    names: list[str] = []
    if not reader.skip_to("("):
        return names
    reader.take()
    depth, is_first = 1, True
    while depth and (token := reader.peek()) is not None:
        if is_first and depth == 1:
            is_first = False
            if token.text != "(":
                names.append(reader.identifier() or "expr")  # that of a function goes for what it returns
                continue
            names.append("expr")
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        is_first = depth == 1 and token.text == ","
        reader.take()
    return names


def deletion(asked: Asked) -> Advice | None:
    """An index that is dropped under a lock of its table."""
    reader = Reader(asked.statement.text)
    if not reader.accept("drop", "index"):
        return None
    guard = " if exists" if reader.accept("if", "exists") else ""
    names: list[str] = []
    while reader.peek() is not None and (not names or reader.accept(",")):
        names.append(asked.name(reader))
    shown = ", ".join(f"`{name}`" for name in names)
    message = f"to drop {shown}, its table is locked for a moment, and whoever wants to use it waits in line meanwhile"
    if reader.accept("cascade"):
        return Advice(message, "drop what depends on the index first, and then the index with `concurrently`")
    fix = "\n".join(f"drop index concurrently{guard} {name};" for name in names)
    return Advice(message, f"drop it concurrently, {_ALONE}", (fix,))


def rebuild(asked: Asked) -> Advice | None:
    """An index that is rebuilt while nobody can write."""
    statement, begin = asked.statement, asked.statement.start
    reader = Reader(statement.text)
    reader.accept("reindex")
    if reader.sees("("):
        reader.options()
    kind = reader.peek()
    if reader.accept_any("index", "table", "schema", "database") is None or kind is None:
        return None
    first = reader.peek()
    if first is None:
        return None
    name = asked.name(reader)
    message = f"rebuilding the indexes of `{name}` keeps everybody from writing, and from reading by them"
    if kind.text == "index":
        message = f"rebuilding `{name}` keeps everybody from writing to its table, and from reading by it"
    if asked.version is not None and asked.version < 12:
        return Advice(
            message, "build another index with `create index concurrently`, drop this one, and rename the other"
        )
    head, tail = asked.written(begin, begin + kind.end), asked.written(begin + first.start, statement.end)
    word = asked.file.source.text[begin + kind.start : begin + kind.end]
    return Advice(message, f"rebuild concurrently, {_ALONE}", (f"{head} {_like('concurrently', word)} {tail};",))


def detached(asked: Asked) -> Advice | None:
    """A partition that is detached under a lock of its parent."""
    action = asked.action
    if action is None:
        return None
    reader = action.reader
    if not reader.accept("detach", "partition") or (first := reader.peek()) is None:
        return None
    partition = asked.part(action, first.start, name_end(reader, action.text))
    message = f"to detach `{partition}`, nobody can read or write `{asked.table}` for a moment"
    if asked.version is not None and asked.version < 14:
        return Advice(message, "give it a short `lock_timeout` and attempts under `retry`")
    fix = f"alter table {asked.table} detach partition {partition} concurrently;"
    return Advice(message, f"detach it concurrently, {_ALONE}", (fix,))
