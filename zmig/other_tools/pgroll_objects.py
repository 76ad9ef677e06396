"""What pgroll makes in a database for itself: a schema with its history and functions, and schemas of views.

A version schema, such as `public_02_add_name`, holds one view for each table as applications of that version see it.
"""

from __future__ import annotations

from zmig.sql.quoting import array, literal, operator

EVENT_TRIGGERS = ("pg_roll_handle_ddl", "pg_roll_handle_drop")
"""What it records changes of the schema with that others make."""

_EQUALS = operator("=")
_AS_MADE = f"""
select c.oid from pg_catalog.pg_class c
where c.oid {_EQUALS} {{table}}::pg_catalog.regclass and c.relkind {_EQUALS} 'r' and not c.relrowsecurity
    and pg_catalog.has_table_privilege(c.oid, 'select') and not exists (select from pg_catalog.pg_attribute a
        join pg_catalog.pg_type t on t.oid {_EQUALS} a.atttypid
        where a.attrelid {_EQUALS} c.oid and a.attnum {operator(">")} 0
            and t.typnamespace {operator("<>")} 'pg_catalog'::pg_catalog.regnamespace)
"""
_VERSIONS = f"""
select n.oid, n.nspname::pg_catalog.text from pg_catalog.pg_namespace n
where exists (select from {{table}} m where n.nspname::pg_catalog.text {_EQUALS}
        pg_catalog.concat(m.schema, '_', coalesce(m.migration {operator("->>")} 'version_schema', m.name)))
    and not exists (select from pg_catalog.pg_class c
        where c.relnamespace {_EQUALS} n.oid and c.relkind {operator("<>")} 'v')
    and not exists (select from pg_catalog.pg_proc p where p.pronamespace {_EQUALS} n.oid)
order by 2
"""


def as_made_sql(table: str) -> str:
    """Select something if a history, given as SQL, may be read, and nothing but PostgreSQL's own code runs by that."""
    return _AS_MADE.format(table=literal(table))


def versions_sql(table: str) -> str:
    """Select the version schemas, oid and name, that belong to a history, given as SQL: nothing but views is in one."""
    return _VERSIONS.format(table=table)


def event_triggers_sql() -> str:
    """Select the names of its event triggers that are there."""
    is_one = f"evtname::pg_catalog.text {_EQUALS} any ({array(EVENT_TRIGGERS)})"
    return f"select evtname::pg_catalog.text from pg_catalog.pg_event_trigger where {is_one} order by 1"


def active_sql(table: str) -> str:
    """Select the names of migrations that are begun and not ended, of a history, given as SQL."""
    return f"select m.name::pg_catalog.text from {table} m where not m.done order by 1"
