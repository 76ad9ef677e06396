"""Looks at the shards of a table that Citus distributed: the tables on its nodes that hold the rows.

Citus builds an index concurrently on its own empty table first, where PostgreSQL marks it valid at once, and only then
on the shards (13.2: `PostprocessIndexStmt`); so what the coordinator's catalog says is not enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from zmig.database.quoting import literal
from zmig.errors import Problem, ZmigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.database.types import Connection

IS_INSTALLED = "pg_catalog.to_regclass('pg_catalog.pg_dist_shard') is not null"
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


def is_valid_on_all(connection: Connection, index: int) -> bool:
    """Whether an index, by its oid, is there and valid on every shard of its table; true where it has none.

    Raises:
        ZmigError: a node does not say.
    """
    table = f"(select indrelid from pg_catalog.pg_index where indexrelid operator(pg_catalog.=) {index})"
    return all(answer == "t" for _, _, answer in _ask(connection, _IS_VALID, str(index), table))


def drop_leftovers(connection: Connection, table: int) -> None:
    """Drop the invalid copies that an interrupted REINDEX CONCURRENTLY left beside the indexes of a table's shards.

    Raises:
        ZmigError: a node does not say, or refuses.
    """
    found = list(_ask(connection, _LEFTOVERS, str(table), str(table)))
    for node, port, names in found:
        for name in names.split("\n") if names else ():
            command = f"drop index concurrently if exists {name}"
            row = connection.execute(_ALONE.encode(), (node, port, command)).fetchone()
            success, said = cast("tuple[bool, str]", row)
            if not success:
                raise ZmigError(_silent(node, port, said))


def _ask(connection: Connection, command: str, relation: str, table: str) -> Iterator[tuple[str, int, str]]:
    """Yield the node of each shard of a table, with what a query about the shard of a relation returns there."""
    query = _ON_SHARDS.format(command=literal(command), name=_NAME, relation=relation, table=table)
    rows = cast("Sequence[tuple[str, int, bool, str]]", connection.execute(query.encode()).fetchall())
    for node, port, success, answer in rows:
        if not success:
            raise ZmigError(_silent(node, port, answer))
        yield node, port, answer


def _silent(node: str, port: int, said: str) -> Problem:
    return Problem(
        "citus-node",
        f"node `{node}:{port}` does not say what state the index is in: {said.partition(chr(10))[0]}",
        hint="once every node answers, run the same command again",
    )
