from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.support.project import ProjectFolder
from zmig import Migrator, TrackingError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

MANY_KINDS = Path(__file__).with_name("files") / "many_kinds.sql"
EVERYTHING = """
create schema app;
create table app.a (x int primary key);
create table b (x int references app.a, y int);
create view v as select * from b;
create materialized view m as select 1 as x;
create type mood as enum ('good');
create type pair as (x int, y int);
create domain positive as int check (value > 0);
create sequence s;
create function f() returns int language sql as 'select 1';
create procedure p() language sql as 'select 1';
create aggregate total (int) (sfunc = int4pl, stype = int);
create collation "Odd name" from "C";
create operator === (leftarg = int, rightarg = int, function = int4eq);
create text search configuration words (copy = simple);
create statistics together on x, y from b;
create table partitioned (x int) partition by range (x);
create table part partition of partitioned default;
create index on partitioned (x);
"""


@pytest.fixture
def admin(fresh_database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        yield connection


def _left(connection: psycopg.Connection) -> list[tuple[str, ...]]:
    """What a new database does not have."""
    return connection.execute(
        "select 'schema', nspname from pg_namespace where nspname !~ '^pg_' "
        "and nspname not in ('information_schema', 'public') "
        "union all select 'class', relname from pg_class where oid >= 16384 "
        "union all select 'type', typname from pg_type where oid >= 16384 "
        "union all select 'function', proname from pg_proc where oid >= 16384 "
        "union all select 'extension', extname from pg_extension where extname <> 'plpgsql' "
        "union all select 'publication', pubname from pg_publication "
        "union all select 'event trigger', evtname from pg_event_trigger "
        "union all select 'wrapper', fdwname from pg_foreign_data_wrapper "
        "union all select 'large object', oid::text from pg_largeobject_metadata "
        "union all select 'collation', collname from pg_collation where oid >= 16384 "
        "union all select 'operator', oprname from pg_operator where oid >= 16384"
    ).fetchall()


def _public(connection: psycopg.Connection) -> tuple[object, ...] | None:
    return connection.execute(
        "select nspowner::regrole::text, (select array_agg(acl::text order by 1) from unnest(nspacl) acl), "
        "obj_description(oid, 'pg_namespace') from pg_namespace where nspname = 'public'"
    ).fetchone()


def test_a_superuser_leaves_the_database_as_if_it_were_new(
    tmp_path: Path, fresh_database: str, admin: psycopg.Connection
) -> None:
    before = _public(admin)
    project = ProjectFolder(tmp_path, fresh_database)
    project.sql("001_all", EVERYTHING)
    migrator = Migrator(project.manifest)
    migrator.migrate()
    admin.execute("create publication everything for all tables")
    admin.execute("create foreign data wrapper w; create server far foreign data wrapper w")
    admin.execute("select lo_create(0)")
    admin.execute("create function on_ddl() returns event_trigger language plpgsql as 'begin end'")
    admin.execute("create event trigger ddl on ddl_command_end execute function on_ddl()")
    available = admin.execute("select name from pg_available_extensions where name = 'hstore'").fetchall()
    for (name,) in available:
        admin.execute(f"create extension {name}".encode())

    assert migrator.reset() == ["app", "public", "zmig"]

    assert _left(admin) == []
    assert _public(admin) == before
    assert migrator.status().pending == ["001_all"]
    assert list(migrator.migrate().completed) == ["001_all"]


def test_the_rights_on_the_public_schema_are_kept(
    tmp_path: Path, fresh_database: str, admin: psycopg.Connection, worker_name: str
) -> None:
    role = sql.Identifier(f"{worker_name} Guest")
    admin.execute(sql.SQL("create role {}").format(role))
    try:
        admin.execute(sql.SQL("grant usage, create on schema public to {} with grant option").format(role))
        admin.execute("comment on schema public is 'ours'")
        before = _public(admin)
        Migrator(ProjectFolder(tmp_path, fresh_database).manifest).reset()
        assert _public(admin) == before
    finally:
        admin.execute(sql.SQL("drop owned by {0}; drop role {0}").format(role))


@pytest.fixture
def owner(admin: psycopg.Connection, worker_name: str, server: str) -> Iterator[str]:
    """The name of the role that owns the database and is no superuser."""
    name = f"{worker_name}_owner"
    quoted, database = sql.Identifier(name), sql.Identifier(admin.info.dbname)
    admin.execute(sql.SQL("create role {} login password 'pa55-word'").format(quoted))
    admin.execute(sql.SQL("alter database {} owner to {}").format(database, quoted))
    try:
        yield name
    finally:
        admin.execute(sql.SQL("alter database {} owner to current_user").format(database))
        admin.execute(sql.SQL("drop owned by {0} cascade; drop role {0}").format(quoted))


def test_the_owner_of_the_database_needs_not_be_a_superuser(
    tmp_path: Path, fresh_database: str, admin: psycopg.Connection, owner: str
) -> None:
    if admin.info.server_version < 150000:
        admin.execute(sql.SQL("grant create on schema public to {}").format(sql.Identifier(owner)))
    before = _public(admin)
    project = ProjectFolder(tmp_path, make_conninfo(fresh_database, user=owner, password="pa55-word"))
    project.sql("001_all", EVERYTHING)
    migrator = Migrator(project.manifest)
    migrator.migrate()
    migrator.reset()
    assert _left(admin) == []
    assert _public(admin) == before
    assert list(migrator.migrate().completed) == ["001_all"]


def test_what_the_role_may_not_drop_is_named_and_nothing_is_dropped(
    tmp_path: Path, fresh_database: str, admin: psycopg.Connection, owner: str
) -> None:
    admin.execute("create schema theirs; create table theirs.a ()")
    project = ProjectFolder(tmp_path, make_conninfo(fresh_database, user=owner, password="pa55-word"))
    project.sql("001_one", "create schema mine; create table mine.a ();")
    migrator = Migrator(project.manifest)
    migrator.migrate()
    with pytest.raises(TrackingError, match="theirs") as caught:
        migrator.reset()
    (problem,) = caught.value.problems
    assert (problem.code, problem.effect) == ("missing-right", "nothing was dropped")
    assert migrator.status().applied == ["001_one"]


@pytest.mark.parametrize("environment", ["production", "staging"])
def test_it_is_refused_where_it_would_hurt(
    tmp_path: Path, database: str, connection: psycopg.Connection, environment: str
) -> None:
    project = ProjectFolder(tmp_path, database, environment=environment)
    project.sql("001_one", "create table a ();")
    Migrator(project.manifest).migrate()
    with pytest.raises(UsageError) as caught:
        Migrator(project.manifest).reset()
    assert caught.value.code == "reset-refused"
    assert connection.execute("select to_regclass('a') is not null").fetchone() == (True,)


def test_a_manifest_that_does_not_say_where_it_stands_counts_as_production(tmp_path: Path, database: str) -> None:
    path = tmp_path / "bare.yaml"
    path.write_text(f'{{"manifest": 1, "database": {{"url": "{database}"}}, "migrations": []}}')
    with pytest.raises(UsageError):
        Migrator(path).reset()


def test_what_belongs_to_an_extension_goes_with_it(
    tmp_path: Path, fresh_database: str, admin: psycopg.Connection
) -> None:
    project = ProjectFolder(tmp_path, fresh_database)
    project.sql("001_kinds", MANY_KINDS.read_text(encoding="utf-8"))
    migrator = Migrator(project.manifest)
    migrator.migrate()
    migrator.reset()
    assert _left(admin) == []
    assert list(migrator.migrate().completed) == ["001_kinds"]
