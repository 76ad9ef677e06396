"""The judge: what `zmig.sql.command` says, worked out from PostgreSQL's own syntax tree instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from zmig.sql.catalog_effect import (
    AddEnumValue,
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
from zmig.sql.token_reader import Name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from postgast import pg_query_pb2 as pb

    from zmig.sql.catalog_effect import CatalogEffect

_CONTROLS = {
    "TRANS_STMT_BEGIN",
    "TRANS_STMT_START",
    "TRANS_STMT_COMMIT",
    "TRANS_STMT_ROLLBACK",
    "TRANS_STMT_PREPARE",
}
_FINISHES = {"TRANS_STMT_COMMIT_PREPARED", "TRANS_STMT_ROLLBACK_PREPARED"}
_ALWAYS_REFUSES = {
    "createdb_stmt",
    "dropdb_stmt",
    "create_table_space_stmt",
    "drop_table_space_stmt",
    "alter_system_stmt",
    "drop_subscription_stmt",
}


def refuses_transaction(node: pb.Node) -> bool:
    """Whether the server refuses the statement inside a transaction block."""
    kind = node.WhichOneof("node") or ""
    refuses = _REFUSES.get(kind)
    return kind in _ALWAYS_REFUSES or (refuses is not None and refuses(node))


def controls_transaction(node: pb.Node) -> bool:
    """Whether the statement begins, ends or prepares a transaction."""
    return node.WhichOneof("node") == "transaction_stmt" and _enum(node.transaction_stmt, "kind") in _CONTROLS


def reads_client(node: pb.Node) -> bool:
    """Whether the statement is a COPY that takes its rows from the client."""
    copy = node.copy_stmt
    return node.WhichOneof("node") == "copy_stmt" and copy.is_from and not copy.filename and not copy.is_program


def effect(node: pb.Node) -> CatalogEffect | None:
    """Return the statement's effect; None where `catalog_effect` must name neither objects nor a new state."""
    parse = _EFFECTS.get(node.WhichOneof("node") or "")
    return parse(node) if parse else None


def _cluster_refuses(node: pb.Node) -> bool:
    return not node.cluster_stmt.HasField("relation")


def _reindex_refuses(node: pb.Node) -> bool:
    reindex = _reindex(node)
    return reindex.concurrently or reindex.kind not in {ReindexKind.INDEX, ReindexKind.TABLE}


def _alter_table_refuses(node: pb.Node) -> bool:
    detached = _detach(node)
    return detached is not None and detached.concurrently


def _create_subscription_refuses(node: pb.Node) -> bool:
    options = _options(node.create_subscription_stmt.options)
    return _is_true(options.get("create_slot", options.get("connect", "")))


def _alter_subscription_refuses(node: pb.Node) -> bool:
    options = _options(node.alter_subscription_stmt.options)
    kind = _enum(node.alter_subscription_stmt, "kind").removeprefix("ALTER_SUBSCRIPTION_")
    if kind.endswith("_PUBLICATION"):
        return _is_true(options.get("refresh", ""))
    changes_slot = "failover" in options or not _is_true(options.get("two_phase", ""))
    return kind == "REFRESH" or (kind == "OPTIONS" and changes_slot)


_REFUSES: dict[str, Callable[[pb.Node], bool]] = {
    "alter_database_stmt": lambda node: "tablespace" in _options(node.alter_database_stmt.options),
    "alter_subscription_stmt": _alter_subscription_refuses,
    "alter_table_stmt": _alter_table_refuses,
    "cluster_stmt": _cluster_refuses,
    "create_subscription_stmt": _create_subscription_refuses,
    "discard_stmt": lambda node: _enum(node.discard_stmt, "target") == "DISCARD_ALL",
    "drop_stmt": lambda node: node.drop_stmt.concurrent,
    "index_stmt": lambda node: node.index_stmt.concurrent,
    "reindex_stmt": _reindex_refuses,
    "transaction_stmt": lambda node: _enum(node.transaction_stmt, "kind") in _FINISHES,
    "vacuum_stmt": lambda node: node.vacuum_stmt.is_vacuumcmd,
}


def _create_index(node: pb.Node) -> CreateIndex:
    index = node.index_stmt
    table = _relation(index.relation)
    return CreateIndex(
        index.idxname or None,
        table,
        is_unique=index.unique,
        if_not_exists=index.if_not_exists,
        concurrently=index.concurrent,
    )


def _drop(node: pb.Node) -> DropIndex | None:
    drop = node.drop_stmt
    if _enum(drop, "remove_type") != "OBJECT_INDEX":
        return None
    return DropIndex(tuple(_path(item.list.items) for item in drop.objects), drop.missing_ok, drop.concurrent)


def _reindex(node: pb.Node) -> Reindex:
    reindex = node.reindex_stmt
    kind = ReindexKind(_enum(reindex, "kind").removeprefix("REINDEX_OBJECT_").lower())
    named = Name(None, reindex.name) if reindex.name else None
    name = _relation(reindex.relation) if reindex.HasField("relation") else named
    return Reindex(kind, name, _is_true(_options(reindex.params).get("concurrently", "off")))


def _finish_prepared(node: pb.Node) -> FinishPrepared | None:
    kind = _enum(node.transaction_stmt, "kind")
    if kind not in _FINISHES:
        return None
    return FinishPrepared(node.transaction_stmt.gid, kind == "TRANS_STMT_COMMIT_PREPARED")


def _add_enum_value(node: pb.Node) -> AddEnumValue | None:
    enum = node.alter_enum_stmt
    return None if enum.old_val else AddEnumValue(_path(enum.type_name), enum.new_val, enum.skip_if_new_val_exists)


def _detach(node: pb.Node) -> DetachPartition | None:
    for item in node.alter_table_stmt.cmds:
        how = _enum(item.alter_table_cmd, "subtype")
        if how in {"AT_DetachPartition", "AT_DetachPartitionFinalize"}:
            command = cast("pb.PartitionCmd", getattr(item.alter_table_cmd, "def").partition_cmd)
            parent, partition = _relation(node.alter_table_stmt.relation), _relation(command.name)
            return DetachPartition(parent, partition, command.concurrent, how == "AT_DetachPartitionFinalize")
    return None


_EFFECTS: dict[str, Callable[[pb.Node], CatalogEffect | None]] = {
    "alter_enum_stmt": _add_enum_value,
    "alter_table_stmt": _detach,
    "create_subscription_stmt": lambda node: CreateShared(
        SharedKind.SUBSCRIPTION, node.create_subscription_stmt.subname
    ),
    "create_table_space_stmt": lambda node: CreateShared(
        SharedKind.TABLESPACE, node.create_table_space_stmt.tablespacename
    ),
    "createdb_stmt": lambda node: CreateShared(SharedKind.DATABASE, node.createdb_stmt.dbname),
    "drop_stmt": _drop,
    "drop_subscription_stmt": lambda node: DropShared(
        SharedKind.SUBSCRIPTION, node.drop_subscription_stmt.subname, node.drop_subscription_stmt.missing_ok
    ),
    "drop_table_space_stmt": lambda node: DropShared(
        SharedKind.TABLESPACE, node.drop_table_space_stmt.tablespacename, node.drop_table_space_stmt.missing_ok
    ),
    "dropdb_stmt": lambda node: DropShared(SharedKind.DATABASE, node.dropdb_stmt.dbname, node.dropdb_stmt.missing_ok),
    "index_stmt": _create_index,
    "reindex_stmt": _reindex,
    "transaction_stmt": _finish_prepared,
}


def _options(items: Iterable[pb.Node]) -> dict[str, str]:
    return {item.def_elem.defname: _option_value(item.def_elem.arg) for item in items}


def _option_value(node: pb.Node) -> str:
    match node.WhichOneof("node"):
        case "string":
            return node.string.sval
        case "integer":
            return str(node.integer.ival)
        case "boolean":
            return str(node.boolean.boolval).lower()
        case _:
            return ""


def _is_true(value: str) -> bool:
    return value.lower() not in {"false", "off", "0"}


def _relation(node: pb.RangeVar) -> Name:
    return Name(node.schemaname or None, node.relname)


def _path(items: Iterable[pb.Node]) -> Name:
    parts = [item.string.sval for item in items]
    return Name(parts[-2] if len(parts) > 1 else None, parts[-1])


def _enum(message: object, field: str) -> str:
    """Return the name of an enum field's value; protobuf's messages do not tell it to a type checker."""
    descriptor = message.DESCRIPTOR.fields_by_name[field]  # pyright: ignore
    return descriptor.enum_type.values_by_number[getattr(message, field)].name  # pyright: ignore
