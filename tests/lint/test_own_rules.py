"""What squawk does not find: locks that a transaction holds, what is lost, what is opened, what is better made so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zmig.lint.finding import Severity

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zmig.lint.run import Report

    Found = Callable[..., list[tuple[str, str]]]

BEFORE = """-- what is there
create schema app;
create schema old;
create table old.notes (id bigint primary key);
create table people (id bigint primary key, email text, age int, boss_id bigint, token text);
create table places (id bigint primary key, city text, area int);
create table towns (id int primary key);
create table visits (id bigint primary key, person_id bigint references people (id), at date);
create index visits_person_at_idx on visits (person_id, at);
create table parts (id bigint, at date) partition by range (at);
create table parts_1 partition of parts for values from ('2024-01-01') to ('2025-01-01');
create view grown as select id, email from people where age > 18;
create function stamp() returns trigger language plpgsql as $$ begin return new; end $$;
create function trusted() returns int language sql security definer set search_path = '' as $$ select 1 $$;
create trigger people_stamp before update on people for each row execute function stamp();
alter table people enable row level security;
create policy own on people using (email = current_user);
create table bare (a int, b int);
create publication shown for table places, towns;
create sequence numbers;
create function plain(t text) returns text language sql immutable as $$ select lower(t) $$;
create index places_plain on places (plain(city));
create table spelled (id bigint primary key, a text, b text generated always as (plain(a)) stored);
create view invited with (security_invoker = true) as select id from people;
create table kept (id bigserial primary key);
"""


@pytest.fixture
def found(folder: Path, checked: Callable[..., Report]) -> Found:
    """Return what is found about the last of some files, and by which rule, at its place in the text."""

    def run(*files: str, entry: str = "") -> list[tuple[str, str]]:
        (folder / "001_before.sql").write_text(BEFORE)
        entries = "  - {version: 1, file: 001_before.sql}\n"
        for number, text in enumerate(files, 2):
            (folder / f"{number:03}_a.sql").write_text(f"-- why\n{text};\n")
            entries += f"  - {{version: {number}, file: {number:03}_a.sql{entry}}}\n"
        (folder / "manifest.yaml").write_text(
            f"manifest: 1\nlint: {{severity: {{rollback/missing: 'off'}}}}\nmigrations:\n{entries}"
        )
        last = f"{len(files) + 1:03}_a.sql"
        own = [one for one in checked().findings if one.file.endswith(last)]
        return [(one.rule, one.message) for one in own]

    return run


BAD = [
    # what subscribers lose
    ("drop publication shown", "replication/stopped"),
    ("drop publication if exists somebodys", "replication/stopped"),
    ("alter publication shown drop table towns", "replication/stopped"),
    ("alter publication shown set table towns", "replication/stopped"),
    ("select pg_drop_replication_slot('x')", "replication/stopped"),
    ("select pg_drop_replication_slot(slot_name) from pg_replication_slots", "replication/stopped"),
    ("do $$ begin perform pg_drop_replication_slot('x'); end $$", "replication/stopped"),
    ("alter subscription mine disable", "replication/stopped"),
    # what is seen, and what is not
    ("create view v as select id from people", "security/view"),
    ("create or replace view v as select p.id from places join people p on p.id = places.id", "security/view"),
    ("create view v as select * from invited", "security/view"),
    ("alter view invited set (security_invoker = false)", "security/view"),
    ("alter view invited reset (security_invoker)", "security/view"),
    ("create view v as select id from places;\nalter table places enable row level security;\n"
     "create policy p on places using (id > 3)", "security/view"),
    ("alter table places enable row level security", "compat/no-policy"),
    ("alter table towns enable row level security, force row level security", "compat/no-policy"),
    # what is done to others
    ("select pg_terminate_backend(pid) from pg_stat_activity", "compat/ends-sessions"),
    ("do $$ begin perform pg_cancel_backend(pid) from pg_stat_activity; end $$", "compat/ends-sessions"),
    # what is wrong from then on
    ("select setval('numbers', 1)", "data/sequence-set"),
    ("select pg_catalog.setval('public.numbers'::regclass, 1, false)", "data/sequence-set"),
    ("select setval(pg_get_serial_sequence('kept', 'id'), 1)", "data/sequence-set"),
    ("select setval('somebodys', 1)", "data/sequence-set"),
    ("create or replace function plain(t text) returns text language sql immutable as $$ select upper(t) $$",
     "data/stale-values"),
    ("create or replace function plain(t text) returns text language sql immutable as $$ select upper(t) $$;\n"
     "reindex index concurrently places_plain", "data/stale-values"),
    # rows that are locked
    ("select * from people for update", "lock/all-rows"),
    ("select id from people for share", "lock/all-rows"),
    ("select * from people where age > 3 for no key update", "lock/many-rows"),
    ("alter table people add note text;\nanalyze places", "lock/held"),
    ("alter table people add note text;\nanalyze", "lock/held"),
    # code in code in code
    ("do $a$ begin execute 'do $b$ begin update people set age = 1; end $b$'; end $a$", "lock/all-rows"),
    ("do $a$ begin execute 'do \'\'begin update people set age = 1; end\'\''; end $a$", "lock/all-rows"),
    ("do $a$ begin execute $b$ do $c$ begin execute 'do $d$ begin update people set age = 1; end $d$'; "
     "end $c$ $b$; end $a$", "lock/all-rows"),
    ("do 'begin update people set email = \'\'x\'\'; end'", "lock/all-rows"),
    # what is moved without being named
    ("alter table all in tablespace pg_default set tablespace fast", "lock/table-rewrite"),
    ("alter table all in tablespace pg_default owned by me set tablespace fast nowait", "lock/table-rewrite"),
    ("alter materialized view all in tablespace pg_default set tablespace fast", "lock/table-rewrite"),
    ("alter index all in tablespace pg_default set tablespace fast", "lock/table-scan"),
    # what a transaction holds
    ("alter table people add note text;\nalter table places add note text", "lock/several-tables"),
    ("drop trigger people_stamp on people;\nalter table visits add note text", "lock/several-tables"),
    (
        "create table trips (id bigint primary key, a bigint references people, b bigint references places,"
        " c bigint references visits)",
        "lock/several-tables",
    ),
    ("alter table people add note text;\nselect pg_sleep(5)", "lock/held"),
    ("alter table people add note text;\nselect count(*) from places", "lock/held"),
    ("alter table people add note text;\ncreate table copied as select * from places", "lock/held"),
    ("create table n (id bigint primary key, a text);\nalter table people add note text;\n"
     "insert into n select id, email from people", "lock/held"),
    ("alter table visits add constraint f foreign key (person_id) references people not valid;\n"
     "select count(*) from visits join people on people.id = person_id", "lock/held"),
    ("select pg_sleep(5)", "lock/sleep"),
    ("select pg_catalog.pg_sleep_for('5 minutes')", "lock/sleep"),
    ("lock table people", "lock/explicit"),
    ("lock table only people, places in access exclusive mode", "lock/explicit"),
    ("set local lock_timeout = 0;\nalter table people add note text", "lock/unlimited"),
    ("set lock_timeout to '10min';\nalter table people add note text", "lock/unlimited"),
    ("set statement_timeout = 0;\nalter table people add note text", "lock/unlimited"),
    ("reset lock_timeout;\nalter table people add note text", "lock/unlimited"),
    ("set lock_timeout to default;\nalter table people add note text", "lock/unlimited"),
    ("reset all;\nalter table people add note text", "lock/unlimited"),
    ("select set_config('lock_timeout', '0', true);\nalter table people add note text", "lock/unlimited"),
    ("select pg_catalog.set_config('lock_timeout', '0', false);\nalter table people add note text", "lock/unlimited"),
    ("do $$ begin perform set_config('lock_timeout', '0', true); end $$;\nalter table people add note text",
     "lock/unlimited"),
    ("update people set age = 3", "lock/all-rows"),
    ("update people set age = places.area from places", "lock/all-rows"),
    ("update people set age = 3 where age is null", "lock/many-rows"),
    ("update people set age = area from places where people.id = places.id", "lock/many-rows"),
    ("delete from people where age < 3", "lock/many-rows"),
    ("with gone as (delete from visits where at < '2020-01-01' returning id) select count(*) from gone",
     "lock/many-rows"),
    ("insert into places select id, email from people", "lock/many-rows"),
    ("insert into places (id) select id from people where age > 3", "lock/many-rows"),
    ("insert into places (id) select id from people on conflict (id) do update set city = 'x'",
     "lock/many-rows"),
    ("merge into places using people on places.id = people.id when matched then update set city = 'x'",
     "lock/many-rows"),
    # what is lost
    ("delete from places", "data/delete-all"),
    ("truncate places", "data/truncate"),
    ("truncate table parts", "data/truncate"),
    ("drop table people cascade", "data/drop-cascade"),
    ("alter table people drop column email cascade", "data/drop-cascade"),
    ("drop function stamp() cascade", "data/drop-cascade"),
    ("drop schema old cascade", "data/drop-cascade"),
    ("alter table people drop constraint people_pkey cascade", "data/drop-cascade"),
    ("create unlogged table n (id bigint primary key)", "data/unlogged"),
    ("set session_replication_role = 'replica'", "data/triggers-off"),
    ("select set_config('session_replication_role', 'replica', true)", "data/triggers-off"),
    ("alter table people disable trigger people_stamp", "squawk/ban-disable-trigger"),
    ("alter table people disable trigger all", "squawk/ban-disable-trigger"),
    ("update pg_catalog.pg_class set relname = 'x' where relname = 'y'", "data/system-catalog"),
    ("delete from pg_depend where objid = 5", "data/system-catalog"),
    ("create table if not exists people (id bigint primary key, phone text)", "change/skipped"),
    ("alter table people add column if not exists email int", "change/skipped"),
    ("alter table people add column if not exists email varchar(9)", "change/skipped"),
    ("create function f() returns int language sql as $$ selec 1 $$", "sql/syntax"),
    ("create function f() returns int as 'select from where' language sql", "sql/syntax"),
    # what is opened
    ("create function f() returns int language sql security definer as $$ select 1 $$", "security/search-path"),
    ("create or replace function trusted() returns int language sql security definer as $$ select 1 $$",
     "security/search-path"),
    ("create procedure p() language plpgsql security definer as $$ begin end $$", "security/search-path"),
    ("alter function trusted() reset search_path", "security/search-path"),
    ("grant select on people to public", "security/public"),
    ("grant all on schema app to public", "security/public"),
    ("alter default privileges in schema app grant select on tables to public", "security/public"),
    ("create role r login password 'secret'", "security/password"),
    ("alter user r with encrypted password 'secret'", "security/password"),
    ("create subscription s connection 'host=a password=secret' publication p", "security/password"),
    ("create role r superuser", "security/powers"),
    ("alter role r bypassrls", "squawk/ban-alter-role-options"),
    ("grant pg_execute_server_program to r", "security/powers"),
    ("alter table people disable row level security", "squawk/ban-alter-row-level-security"),
    ("drop policy own on people", "squawk/ban-drop-policy"),
    ("alter policy own on people using (true)", "security/row-security"),
    ("create policy other on people using (true)", "security/row-security"),
    ("create publication p for table bare", "replication/no-identity"),
    ("create publication p for all tables", "replication/no-identity"),
    # what is better made so
    ("create table n (id int generated always as identity primary key)", "design/integer-key"),
    ("create table n (id serial primary key)", "design/integer-key"),
    ("create table n (id bigint primary key, person_id int references people)", "design/integer-reference"),
    ("alter table towns add person_id int references people (id)", "design/integer-reference"),
    ("alter table people add extra json", "design/json"),
    ("create table n (id bigint primary key, pay money)", "design/money"),
    ("create table n (a int)", "design/no-primary-key"),
    ("create index concurrently visits_person_idx on visits (person_id)", "design/redundant-index"),
    ("create index concurrently people_id_idx on people (id)", "design/redundant-index"),
    ("create index concurrently n on people (id, email, age, boss_id)", "design/wide-index"),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "rule"), BAD)
def test_a_danger_is_found_once(found: Found, sql: str, rule: str) -> None:
    rules = [one for one, _ in found(sql)]
    assert rules.count(rule) == 1
    assert [one for one in rules if one.partition("/")[0] != "squawk" or one == rule] == [rule]


@pytest.mark.parametrize(
    "sql",
    [
        "alter table people add note text, add more text",
        "alter table visits add constraint f foreign key (person_id) references people (id) not valid",
        "create table trips (id bigint primary key, a bigint references people, b bigint references places)",
        "create table a (id bigint primary key);\nalter table a add note text;\nalter table people add note text",
        "create index concurrently a on people (age);\ncreate index concurrently b on places (city)",
        "select count(*) from places;\nalter table people add note text",
        "alter table people add note text;\nselect id from places limit 1",
        "alter table people add note text;\nselect setval('s', max(id)) from people",
        "create table n (id bigint primary key);\nselect count(*) from people",
        "lock table people in share row exclusive mode",
        "set local lock_timeout = '3s';\nalter table people add note text",
        "set lock_timeout = 0;\ncreate table n (id bigint primary key)",
        "set lock_timeout = 0;\nset lock_timeout = '2s';\nalter table people add note text",
        "set local statement_timeout = '10min'",
        "select set_config('lock_timeout', '3s', true);\nalter table people add note text",
        "reset lock_timeout;\nset lock_timeout = '2s';\nalter table people add note text",
        "reset statement_timeout;\nalter table people add note text",
        "reset work_mem;\nalter table people add note text",
        "insert into places (id, city) values (1, 'a'), (2, 'b') on conflict (id) do update set city = 'x'",
        "insert into places (id) select 1 where not exists (select from people)",
        "insert into places (id) select id from generate_series(1, 9) id",
        "insert into places (id) select id from people where id = 7",
        "insert into places (id) select max(id) + 1 from people",
        "create temp table n as select 1 as id;\nmerge into places using n on places.id = n.id "
        "when matched then update set city = 'x'",
        "insert into places (id) select id from people limit 10",
        "create table n (id bigint primary key);\ninsert into n select id from people",
        "merge into places using (values (1)) as v (id) on places.id = v.id when matched then update set city = 'x'",
        "update people set age = 3 where id = 7",
        "update people set age = 3 where id in (1, 2, 3)",
        "update people set age = v.age from (values (1, 2), (3, 4)) as v (id, age) where people.id = v.id",
        "update people set age = 3 where id = (select id from places limit 1)",
        "delete from people where email = 'a@example.org' and age > 3",
        "delete from people where token = 'x'",
        "create table n (id bigint primary key);\ninsert into n values (1);\nupdate n set id = 2;\ndelete from n;\n"
        "truncate n;\ndrop table n cascade",
        "create temp table n as select * from people;\nupdate n set age = 1;\ntruncate n",
        "drop table bare cascade",
        "create unlogged table n (id bigint primary key);\nalter table n set logged",
        "alter table people disable trigger people_stamp;\nupdate people set age = 1 where id = 1;\n"
        "alter table people enable trigger people_stamp",
        "set session_replication_role = origin",
        "reset session_replication_role",
        "select set_config('session_replication_role', 'origin', true)",
        "create table if not exists people (id bigint primary key, email text)",
        "alter table people add column if not exists email text",
        "alter table people add column if not exists motto text",
        "create function f(a int) returns int language sql as $$ select $1 + f.a; select 2 $$",
        "create function f(a text) returns text as 'select ''x'' || $1' language sql",
        "create function f(a text) returns text language sql as ''",
        "create function f(a text) returns text language sql begin atomic select 'x' || a; end",
        "create function f() returns int language sql security definer set search_path = app as $$ select 1 $$",
        "create function f() returns int language sql security definer as $$ select 1 $$;\n"
        "alter function f() set search_path = ''",
        "create function f() returns int language sql as $$ select 1 $$",
        "grant select on people to app",
        "grant execute on function trusted() to public",
        "grant usage on schema app to public",
        "revoke all on people from public",
        "create role r login",
        "alter role r password null",
        "create role r login password 'SCRAM-SHA-256$4096:salt$stored:server'",
        "alter role r nosuperuser nobypassrls",
        "grant pg_monitor to r",
        "alter table people force row level security",
        "drop policy own on people;\ncreate policy own on people using (age > 3)",
        "create policy narrow on people as restrictive using (true)",
        "create policy own on places using (true)",
        "create publication p for table people",
        "create publication p for table parts_1 where (id > 3)",
        "create table n (id int primary key)",
        "create table n (id bigint primary key, person_id bigint references people)",
        "create table n (a int, unique (a))",
        "create table n (a int);\nalter table n add primary key (a)",
        "create table n (a int);\ndrop table n",
        "create temp table n (a int)",
        "create table parts_2 partition of parts for values from ('2025-01-01') to ('2026-01-01')",
        "create index concurrently n on visits (at)",
        "create unique index concurrently n on visits (person_id)",
        "create index concurrently n on visits (person_id) where at is null",
        "create index concurrently n on visits using hash (person_id)",
        "create unique index concurrently n on people (id, email, age, boss_id)",
        "drop publication shown;\ncreate publication shown for table places, towns",
        "alter publication shown set table towns, places",
        "alter publication shown drop table towns;\nalter publication shown add table towns",
        "create publication mine for table towns;\ndrop publication mine",
        "create table n (id bigint primary key);\nalter publication shown add table n;\n"
        "alter publication shown drop table n",
        "select count(*) from pg_replication_slots",
        "create view v with (security_invoker) as select id from people",
        "create view v as select id from places",
        "create temp view v as select id from people",
        "alter table people rename to humans;\ncreate view people as select * from humans",
        "create or replace view grown as select id, email from people where age > 21",
        "drop view grown;\ncreate view grown as select id from people",
        "create view v as select id from people;\nalter view v set (security_invoker = on)",
        "alter table places enable row level security;\ncreate policy p on places using (id > 3)",
        "create table n (id bigint primary key);\nalter table n enable row level security",
        "select pg_backend_pid() from pg_stat_activity where false",
        "select nextval('numbers')",
        "select setval('numbers', max(id)) from people",
        "create sequence mine;\nselect setval('mine', 100)",
        "create table n (id bigserial primary key);\nselect setval('n_id_seq', 100)",
        "create table n (id bigserial primary key);\nselect setval(pg_get_serial_sequence('n', 'id'), 100)",
        "create or replace function plain(t text) returns text language sql immutable as $$ select  lower(t) $$",
        "create or replace function plain(t int) returns text language sql immutable as $$ select 'x' $$",
        "select * from people where id = 3 for update",
        "select * from people order by id limit 10 for update skip locked",
        "select * from people for key share",
        "select p.id from people p join towns t on t.id = p.age where p.id = 1 for update of p",
        "create table n (id bigint primary key);\nselect * from n for update",
        "analyze people",
        "alter table people add note text;\ncreate table n (id bigint primary key);\nanalyze n",
        "do $a$ begin execute 'do $b$ begin update people set age = 1 where id = 3; end $b$'; end $a$",
        "update people set age = 3 where id between 1 and 5",
        "delete from people where id >= 10 and id < 20 and age > 3",
    ],
)  # fmt: skip
def test_its_harmless_twin_is_not(found: Found, sql: str) -> None:
    found_by_others = ("squawk/", "name/", "lock/table-scan")
    known = ("replication/no-identity",) if "parts_1" in sql else ()  # parts has no key at all
    rules = [one for one, _ in found(sql) if not one.startswith(found_by_others)]
    assert [one for one in rules if one not in known] == []


@pytest.mark.parametrize(
    "body",
    [
        "begin " + "if true then " * 3000 + "null; " + "end if; " * 3000 + "end",
        "begin " + "loop " * 1500 + "exit; " + "end loop; " * 1500 + "end",
        "begin " * 1500 + "null; " + "end; " * 1499 + "end",
    ],
)
def test_what_is_nested_deeper_than_anybody_reads_is_passed_over(found: Found, body: str) -> None:
    do = f"do $$ {body} $$"
    function = f"create function deep() returns void language plpgsql as $$ {body} $$;\nselect deep()"
    assert (found(do), found(function)) == ([], [])


def test_messages_have_the_names(found: Found) -> None:
    (cascade,) = [message for rule, message in found("drop table people cascade") if rule == "data/drop-cascade"]
    assert "the view `grown`" in cascade
    assert "the constraint `visits.visits_person_id_fkey`" in cascade
    (held,) = [message for _, message in found("alter table people add n int;\nselect pg_sleep(9)")]
    assert "`people` is locked since line 2" in held
    (order,) = [message for _, message in found("alter table people add n int;\nalter table places add n int")]
    assert order.startswith("one transaction locks `people` (line 2) and `places` (line 3), in this order")
    (skipped,) = [
        message for _, message in found("create table if not exists people (id int primary key, phone text, fax text)")
    ]
    assert "goes without `phone`, `fax`" in skipped
    (password,) = [message for _, message in found("alter role r password 'hunter2'")]
    assert "hunter2" not in password


def test_what_is_said_with_names_is_not_said_again(found: Found) -> None:
    assert [rule for rule, _ in found("drop function stamp() cascade")] == ["data/drop-cascade"]


def test_files_without_a_transaction_hold_nothing_from_one_statement_to_the_next(found: Found) -> None:
    several = "alter table people add n int;\nalter table places add n int"
    assert found(several, entry=", transaction: false") == []
    begun = [rule for rule, _ in found(f"begin;\n{several};\ncommit", entry=", transaction: false")]
    assert begun == ["lock/several-tables"]


@pytest.mark.parametrize("action", ["cascade", "set null", "set default"])
def test_a_foreign_key_without_an_index_that_follows_deletes_is_a_note(found: Found, action: str) -> None:
    sql = f"create table n (id bigint primary key, person_id bigint references people on delete {action})"
    assert [rule for rule, _ in found(sql)] == ["design/cascade-index"]
    assert found(f"{sql};\ncreate index n_person on n (person_id)") == []
    assert found(sql.replace(action, "restrict")) == []


def test_a_foreign_key_without_an_index_is_found_where_it_is_asked_for(
    folder: Path, checked: Callable[..., Report]
) -> None:
    (folder / "001_a.sql").write_text("-- why\ncreate table a (id bigint primary key, b bigint references a (id));\n")
    (folder / "manifest.yaml").write_text(
        "manifest: 1\nlint: {severity: {rollback/missing: 'off', design/foreign-key-index: note}}\n"
        "migrations: [{version: 1, file: 001_a.sql}]\n"
    )
    (one,) = checked().findings
    assert (one.rule, one.severity, one.column) == ("design/foreign-key-index", Severity.NOTE, 40)
    assert "create index concurrently a_b_idx on a (b)" in (one.hint or "")
