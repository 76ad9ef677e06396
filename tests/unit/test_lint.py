"""What the linter reads out of single statements, and how its rules fit together."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zmig.lint import sql_file
from zmig.lint.finding import Severity
from zmig.lint.registry import RULES, of_problem
from zmig.sql import script

if TYPE_CHECKING:
    from zmig.sql.command_parser import ParsedCommand

ROOT = Path(__file__).parents[2]
LOADING = (
    "manifest/reader", "manifest/semantic_checks", "manifest/yaml_parser", "manifest/yaml_errors", "manifest/variables",
    "manifest/typed_reader", "manifest/schema_errors", "project/inclusion",
    "project/migration_file", "project/text_file", "project/python_source", "sql/splitter", "sql/copy_data",
    "sql/buffer", "sql/variables", "batches/batch", "batches/checks",
)  # fmt: skip
"""The modules whose problems become findings."""
DURING_A_RUN = {"batch-result", "batch-stands-still", "file-changed"}


def read(sql: str) -> ParsedCommand:
    (one,) = script.split(sql, path="a.sql")
    return one.command.parsed


@pytest.mark.parametrize(
    ("sql", "made"),
    [
        ("create table a (x int)", ["table a"]),
        ("create unlogged table if not exists s.a (x int)", ["table s.a"]),
        ("create temporary table a (x int)", []),
        ('create table "A b" as select 1', ["table A b"]),
        ("create table p1 partition of p default", ["table p1 of p"]),
        ("create or replace view V as select 1", ["view v"]),
        ("create recursive view v (n) as select 1", ["view v"]),
        ("create materialized view m as select 1", ["materialized view m"]),
        ("create unique index i on only s.t (x)", ["index s.i of s.t"]),
        ("create index concurrently on t (x)", []),
        ("create constraint trigger g after insert on t for each row execute function f()", ["trigger g of t"]),
        ("create policy p on t", ["policy p of t"]),
        ("create or replace rule r as on delete to s.v where true do instead nothing", ["rule r of s.v"]),
        ("create function s.f(x int default (1)) returns int language sql as 'select 1'", ["function s.f"]),
        ("create trusted procedural language l", ["language l"]),
        ("create event trigger e on ddl_command_end execute function f()", ["event trigger e"]),
        ("alter table t add x int, add column if not exists y int default (f(1, 2)), drop z", ["x of t", "y of t"]),
        ("alter table t add constraint c check (x > 0), add check (y > 0), add primary key (x)", ["c of t"]),
        ("alter table t alter x add generated always as identity", []),
        ("select 1", []),
    ],
)
def test_what_a_statement_makes(sql: str, made: list[str]) -> None:
    told = [
        f"{one.kind} {'.'.join(part for part in one.name if part)}"
        + (f" of {'.'.join(part for part in one.parent if part)}" if one.parent else "")
        for one in read(sql).creates
    ]
    assert [re.sub("^(column|constraint) ", "", one) for one in told] == made


@pytest.mark.parametrize(
    ("sql", "filled"),
    [
        ("update t set x = 1", "t"),
        ("update only s.t set x = 1 where status = 'new'", "t"),
        ("update t set x = 1 where id = 5", None),
        ("update t set x = 1 where t.customer_id in (1, 2)", None),
        ("update t set x = 1 where id = other_id", "t"),
        ("delete from t", "t"),
        ("delete from t where key = 'a'", None),
        ("insert into t values (1)", None),
        ("insert into t (x) select 1 where not exists (select 1 from t)", None),
        ("insert into t (x) select y from u", "t"),
        ("insert into t (x) select y from (values (1)) as u (y)", "t"),
        ("with u as (select 1) insert into t select * from u", "t"),
        ("with u as (delete from v returning x) select * from u", None),
        ("merge into t using u on t.x = u.x when matched then delete", "t"),
        ("copy t (x) to stdout", None),
        ("copy t from '/rows'", "t"),
        ("create table t as select 1 from u", None),
    ],
)
def test_which_table_a_statement_may_change_many_rows_of(sql: str, filled: str | None) -> None:
    fills = read(sql).rewrites_rows_of
    assert (fills.name if fills else None) == filled


@pytest.mark.parametrize(
    ("sql", "changed"),
    [
        ("alter table only s.t * add x int", ["s.t"]),
        ("alter materialized view v rename to w", ["v"]),
        ("alter tablespace x rename to y", []),
        ("drop table if exists a, s.b cascade", ["a", "s.b"]),
        ("drop index /* c */ concurrently i", ["i"]),
        ("drop event trigger if exists e", ["e"]),
        ("drop access method m", ["m"]),
        ("drop text search parser s.p", ["s.p"]),
        ("drop trigger g on s.t", ["s.t"]),
        ("truncate only a, b", ["a", "b"]),
        ("lock table t in share mode", ["t"]),
        ("vacuum (full) t", ["t"]),
        ("reindex (verbose) table concurrently t", ["t"]),
        ("refresh materialized view concurrently v", ["v"]),
        ("create index on only s.t (x)", ["s.t"]),
        ("select 1", []),
    ],
)
def test_what_a_statement_changes(sql: str, changed: list[str]) -> None:
    assert [".".join(part for part in name if part) for name in read(sql).changes] == changed


def test_every_problem_of_loading_has_a_rule() -> None:
    codes: set[str] = set()
    for module in LOADING:
        source = (ROOT / "zmig" / f"{module}.py").read_text(encoding="utf-8")
        codes |= {*re.findall(r"""Problem\(\s*"([a-z0-9-]+)",""", source)}
        codes |= {*re.findall(r"""\berror\([^,]+, "([a-z0-9-]+)",""", source)}
    assert len(codes) > 20
    unknown = {code for code in codes - DURING_A_RUN if of_problem(code) not in RULES}
    assert unknown == set(), "add a rule to zmig/lint/registry.py, and its page to docs/rules"


def test_severities_are_ordered() -> None:
    assert Severity.ERROR.rank > Severity.WARNING.rank > Severity.NOTE.rank


@pytest.mark.parametrize(
    "sql",
    [
        "", ";", "\\i x", "'", "create", "alter table", "create index", "update", "with", 'create table "', "/*",
        "\x01", "$$",
        'create table U&"\\', "alter table t add", "drop", "merge", "copy t from stdin;\n1", "insert into t select",
    ],
)  # fmt: skip
def test_any_text_is_read(sql: str) -> None:
    sql_file.read(sql, path="a.sql", has_variables=True, is_batch=True)
