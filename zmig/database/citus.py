"""What zmig has to know of Citus, which spreads the tables of one database over several servers, its nodes.

Asked only where the extension is installed: first of the node that zmig is connected to, then of the shards, the tables
on its nodes that hold the rows of a distributed one. zmig works on the coordinator alone: its facts are local tables
there, and an advisory lock is known to one node. What is here was read in the sources of Citus 13.2 and tried on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from zmig.errors import Problem, TrackingError, UsageError, ZmigError
from zmig.hints import Hint, command
from zmig.sql.quoting import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.database.connection import Target
    from zmig.database.types import Connection

LOCAL_ONLY = (
    "set local citus.enable_ddl_propagation = off",
    "set local citus.enable_schema_based_sharding = off",
    "set local citus.use_citus_managed_tables = off",
)
"""What makes a transaction create schemas, tables and functions on the coordinator alone."""

_NODE = """
select current_database()::text,
    (select groupid <> 0 from pg_catalog.pg_dist_local_group limit 1),
    (select nodename || ':' || nodeport from pg_catalog.pg_dist_node
        where groupid = 0 and noderole = 'primary' limit 1),
    (select coalesce(array_agg(c.oid::regclass::text order by c.relname), '{{}}')
        from pg_catalog.pg_dist_partition p join pg_catalog.pg_class c on c.oid = p.logicalrelid
        where c.relnamespace = pg_catalog.to_regnamespace({schema})
            and c.relname in ('migration_events', 'schema_migrations')
            and (p.partmethod <> 'n' or p.repmodel <> 's' or p.colocationid <> 0))
"""
"""A table that is in the metadata and yet local has no key, no replica and no group of tables it belongs to."""


def check_node(connection: Connection, schema: str, target: Target) -> None:
    """Make sure that a connection leads to the coordinator, and that the facts are kept there alone.

    Raises:
        UsageError: it leads to a worker; the message names the coordinator as far as the worker knows it.
        TrackingError: the tracking tables are distributed.
    """
    query = _NODE.format(schema=literal(identifier(schema)))
    row = connection.execute(query.encode()).fetchone()
    database, is_worker, coordinator, distributed = cast("tuple[str, bool | None, str | None, Sequence[str]]", row)
    if is_worker:
        raise UsageError(_worker(database, coordinator, target))
    if distributed:
        raise TrackingError(_distributed(distributed))


def _worker(database: str, coordinator: str | None, target: Target) -> Problem:
    where = "the coordinator" if coordinator is None else f"the coordinator, which is `{coordinator}` to this node"
    return Problem(
        "citus-worker",
        f"database `{database}` is on a worker of a Citus cluster, and the facts are on the coordinator",
        effect="nothing was run",
        hint=f"connect to {where}: write its address in {target.written_in}",
    )


def _distributed(tables: Sequence[str]) -> Problem:
    named = " and ".join(f"`{table}`" for table in tables)
    return Problem(
        "citus-tracking",
        f"Citus keeps {named} on several nodes, and facts have to be on the coordinator alone",
        effect="nothing was run",
        hint=Hint(
            "copy the rows elsewhere, drop both tables, and record what is applied with ",
            command("baseline", "--to", "N", "--reason", "..."),
        ),
    )


def check_schema(connection: Connection, schema: str) -> None:
    """Make sure that a schema keeps its tables on the coordinator; with schema-based sharding some do not (Citus 12).

    Raises:
        TrackingError: Citus puts its tables on a node of its choice.
    """
    if connection.execute("select to_regclass('pg_catalog.pg_dist_schema')").fetchone() == (None,):
        return
    query = (
        "select schemaid::oid::regnamespace::text from pg_catalog.pg_dist_schema "
        "where schemaid::oid = to_regnamespace(%s)::oid"
    )
    row = cast("tuple[str] | None", connection.execute(query, [identifier(schema)]).fetchone())
    if row is None:
        return
    raise TrackingError(
        Problem(
            "citus-tracking",
            f"schema `{schema}` is distributed by Citus, and facts have to be on the coordinator alone",
            effect="nothing was run",
            hint=f"run `select citus_schema_undistribute({literal(row[0])})`",
        )
    )


HAS_SHARDS = "pg_catalog.to_regclass('pg_catalog.pg_dist_shard') is not null"
"""SQL that is true where Citus is installed."""

_ON_SHARDS = """
with command as (
    select n.nodename, n.nodeport, pg_catalog.format({command}, {name}) as text
    from pg_catalog.pg_dist_shard s
    join pg_catalog.pg_dist_placement p on p.shardid operator(pg_catalog.=) s.shardid
    join pg_catalog.pg_dist_node n on n.groupid operator(pg_catalog.=) p.groupid
        and n.noderole operator(pg_catalog.=) 'primary'
    join pg_catalog.pg_class c on c.oid operator(pg_catalog.=) {relation}
    join pg_catalog.pg_namespace m on m.oid operator(pg_catalog.=) c.relnamespace
    where s.logicalrelid operator(pg_catalog.=) {table}
), commands as (
    select pg_catalog.array_agg(nodename order by text, nodename, nodeport) as names,
        pg_catalog.array_agg(nodeport order by text, nodename, nodeport) as ports,
        pg_catalog.array_agg(text order by text, nodename, nodeport) as texts
    from command
)
select r.node_name, r.node_port, r.success, r.result
from commands, pg_catalog.master_run_on_worker(names, ports, texts, true) r
"""
_NAME = (
    "pg_catalog.concat(case when pg_catalog.pg_table_is_visible(c.oid) "
    "then pg_catalog.concat(pg_catalog.quote_ident(m.nspname), '.') end, pg_catalog.shard_name(c.oid, s.shardid))"
)
"""The name of a relation's shard, which `shard_name` qualifies where the relation is not in the search path."""

_IS_VALID = """
select coalesce((select indisvalid from pg_catalog.pg_index
    where indexrelid operator(pg_catalog.=) pg_catalog.to_regclass(%L)), false)
"""

_LEFTOVERS = """
select coalesce(pg_catalog.string_agg(o.identity, e'\\n'), '')
from pg_catalog.pg_index i
cross join lateral pg_catalog.pg_identify_object('pg_catalog.pg_class'::pg_catalog.regclass, i.indexrelid, 0) o
where i.indrelid operator(pg_catalog.=) pg_catalog.to_regclass(%L) and not i.indisvalid
and o.name operator(pg_catalog.~) '_cc(new|old)[0-9]*$'
"""
"""Citus hides shards where pg_class is read."""

_ALONE = "select success, result from pg_catalog.master_run_on_worker(array[%s], array[%s], array[%s], false)"


def is_valid_on_all_shards(connection: Connection, index: int) -> bool:
    """Whether an index, by its oid, is there and valid on every shard of its table; true where it has none.

    Citus builds an index concurrently on its own empty table first, where PostgreSQL marks it valid at once, and only
    then on the shards (13.2: `PostprocessIndexStmt`); so what the coordinator's catalog says is not enough.

    Raises:
        ZmigError: a node does not say.
    """
    table = f"(select indrelid from pg_catalog.pg_index where indexrelid operator(pg_catalog.=) {index})"
    return all(answer == "t" for _, _, answer in _ask_shards(connection, _IS_VALID, str(index), table))


def drop_leftovers_on_shards(connection: Connection, table: int) -> None:
    """Drop the invalid copies that an interrupted REINDEX CONCURRENTLY left beside the indexes of a table's shards.

    Raises:
        ZmigError: a node does not say, or refuses.
    """
    leftovers = list(_ask_shards(connection, _LEFTOVERS, str(table), str(table)))
    for node, port, names in leftovers:
        for name in names.split("\n") if names else ():
            command = f"drop index concurrently if exists {name}"
            row = connection.execute(_ALONE.encode(), (node, port, command)).fetchone()
            success, said = cast("tuple[bool, str]", row)
            if not success:
                raise ZmigError(_no_answer(node, port, said))


def _ask_shards(connection: Connection, command: str, relation: str, table: str) -> Iterator[tuple[str, int, str]]:
    """Yield the node of each shard of a table, with what a query about the shard of a relation returns there."""
    query = _ON_SHARDS.format(command=literal(command), name=_NAME, relation=relation, table=table)
    rows = cast("Sequence[tuple[str, int, bool, str]]", connection.execute(query.encode()).fetchall())
    for node, port, success, answer in rows:
        if not success:
            raise ZmigError(_no_answer(node, port, answer))
        yield node, port, answer


def _no_answer(node: str, port: int, said: str) -> Problem:
    return Problem(
        "citus-node",
        f"node `{node}:{port}` does not say what state the index is in: {said.partition(chr(10))[0]}",
        hint="once every node answers, run the same command again",
    )
