"""How the catalog tells whether a statement outside of a transaction took effect, with the names it has there.

What you may rely on: names are unquoted, folded and cut as the server does it; what is not known for sure is
`Unknown`, never a guess.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from zmig.sql.token_reader import Reader, is_true
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from zmig.sql.statement import Statement
    from zmig.sql.token_reader import Name


class ReindexKind(StrEnum):
    """What a REINDEX names."""

    INDEX = "index"
    TABLE = "table"
    SCHEMA = "schema"
    DATABASE = "database"
    SYSTEM = "system"


@valueclass
class CreateIndex:
    """The index exists and is valid; it stands in its table's schema."""

    name: str | None
    """None where the server chooses it."""
    table: Name
    is_unique: bool
    if_not_exists: bool
    concurrently: bool


@valueclass
class DropIndex:
    """None of the indexes exists."""

    names: tuple[Name, ...]
    if_exists: bool
    concurrently: bool


@valueclass
class Reindex:
    """Running it again does no harm, once the invalid `_ccnew` and `_ccold` indexes of a concurrent one are gone."""

    kind: ReindexKind
    name: Name | None
    """None for the current database."""
    concurrently: bool


@valueclass
class CreateDatabase:
    """The database exists."""

    name: str


@valueclass
class DropDatabase:
    """The database does not exist."""

    name: str
    if_exists: bool


@valueclass
class CreateTablespace:
    """The tablespace exists."""

    name: str


@valueclass
class DropTablespace:
    """The tablespace does not exist."""

    name: str
    if_exists: bool


@valueclass
class CreateSubscription:
    """The subscription exists."""

    name: str


@valueclass
class DropSubscription:
    """The subscription does not exist."""

    name: str
    if_exists: bool


@valueclass
class DetachPartition:
    """The partition is no longer attached to its parent; while it is pending, only FINALIZE ends it."""

    parent: Name
    partition: Name
    concurrently: bool
    finalize: bool


@valueclass
class AddEnumValue:
    """The enum type has the value."""

    type: Name
    value: str
    if_not_exists: bool


@valueclass
class FinishPrepared:
    """The prepared transaction no longer exists; whether it was committed is not to be seen."""

    gid: str
    commits: bool


@valueclass
class Idempotent:
    """Running it again has the effect of running it once."""

    command: str


@valueclass
class Unknown:
    """The catalog does not tell."""

    command: str
    """The statement's first words, for people."""


Outcome = (
    CreateIndex
    | DropIndex
    | Reindex
    | CreateDatabase
    | DropDatabase
    | CreateTablespace
    | DropTablespace
    | CreateSubscription
    | DropSubscription
    | DetachPartition
    | AddEnumValue
    | FinishPrepared
    | Idempotent
    | Unknown
)


def outcome(statement: Statement) -> Outcome:
    """Return how to tell whether `statement` took effect."""
    reader = Reader.of(statement)
    first = reader.take()
    parse = _PARSERS.get(first.text) if first else None
    return (parse(reader) if parse else None) or Unknown(_first_words(statement))


def _create(reader: Reader) -> Outcome | None:
    if kind := reader.accept_any("database", "tablespace", "subscription"):
        name = reader.identifier()
        made = {"database": CreateDatabase, "tablespace": CreateTablespace, "subscription": CreateSubscription}[kind]
        return made(name) if name else None
    is_unique = reader.accept("unique")
    return _create_index(reader, is_unique=is_unique) if reader.accept("index") else None


def _create_index(reader: Reader, *, is_unique: bool) -> CreateIndex | None:
    concurrently = reader.accept("concurrently")
    if_not_exists = reader.accept("if", "not", "exists")
    name = None if reader.sees("on") else reader.identifier()
    if not reader.accept("on"):
        return None
    reader.accept("only")
    table = reader.name()
    return CreateIndex(name, table, is_unique, if_not_exists, concurrently) if table else None


def _drop(reader: Reader) -> Outcome | None:
    if reader.accept("index"):
        concurrently = reader.accept("concurrently")
        if_exists = reader.accept("if", "exists")
        names = reader.names()
        return DropIndex(names, if_exists, concurrently) if names else None
    kind = reader.accept_any("database", "tablespace", "subscription")
    if kind is None:
        return None
    if_exists = reader.accept("if", "exists")
    name = reader.identifier()
    made = {"database": DropDatabase, "tablespace": DropTablespace, "subscription": DropSubscription}[kind]
    return made(name, if_exists) if name else None


def _reindex(reader: Reader) -> Reindex | None:
    options = reader.options() if reader.sees("(") else {}
    kind = reader.accept_any(*ReindexKind)
    if kind is None:
        return None
    concurrently = reader.accept("concurrently") or is_true(options.get("concurrently", "off"))
    return Reindex(ReindexKind(kind), reader.name(), concurrently)


def _alter(reader: Reader) -> Outcome | None:
    match reader.accept_any("system", "database", "table", "type", "subscription"):
        case "system":
            return Idempotent("ALTER SYSTEM")
        case "database":
            return Idempotent("ALTER DATABASE") if reader.identifier() and reader.sees("set") else None
        case "table":
            return _detach_partition(reader)
        case "type":
            return _add_enum_value(reader)
        case "subscription":
            repeatable = reader.identifier() and reader.accept_any("refresh", "set")
            return Idempotent("ALTER SUBSCRIPTION") if repeatable else None
        case _:
            return None


def _detach_partition(reader: Reader) -> DetachPartition | None:
    reader.accept("if", "exists")
    reader.accept("only")
    parent = reader.name()
    reader.accept("*")
    if not (parent and reader.accept("detach", "partition")):
        return None
    partition = reader.name()
    how = reader.accept_any("concurrently", "finalize")
    return DetachPartition(parent, partition, how == "concurrently", how == "finalize") if partition else None


def _add_enum_value(reader: Reader) -> AddEnumValue | None:
    name = reader.name()
    if not (name and reader.accept("add", "value")):
        return None
    if_not_exists = reader.accept("if", "not", "exists")
    value = reader.string()
    return None if value is None else AddEnumValue(name, value, if_not_exists)


def _finish_prepared(reader: Reader, *, commits: bool) -> FinishPrepared | None:
    gid = reader.string() if reader.accept("prepared") else None
    return None if gid is None else FinishPrepared(gid, commits)


def _refresh(reader: Reader) -> Idempotent | None:
    return Idempotent("REFRESH MATERIALIZED VIEW") if reader.accept("materialized", "view") else None


def _idempotent(command: str) -> Callable[[Reader], Idempotent]:
    return lambda _: Idempotent(command)


_PARSERS: dict[str, Callable[[Reader], Outcome | None]] = {
    "alter": _alter,
    "analyze": _idempotent("ANALYZE"),
    "checkpoint": _idempotent("CHECKPOINT"),
    "cluster": _idempotent("CLUSTER"),
    "commit": lambda reader: _finish_prepared(reader, commits=True),
    "create": _create,
    "discard": _idempotent("DISCARD"),
    "drop": _drop,
    "refresh": _refresh,
    "reindex": _reindex,
    "reset": _idempotent("RESET"),
    "rollback": lambda reader: _finish_prepared(reader, commits=False),
    "set": _idempotent("SET"),
    "show": _idempotent("SHOW"),
    "vacuum": _idempotent("VACUUM"),
}

_FEW = 3


def _first_words(statement: Statement) -> str:
    reader = Reader.of(statement)
    words = [token.text.upper() for index in range(_FEW) if (token := reader.peek(index)) and token.text.isalpha()]
    return " ".join(words)
