"""Which schemas and relations a snapshot looks at: what is left out is left out with everything that belongs to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zmig import Migrator
from zmig.catalog import queries
from zmig.catalog.objects import Kind
from zmig.catalog.scope import Scope
from zmig.database import schema_reader
from zmig.database.schema_reader import read

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg

    from tests.support.project import ProjectFolder
    from zmig.catalog.objects import Key

_EXTENSIONS = ["hstore", "citext", "btree_gist", "intarray"]
HIDDEN = """
create schema app;
create table app.seen (id int primary key);
create function app.guard() returns trigger language plpgsql as $$ begin return new; end $$;
create type app.mood as enum ('ok');
create table app.secret_one (
    id bigint generated always as identity primary key,
    serial_id serial,
    mood app.mood,
    value numeric constraint secret_positive check (value > 0),
    other int references app.seen
);
create unlogged table app.secret_two (x int);
create index secret_index on app.secret_one (value);
create statistics app.secret_statistics on id, value from app.secret_one;
create trigger secret_trigger before insert on app.secret_one for each row execute function app.guard();
create rule secret_rule as on insert to app.secret_two do also notify x;
create policy secret_policy on app.secret_one using (true);
create publication half for table app.secret_one, app.seen;
grant select on app.secret_one to public;
grant update (value) on app.secret_one to public;
grant usage on sequence app.secret_one_id_seq to public;
comment on table app.secret_one is 'x';
comment on column app.secret_one.value is 'x';
comment on index app.secret_index is 'x';
comment on constraint secret_positive on app.secret_one is 'x';
comment on statistics app.secret_statistics is 'x';
comment on trigger secret_trigger on app.secret_one is 'x';
comment on rule secret_rule on app.secret_two is 'x';
comment on policy secret_policy on app.secret_one is 'x';
comment on sequence app.secret_one_serial_id_seq is 'x';
create view app.secret_view as select 1 as one;
create rule secret_rule as on delete to app.secret_view do instead nothing;
"""


def objects(connection: psycopg.Connection, scope: Scope | None = None) -> Mapping[Key, str]:
    return read(connection, Scope("zmig") if scope is None else scope).objects


def mentions(found: Mapping[Key, str], word: str) -> list[str]:
    return [f"{kind} {name}: {text}" for (kind, name), text in found.items() if word in f"{name} {text}"]


def test_what_belongs_to_a_relation_that_is_left_out_is_left_out(connection: psycopg.Connection) -> None:
    connection.execute(HIDDEN.encode())
    assert mentions(objects(connection), "secret")
    found = objects(connection, Scope("zmig", ignore=("app.secret_*",)))
    assert mentions(found, "secret") == []
    assert mentions(found, "app.seen")
    assert mentions(found, "app.mood")


@pytest.mark.parametrize(
    ("scope", "seen"),
    [
        (Scope("zmig"), {"one", "one_more", "two", "public"}),
        (Scope("zmig", schemas=("one",)), {"one"}),
        (Scope("zmig", schemas=("one*",)), {"one", "one_more"}),
        (Scope("zmig", schemas=("one", "public")), {"one", "public"}),
        (Scope("zmig", ignore=("one",)), {"one_more", "two", "public"}),
        (Scope("zmig", ignore=("*e",)), {"two", "public"}),
        (Scope("zmig", schemas=("one*",), ignore=("*_more",)), {"one"}),
        (Scope("zmig", ignore=("t?o", "public")), {"one", "one_more"}),
    ],
)
def test_schemas_are_chosen_by_patterns(connection: psycopg.Connection, scope: Scope, seen: set[str]) -> None:
    for schema in ("one", "one_more", "two"):
        connection.execute(
            f"create schema {schema}; create type {schema}.kind as (a int); create domain {schema}.word as text;"
            f"create function {schema}.f() returns int language sql as 'select 1'; create table {schema}.t (x int);"
            f"comment on function {schema}.f() is 'x'; comment on schema {schema} is 'x';"
            f"create operator {schema}.=== (leftarg = int, rightarg = int, function = int4eq);"
            f"create cast ({schema}.kind as text) with inout; comment on type {schema}.kind is 'x';"
            f"alter default privileges in schema {schema} grant select on tables to public".encode()
        )
    found = objects(connection, scope)
    assert {name for kind, name in found if kind == "schema"} == seen
    for schema in {"one", "one_more", "two"} - seen:
        assert mentions(found, f"{schema}.") == []
        assert not {name for _, name in found if name == f"schema {schema}"}


def test_tables_of_other_tools_are_left_out_and_counted(connection: psycopg.Connection) -> None:
    connection.execute(
        "create table schema_migrations (version bigint primary key, dirty boolean not null);"
        "create table alembic_version (version_num varchar(32) not null constraint alembic_version_pkc primary key);"
        "create table mine (version int, name text)"
    )
    snapshot = read(connection, Scope("zmig"))
    assert mentions(snapshot.objects, "alembic_version") == []
    assert mentions(snapshot.objects, "schema_migrations") == []
    assert mentions(snapshot.objects, "public.mine")
    assert snapshot.uncovered["tables of other migration tools"] == 2


def test_what_a_tool_makes_beside_its_history_is_left_out_too(connection: psycopg.Connection) -> None:
    connection.execute(
        "create table databasechangelog (id text, orderexecuted int, exectype text, md5sum text);"
        "create table databasechangeloglock (id int, locked bool, lockgranted timestamp, lockedby text);"
        "create schema drizzle; create table drizzle.__drizzle_migrations (id serial, hash text, created_at bigint);"
        "create schema app; create table app.locks (id int, locked bool, lockgranted timestamp, lockedby text)"
    )
    snapshot = read(connection, Scope("zmig"))
    assert mentions(snapshot.objects, "databasechangelog") == []
    assert mentions(snapshot.objects, "drizzle") == []
    assert mentions(snapshot.objects, "app.locks")
    assert snapshot.uncovered["tables of other migration tools"] == 3
    connection.execute("create function drizzle.own() returns int language sql as 'select 1'")
    assert ("schema", "drizzle") in {(str(kind), name) for kind, name in read(connection, Scope("zmig")).objects}


def test_a_table_of_users_is_not_taken_for_that_of_a_tool_for_its_columns(connection: psycopg.Connection) -> None:
    connection.execute(
        "create table jobs (id int, name text, run_on date); create table units (version int, dirty bool)"
    )
    snapshot = read(connection, Scope("zmig"))
    assert mentions(snapshot.objects, "public.jobs")
    assert mentions(snapshot.objects, "public.units")
    assert snapshot.uncovered == {}


@pytest.mark.parametrize("tracking_schema", ["zmig", "public", "shared"])
def test_tables_of_zmig_are_left_out_wherever_they_are(
    connection: psycopg.Connection, project: ProjectFolder, tracking_schema: str
) -> None:
    connection.execute("create schema shared; create table shared.mine (x int)")
    scope = Scope(tracking_schema)
    before = objects(connection, scope)
    project.change(tracking={"schema": tracking_schema})
    project.sql("001_one", "select 1")
    Migrator(project.manifest).migrate()
    assert connection.execute("select count(*) from pg_class where relname = 'migration_events'").fetchone() == (1,)
    after = objects(connection, scope)
    assert after == before
    assert mentions(after, "shared.mine")


@pytest.mark.parametrize(
    "own",
    [
        "create function zmig.mine() returns int language sql as 'select 1'",
        "create type zmig.mine as enum ('a')",
        "create table zmig.mine (x int)",
        "create view zmig.mine as select 1 as one",
    ],
)
def test_what_users_put_beside_zmigs_tables_is_seen(
    connection: psycopg.Connection, project: ProjectFolder, own: str
) -> None:
    project.sql("001_one", "select 1")
    Migrator(project.manifest).migrate()
    assert mentions(objects(connection), "zmig") == []
    connection.execute(own.encode())
    found = objects(connection)
    assert mentions(found, "zmig.mine")
    assert mentions(found, "migration_events") == []


def test_what_an_extension_brought_is_left_out(connection: psycopg.Connection) -> None:
    connection.execute("create schema ext")
    available = connection.execute("select name from pg_available_extensions where name = any (%s)", [_EXTENSIONS])
    for (name,) in available.fetchall():
        connection.execute(f"create extension {name} schema ext".encode())
        found = objects(connection)
        assert ("extension", name) in {(str(kind), identity) for kind, identity in found}
        assert mentions(found, "ext.") == []


def test_what_is_not_looked_at_is_counted(connection: psycopg.Connection) -> None:
    assert schema_reader.read(connection, Scope("zmig")).uncovered == {}
    connection.execute(
        "select lo_create(0); create foreign data wrapper nowhere;"
        "create server far foreign data wrapper nowhere; create user mapping for public server far;"
        "create access method heap2 type table handler heap_tableam_handler;"
        "grant execute on function pg_ls_waldir() to public;"
        "create function pg_catalog.hidden() returns int language sql as 'select 1';"
        "create extension citext; create function mine() returns int language sql as 'select 1';"
        "alter function mine() depends on extension citext"
    )
    try:
        assert read(connection, Scope("zmig")).uncovered == {
            "access methods": 1,
            "dependencies on extensions": 1,
            "functions in schemas of PostgreSQL": 1,
            "large objects": 1,
            "options of user mappings": 1,
            "rights on what PostgreSQL or an extension brought": 1,
        }
    finally:
        connection.execute("drop access method heap2; revoke execute on function pg_ls_waldir() from public")
        connection.execute("drop function if exists pg_catalog.hidden()")


@pytest.mark.parametrize(
    "alone",
    [
        "create domain only_one as int",
        "create sequence only_one",
        "create view only_one as select 1 as one",
        "create materialized view only_one as select 1 as one",
        "create function only_one() returns int language sql as 'select 1'",
        "create aggregate only_one(int) (sfunc = int4pl, stype = int)",
        "create table t (x int); create rule only_one as on insert to t do also notify x",
        "create table t (x int); create policy only_one on t using (true)",
        "create table t (x int, y int); create statistics only_one on x, y from t",
        "create publication only_one",
        "create foreign data wrapper only_one",
        "create type t as enum ('a'); create cast (t as int) with inout",
        "create operator === (leftarg = int, rightarg = int, function = int4eq)",
        "create operator class only_one for type int using btree as operator 1 <, function 1 btint4cmp(int, int)",
        "create operator family only_one using btree",
        "create collation only_one (locale = 'C')",
        "create conversion only_one for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8",
        "create text search configuration only_one (copy = simple)",
        "create text search dictionary only_one (template = simple)",
        "alter default privileges grant select on tables to public",
        "comment on schema public is 'only one'",
        "create type only_one as (a int)",
        "create type only_one as range (subtype = int)",
        "create type only_one as enum ('a')",
        "create type only_one",
        "create domain only_one as int check (value > 0)",
        "create table only_one ()",
        "create table only_one (a int primary key); alter table only_one alter a set statistics 7",
        "create table only_one (a text); alter table only_one alter a set storage external",
        "create table only_one (a int); grant select (a) on only_one to public",
        "create table only_one (a int); grant select on only_one to public",
        "create table only_one (); revoke usage on type only_one from public",
        "create function only_one() returns int language sql as 'select 1'; grant execute on function only_one to "
        "pg_monitor",
        "create function only_one() returns int language sql as 'select 1'; revoke execute on function only_one from "
        "public",
        "create schema only_one; grant usage on schema only_one to public",
        "revoke usage on schema public from public",
        "create type only_one as enum ('a'); revoke usage on type only_one from public",
        "create sequence only_one; grant usage on sequence only_one to public",
        "create extension file_fdw; create server s foreign data wrapper file_fdw; "
        "create foreign table only_one (a int) server s options (filename '/dev/null')",
        "create function only_one() returns trigger language plpgsql as 'begin return new; end'; "
        "create view v as select 1 as one; "
        "create trigger only_one instead of insert on v for each row execute function only_one()",
    ],
)
def test_kinds_that_do_not_occur_are_not_asked_for_and_nothing_is_missed(
    connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, alone: str
) -> None:
    empty = objects(connection)
    connection.execute(alone.encode())
    try:
        found = objects(connection)
        monkeypatch.setattr(queries, "_OCCURS", {Kind.RULE: "pg_class"})
        assert found == objects(connection) != empty
    finally:
        connection.execute("alter default privileges revoke select on tables from public")
