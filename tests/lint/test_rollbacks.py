"""What is said of rollbacks: whether they undo, can be run on a live database, and what they throw away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zmig.lint.finding import Severity
from zmig.lint.run import lint

if TYPE_CHECKING:
    from pathlib import Path

    from zmig.lint.finding import Finding

BASE = """
create type mood as enum ('sad', 'ok');
create function touch() returns trigger language plpgsql as $$ begin return new; end $$;
create function twice(x int) returns int language sql as 'select 2 * x';
create table parents (id bigint primary key, name text);
create table t (
    id bigint generated always as identity primary key,
    a int not null default 1,
    b text,
    n numeric(10, 2),
    parent_id bigint references parents,
    constraint positive check (a > 0)
);
create index t_b on t (b);
create view v as select id, b from t;
create trigger g before update on t for each row execute function touch();
"""


def findings(folder: Path, forward: str, back: str | None, base: str = BASE) -> list[Finding]:
    """Return what is found about the second of two migrations."""
    (folder / "001_base.sql").write_text(f"-- the base\n{base}", encoding="utf-8")
    (folder / "002_m.sql").write_text(f"-- what it is for\n{forward};\n", encoding="utf-8")
    text = (
        "manifest: 1\nlint: {severity: {rollback/missing: 'off'}}\nmigrations:\n  - {version: 1, file: 001_base.sql}\n"
    )
    text += "  - {version: 2, file: 002_m.sql" + ("}" if back is None else ", rollback: 002_m.back.sql}") + "\n"
    text = text if back is not None else text.replace("'off'", "note")
    if back is not None:
        (folder / "002_m.back.sql").write_text(f"{back};\n", encoding="utf-8")
    (folder / "manifest.yaml").write_text(text, encoding="utf-8")
    found = lint([folder / "manifest.yaml"], environ={}).findings
    return [one for one in found if one.migration == "002_m"]


def said(folder: Path, forward: str, back: str, *rules: str) -> list[str]:
    """Return the messages of these rules about a migration and its rollback."""
    return [one.message for one in findings(folder, forward, back) if one.rule in rules]


@pytest.mark.parametrize(
    ("forward", "back"),
    [
        ("create table c (x int)", "drop table c"),
        ("create table c (x serial primary key); create index on c (x)", "drop table c"),
        ("create table c (x int); create statistics s on x, x from c", "drop table c"),
        ("alter table t add column c serial", "alter table t drop column c"),
        ("alter table t add column c int unique references t", "alter table t drop column c"),
        ("create table p (x int) partition by list (x); create table p1 partition of p default", "drop table p"),
        ("create schema s; create table s.c (x int)", "drop schema s cascade"),
        ("alter table t rename column b to c", "alter table t rename c to b"),
        (
            "alter table t rename to u; alter table u add column c int",
            "alter table u drop column c; alter table u rename to t",
        ),
        ("alter table t rename to u", "alter table u rename to t"),
        ("alter table t alter column a drop not null", "alter table t alter column a set not null"),
        ("alter table t alter column a set default 2", "alter table t alter column a set default 1"),
        ("alter table t drop constraint positive", "alter table t add constraint positive check ((a) > 0)"),
        ("drop index t_b", "create index if not exists t_b on public.t using btree (b)"),
        (
            "drop view v; create view v as select id from t",
            "drop view v; create view v as\n  select id, b\n  from public.t",
        ),
        (
            "create or replace function twice(x int) returns int language sql as 'select 3 * x'",
            "create or replace function twice(x int) returns int language sql as 'select 2 * x'",
        ),
        (
            "drop function twice",
            "create function twice(x integer) returns integer as 'select 2 * x' language sql",
        ),
        ("alter table t drop constraint positive", "alter table t add constraint positive check ((a > (0)::int))"),
        ("drop trigger g on t", "create trigger g before update on t for each row execute procedure touch()"),
        ("create table c (x int)", "do $$ begin drop table c; end $$"),
        ("create table c (x int)", "do $$ begin execute 'drop table ' || 'c'; end $$"),
        ("create temporary table c (x int)", "select 1"),
        ("alter table t add constraint c check (a < 9) not valid", "alter table t drop constraint c"),
        ("update t set a = 2 where id = 3", "update t set a = 1 where id = 3"),
        ("alter table t add primary_id bigint", "alter table t drop if exists primary_id"),
    ],
)
def test_what_is_undone_is_not_reported(folder: Path, forward: str, back: str) -> None:
    found = findings(folder, forward, back)
    rules = ("rollback/incomplete", "rollback/wrong-order", "fails/")
    assert [one.message for one in found if one.rule.startswith(rules)] == []


@pytest.mark.parametrize(
    ("forward", "back", "message"),
    [
        ("create table c (x int)", "drop view if exists c2", "leaves the table `c`, which this statement makes"),
        ("create table c (x int)", "comment on table c is 'old'", "leaves the table `c`"),
        ("create or replace view w as select 1 as x", "select 1", "leaves the view `w`"),
        ("create index i on t (a)", "comment on index i is 'old'", "leaves the index `i`"),
        ("alter table t add column c int", "comment on column t.c is 'x'", "leaves the column `t.c`"),
        ("alter table t add check (a < 9)", "select 1", "leaves the constraint `t.t_a_check`"),
        ("alter table t add unique (b)", "drop index if exists other", "leaves the constraint `t.t_b_key`"),
        ("create trigger h after insert on t execute function touch()", "select 1", "leaves the trigger `t.h`"),
        ("create policy p on t using (true)", "select 1", "leaves the policy `t.p`"),
        ("create function f() returns int language sql as 'select 1'", "select 1", "leaves the function `f`"),
        ("create type k as enum ('x')", "select 1", "leaves the type `k`"),
        ("alter type mood add value 'good'", "select 1", "leaves the type `mood` otherwise than it was: its values"),
        ("drop index t_b", "select 1", "does not bring the index `t_b` back, which this statement drops"),
        ("alter table t drop constraint positive", "select 1", "does not bring the constraint `t.positive` back"),
        ("alter table t drop column n", "select 1", "does not bring the column `t.n` back"),
        ("drop view v", "comment on table t is 'v is gone'", "does not bring the view `v` back"),
        ("create index i on t (a)", "drop index i, t_b", "this drops the index `t_b`, which was there before"),
        ("alter table t rename b to c", "select 1", "does not give the column `t.c` its name `b` back"),
        ("alter table t alter a drop not null", "select 1", "the column `t.a` otherwise than it was: not null before"),
        ("alter table t alter a drop default", "select 1", "otherwise than it was: the default `1` before"),
        ("alter table t alter a type bigint", "select 1", "the column `t.a` otherwise than it was: its type"),
        (
            "alter table t drop column a",
            "alter table t add column a int default 1, add constraint positive check (a > 0)",
            "the column `t.a` otherwise than it was: not null before",
        ),
        (
            "alter table t drop column b cascade",
            "alter table t add column b text not null default ''; create index t_b on t (b); "
            "create view v as select id, b from t",
            "the column `t.b` otherwise than it was: it could be null before",
        ),
        (
            "drop index t_b",
            "create index t_b on t (b) where b is not null",
            "the index `t_b` otherwise than it was: its condition",
        ),
        ("drop index t_b", "create index t_b on t (b desc)", "the index `t_b` otherwise than it was: its columns"),
        (
            "drop index t_b",
            "create index t_b on t (b) with (fillfactor = 70)",
            "the index `t_b` otherwise than it was: its options",
        ),
        (
            "drop view v",
            "create view v as select id, b from t where id > 1",
            "the view `v` otherwise than it was: its query",
        ),
        (
            "create or replace function twice(x int) returns int language sql as 'select 3 * x'",
            "comment on function twice is 'x'",
            "the function `twice` otherwise than it was: its body",
        ),
        (
            "alter table t drop constraint positive",
            "alter table t add constraint positive check (a > 0) not valid",
            "the constraint `t.positive` otherwise than it was: not validated",
        ),
    ],
)
def test_what_is_not_undone_is_reported(folder: Path, forward: str, back: str, message: str) -> None:
    (found,) = said(folder, forward, back, "rollback/incomplete")
    assert message in found


def test_what_is_not_undone_is_reported_at_the_last_statement_that_changed_it(folder: Path) -> None:
    forward = "create index i on t (a);\nalter table t add column c int, drop constraint positive"
    back = "drop index i;\nalter table t drop column c, drop column n"
    found = [one for one in findings(folder, forward, back) if one.rule == "rollback/incomplete"]
    places = [(one.file.rpartition("/")[2], one.line, one.column) for one in found]
    assert sorted(places) == [("002_m.back.sql", 2, 30), ("002_m.sql", 3, 33)]


@pytest.mark.parametrize(
    ("forward", "back", "rule", "message"),
    [
        (
            "create table c (x int primary key); create table d (y int references c)",
            "drop table c; drop table d",
            "rollback/wrong-order",
            "until the statements after it are done",
        ),
        (
            "create table c (x int); create index i on c (x)",
            "drop table c; drop index i",
            "rollback/wrong-order",
            "after the statements before it",
        ),
        ("create table c (x int)", "drop table d", "fails/missing", "there is no table or view `d`"),
        ("create index i on t (a)", "drop index i; drop index i", "fails/missing", "there is no"),
        ("alter table t alter b drop not null", "drop table parents", "fails/in-the-way", "cannot be dropped"),
        (
            "alter table t drop column a",
            "alter table t add column a int not null",
            "rollback/needs-empty-table",
            "fails as soon as `t` has a row: `a` must not be null and has no default",
        ),
    ],
)
def test_a_rollback_that_fails_is_reported(folder: Path, forward: str, back: str, rule: str, message: str) -> None:
    found = [one for one in findings(folder, forward, back) if one.rule in (rule, "rollback/incomplete")]
    (one, *others) = [one for one in found if one.rule == rule]
    assert not others
    assert message in one.message
    assert one.severity is Severity.ERROR
    assert one.file.endswith("002_m.back.sql")
    assert rule == "rollback/needs-empty-table" or [one.rule for one in found] == [rule]


@pytest.mark.parametrize(
    ("forward", "back", "rule"),
    [
        ("drop index t_b", "create index t_b on t (b)", "lock/table-scan"),
        ("alter table t alter a type bigint", "alter table t alter a type int", "lock/table-rewrite"),
        ("create table c (x int)", "create index i on c (x); drop table c", "lock/table-scan"),
        (
            "alter table t drop constraint t_parent_id_fkey",
            "alter table t add constraint t_parent_id_fkey foreign key (parent_id) references parents",
            "lock/table-scan",
        ),
    ],
)
def test_a_rollback_is_a_change_of_a_live_database(folder: Path, forward: str, back: str, rule: str) -> None:
    found = [one for one in findings(folder, forward, back) if one.file.endswith(".back.sql")]
    assert rule in [one.rule for one in found]


def test_what_a_migration_made_is_in_use_when_it_is_rolled_back(folder: Path) -> None:
    forward = "create table c (x int); create index i on c (x)"
    rules = [one.rule for one in findings(folder, forward, "create index j on c (x); drop table c")]
    assert rules.count("lock/table-scan") == 1


@pytest.mark.parametrize(
    ("forward", "back", "severity", "message"),
    [
        ("alter table t rename to u", "drop table u cascade", Severity.ERROR, "what is in the table `u`"),
        ("create index i on t (a)", "truncate t", Severity.ERROR, "what is in the table `t`"),
        ("alter table t add c int", "alter table t drop c, drop n", Severity.ERROR, "what is in the column `t.n`"),
        ("insert into parents (id) values (1)", "delete from parents", Severity.ERROR, "deletes rows of `parents`"),
        (
            "alter table parents add c int",
            "delete from parents where name is null; alter table parents drop c",
            Severity.ERROR,
            "deletes rows of `parents`",
        ),
    ],
)
def test_what_a_rollback_throws_away_is_told(
    folder: Path, forward: str, back: str, severity: Severity, message: str
) -> None:
    found = [one for one in findings(folder, forward, back) if one.rule.startswith("rollback/loses-")]
    assert [message in one.message for one in found if one.severity is severity] == [True]


@pytest.mark.parametrize(
    ("forward", "back", "message"),
    [
        ("create table c (x int)", "drop table c", "what has come into the table `c` since"),
        ("alter table t add c int", "alter table t drop c", "into the column `t.c` since"),
    ],
)
def test_what_has_come_in_since_is_told_to_who_wants_to_know(
    folder: Path, forward: str, back: str, message: str
) -> None:
    assert [one for one in findings(folder, forward, back) if one.rule == "rollback/loses-new-data"] == []
    manifest = folder / "manifest.yaml"
    manifest.write_text(manifest.read_text().replace("severity: {", "severity: {rollback/loses-new-data: note, "))
    (found,) = [one for one in lint([manifest], environ={}).findings if one.rule == "rollback/loses-new-data"]
    assert message in found.message


@pytest.mark.parametrize(
    ("forward", "back"),
    [
        ("create index i on t (a)", "drop index i"),
        ("insert into parents (id) values (1)", "delete from parents where id = 1"),
        ("insert into parents (id) select id from t", "delete from parents where name is null"),
        ("create table c as select id from t", "insert into parents (id) select id from c; drop table c"),
        ("create temporary table c (x int)", "select 1"),
    ],
)
def test_what_a_rollback_does_not_throw_away_is_not_told(folder: Path, forward: str, back: str) -> None:
    assert said(folder, forward, back, "rollback/loses-data", "rollback/loses-new-data") == []


@pytest.mark.parametrize(
    ("forward", "back", "message"),
    [
        ("alter table t drop n", "alter table t add n numeric(10, 2)", "the column `t.n` comes back empty"),
        ("drop table parents cascade", "create table parents (id bigint primary key, name text)", "comes back empty"),
        ("update t set b = lower(b)", "select 1", "what was in `t.b` before this does not come back"),
        ("delete from t where a = 1", "select 1", "the rows of `t` that this deletes do not come back"),
        ("truncate t", "select 1", "what was in the table `t` does not come back"),
        ("alter table t alter n type int", "alter table t alter n type numeric(10, 2)", "loses by its new type"),
    ],
)
def test_what_does_not_come_back_is_told(folder: Path, forward: str, back: str, message: str) -> None:
    (found,) = said(folder, forward, back, "rollback/irreversible")
    assert message in found


@pytest.mark.parametrize(
    ("forward", "back"),
    [
        ("alter table t add c text; update t set c = b", "alter table t drop c"),
        ("update t set b = upper(b)", "update t set b = lower(b)"),
        (
            "create table kept as select id, n from t; alter table t drop n",
            "alter table t add n numeric(10, 2); update t set n = kept.n from kept where kept.id = t.id; "
            "drop table kept",
        ),
        ("alter table t alter a type bigint", "alter table t alter a type int"),
        ("create table c (x int); insert into c values (1); delete from c", "drop table c"),
    ],
)
def test_what_comes_back_is_not_told(folder: Path, forward: str, back: str) -> None:
    assert said(folder, forward, back, "rollback/irreversible") == []


@pytest.mark.parametrize(
    "forward",
    [
        "create table c (x int)",
        "alter table t drop column n",
        "alter table t alter a type bigint",
        "update t set a = 2",
        "alter table t alter a set default 2",
        "create or replace function twice(x int) returns int language sql as 'select 3 * x'",
        "alter type mood add value 'good'",
        "alter table t add check (a < 9)",
        "alter table t rename b to c",
        "drop index t_b",
    ],
)
def test_what_could_be_undone_needs_a_rollback_once(folder: Path, forward: str) -> None:
    found = findings(folder, forward, None)
    assert [one.rule for one in found].count("rollback/missing") == 1


@pytest.mark.parametrize(
    "forward",
    [
        "create temporary table c (x int); insert into c values (1)",
        "create table c (x int); drop table c",
        "select 1",
        "analyze t",
        "alter table t validate constraint positive",
        "reindex table concurrently t",
    ],
)
def test_what_leaves_nothing_behind_needs_no_rollback(folder: Path, forward: str) -> None:
    assert "rollback/missing" not in [one.rule for one in findings(folder, forward, None)]


def test_a_rollback_is_looked_into_though_an_ignore_hides_a_finding(folder: Path) -> None:
    back = "-- zmig: ignore rollback/loses-data nobody needs them\ntruncate t;\ndrop table c"
    found = findings(folder, "create table c (x int)", back)
    assert [one.rule for one in found if one.rule.startswith(("rollback/", "ignore/"))] == []


BESIDE_TABLES = """
create table t (id bigint primary key, note text, part varchar(20), price numeric);
create table u (id bigint primary key);
create sequence numbers;
create function twice(x int) returns int language sql immutable as 'select 2 * x';
create publication news for table u with (publish = 'insert');
create statistics known on note, part from t;
create role reader;
create extension citext;
"""


@pytest.mark.parametrize(
    ("forward", "back", "message"),
    [
        ("create role writer nologin", "select 1", "leaves the role `writer`, which this statement makes"),
        ("create extension hstore", "select 1", "leaves the extension `hstore`"),
        ("create publication more for table t", "select 1", "leaves the publication `more`"),
        ("create statistics s on note, price from t", "select 1", "leaves the statistics object `s`"),
        ("alter publication news add table t", "select 1", "the publication `news` otherwise than it was: its tables"),
        ("alter publication news set (publish = 'insert, delete')", "select 1", "was: its options"),
        ("drop publication news", "create publication news for table u, t with (publish = 'insert')", "its tables"),
        ("alter publication unknown add table t", "select 1", "the publication `unknown` otherwise than it was"),
        ("drop statistics known", "select 1", "does not bring the statistics object `known` back"),
        ("drop statistics known", "create statistics known on note, price from t", "was: its columns"),
        ("alter table t drop column note", "alter table t add column note text", "the statistics object `known` back"),
        ("alter statistics known rename to other", "select 1", "does not give the statistics object `other` its name"),
        ("drop role reader", "select 1", "does not bring the role `reader` back"),
        ("alter table t alter note set storage external", "select 1", "stored `extended` before"),
        ("alter table t alter price set storage plain", "select 1", "stored `main` before"),
        ("alter table t alter note set compression lz4", "select 1", "its compression"),
        ("alter function twice(int) strict", "select 1", "otherwise than it was: how it runs"),
        ("alter function twice(int) cost 5 parallel safe", "alter function twice(int) cost 100", "how it runs"),
        ("alter function twice(int) volatile", "select 1", "how it runs"),
        ("alter function twice(int) security definer set search_path = ''", "select 1", "with whose rights it runs"),
        ("alter sequence numbers increment by 10", "select 1", "the sequence `numbers` otherwise than it was"),
        ("alter sequence numbers increment by 10 cycle", "alter sequence numbers increment by 1", "how it counts"),
    ],
)
def test_what_is_beside_tables_is_left_or_lost(folder: Path, forward: str, back: str, message: str) -> None:
    found = findings(folder, forward, back, BESIDE_TABLES)
    assert any(message in one.message for one in found if one.rule == "rollback/incomplete"), found


@pytest.mark.parametrize(
    ("forward", "back"),
    [
        ("create role writer nologin", "drop role if exists writer"),
        ("create extension if not exists hstore", "select 1"),
        ("create extension if not exists citext", "select 1"),
        ("create publication more for table t", "drop publication more"),
        ("create statistics s on note, price from t", "drop statistics s"),
        ("create table v (a int, b int); create statistics s on a, b from v", "drop table v"),
        ("alter table t add a int, add b int; create statistics s on a, b from t", "alter table t drop a, drop b"),
        ("create table v (a int); alter publication news add table v", "drop table v"),
        ("alter publication news add table t", "alter publication news drop table t"),
        ("alter publication unknown add table t", "alter publication unknown drop table t"),
        ("drop publication news", "create publication news for table u with (publish = 'insert')"),
        ("alter table t rename to w", "alter table w rename to t"),
        ("alter statistics known rename to other", "alter statistics other rename to known"),
        ("alter table t alter note set storage external", "alter table t alter note set storage extended"),
        ("alter table t alter price set storage plain", "alter table t alter price set storage default"),
        ("alter table t alter note set compression lz4", "alter table t alter note set compression default"),
        ("alter function twice(int) strict", "alter function twice(int) called on null input"),
        ("alter function twice(int) volatile cost 3", "alter function twice(int) immutable cost 100"),
        (
            "create or replace function twice(x int) returns int strict language sql as 'select 2 * x'",
            "alter function twice(int) called on null input immutable",
        ),
        ("alter sequence numbers increment by 10", "alter sequence numbers increment by 1"),
        ("alter sequence numbers as integer maxvalue 99", "alter sequence numbers as bigint no maxvalue"),
    ],
)
def test_what_is_beside_tables_is_put_back(folder: Path, forward: str, back: str) -> None:
    found = findings(folder, forward, back, BESIDE_TABLES)
    rules = ("rollback/incomplete", "rollback/wrong-order", "fails/")
    assert [one.message for one in found if one.rule.startswith(rules)] == []


def test_a_function_that_is_put_back_makes_no_more_stale_than_its_migration(folder: Path) -> None:
    function = "create or replace function twice(x int) returns int language sql immutable as 'select {} * x'"
    base = f"{BESIDE_TABLES}create table w (a int);\ncreate index w_twice on w (twice(a));\n"
    found = findings(folder, function.format(3), function.format(2), base)
    assert [(one.rule, one.file) for one in found] == [("data/stale-values", "002_m.sql")]
