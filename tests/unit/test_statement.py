"""What a statement means for transactions: one line per case."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.statements import ALLOWED, REFUSED
from zmig.sql import script, transaction_rules

if TYPE_CHECKING:
    from zmig.sql.statement import Statement


def one(text: str) -> Statement:
    (found,) = script.split(text, path="a.sql")
    return found


@pytest.mark.parametrize(("text", "command"), REFUSED.items())
def test_the_server_refuses_it_inside_a_transaction(text: str, command: str) -> None:
    assert transaction_rules.refuses_transaction(one(text)) == command


@pytest.mark.parametrize("text", ALLOWED)
def test_the_server_allows_it_inside_a_transaction(text: str) -> None:
    assert transaction_rules.refuses_transaction(one(text)) is None


@pytest.mark.parametrize("schema", ["", "pg_catalog.", "PG_CATALOG ."])
def test_a_function_of_citus_refuses_a_transaction_by_its_name(schema: str) -> None:
    call = f"select {schema}create_distributed_table_concurrently('app.ev', 'tenant')"
    assert transaction_rules.refuses_transaction(one(call)) == "create_distributed_table_concurrently"
    for other in ("select create_distributed_table('app.ev', 'tenant')", f"select '{call.replace(chr(39), '')}'"):
        assert transaction_rules.refuses_transaction(one(other)) is None


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
    assert transaction_rules.controls_transaction(one(text)) == command


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
    assert transaction_rules.controls_transaction(one(text)) is None


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
    assert transaction_rules.may_commit(one(text)) is expected


def test_a_script_runs_in_one_transaction_by_itself() -> None:
    mode = transaction_rules.transaction_mode(script.split("select 1; call p();", path="a.sql"), None)
    assert mode.transactional
    assert mode.reason == "every statement can run inside a transaction"
    assert mode.refusing is None


def test_a_statement_that_refuses_a_transaction_decides_for_its_script() -> None:
    statements = list(script.split("select 1;\n\nvacuum t;\nreindex system;", path="a.sql"))
    mode = transaction_rules.transaction_mode(statements, None)
    assert not mode.transactional
    assert mode.reason == "`VACUUM` in line 3 cannot run inside a transaction"
    assert mode.refusing == statements[1]


@pytest.mark.parametrize("declared", [True, False])
def test_the_manifest_decides_before_the_statements(declared: bool) -> None:
    (vacuum,) = script.split("vacuum", path="a.sql")
    mode = transaction_rules.transaction_mode([vacuum], declared)
    assert mode.transactional is declared
    assert mode.reason == f"`transaction: {str(declared).lower()}` in the manifest"
    assert mode.refusing == vacuum
