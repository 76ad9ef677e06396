"""What a statement means for transactions: one line per case."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zmig import script, statement

if TYPE_CHECKING:
    from zmig.script import Statement


def one(text: str) -> Statement:
    (found,) = script.split(text, path="a.sql")
    return found


REFUSED = {
    "create index concurrently on t (a)": "CREATE INDEX CONCURRENTLY",
    "CREATE /* x */ UNIQUE INDEX -- y\nCONCURRENTLY IF NOT EXISTS i ON t (a)": "CREATE UNIQUE INDEX CONCURRENTLY",
    "drop index concurrently if exists i": "DROP INDEX CONCURRENTLY",
    "reindex index concurrently i": "REINDEX CONCURRENTLY",
    "reindex (verbose, concurrently) table t": "REINDEX CONCURRENTLY",
    "reindex (concurrently 'on', tablespace x) table t": "REINDEX CONCURRENTLY",
    "reindex (concurrently off) table concurrently t": "REINDEX CONCURRENTLY",
    "reindex schema s": "REINDEX SCHEMA",
    "reindex (concurrently false) database d": "REINDEX DATABASE",
    "reindex system": "REINDEX SYSTEM",
    "vacuum": "VACUUM",
    "vacuum (analyze) t": "VACUUM",
    "cluster": "CLUSTER",
    "cluster verbose": "CLUSTER",
    "cluster (verbose)": "CLUSTER",
    "create database d": "CREATE DATABASE",
    "drop database if exists d": "DROP DATABASE",
    "alter database d set tablespace x": "ALTER DATABASE ... SET TABLESPACE",
    "alter database d with tablespace x": "ALTER DATABASE ... SET TABLESPACE",
    "create tablespace x location '/x'": "CREATE TABLESPACE",
    "drop tablespace x": "DROP TABLESPACE",
    "alter system set a = 1": "ALTER SYSTEM",
    "alter system reset all": "ALTER SYSTEM",
    "discard all": "DISCARD ALL",
    "commit prepared 'x'": "COMMIT PREPARED",
    "rollback prepared 'x'": "ROLLBACK PREPARED",
    "create subscription s connection 'c' publication p": "CREATE SUBSCRIPTION",
    "create subscription s connection 'c' publication p with (enabled = false)": "CREATE SUBSCRIPTION",
    "drop subscription if exists s": "DROP SUBSCRIPTION",
    "alter subscription s refresh publication": "ALTER SUBSCRIPTION ... REFRESH",
    "alter subscription s set publication p": "ALTER SUBSCRIPTION ... SET PUBLICATION",
    "alter subscription s set (failover)": "ALTER SUBSCRIPTION ... SET",
    'alter table only "S".t detach partition p concurrently': "ALTER TABLE ... DETACH PARTITION ... CONCURRENTLY",
}

ALLOWED = [
    "create index concurrentlyx on t (a)",
    'create index "concurrently" on t (a)',
    "create index i on t (a)",
    "drop index i",
    "drop table concurrently",
    "reindex table t",
    "reindex index i",
    "reindex (concurrently false) table t",
    "reindex (concurrently 'off') table t",
    "cluster t using i",
    "cluster verbose t",
    "cluster (verbose) t",
    "analyze",
    "alter database d set search_path = 'tablespace'",
    "alter database d set tablespace to x",
    "alter database d connection limit 1",
    "alter table t set tablespace x",
    "alter table t detach partition p",
    "alter table t detach partition p finalize",
    "alter type e add value 'x'",
    "discard plans",
    "create subscription s connection 'c' publication p with (connect = false)",
    "create subscription s connection 'c' publication p with (create_slot = off, slot_name = none)",
    "alter subscription s set publication p with (refresh = false)",
    "alter subscription s set (slot_name = 'x')",
    "alter subscription s disable",
    "refresh materialized view concurrently v",
    "checkpoint",
    "select 'vacuum'",
    "comment on database d is 'x'",
]


@pytest.mark.parametrize(("text", "command"), REFUSED.items())
def test_the_server_refuses_it_inside_a_transaction(text: str, command: str) -> None:
    assert statement.refuses_transaction(one(text)) == command


@pytest.mark.parametrize("text", ALLOWED)
def test_the_server_allows_it_inside_a_transaction(text: str) -> None:
    assert statement.refuses_transaction(one(text)) is None


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


@pytest.mark.parametrize(("text", "command"), CONTROLS.items())
def test_it_begins_or_ends_a_transaction(text: str, command: str) -> None:
    assert statement.controls_transaction(one(text)) == command


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
    assert statement.controls_transaction(one(text)) is None


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
    assert statement.may_commit(one(text)) is expected


def test_a_script_runs_in_one_transaction_by_itself() -> None:
    mode = statement.transaction_mode(script.split("select 1; call p();", path="a.sql"), None)
    assert mode.transactional
    assert mode.reason == "every statement can run inside a transaction"
    assert mode.refusing is None


def test_a_statement_that_refuses_a_transaction_decides_for_its_script() -> None:
    statements = list(script.split("select 1;\n\nvacuum t;\nreindex system;", path="a.sql"))
    mode = statement.transaction_mode(statements, None)
    assert not mode.transactional
    assert mode.reason == "`VACUUM` in line 3 cannot run inside a transaction"
    assert mode.refusing == statements[1]


@pytest.mark.parametrize("declared", [True, False])
def test_the_manifest_decides_before_the_statements(declared: bool) -> None:
    (vacuum,) = script.split("vacuum", path="a.sql")
    mode = statement.transaction_mode([vacuum], declared)
    assert mode.transactional is declared
    assert mode.reason == f"`transaction: {str(declared).lower()}` in the manifest"
    assert mode.refusing == vacuum
