"""Looks into the catalog to learn what became of a statement that cannot run in a transaction.

Such a statement has no outcome that commits together with a checkpoint. After a crash or a failure the one
after the last checkpoint is ambiguous: it may not have begun, be half done, or be done.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, cast

from zmig.database import citus
from zmig.errors import Problem, ZmigError
from zmig.sql.catalog_effect import (
    CreateIndex,
    CreateShared,
    DetachPartition,
    DropIndex,
    DropShared,
    FinishPrepared,
    Reindex,
    ReindexKind,
    SharedKind,
)
from zmig.sql.quoting import identifier

if TYPE_CHECKING:
    from zmig.database.types import Connection
    from zmig.sql.catalog_effect import CatalogEffect
    from zmig.sql.statement import Statement
    from zmig.sql.token_reader import Name

_PENDING_DETACH_SINCE = 140000


def inspect(connection: Connection, statement: Statement) -> object:
    """Return what of a statement's effect is there, as a JSON value: ask before it is sent, and finish with it.

    For an index that the server will name, these are the names of its table's indexes; for everything else,
    whether the effect is there.
    """
    match statement.command.effect:
        case CreateIndex(None, table):
            return sorted(_indexes_of(connection, table))
        case CreateIndex() as index:
            return _index_of(connection, index) is not None
        case found:
            return _took_effect(connection, found)


def finish(connection: Connection, statement: Statement, *, before: object, is_refused: bool) -> bool:
    """Return whether a statement that was sent took effect; clear away what it left half done.

    `before` is what `look` saw before it was sent: what was there then is left alone. An invalid index that the
    statement left is dropped, a pending detach is finalized. A refused statement had no effect. False means: run it.

    Raises:
        ZmigError: it cannot be known.
    """
    match statement.command.effect:
        case CreateIndex(None) as index:
            return _finish_unnamed_index(connection, index, before) and not is_refused
        case CreateIndex() as index:
            return before is False and _finish_index(connection, index) and not is_refused
        case Reindex() as reindex:
            _drop_leftovers(connection, reindex)
            return False
        case DetachPartition() as detach:
            return before is False and _finish_detach(connection, detach, is_refused=is_refused)
        case DropIndex() as drop if before is False and _is_spread(connection):
            return _finish_drop(connection, drop)
        case found:
            return before is False and not is_refused and _took_effect(connection, found)


def left_behind(connection: Connection, statement: Statement, *, before: object) -> str | None:
    """Return in words what a refused statement left half done, None where it left nothing.

    `before` is what `look` saw before it was sent.
    """
    index = statement.command.effect
    if not isinstance(index, CreateIndex) or not index.concurrently:
        return None
    with suppress(ZmigError):
        return _invalid_index(connection, index, before)
    return None


def _invalid_index(connection: Connection, index: CreateIndex, before: object) -> str | None:
    if index.name is not None:
        names = [index.name] if before is False and _index_of(connection, index) is False else []
    else:
        known = cast("list[str]", before) if isinstance(before, list) else []
        indexes = _indexes_of(connection, index.table)
        names = [name for name, is_valid in indexes.items() if not is_valid and name not in known]
    return f"an invalid index `{names[0]}` is left, which the next try drops" if names else None


def _took_effect(connection: Connection, found: CatalogEffect) -> bool:
    match found:
        case DropIndex(names):
            query = b"select pg_catalog.to_regclass(%s) is not null"
            return not any(connection.execute(query, (_regclass(name),)).fetchone() == (True,) for name in names)
        case DetachPartition() as detach:
            return _detach_state(connection, detach) is None
        case CreateShared(kind, name):
            return _exists(connection, _SHARED_OBJECTS[kind], name)
        case DropShared(kind, name):
            return not _exists(connection, _SHARED_OBJECTS[kind], name)
        case FinishPrepared(gid):
            return not _exists(
                connection, "select from pg_catalog.pg_prepared_xacts where gid operator(pg_catalog.=) %s", gid
            )
        case _:
            return False


def verify(connection: Connection, statement: Statement) -> None:
    """Make sure that an index built outside a transaction is there and valid.

    With IF NOT EXISTS the server reports success over an invalid index of that name.

    Raises:
        ZmigError: it is not.
    """
    index = statement.command.effect
    if not isinstance(index, CreateIndex) or index.name is None:
        return
    valid = _index_of(connection, index)
    if valid is None:
        raise ZmigError(
            Problem(
                "index-missing",
                f'index "{index.name}" is not on table "{index.table.name}": another relation has that name',
                hint="give the index another name in the file, or drop the other relation",
            )
        )
    if not valid:
        raise ZmigError(
            Problem(
                "index-invalid",
                f'index "{index.name}" is invalid: it was there before, and IF NOT EXISTS passed over it',
                hint=f"run `drop index concurrently {_regclass(index.table._replace(name=index.name))}`, "
                "then run the same command again",
            )
        )


_SHARED_OBJECTS = {
    SharedKind.DATABASE: "select from pg_catalog.pg_database where datname operator(pg_catalog.=) %s",
    SharedKind.TABLESPACE: "select from pg_catalog.pg_tablespace where spcname operator(pg_catalog.=) %s",
    SharedKind.SUBSCRIPTION: "select from pg_catalog.pg_stat_subscription where subname operator(pg_catalog.=) %s",
}
"""Subscriptions are looked up in a view, because only superusers may read pg_subscription."""


def _exists(connection: Connection, query: str, value: str) -> bool:
    return connection.execute(query.encode(), (value,)).fetchone() is not None


def _regclass(name: Name) -> str:
    parts = [part for part in (name.schema, name.name) if part is not None]
    return identifier(*parts)


def _index_of(connection: Connection, index: CreateIndex) -> bool | None:
    """Return whether the index is valid; None where the table has no index of that name."""
    return _indexes_of(connection, index.table, index.name).get(index.name or "")


def _finish_index(connection: Connection, index: CreateIndex) -> bool:
    valid = _index_of(connection, index)
    if valid is False and index.name is not None:
        _drop_index(connection, index.table, index.name)
    return valid is True


def _finish_unnamed_index(connection: Connection, index: CreateIndex, before: object) -> bool:
    """Find the index that was not there before, by the names the table's indexes had."""
    known = cast("list[object]", before) if isinstance(before, list) else []
    made = {name: valid for name, valid in _indexes_of(connection, index.table).items() if name not in known}
    if len(made) > 1:
        raise ZmigError(
            Problem(
                "resume-undecided",
                f"which index the statement made is not known: table `{index.table.name}` has several new ones",
                facts=(f"new indexes: {', '.join(sorted(made))}",),
                hint="drop those that the statement made, or give the index a name in the file",
            )
        )
    for name, valid in made.items():
        if not valid:
            _drop_index(connection, index.table, name)
    return True in made.values()


_INDEXES_OF = f"""
select c.relname::pg_catalog.text, i.indisvalid, c.oid::pg_catalog.int8, {citus.HAS_SHARDS}
from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid operator(pg_catalog.=) i.indexrelid
where i.indrelid operator(pg_catalog.=) pg_catalog.to_regclass(%s)
and (%s::pg_catalog.text is null or c.relname operator(pg_catalog.=) %s)
"""


def _indexes_of(connection: Connection, table: Name, name: str | None = None) -> dict[str, bool]:
    """Return the names of a table's indexes, or of the one named, and whether each is valid: on all its shards, too.

    Raises:
        ZmigError: a node of the cluster does not say.
    """
    answer = connection.execute(_INDEXES_OF.encode(), (_regclass(table), name, name)).fetchall()
    rows = cast("list[tuple[str, bool, int, bool]]", answer)
    return {
        name: is_valid and (not has_shards or citus.is_valid_on_all_shards(connection, oid))
        for name, is_valid, oid, has_shards in rows
    }


_SCHEMA_OF = """
select n.nspname::pg_catalog.text
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace
where c.oid operator(pg_catalog.=) pg_catalog.to_regclass(%s)
"""


def _is_spread(connection: Connection) -> bool:
    """Whether the tables may have shards on other servers."""
    return connection.execute(f"select {citus.HAS_SHARDS}".encode()).fetchone() == (True,)


def _finish_drop(connection: Connection, drop: DropIndex) -> bool:
    """Drop what is left of indexes; Citus refuses the statement itself where it has dropped them on a shard already."""
    if not drop.concurrently:
        return False
    for name in drop.names:
        connection.execute(f"drop index concurrently if exists {_regclass(name)}".encode())
    return True


def _drop_index(connection: Connection, table: Name, name: str) -> None:
    row = connection.execute(_SCHEMA_OF, (_regclass(table),)).fetchone()
    if row is not None:
        _drop_concurrently(connection, str(row[0]), name)


def _drop_concurrently(connection: Connection, schema: str, name: str) -> None:
    connection.execute(f"drop index concurrently if exists {identifier(schema, name)}".encode())


_LEFTOVERS = """
select n.nspname::pg_catalog.text, c.relname::pg_catalog.text
from pg_catalog.pg_index i
join pg_catalog.pg_class c on c.oid operator(pg_catalog.=) i.indexrelid
join pg_catalog.pg_class t on t.oid operator(pg_catalog.=) i.indrelid
join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace
where not i.indisvalid and c.relname operator(pg_catalog.~) '_cc(new|old)[0-9]*$'
"""
"""The names that the server gives the copies: PostgreSQL documentation, REINDEX, "Rebuilding Indexes Concurrently"."""

_OF_SCHEMA = "and n.nspname operator(pg_catalog.=) %s"
_OF_TABLE = "and t.oid operator(pg_catalog.=) pg_catalog.to_regclass(%s)"
_OF_INDEX = """and t.oid operator(pg_catalog.=) (
    select x.indrelid from pg_catalog.pg_index x
    where x.indexrelid operator(pg_catalog.=) pg_catalog.to_regclass(%s)
)"""


def _drop_leftovers(connection: Connection, reindex: Reindex) -> None:
    """Drop the invalid copies that an interrupted REINDEX CONCURRENTLY leaves beside the indexes it rebuilds."""
    if not reindex.concurrently:
        return
    query, name = _LEFTOVERS, reindex.name
    if name is None:
        rows = connection.execute(query.encode()).fetchall()
    elif reindex.kind is ReindexKind.SCHEMA:
        rows = connection.execute((query + _OF_SCHEMA).encode(), (name.name,)).fetchall()
    else:
        condition = _OF_INDEX if reindex.kind is ReindexKind.INDEX else _OF_TABLE
        rows = connection.execute((query + condition).encode(), (_regclass(name),)).fetchall()
    for schema, index in rows:
        _drop_concurrently(connection, str(schema), str(index))
    if _is_spread(connection):
        _drop_leftovers_of_shards(connection, reindex)


_DISTRIBUTED = """
select p.logicalrelid::pg_catalog.oid::pg_catalog.int8
from pg_catalog.pg_dist_partition p
join pg_catalog.pg_class t on t.oid operator(pg_catalog.=) p.logicalrelid
join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) t.relnamespace
where true
"""


def _drop_leftovers_of_shards(connection: Connection, reindex: Reindex) -> None:
    name, condition, values = reindex.name, "", tuple[str, ...]()
    if name is not None and reindex.kind is ReindexKind.SCHEMA:
        condition, values = "and n.nspname operator(pg_catalog.=) %s", (name.name,)
    elif name is not None and reindex.kind not in (ReindexKind.DATABASE, ReindexKind.SYSTEM):
        condition = _OF_INDEX if reindex.kind is ReindexKind.INDEX else _OF_TABLE
        values = (_regclass(name),)
    for (table,) in connection.execute((_DISTRIBUTED + condition).encode(), values).fetchall():
        citus.drop_leftovers_on_shards(connection, cast("int", table))


_DETACH = """
select {pending} from pg_catalog.pg_inherits i
where i.inhparent operator(pg_catalog.=) pg_catalog.to_regclass(%s)
    and i.inhrelid operator(pg_catalog.=) pg_catalog.to_regclass(%s)
"""


def _detach_state(connection: Connection, detach: DetachPartition) -> bool | None:
    """Return whether the detach is pending; None where the partition is not attached."""
    parent, partition = _regclass(detach.parent), _regclass(detach.partition)
    pending = "i.inhdetachpending" if connection.info.server_version >= _PENDING_DETACH_SINCE else "false"
    row = connection.execute(_DETACH.format(pending=pending).encode(), (parent, partition)).fetchone()
    return None if row is None else cast("bool", row[0])


def _finish_detach(connection: Connection, detach: DetachPartition, *, is_refused: bool) -> bool:
    pending = _detach_state(connection, detach)
    if pending:
        parent, partition = _regclass(detach.parent), _regclass(detach.partition)
        connection.execute(f"alter table {parent} detach partition {partition} finalize".encode())
        return True
    return pending is None and not is_refused
