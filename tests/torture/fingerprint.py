"""Everything that a database's catalog and tables hold, as text that two equal databases share."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg

_OURS = "n.nspname !~ '^(pg_|information_schema)'"

_CATALOG = f"""
select 'schema', n.nspname, '' from pg_namespace n where {_OURS}
union all
select 'relation', c.oid::regclass::text, concat_ws(' ', c.relkind, c.relpersistence, c.relispartition,
    pg_get_expr(c.relpartbound, c.oid))
from pg_class c join pg_namespace n on n.oid = c.relnamespace where {_OURS}
union all
select 'column', c.oid::regclass || '.' || a.attname, concat_ws(' ', format_type(a.atttypid, a.atttypmod),
    a.attnotnull, a.attidentity, a.attgenerated, pg_get_expr(d.adbin, d.adrelid))
from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
where {_OURS} and a.attnum > 0 and not a.attisdropped
union all
select 'index', i.indexrelid::regclass::text, concat_ws(' ', pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisready,
    i.indislive, i.indisprimary)
from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace where {_OURS}
union all
select 'constraint', k.conrelid::regclass || '.' || k.conname,
    concat_ws(' ', pg_get_constraintdef(k.oid), k.convalidated)
from pg_constraint k join pg_namespace n on n.oid = k.connamespace where {_OURS} and k.conrelid <> 0
union all
select 'partition', i.inhrelid::regclass::text, concat_ws(' ', i.inhparent::regclass, to_jsonb(i) -> 'inhdetachpending')
from pg_inherits i
union all
select 'enum', t.oid::regtype::text, string_agg(e.enumlabel, ',' order by e.enumsortorder)
from pg_enum e join pg_type t on t.oid = e.enumtypid group by t.oid
union all
select 'function', p.oid::regprocedure::text, md5(pg_get_functiondef(p.oid))
from pg_proc p join pg_namespace n on n.oid = p.pronamespace where {_OURS}
union all
select 'trigger', t.tgrelid::regclass || '.' || t.tgname, concat_ws(' ', pg_get_triggerdef(t.oid), t.tgenabled)
from pg_trigger t where not t.tgisinternal
union all
select 'view', c.oid::regclass::text, pg_get_viewdef(c.oid)
from pg_class c join pg_namespace n on n.oid = c.relnamespace where {_OURS} and c.relkind = 'v'
union all
select 'prepared transaction', gid, '' from pg_prepared_xacts where database = current_database()
"""

_TABLES = """
select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'public' and c.relkind = 'r' and c.relname <> 'tally'
"""

_ROWS = """
select count(*), coalesce(sum(('x' || left(md5((to_jsonb(t) - 'id')::text), 8))::bit(32)::bigint), 0) from {} t
"""
"""Without identities: a rolled back attempt leaves gaps in a sequence."""


def catalog(connection: psycopg.Connection) -> Counter[tuple[str, str, str]]:
    """Return what the catalog and the rows of all tables but `tally` amount to."""
    found = Counter((str(kind), str(name), str(what)) for kind, name, what in connection.execute(_CATALOG.encode()))
    for (table,) in connection.execute(_TABLES).fetchall():
        rows = connection.execute(_ROWS.format(table).encode()).fetchone()
        found["rows", str(table), str(rows)] += 1
    return found


def tally(connection: psycopg.Connection) -> Counter[tuple[int, int, str]]:
    """Return how often each statement that leaves a row took effect."""
    if connection.execute("select to_regclass('public.tally')").fetchone() == (None,):
        return Counter()
    rows = connection.execute("select version, place, what from public.tally").fetchall()
    return Counter((version, place, what) for version, place, what in rows)
