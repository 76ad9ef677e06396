"""About how large tables are, by what the server itself keeps of them in `pg_class`. Reads only, and locks no table."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig.database.types import Connection

TableName = tuple[str, str]
"""A schema, and a name in it."""

_SIZES = """
with recursive asked as (
    select a.schema, a.name
    from rows from (
        pg_catalog.unnest(%s::pg_catalog.text[]), pg_catalog.unnest(%s::pg_catalog.text[])
    ) as a(schema, name)
), found as (
    select a.schema, a.name, c.oid, c.relkind, c.reltuples, c.relpages
    from asked a
    join pg_catalog.pg_class c on c.relname operator(pg_catalog.=) a.name
        and c.relkind operator(pg_catalog.=) any('{r,p,m}')
    join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace
        and n.nspname operator(pg_catalog.=) a.schema
), leaves as (
    select f.schema, f.name, f.oid, f.relkind, f.reltuples, f.relpages from found f
    union all
    select l.schema, l.name, c.oid, c.relkind, c.reltuples, c.relpages
    from leaves l
    join pg_catalog.pg_inherits i on i.inhparent operator(pg_catalog.=) l.oid
    join pg_catalog.pg_class c on c.oid operator(pg_catalog.=) i.inhrelid
    where l.relkind operator(pg_catalog.=) 'p'
)
select l.schema, l.name, pg_catalog.sum(l.reltuples)::pg_catalog.int8,
    pg_catalog.bool_and(l.reltuples operator(pg_catalog.>) 0 or (l.reltuples operator(pg_catalog.=) 0
        and l.relpages operator(pg_catalog.>) 0)),
    pg_catalog.sum(l.relpages::pg_catalog.int8 operator(pg_catalog.*)
        pg_catalog.current_setting('block_size')::pg_catalog.int8)::pg_catalog.int8
from leaves l
where l.relkind operator(pg_catalog.<>) 'p'
group by l.schema, l.name
"""


@valueclass
class TableEstimate:
    """About how large a table is; one with partitions is as large as they are together."""

    rows: int | None
    """None where the server does not know it, because it was never analyzed."""
    bytes: int
    """Of its rows alone, when it was last analyzed."""


def read(connection: Connection, names: Sequence[TableName]) -> dict[TableName, TableEstimate]:
    """Return the sizes of those of these tables that exist."""
    if not names:
        return {}
    schemas, tables = [schema for schema, _ in names], [name for _, name in names]
    rows = cast(
        "Sequence[tuple[str, str, int, bool, int]]",
        connection.execute(_SIZES.encode(), (schemas, tables)).fetchall(),
    )
    return {
        (schema, name): TableEstimate(rows if is_known else None, size) for schema, name, rows, is_known, size in rows
    }
