"""What pgroll makes in a database, as its own `state/init.sql` does, and migrations that it has carried out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg

_STATE = """
create schema pgroll;
create table pgroll.migrations (
    schema name not null, name text not null, migration jsonb not null,
    created_at timestamptz not null default current_timestamp,
    updated_at timestamptz not null default current_timestamp,
    parent text, done boolean not null default false, resulting_schema jsonb not null default '{}'::jsonb,
    migration_type varchar(32) default 'pgroll' constraint migration_type_check
        check (migration_type in ('pgroll', 'inferred', 'baseline')),
    primary key (schema, name), foreign key (schema, parent) references pgroll.migrations (schema, name)
);
create unique index only_one_active on pgroll.migrations (schema, name, done) where done = false;
create unique index history_is_linear on pgroll.migrations (schema, parent);
create table pgroll.pgroll_version (
    version text not null, initialized_at timestamptz not null default current_timestamp, primary key (version)
);
create function pgroll.latest_migration(schemaname name) returns text security definer
set search_path = pgroll, pg_catalog, pg_temp as $$
    select p.name from pgroll.migrations p where not exists (
        select 1 from pgroll.migrations c where schema = schemaname and c.parent = p.name) and schema = schemaname
$$ language sql stable;
create function pgroll.raw_migration() returns event_trigger language plpgsql security definer
set search_path = pgroll, pg_catalog, pg_temp as $$
declare
    schemaname text;
begin
    if tg_event = 'sql_drop' then
        select schema_name into schemaname from pg_event_trigger_dropped_objects() where schema_name is not null;
    else
        select schema_name into schemaname from pg_event_trigger_ddl_commands() where schema_name is not null;
    end if;
    if schemaname is null or exists (
        select from pgroll.migrations m where m.schema = schemaname and not m.done) then
        return;
    end if;
    insert into pgroll.migrations (schema, name, migration, done, parent, migration_type)
    values (schemaname, format('00000_initial_%s', to_char(clock_timestamp(), 'YYYYMMDDHH24MISSUS')),
        json_build_object('operations', json_build_array(json_build_object('sql',
            json_build_object('up', current_query())))),
        true, pgroll.latest_migration(schemaname), 'inferred');
end;
$$;
"""
_TRIGGERS = """
create event trigger pg_roll_handle_ddl on ddl_command_end execute function pgroll.raw_migration();
create event trigger pg_roll_handle_drop on sql_drop execute function pgroll.raw_migration();
"""


class Pgroll:
    """pgroll in one database."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._last: str | None = None
        connection.execute(_STATE.encode())

    def watch(self) -> None:
        """Have it record what others change."""
        self._connection.execute(_TRIGGERS.encode())

    def migrated(self, name: str, *operations: dict[str, object], done: bool = True, kind: str = "pgroll") -> None:
        """Record a migration."""
        self._connection.execute(
            "insert into pgroll.migrations (schema, name, migration, done, parent, migration_type) "
            "values ('public', %s, %s, %s, %s, %s)",
            (name, json.dumps({"operations": operations}), done, self._last, kind),
        )
        self._last = name

    def complete(self, name: str) -> None:
        """End a migration."""
        self._connection.execute("update pgroll.migrations set done = true where name = %s", (name,))

    def version_schema(self, name: str, view: str) -> None:
        """Make the views of a version."""
        self._connection.execute(f'create schema "public_{name}"; create view "public_{name}".{view}'.encode())
