"""What hurts in production is found, also where only the manifest shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zmig.lint.run import Report

_KEYED = "update t set a = 1 where id in (select id from t where id > :cursor {} limit :size)"


@pytest.fixture
def rules(folder: Path, checked: Callable[..., Report]) -> Callable[..., set[str]]:
    """Return the rules that an SQL or Python file breaks, by what its entry says besides."""

    def run(text: str, *, entry: str = "", suffix: str = "sql") -> set[str]:
        (folder / f"001_a.{suffix}").write_text(text if suffix == "py" else f"-- why\n{text}\n")
        (folder / "manifest.yaml").write_text(
            f"manifest: 1\nmigrations:\n  - {{version: 1, file: 001_a.{suffix}, {entry}}}\n"
            "lint: {postgres_version: 14, severity: {rollback/missing: 'off', name/no-description: 'off', "
            "design/no-primary-key: 'off'}}\n"
        )
        return {finding.rule for finding in checked().findings}

    return run


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("alter table t add foreign key (a) references u", "squawk/adding-foreign-key-constraint"),
        ("alter table t add constraint c check (a > 0)", "squawk/constraint-missing-not-valid"),
        (
            "alter table t add constraint c check (a > 0) not valid;\nalter table t validate constraint c",
            "squawk/constraint-missing-not-valid",
        ),
        ("alter table t add exclude using gist (r with &&)", "squawk/constraint-missing-not-valid"),
        ("alter table t add column u uuid not null default gen_random_uuid()", "squawk/adding-field-with-default"),
        ("alter table t add s int generated always as (a + 1) stored", "squawk/adding-field-with-default"),
        ("alter table t add column n int generated always as identity", "squawk/adding-field-with-default"),
        ("alter table t add column if not exists n bigserial", "lock/table-rewrite"),
        ("alter table t alter a type timestamptz using a at time zone 'UTC'", "squawk/changing-column-type"),
        ("alter table t add column b int not null", "squawk/adding-required-field"),
        ("alter table t alter column a set not null", "squawk/adding-not-nullable-field"),
        ("alter table t add primary key (id)", "squawk/adding-serial-primary-key-field"),
        ("alter table t set unlogged", "lock/table-rewrite"),
        ("alter table s.t set (fillfactor = 70), set tablespace fast", "lock/table-rewrite"),
        ("refresh materialized view sales", "lock/table-rewrite"),
        ("refresh /* all */ materialized view sales", "lock/table-rewrite"),
        ("vacuum (analyze, full) t", "lock/table-rewrite"),
        ("vacuum /* all of it */ full t", "lock/table-rewrite"),
        ("cluster", "lock/table-rewrite"),
        ("discard /* it */ all", "lock/released"),
        ("alter table t detach partition p", "squawk/require-concurrent-partition-detach"),
        ("drop index t_a", "squawk/require-concurrent-index-deletion"),
        ("reindex (verbose) table t", "squawk/require-concurrent-reindex"),
        ("truncate t cascade", "squawk/ban-truncate-cascade"),
        ("alter table t add column b int;\nupdate t set b = a", "change/mixed"),
        ("alter table t rename to u", "squawk/renaming-table"),
        ("alter type mood add value 'fine';\ninsert into t values ('fine')", "transaction/enum-value"),
        ("BEGIN;\nupdate t set a = 1;\nSELECT pg_catalog.lo_close(0);\n\nCOMMIT", "transaction/control"),
        ("do $$ begin perform pg_advisory_unlock_all(); end $$", "lock/released"),
    ],
)
def test_a_danger_is_found(rules: Callable[..., set[str]], sql: str, rule: str) -> None:
    assert rule in rules(sql)


@pytest.mark.parametrize(
    ("sql", "entry", "rule"),
    [
        ("alter table t add column b int", "lock_timeout: 0", "lock/unlimited"),
        ("alter table t add column b text default 'validate constraint'", "lock_timeout: 0", "lock/unlimited"),
        (
            "create trigger g before insert on t for each row execute function f()",
            "lock_timeout: 5min",
            "lock/unlimited",
        ),
        ("create index concurrently t_a on t (a)", "transaction: true", "transaction/refused"),
        ("lock table t;\nupdate t set a = 1", "transaction: false", "transaction/needed"),
        ("set local work_mem = '1GB';\ncreate index concurrently t_a on t (a)", "", "transaction/needed"),
        ("begin;\nupdate t set a = 1;\ncommit;\nsavepoint s", "transaction: false", "transaction/needed"),
        ("drop table old;\nvacuum t", "", "transaction/mixed"),
        ("call move_rows();\ndrop table old", "transaction: false", "transaction/undecidable"),
        ("create index concurrently if not exists t_a on t (a)", "transaction: false", "index/if-not-exists"),
        (_KEYED.format("") + " returning id", "batch: {start: 0}", "batch/unordered"),
        (_KEYED.format("order by a, id") + " returning id", "batch: {start: 0}", "batch/unordered"),
        (_KEYED.format("order by id desc") + " returning id", "batch: {start: 0}", "batch/unordered"),
        (_KEYED.format("order by id"), "batch: {start: 0}", "manifest/batch-invalid"),
        (_KEYED.format("order by id") + " returning id", "batch: {size: 10}", "manifest/batch-invalid"),
        ("update t set a = 1 where id in (select id from t limit :size)", "batch: {size: 10}", "batch/endless"),
        ("delete from t where a < 10", "batch: {size: 10}", "manifest/batch-invalid"),
        ("reindex table t", "run_as: owner", "squawk/require-concurrent-reindex"),
        ("alter table ${prefix}_t alter a type bigint", "variables: true", "squawk/changing-column-type"),
    ],
)
def test_a_danger_that_the_manifest_shows_is_found(
    rules: Callable[..., set[str]], sql: str, entry: str, rule: str
) -> None:
    assert rule in rules(sql, entry=entry)


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("def execute(ctx):\n    return 1 +\n", "python/invalid"),
        ("def run(ctx):\n    pass\n", "python/invalid"),
        ("def execute():\n    pass\n", "python/signature"),
        ("async def execute(ctx):\n    pass\n", "python/invalid"),
    ],
)
def test_a_python_file_that_cannot_run_is_found(rules: Callable[..., set[str]], code: str, rule: str) -> None:
    assert rule in rules(code, suffix="py")


@pytest.mark.parametrize(
    ("sql", "entry"),
    [
        ("create table t (a int);\nalter table t add column b int", "lock_timeout: 0"),
        ("alter table t validate constraint c", "lock_timeout: 0"),
        ("create index /* of none */ t_a on only t (a)", ""),
        ("refresh materialized view concurrently sales", ""),
        ("refresh materialized view sales with no data", ""),
        ("vacuum (analyze) t", ""),
        ("alter table t add column b int", "lock_timeout: 200ms"),
        ("set statement_timeout = '1h';\ncreate index concurrently t_a on t (a)", ""),
        ("begin;\nlock table t in share mode;\nupdate t set a = 1 where id = 7;\ncommit", "transaction: false"),
        (_KEYED.format("order by id") + " returning id", "batch: {start: 0}"),
        ("delete from t where id in (select id from t where a < 10 limit :size)", "batch: {size: 10}"),
        ("delete from t where ctid = any (array(select ctid from t limit :size))", "batch: {size: 10}"),
        (
            "update t set done = true from (select id from t where not done limit :size) c where c.id = t.id",
            "batch: {}",
        ),
        ("refresh materialized view concurrently sales", ""),
        ("create materialized view m as select 1;\nrefresh materialized view m", ""),
        ("refresh materialized view m with no data", ""),
        (
            "BEGIN;\n\nSELECT pg_catalog.lo_open('4711', 131072);\nSELECT pg_catalog.lowrite(0, '\\x61');\n"
            "SELECT pg_catalog.lo_close(0);\n\nCOMMIT;",
            "",
        ),
    ],
)
def test_its_harmless_twin_is_not(rules: Callable[..., set[str]], sql: str, entry: str) -> None:
    assert rules(sql, entry=entry) == set()
