"""What a statement does: one line per case."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.statements import ALLOWED, REFUSED
from zmig.sql import script

if TYPE_CHECKING:
    from zmig.sql.command import Command


def command(text: str) -> Command:
    (statement,) = script.split(text, path="a.sql")
    return statement.command


@pytest.mark.parametrize(("text", "name"), REFUSED.items())
def test_the_server_refuses_it_inside_a_transaction(text: str, name: str) -> None:
    assert command(text).refuses_transaction == name


@pytest.mark.parametrize("text", ALLOWED)
def test_the_server_allows_it_inside_a_transaction(text: str) -> None:
    assert command(text).refuses_transaction is None


@pytest.mark.parametrize("schema", ["", "pg_catalog.", "PG_CATALOG ."])
def test_a_function_of_citus_refuses_a_transaction_by_its_name(schema: str) -> None:
    call = f"select {schema}create_distributed_table_concurrently('app.ev', 'tenant')"
    assert command(call).refuses_transaction == "create_distributed_table_concurrently"
    for other in ("select create_distributed_table('app.ev', 'tenant')", f"select '{call.replace(chr(39), '')}'"):
        assert command(other).refuses_transaction is None


CONTROLS = {
    "begin": "BEGIN",
    "begin isolation level serializable": "BEGIN",
    "start transaction read only": "START TRANSACTION",
    "/* x */ commit": "COMMIT",
    "commit and chain": "COMMIT",
    "end": "END",
    "end work": "END",
    "rollback": "ROLLBACK",
    "rollback work and no chain": "ROLLBACK",
    "abort": "ABORT",
    "prepare transaction 'x'": "PREPARE TRANSACTION",
}


@pytest.mark.parametrize(("text", "name"), CONTROLS.items())
def test_it_begins_or_ends_a_transaction(text: str, name: str) -> None:
    assert command(text).controls_transaction == name


@pytest.mark.parametrize(
    "text",
    [
        "savepoint a",
        "release a",
        "rollback to a",
        "rollback work to savepoint a",
        "commit prepared 'x'",
        "rollback prepared 'x'",
        "prepare transaction as select 1",
        "set transaction read only",
        'select 1 as "begin"',
        "create table begin (a int)",
    ],
)
def test_it_stays_in_the_transaction(text: str) -> None:
    assert command(text).controls_transaction is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("call p()", True),
        ("do $$ begin COMMIT; end $$", True),
        ("do language plpgsql $$ begin execute 'x'; end $$", True),
        ("do $$ begin perform committed(); end $$", False),
        ("select commit from t", False),
    ],
)
def test_code_that_may_commit_is_known(text: str, expected: bool) -> None:
    assert command(text).may_commit is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("set role a", True),
        ("SET /* c */ search_path TO a", True),
        ("reset all", True),
        ("load 'x'", True),
        ("select set_config('a.b', 'c', false)", True),
        ("select pg_catalog . set_config ('a.b', 'c', false)", True),
        ("set local role a", False),
        ("set constraints all immediate", False),
        ("set transaction isolation level serializable", False),
        ("reset transaction isolation level", False),
        ("select set_config", False),
        ("select 'set_config()'", False),
        ("create table set ()", False),
    ],
)
def test_what_only_changes_the_session_is_known(text: str, expected: bool) -> None:
    assert command(text).sets_session is expected


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("set transaction isolation level serializable", "serializable"),
        ("SET TRANSACTION /* c */ ISOLATION LEVEL Repeatable Read", "repeatable read"),
        ("set transaction isolation level read committed, read only", "read committed"),
        ("set /* c */ transaction isolation level read uncommitted", "read uncommitted"),
        ("set transaction read only", None),
        ("set session characteristics as transaction isolation level serializable", None),
        ("begin isolation level serializable", None),
    ],
)
def test_the_isolation_level_that_a_transaction_asks_for_is_known(text: str, level: str | None) -> None:
    assert command(text).isolation_level == level


@pytest.mark.parametrize(
    "text", ["reindex table t", "reindex (verbose) index i", "cluster t using i", "vacuum", "call p()"]
)
def test_what_a_transaction_may_keep_from_running_runs_alone(text: str) -> None:
    assert command(text).runs_alone


@pytest.mark.parametrize(
    "text", ["create index i on t (a)", "select 1", "do $$ begin end $$", "refresh materialized view v"]
)
def test_what_any_transaction_allows_does_not_run_alone(text: str) -> None:
    assert not command(text).runs_alone


@pytest.mark.parametrize(
    "text",
    [
        "create table t (x int default 1, y int generated always as identity)",
        "CREATE UNLOGGED TABLE t (x int)",
        "create table t (x int, -- as select f()\n y text default '--')",
        "create table t (x int, /* as select f() */ y text default '{}')",
        "create type mood as enum ('calm')",
        "create or replace function f() returns int language sql as 'select 1'",
        "create function f() returns int language plpgsql as $$ begin return 1; end $$",
        "create function f() returns int begin atomic select 1; end",
        "create or replace view v as select f()",
        "create schema s",
        "create unique index on t (x)",
        "alter table t add column y int",
        'alter table only s.t add y text, add column if not exists "z z" timestamp with time zone null',
        "alter table t add column y int default 0",
        "alter table t add column y text not null default 'it''s (new), default f()'",
        "alter table t add y varchar(20) default '' not null, add z numeric(3, 1) not null default -1.5",
        "alter table t add column y text default 'new'::text, add column z boolean default false",
        "alter table t add column y varchar default 'new'::varchar, add z int default '7'",
        "create table t (x int, y int generated by default as identity (start 7)) partition by range (x, y)",
        "alter table t add column y jsonb not null default '{\"a\": [1]}'",
        "alter table t rename to u",
        "alter table t enable row level security",
        "comment on table t is 'f()'",
        "comment on table t is '(old) one'",
        "grant select on t to u",
        "drop table t",
        "drop materialized view v",
        "drop /* one */ table t",
    ],
)
def test_it_only_defines(text: str) -> None:
    assert command(text).is_definition


@pytest.mark.parametrize(
    "text",
    [
        "select f()",
        "insert into t values (1)",
        "with x as (select 1) insert into t select * from x",
        "do $$ begin end $$",
        "call p()",
        "set search_path = ''",
        "reset all",
        "prepare p as select 1",
        "deallocate all",
        "discard temp",
        "create table t as select f()",
        "create table t as -- all of them\n select f()",
        'create table "t--" as /* all */ select f()',
        "create table t (x) as\n  values (f())",
        "create table t (x) as ( ( values (f()))",
        "create table t partition of u for values from (f()) to (10)",
        "create table t partition /* one */ of u for values from (f()) to (10)",
        "create schema s create table t as select f()",
        "create temporary table t (x int)",
        "create materialized view v as select f()",
        "create table t (x d[] default '{1}')",
        r"create table t (x d[] default E'\x7b1}')",
        r"create table t (x d[] default U&' \007b1}')",
        r"create table t (x d[] default '\173 1}')",
        "create table t (x d[] default $${1}$$)",
        "create table t (x d[] default $a$ {1}$a$)",
        "create view v as select '(1,2)'::pair",
        "create function f(x d[] default '{1}') returns int language sql as 'select 1'",
        "create aggregate a (int) (sfunc = f, stype = d, initcond = '1')",
        "create function f() returns int language plperlu as 'BEGIN { exit }'",
        "create function f() returns int language 'custom' as 'x'",
        "create extension hstore",
        "alter extension hstore update",
        "drop extension hstore",
        "drop /* one */ extension hstore",
        "drop event /* one */ trigger e",
        "create event trigger e on ddl_command_end execute function f()",
        "alter event trigger e enable",
        "drop event trigger e",
        "alter foreign data wrapper w validator f",
        "alter domain d set not null",
        "alter table t add column y d",
        "alter table t add y d",
        "alter table t add y -- a domain\n d",
        "alter table t add column y int, add z d",
        "alter table t add column y int not null",
        "alter table t alter column x set not null",
        "alter table t add column y int default f()",
        "alter table t add column y int default current_timestamp",
        "alter table t add column y int default 1 + f()",
        "alter table t add column y text default 'a' || f()",
        "alter table t add column y text default 'a' check (f())",
        "alter table t add column y d default 1",
        "alter table t add column y smallint default true",
        "alter table t add column y text default 1",
        "alter table t add column y uuid default null::text",
        "alter table t add column y int default +5",
        "alter table t add column y json default '{}'::text",
        "create table t (x int, y int generated always as (x + f(1)) stored)",
        "create table t (x int) partition by range ((x + f(1)))",
        "create table t (x text) partition by list (lower(x))",
        "alter table t add column y int[] default '{1}'",
        r"alter table t add column y text default '\' || f() -- '",
        "alter table t add column y int default 0 references u",
        "alter table t add column y int default 0, add column z d",
        "alter table t add column y d default 'add column y int default ', add column z d default ''",
        "alter table t add column y text default 'x', alter column x type int using f(x)",
        "alter table t alter column x type text",
        "alter table t validate constraint c",
        "alter table t attach partition u default",
        "alter table t add check (f(x))",
        "createtable",
    ],
)
def test_it_may_do_more_than_define(text: str) -> None:
    assert not command(text).is_definition


@pytest.mark.parametrize(
    ("text", "takes"),
    [
        ("create function f() returns int language sql set search_path from current as 'select 1'", True),
        ("create function f() returns int language sql set search_path FROM/**/CURRENT as 'select 1'", True),
        ("create function f() returns int language sql set search_path from -- now\n current as 'select 1'", True),
        ("create function f() returns int language sql as 'select 1 from current'", False),
        ("create table t (current int)", False),
    ],
)
def test_a_function_may_take_settings_over_from_the_session(text: str, takes: bool) -> None:
    assert command(text).takes_settings_over is takes
