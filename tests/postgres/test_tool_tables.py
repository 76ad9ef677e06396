"""The tables of other tools, as each makes them, are recognised, and read by queries that the server takes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import psycopg
import pytest

from zmig.database import tool_history
from zmig.other_tools.history_tables import fitting
from zmig.other_tools.registry import tool
from zmig.other_tools.source import Source

if TYPE_CHECKING:
    from zmig.other_tools.history import ToolHistory


class Made(NamedTuple):
    """A table as a tool makes it, with rows."""

    tool: str
    table: str
    definition: str
    rows: str
    ids: list[str]
    has_times: bool = True
    beside: str = ""
    """Other tables of the tool's, with their rows."""
    held: str = ""
    """What takes a lock that is kept in a table."""


_FLYWAY = """create table public.flyway_schema_history (
    installed_rank int not null primary key, version varchar(50), description varchar(200) not null,
    type varchar(20) not null, script varchar(1000) not null, checksum integer, installed_by varchar(100) not null,
    installed_on timestamp not null default now(), execution_time integer not null, success boolean not null)"""
_SQLX = """create table public._sqlx_migrations (
    version bigint primary key, description text not null, installed_on timestamptz not null default now(),
    success boolean not null, checksum bytea not null, execution_time bigint not null)"""
_PRISMA = """create table public._prisma_migrations (
    id varchar(36) primary key not null, checksum varchar(64) not null, finished_at timestamptz,
    migration_name varchar(255) not null, logs text, rolled_back_at timestamptz,
    started_at timestamptz not null default now(), applied_steps_count integer not null default 0)"""
_LIQUIBASE = """create table public.databasechangelog (
    id varchar(255) not null, author varchar(255) not null, filename varchar(255) not null,
    dateexecuted timestamp without time zone not null, orderexecuted integer not null, exectype varchar(10) not null,
    md5sum varchar(35), description varchar(255), comments varchar(255), tag varchar(255), liquibase varchar(20),
    contexts varchar(255), labels varchar(255), deployment_id varchar(10))"""
_LIQUIBASE_LOCK = """create table public.databasechangeloglock (id integer not null primary key,
    locked boolean not null, lockgranted timestamp, lockedby varchar(255)); insert into public.databasechangeloglock
    values (1, false, null, null)"""
_WHO = "planned_at timestamptz not null, planner_name text not null, planner_email text not null"
_COMMITTED = (
    "committed_at timestamptz not null default now(), committer_name text not null, committer_email text not null"
)
_SQITCH = f"""create table sqitch.changes (change_id text primary key, script_hash text, change text not null,
    project text not null, note text not null default '', {_COMMITTED}, {_WHO})"""
_SQITCH_EVENTS = f"""create table sqitch.events (event text not null, change_id text not null, change text not null,
    project text not null, note text not null default '', requires text[] not null default '{{}}',
    conflicts text[] not null default '{{}}', tags text[] not null default '{{}}', {_COMMITTED}, {_WHO});
    insert into sqitch.events (event, change_id, change, project, committer_name, committer_email, planned_at,
    planner_name, planner_email) values ('fail', 'bb', 'b', 'shop', 'me', 'a@b', now(), 'me', 'a@b')"""
_ATLAS = """create table atlas_schema_revisions.atlas_schema_revisions (version varchar not null primary key,
    description varchar not null, type bigint not null default 2, applied bigint not null default 0,
    total bigint not null default 0, executed_at timestamptz not null, execution_time bigint not null, error text,
    error_stmt text, hash varchar not null, partial_hashes jsonb, operator_version varchar not null)"""
_YOYO_MORE = """create table public._yoyo_log (id varchar(36) primary key, migration_hash varchar(64),
    migration_id varchar(255), operation varchar(10), username varchar(255), hostname varchar(255),
    comment varchar(255), created_at_utc timestamp); insert into public._yoyo_log values
    ('1', 'aa', 'a', 'apply', 'ann', 'laptop', null, now() at time zone 'UTC');
    create table public.yoyo_lock (locked int default 1, ctime timestamp, pid int not null, primary key (locked))"""
_MADE = [
    Made(
        "node-pg-migrate",
        "public.pgmigrations",
        "create table public.pgmigrations "
        "(id serial primary key, name varchar(255) not null, run_on timestamp not null)",
        "(name, run_on) values ('1_a', now())",
        ["1_a"],
    ),
    Made(
        "liquibase",
        "public.databasechangelog",
        _LIQUIBASE,
        "(id, author, filename, dateexecuted, orderexecuted, exectype, md5sum) values "
        "('1', 'bob', 'a.sql', now(), 1, 'EXECUTED', '8:x')",
        ["a.sql::1::bob"],
        beside=_LIQUIBASE_LOCK,
        held="update public.databasechangeloglock set locked = true, lockgranted = now(), lockedby = 'laptop (::1)'",
    ),
    Made(
        "graphile-migrate",
        "graphile_migrate.migrations",
        "create table graphile_migrate.migrations (hash text primary key, "
        "previous_hash text references graphile_migrate.migrations, filename text not null, "
        "date timestamptz not null default now())",
        "(hash, filename) values ('sha1:a', '000001.sql')",
        ["000001.sql"],
        beside="create table graphile_migrate.current (filename text primary key default 'current.sql', "
        "content text not null, date timestamptz not null default now()); "
        "insert into graphile_migrate.current (content) values ('select 1')",
    ),
    Made(
        "postgres-migrations",
        "public.migrations",
        "create table public.migrations (id integer primary key, name varchar(100) unique not null, "
        "hash varchar(40) not null, executed_at timestamp default current_timestamp)",
        "(id, name, hash) values (0, 'create-migrations-table', 'x'), (1, 'a', 'y')",
        ["1"],
    ),
    Made(
        "sqitch",
        "sqitch.changes",
        _SQITCH,
        "(change_id, script_hash, change, project, committer_name, committer_email, planned_at, planner_name, "
        "planner_email) values ('aa', 'h', 'a', 'shop', 'me', 'a@b', now(), 'me', 'a@b')",
        ["aa"],
        beside=_SQITCH_EVENTS,
    ),
    Made(
        "atlas",
        "atlas_schema_revisions.atlas_schema_revisions",
        _ATLAS,
        "values ('1', 'a', 2, 1, 1, now(), 1000000, null, null, 'h1', '[]', 'Atlas CLI v0.1'), "
        "('.atlas_cloud_identifier', 'x', 2, 0, 0, now(), 0, null, null, '', null, 'Atlas CLI v0.1')",
        ["1"],
    ),
    Made(
        "yoyo",
        "public._yoyo_migration",
        "create table public._yoyo_migration (migration_hash varchar(64) primary key, migration_id varchar(255), "
        "applied_at_utc timestamp)",
        "values ('aa', 'a', now() at time zone 'UTC')",
        ["a"],
        beside=_YOYO_MORE,
        held="insert into public.yoyo_lock values (1, now(), 4711)",
    ),
    Made(
        "refinery",
        "public.refinery_schema_history",
        "create table public.refinery_schema_history (version int4 primary key, name varchar(255), "
        "applied_on varchar(255), checksum varchar(255))",
        "values (1, 'a', '2024-05-04T09:02:41.1Z', '7')",
        ["1"],
        has_times=False,
    ),
    Made(
        "tern",
        "public.schema_version",
        "create table public.schema_version (version int4 not null primary key)",
        "values (2)",
        ["1", "2"],
        has_times=False,
    ),
    Made(
        "alembic",
        "public.alembic_version",
        "create table public.alembic_version (version_num varchar(32) not null primary key)",
        "values ('aaa1')",
        ["aaa1"],
        has_times=False,
    ),
    Made(
        "django",
        "public.django_migrations",
        "create table public.django_migrations (id bigint primary key generated by default as identity, "
        "app varchar(255) not null, name varchar(255) not null, applied timestamptz not null)",
        "(app, name, applied) values ('shop', '0001_initial', now())",
        ["shop.0001_initial"],
    ),
    Made(
        "rails",
        "public.schema_migrations",
        "create table public.schema_migrations (version varchar not null primary key)",
        "values ('20240101000000')",
        ["20240101000000"],
        has_times=False,
        beside="create table public.ar_internal_metadata (key varchar primary key, value varchar)",
    ),
    Made(
        "ecto",
        "public.schema_migrations",
        "create table public.schema_migrations (version bigint primary key, inserted_at timestamp)",
        "values (20240101000000, now() at time zone 'UTC')",
        ["20240101000000"],
    ),
    Made(
        "knex",
        "public.knex_migrations",
        "create table public.knex_migrations (id serial primary key, name varchar(255), batch integer, "
        "migration_time timestamptz)",
        "(name, batch, migration_time) values ('1_a.js', 1, now())",
        ["1_a.js"],
        beside="create table public.knex_migrations_lock (index serial primary key, is_locked integer); "
        "insert into public.knex_migrations_lock (is_locked) values (0)",
        held="update public.knex_migrations_lock set is_locked = 1",
    ),
    Made(
        "pgroll",
        "pgroll.migrations",
        "create table pgroll.migrations (schema name not null, name text not null, migration jsonb not null, "
        "created_at timestamptz not null default current_timestamp, updated_at timestamptz not null "
        "default current_timestamp, parent text, done boolean not null default false, resulting_schema jsonb "
        "not null default '{}'::jsonb, primary key (schema, name), migration_type varchar(32) default 'pgroll')",
        "(schema, name, migration, done) values ('public', '01_a', '{\"operations\": []}', true)",
        ["01_a"],
    ),
    Made(
        "prisma",
        "public._prisma_migrations",
        _PRISMA,
        "(id, checksum, finished_at, migration_name, applied_steps_count) values ('1', 'aa', now(), '1_a', 1)",
        ["1_a"],
    ),
    Made(
        "drizzle",
        "drizzle.__drizzle_migrations",
        "create table drizzle.__drizzle_migrations (id serial primary key, hash text not null, created_at bigint)",
        "(hash, created_at) values ('aa', 1700000000000)",
        ["1700000000000"],
        has_times=False,
    ),
    Made(
        "drizzle",
        "public.drizzle_done",
        "create table public.drizzle_done (id serial primary key, hash text not null, created_at bigint, name text, "
        "applied_at timestamp with time zone default now())",
        "(hash, created_at, name) values ('aa', 1700000000000, '20240101000000_a')",
        ["20240101000000_a"],
    ),
    Made(
        "flyway",
        "public.flyway_schema_history",
        _FLYWAY,
        "values (1, '1', 'a', 'SQL', 'V1__a.sql', -5, 'me', default, 12, true), "
        "(2, null, 'b c', 'SQL', 'R__b_c.sql', null, 'me', default, 12, true)",
        ["1", "R__b c"],
    ),
    Made(
        "golang-migrate",
        "public.schema_migrations",
        "create table public.schema_migrations (version bigint not null primary key, dirty boolean not null)",
        "values (20240101000000, false)",
        ["20240101000000"],
        has_times=False,
    ),
    Made(
        "supabase",
        "supabase_migrations.schema_migrations",
        "create table supabase_migrations.schema_migrations "
        "(version text not null primary key, statements text[], name text)",
        "values ('20240101000000', array['select 1', 'select '';'''], 'a'), ('20240102000000', null, null)",
        ["20240101000000", "20240102000000"],
        has_times=False,
    ),
    Made(
        "goose",
        "public.goose_db_version",
        "create table public.goose_db_version (id integer primary key generated by default as identity, "
        "version_id bigint not null, is_applied boolean not null, tstamp timestamp not null default now())",
        "(version_id, is_applied) values (0, true), (1, true), (2, true), (2, false)",
        ["1"],
    ),
    Made("sqlx", "public._sqlx_migrations", _SQLX, "values (1, 'a', now(), true, '\\x00ff', -1)", ["1"]),
    Made(
        "diesel",
        "public.__diesel_schema_migrations",
        "create table public.__diesel_schema_migrations "
        "(version varchar(50) primary key not null, run_on timestamp not null default current_timestamp)",
        "(version) values ('00000000000000'), ('20240101000000')",
        ["00000000000000", "20240101000000"],
    ),
]


def read(connection: psycopg.Connection, made: Made) -> ToolHistory:
    """Make the table as its only one, and return what its tool reads of it."""
    schema, name = made.table.split(".")
    connection.execute(f"create schema if not exists {schema}".encode())
    connection.execute(made.definition.encode())
    connection.execute(f"insert into {made.table} {made.rows}".encode())
    if made.beside:
        connection.execute(made.beside.encode())
    seen = tool_history.tables(connection)
    assert list(fitting({".".join(names): columns for names, columns in seen.items()})) == [(made.table, made.tool)]
    at = tool_history.place(connection, schema, name, seen)
    history = tool(made.tool).history
    assert bool(history.lock(at).tables) is bool(made.held) or made.tool in ("goose", "pgroll")
    for key in history.lock(at).keys:
        assert connection.execute("select pg_try_advisory_xact_lock(%s)", (key,)).fetchone() == (True,)
    return history.read(tool_history.rows(connection, history, at), Source(made.tool, ".", ()))


@pytest.mark.parametrize("made", _MADE, ids=lambda made: f"{made.tool} {made.table}")
def test_each_is_read_as_it_is_made(connection: psycopg.Connection, made: Made) -> None:
    with connection.transaction():
        found = read(connection, made)
        now = connection.execute("select now()").fetchone()
    assert found.problems == ()
    assert [one.id for one in found.applied] == made.ids
    if made.has_times:
        assert {one.at for one in found.applied} == {now and now[0]}, "also of a column without a time zone"


@pytest.mark.parametrize("made", [one for one in _MADE if one.held], ids=lambda made: made.tool)
def test_a_lock_in_a_table_names_who_holds_it(connection: psycopg.Connection, made: Made) -> None:
    read(connection, made)
    schema, name = made.table.split(".")
    lock = tool(made.tool).history.lock(tool_history.place(connection, schema, name, tool_history.tables(connection)))
    assert lock.query is not None
    assert connection.execute(lock.query.encode()).fetchone() in (None, (None,))
    connection.execute(made.held.encode())
    row = connection.execute(lock.query.encode()).fetchone()
    assert row is not None
    assert isinstance(row[0], str)
    with connection.transaction():
        connection.execute(f"lock table {', '.join(lock.tables)} in access exclusive mode".encode())


def test_a_time_without_a_zone_is_in_that_of_the_tool_s_sessions(fresh_database: str) -> None:
    (made,) = (one for one in _MADE if one.tool == "diesel")
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"alter database \"{name}\" set timezone = 'Asia/Kathmandu'".encode())
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        connection.execute("set timezone = 'UTC'")
        read(connection, made)
        connection.execute(f"update {made.table} set run_on = '2024-01-01 05:45:00'".encode())
        history, seen = tool("diesel").history, tool_history.tables(connection)
        at = tool_history.place(connection, "public", "__diesel_schema_migrations", seen)
        found = history.read(tool_history.rows(connection, history, at), Source("diesel", ".", ()))
    assert {one.at for one in found.applied} == {datetime(2024, 1, 1, tzinfo=UTC)}


def test_what_supabase_ran_is_read_as_it_was_stored(connection: psycopg.Connection) -> None:
    (made,) = (one for one in _MADE if one.tool == "supabase")
    found = read(connection, made)
    assert [one.statements for one in found.applied] == [("select 1", "select ';'"), None]


def test_bytes_of_a_checksum_are_hexadecimal(connection: psycopg.Connection) -> None:
    (made,) = (one for one in _MADE if one.tool == "sqlx")
    assert [(one.checksum, one.duration_ms) for one in read(connection, made).applied] == [("00ff", None)]
