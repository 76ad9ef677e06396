"""What zmig has to know of Citus, which spreads the tables of one database over several servers, its nodes.

Asked only where the extension is installed. zmig works on the coordinator alone: its facts are local tables there, and
an advisory lock is known to one node. What is here was read in the sources of Citus 13.2 and tried on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from zmig.database.quoting import identifier, literal
from zmig.errors import Problem, TrackingError, UsageError
from zmig.hints import Hint, command

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    found = cast("tuple[str] | None", connection.execute(query, [identifier(schema)]).fetchone())
    if found is None:
        return
    raise TrackingError(
        Problem(
            "citus-tracking",
            f"schema `{schema}` is distributed by Citus, and facts have to be on the coordinator alone",
            effect="nothing was run",
            hint=f"run `select citus_schema_undistribute({literal(found[0])})`",
        )
    )
