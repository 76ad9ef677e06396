from __future__ import annotations

import pytest

from zmig.sql import definition, script


def only_defines(text: str) -> bool:
    (one,) = script.split(text, path="a.sql")
    return definition.only_defines(one)


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
        "alter table t rename to u",
        "alter table t enable row level security",
        "comment on table t is 'f()'",
        "comment on table t is '(old) one'",
        "grant select on t to u",
        "drop table t",
    ],
)
def test_it_only_defines(text: str) -> None:
    assert only_defines(text)


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
        "alter table t alter column x type text",
        "alter table t validate constraint c",
        "alter table t attach partition u default",
        "alter table t add check (f(x))",
        "createtable",
    ],
)
def test_it_may_do_more_than_define(text: str) -> None:
    assert not only_defines(text)
