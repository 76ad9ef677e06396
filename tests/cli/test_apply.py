"""`zmig apply` and `zmig plan`: what runs, what is said, and where."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from tests.support.steady import steady

if TYPE_CHECKING:
    import psycopg

    from tests.cli.conftest import Run
    from tests.support.shop import Shop


@pytest.fixture
def filled(shop: Shop) -> Shop:
    shop.add(1, "0001_users", "create table users (id int);", rollback="drop table users;")
    shop.add(2, "0002_index.sql", "create index concurrently on users (id);")
    shop.add(3, "0003_seed.py", "def execute(ctx):\n    ctx.execute('insert into users values (%s)', [1])\n")
    return shop


def test_a_run_is_narrated_line_by_line_and_leaves_stdout_empty(filled: Shop, run: Run) -> None:
    ended = run("apply", "shop.yaml")
    assert (ended.code, ended.stdout) == (0, "")
    assert steady(ended.stderr) == dedent("""\
        run <run> on database `<database>`: 3 steps to run
        1/3 apply 0001_users
        1/3 done 0001_users, <duration>
        2/3 apply 0002_index
        2/3 done 0002_index, <duration>
        3/3 apply 0003_seed
        3/3 done 0003_seed, <duration>
        run <run> completed 3 of 3 steps, <duration>
        """)


def test_applying_again_says_that_there_is_nothing_to_do(filled: Shop, run: Run) -> None:
    run("apply", "shop.yaml")
    ended = run("apply", "shop.yaml")
    assert (ended.code, ended.stdout, ended.stderr) == (0, "", "nothing to apply\n")


def test_quiet_says_nothing_but_errors(filled: Shop, run: Run) -> None:
    assert run("apply", "shop.yaml", "-q").stderr == ""
    filled.add(4, "0004", "select 1/0;")
    ended = run("apply", "shop.yaml", "-q")
    assert (ended.code, ended.stderr.splitlines()[0]) == (1, "error: migration `0004` failed: division by zero")


def test_verbose_also_names_statements_and_the_cause(filled: Shop, run: Run) -> None:
    filled.add(4, "0004", "select 1;\nselect 2, 3;\nselect 1/0;")
    ended = run("apply", "shop.yaml", "--verbose")
    assert "4/4 statement 2 of 3, line 2: select 2, 3\n" in ended.stderr
    assert "\npsycopg.errors.DivisionByZero: " in ended.stderr


def test_no_traceback_without_verbose(filled: Shop, run: Run) -> None:
    filled.add(4, "0004.py", "def execute(ctx):\n    raise RuntimeError('stock is negative')\n")
    ended = run("apply", "shop.yaml")
    assert ended.code == 1
    assert "Traceback" not in ended.stderr
    assert "error: migration `0004` failed: stock is negative\n  --> 0004.py:2:5\n" in ended.stderr


def test_dry_run_prints_exactly_the_plan_and_runs_nothing(
    filled: Shop, run: Run, connection: psycopg.Connection
) -> None:
    planned = run("plan", "shop.yaml")
    assert run("apply", "shop.yaml", "--dry-run") == planned
    assert (planned.code, planned.stderr) == (0, "")
    assert planned.stdout == (
        "1  apply  0001_users  pending; in a transaction\n"
        "2  apply  0002_index  pending; without a transaction: "
        "`CREATE INDEX CONCURRENTLY` in line 1 cannot run inside a transaction\n"
        "3  apply  0003_seed   pending; in a transaction\n"
        "3 steps to run\n"
    )
    assert connection.execute("select to_regclass('users'), to_regnamespace('zmig')").fetchone() == (None, None)


def test_what_is_planned_is_what_runs(filled: Shop, run: Run) -> None:
    steps = json.loads(run("plan", "shop.yaml", "--json", "--to", "2").stdout)["steps"]
    result = json.loads(run("apply", "shop.yaml", "--json", "--to", "2").stdout)
    assert result["plan"]["steps"] == steps
    assert result["completed"] == [step["name"] for step in steps] == ["0001_users", "0002_index"]


def test_plan_as_json_holds_what_scripts_rely_on(filled: Shop, run: Run) -> None:
    document = json.loads(run("plan", "shop.yaml", "--json").stdout)
    assert document["refusals"] == []
    assert document["steps"][1] == {
        "version": 2,
        "name": "0002_index",
        "kind": "sql",
        "action": "apply",
        "reason": "pending",
        "attempt": 1,
        "resume_after": 0,
        "transactional": False,
        "mode_reason": "`CREATE INDEX CONCURRENTLY` in line 1 cannot run inside a transaction",
        "lock_timeout_seconds": 3.0,
        "statement_timeout_seconds": 900.0,
        "idle_in_transaction_session_timeout_seconds": 0.0,
        "run_as": None,
    }


def test_plan_verbose_shows_the_limits_that_zmig_sets(filled: Shop, run: Run) -> None:
    limits = "lock_timeout 3.0 s, statement_timeout 15 min 00 s, no idle_in_transaction_session_timeout"
    lines = run("plan", "shop.yaml", "--verbose").stdout.splitlines()
    assert lines[0].endswith(f"in a transaction  {limits}") or limits in lines[0]
    assert lines[1].endswith(f"{limits}, no limit for statements that cannot run in a transaction")


def test_apply_as_json_holds_what_scripts_rely_on(filled: Shop, run: Run) -> None:
    document = json.loads(run("apply", "shop.yaml", "--json").stdout)
    assert set(document) == {"run_id", "completed", "skipped", "duration_seconds", "plan"}
    assert document["completed"] == ["0001_users", "0002_index", "0003_seed"]
    again = json.loads(run("apply", "shop.yaml", "--json").stdout)
    assert (again["run_id"], again["completed"], again["plan"]["steps"]) == (None, [], [])


def test_failure_as_json_holds_the_error_and_what_was_done(filled: Shop, run: Run) -> None:
    filled.add(4, "0004", "select 1/0;")
    ended = run("apply", "shop.yaml", "--json")
    document = json.loads(ended.stdout)
    assert ended.code == document["exit_code"] == 1
    assert document["completed"] == ["0001_users", "0002_index", "0003_seed"]
    assert document["error"] == {
        "code": "migration-failed",
        "message": "migration `0004` failed: division by zero",
        "location": {"file": "0004.sql", "line": 1, "column": 1},
        "facts": document["error"]["facts"],
        "effect": "rolled back: `0004` left nothing behind; "
        "`0001_users`, `0002_index` and `0003_seed` of this run stay applied",
        "hint": "correct the file, then run `zmig retry shop.yaml 0004`",
    }


def test_every_problem_of_a_manifest_stands_in_the_document(shop: Shop, run: Run) -> None:
    shop.add(1, "0001", "select 1;", kind="sqll")
    shop.add(1, "0002", "")
    document = json.loads(run("apply", "shop.yaml", "--json").stdout)
    assert [problem["location"]["line"] for problem in document["problems"]] == [6, 7, 7]


def test_target_version_stops_the_run(filled: Shop, run: Run) -> None:
    assert run("apply", "shop.yaml", "--to", "1").code == 0
    assert run("version", "shop.yaml").stdout == "1\n"
    ended = run("apply", "shop.yaml", "--to", "9")
    assert (ended.code, ended.stderr.splitlines()[0]) == (2, "error: no migration has version 9")


def test_atomic_run_leaves_nothing_where_one_step_fails(shop: Shop, run: Run, connection: psycopg.Connection) -> None:
    shop.add(1, "0001", "create table users ();")
    shop.add(2, "0002", "select 1/0;")
    assert run("apply", "shop.yaml", "--atomic").code == 1
    assert connection.execute("select to_regclass('users')").fetchone() == (None,)


def test_atomic_plan_says_what_cannot_run_in_one_transaction(filled: Shop, run: Run) -> None:
    ended = run("apply", "shop.yaml", "--atomic", "--dry-run")
    assert (ended.code, ended.stdout.splitlines()[-1]) == (2, "refused, so nothing would run: 1 refusal, 3 steps")
    assert ended.stderr == run("apply", "shop.yaml", "--atomic").stderr
    assert ended.stderr.startswith("error: migration `0002_index` cannot run in a transaction with the others: ")


def test_out_of_order_migration_is_refused_unless_allowed(filled: Shop, run: Run) -> None:
    filled.add(5, "0005", "select 1;")
    run("apply", "shop.yaml")
    filled.add(4, "0004", "select 1;")
    ended = run("apply", "shop.yaml")
    assert (ended.code, "error: migration `0004` is out of order" in ended.stderr) == (2, True)
    assert run("plan", "shop.yaml").stdout == (
        "1  apply  0004  pending; in a transaction\nrefused, so nothing would run: 1 refusal, 1 step\n"
    )
    assert run("apply", "shop.yaml", "--allow-out-of-order").code == 0


def test_notices_are_shown_as_they_come_and_cannot_steer_the_terminal(shop: Shop, run: Run) -> None:
    shop.add(1, "0001", r"do $$ begin raise notice E'[bold]\x1b[31mred\n%', 'größe 表'; end $$;")
    assert "notice: [bold]\\x1b[31mred größe 表\n" in run("apply", "shop.yaml").stderr


def test_retry_runs_what_failed_and_only_that(filled: Shop, run: Run) -> None:
    filled.add(4, "0004", "select 1/0;")
    filled.add(5, "0005", "select 1;")
    run("apply", "shop.yaml")
    filled.write("0004.sql", "select 1;")
    assert run("retry", "shop.yaml", "4", "--dry-run").stdout.splitlines()[-1] == "1 step to run"
    ended = run("retry", "shop.yaml", "--json")
    assert (ended.code, json.loads(ended.stdout)["completed"]) == (0, ["0004"])
    assert run("retry", "shop.yaml").stderr == "nothing to retry\n"
    assert run("retry", "shop.yaml", "0001_users").code == 2


def test_manifest_may_be_found_instead_of_named(filled: Shop, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("status").stderr.startswith("error: no manifest is named, and there is none in `manifests/`")
    monkeypatch.setenv("ZMIG_MANIFEST", "shop.yaml")
    assert run("apply").code == 0
    monkeypatch.delenv("ZMIG_MANIFEST")
    Path("manifests").mkdir()
    Path("manifests/only.yaml").write_text(
        filled.path.read_text().replace("file: ", "file: ../").replace("rollback: ", "rollback: ../")
    )
    assert run("version").stdout == "3\n"


def test_hints_name_the_manifest_only_where_it_was_named(
    filled: Shop, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.add(4, "0004", "select 1/0;")
    monkeypatch.setenv("ZMIG_MANIFEST", "shop.yaml")
    assert run("apply").stderr.endswith("run `zmig retry 0004`\n")


def test_database_url_overrides_the_manifest(filled: Shop, run: Run, database: str) -> None:
    filled.url = "postgresql://nowhere.invalid/shop"
    filled.declare()
    assert run("apply", "shop.yaml").code == 3
    assert run("apply", "shop.yaml", "--database-url", database).code == 0
