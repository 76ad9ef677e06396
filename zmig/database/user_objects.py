"""Which objects of users a database holds, beside zmig's own: asked once, before the first run on a database.

Read from the catalog alone. What belongs to an extension, as pg_depend says, is the extension's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from zmig.other_tools.history_tables import history_of
from zmig.planning.existing_objects import Existing

if TYPE_CHECKING:
    from zmig.database.types import Connection, Questioning

_MOST = 20

_OBJECTS = """
with schema as (
    select oid, nspname from pg_catalog.pg_namespace
    where nspname operator(pg_catalog.<>) all ('{pg_catalog,information_schema,pg_toast}')
        and nspname operator(pg_catalog.!~) '^pg_(toast_)?temp_'
), relation as (
    select c.oid, c.reltype, s.nspname, c.relname, c.relkind
    from pg_catalog.pg_class c join schema s on s.oid operator(pg_catalog.=) c.relnamespace
    where c.relkind operator(pg_catalog.=) any ('{r,p,v,m,f,S}')
), object (classid, oid, kind, nspname, name) as (
    select 'pg_catalog.pg_class'::pg_catalog.regclass, oid,
        case relkind when 'v' then 'view' when 'm' then 'materialized view' when 'f' then 'foreign table'
            when 'S' then 'sequence' else 'table' end,
        nspname, relname
    from relation
    where not (nspname operator(pg_catalog.=) %(schema)s
        and relname operator(pg_catalog.=) any
            ('{migration_events,migration_events_position_seq,schema_migrations}'))
    union all
    select 'pg_catalog.pg_proc'::pg_catalog.regclass, p.oid, 'function', s.nspname, p.proname
    from pg_catalog.pg_proc p join schema s on s.oid operator(pg_catalog.=) p.pronamespace
    where not (s.nspname operator(pg_catalog.=) %(schema)s
        and p.proname operator(pg_catalog.=) 'migration_events_refuse_change')
    union all
    select 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid, 'type', s.nspname, t.typname
    from pg_catalog.pg_type t join schema s on s.oid operator(pg_catalog.=) t.typnamespace
    left join pg_catalog.pg_class c on c.oid operator(pg_catalog.=) t.typrelid
    where t.typtype operator(pg_catalog.=) any ('{e,d,b,r}') and t.typelem operator(pg_catalog.=) 0
        or c.relkind operator(pg_catalog.=) 'c'
), own as (
    select kind, nspname, name from object
    where not exists (select from pg_catalog.pg_depend d
        where d.classid operator(pg_catalog.=) object.classid and d.objid operator(pg_catalog.=) object.oid
            and (d.deptype operator(pg_catalog.=) any ('{e,i}')
                or object.kind operator(pg_catalog.=) 'sequence' and d.deptype operator(pg_catalog.=) 'a'))
)
select (select pg_catalog.count(*) from own),
    array(select pg_catalog.format('%%s %%I.%%I', kind, nspname, name) from own
        order by kind operator(pg_catalog.<>) 'table', nspname, name limit %(most)s)
"""
"""Of `deptype`, `e` is what belongs to an extension, `i` what is inside of another object, as the sequence of
an identity, and `a` a sequence that goes with its column, as a serial's does (PostgreSQL documentation, pg_depend)."""

_COLUMNS = """
select pg_catalog.format('%I.%I', s.nspname, c.relname),
    array(select a.attname::pg_catalog.text from pg_catalog.pg_attribute a
        where a.attrelid operator(pg_catalog.=) c.oid and a.attnum operator(pg_catalog.>) 0 and not a.attisdropped)
from pg_catalog.pg_class c join pg_catalog.pg_namespace s on s.oid operator(pg_catalog.=) c.relnamespace
where c.relkind operator(pg_catalog.=) 'r' and c.relnatts operator(pg_catalog.<=) 30
    and s.nspname operator(pg_catalog.<>) all ('{pg_catalog,information_schema,pg_toast}')
order by 1
"""


def find(connection: Connection, schema: str) -> Existing | None:
    """Return what users have in the database, but for zmig's tables in `schema`; None where that is nothing."""
    row = connection.execute(_OBJECTS, {"schema": schema, "most": _MOST}).fetchone()
    if row is None or not row[0]:
        return None
    history = tool_history(connection)
    active = _active(connection, history[0]) if history is not None and history[1] == "pgroll" else ()
    return Existing(cast("int", row[0]), tuple(cast("list[str]", row[1])), history, active)


def tool_history(connection: Questioning) -> tuple[str, str] | None:
    """Return the table in which another tool keeps its history, and the tool's name; None where there is none."""
    rows = connection.execute(_COLUMNS.encode()).fetchall()
    return history_of({str(name): frozenset(cast("list[str]", columns)) for name, columns in rows})


def _active(connection: Connection, table: str) -> tuple[str, ...]:
    """Return pgroll's migrations that are begun and not ended; none where its table cannot be read."""
    from zmig.other_tools import pgroll_objects

    if not connection.execute(pgroll_objects.as_made_sql(table).encode()).fetchall():
        return ()
    return tuple(str(row[0]) for row in connection.execute(pgroll_objects.active_sql(table).encode()))
