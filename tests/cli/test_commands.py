"""The commands beside `apply` and `plan`: what each prints, as text and as JSON, and its exit code."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from tests.support.facts import Facts
from tests.support.proxy import Proxy
from tests.support.steady import steady
from zmig.embedded import EmbeddedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import psycopg

    from tests.cli.conftest import Run
    from tests.support.shop import Shop


@pytest.fixture
def filled(shop: Shop) -> Shop:
    shop.add(1, "0001_users", "create table users (id int);", rollback="drop table users;")
    shop.add(2, "0002_orders", "create table orders (id int);", rollback="drop table orders;")
    shop.add(
        90, "0090_view", "create view active as select * from users;", kind="repeatable", rollback="drop view active;"
    )
    return shop


@pytest.fixture
def applied(filled: Shop, run: Run) -> Shop:
    assert run("apply", "shop.yaml", "-q").code == 0
    return filled


def exists(connection: psycopg.Connection, relation: str) -> bool:
    return connection.execute("select to_regclass(%s) is not null", [relation]).fetchone() == (True,)


class TestStatus:
    def test_before_the_first_run_everything_is_pending(self, filled: Shop, run: Run) -> None:
        ended = run("status", "shop.yaml")
        assert ended.code == 0
        assert ended.stderr == ""
        assert steady(ended.stdout) == dedent("""\
            shop (development), database `<database>`, version 0

              state  version  name  kind  applied at (UTC)  took
            · pending  1  0001_users  sql
            · pending  2  0002_orders  sql
            · pending  90  0090_view  repeatable

            0 applied, 3 pending
            """)

    def test_findings_stand_in_the_table_and_below_it(self, applied: Shop, run: Run) -> None:
        applied.write("0001_users.sql", "create table users (id bigint);")
        applied.write("0090_view.sql", "create or replace view active as select * from users;")
        text = steady(run("status", "shop.yaml").stdout)
        assert "✓ done  1  0001_users  sql  <moment>  <duration>  edited\n" in text
        assert "✓ done  90  0090_view  repeatable  <moment>  <duration>  due\n" in text
        assert text.endswith(
            "3 applied, 0 pending, 1 due\nfinding: `0001_users`: applied with checksum <old>, the file now has <new>\n"
        )

    def test_json_holds_what_scripts_rely_on(self, applied: Shop, run: Run) -> None:
        applied.add(3, "0003", "select 1/0;")
        applied.add(4, "0004", "select 1;")
        run("apply", "shop.yaml")
        document = json.loads(run("status", "shop.yaml", "--json").stdout)
        assert document["current_version"] == 2
        assert document["applied"] == ["0001_users", "0002_orders", "0090_view"]
        assert (document["pending"], document["failed"], document["stuck"]) == (["0004"], ["0003"], [])
        failed = next(one for one in document["migrations"] if one["name"] == "0003")
        assert (failed["version"], failed["kind"], failed["state"], failed["applied_at"]) == (3, "sql", "failed", None)
        assert failed["error"]["sqlstate"] == "22012"
        assert {"findings", "duration_ms"} <= set(failed)

    def test_check_tells_what_apply_would_refuse(self, applied: Shop, run: Run) -> None:
        applied.add(3, "0003", "select 1;")
        assert run("status", "shop.yaml", "--check").code == 5
        file = applied.write("0001_users.sql", "create table users (id bigint);")
        assert run("status", "shop.yaml", "--check").code == 7
        assert run("apply", "shop.yaml").code == 2
        run("accept", "shop.yaml", "1", "--reason", f"{file.name} means the same")
        applied.entries.pop()
        applied.add(4, "0004", "select 1;")
        assert run("apply", "shop.yaml").code == 0
        applied.add(3, "0003", "select 1;")
        assert run("status", "shop.yaml", "--check").code == 7, "out of order"

    def test_check_tells_that_a_condition_gives_no_answer(
        self, filled: Shop, run: Run, connection: psycopg.Connection
    ) -> None:
        connection.execute("create table soon_gone ()")
        filled.add(91, "0091", "select 1;", kind="repeatable", repeat="{condition: select true from soon_gone}")
        assert run("apply", "shop.yaml", "--allow-existing").code == 0
        connection.execute("drop table soon_gone")
        ended = run("status", "shop.yaml", "--check")
        assert (ended.code, "finding: `0091`: whether it is due is not known" in ended.stdout) == (7, True)
        assert run("apply", "shop.yaml").code == 1

    def test_check_tells_by_its_exit_code_what_is_left(self, filled: Shop, run: Run) -> None:
        assert run("status", "shop.yaml").code == 0
        assert run("status", "shop.yaml", "--check").code == 5
        run("apply", "shop.yaml")
        assert run("status", "shop.yaml", "--check").code == 0
        filled.write("0090_view.sql", "create or replace view active as select * from users where true;")
        assert run("status", "shop.yaml", "--check").code == 5
        filled.add(3, "0003", "select 1/0;")
        run("apply", "shop.yaml")
        assert run("status", "shop.yaml", "--check", "--json").code == 6

    def test_a_run_at_work_is_named(
        self, applied: Shop, run: Run, connection: psycopg.Connection, connect: Callable[[], psycopg.Connection]
    ) -> None:
        from zmig.database.lock import RunLock

        applied.add(3, "0003", "select 1;")
        worker = connect()
        RunLock("zmig").try_acquire(worker)
        data = json.dumps({"version": 3, "backend_pid": worker.info.backend_pid})
        Facts(connection).append("0003", "migration.started", data=data)
        text = run("status", "shop.yaml").stdout
        assert "▶ running        3  0003 " in text
        assert f"a run holds the lock: backend {worker.info.backend_pid}, " in text
        assert "running `0003`\n" in text
        assert run("status", "shop.yaml", "--check").code == 5

    def test_glyphs_fit_the_encoding_of_stdout(self, applied: Shop) -> None:
        from tests.support.process import run as run_process

        ended = run_process("status", "shop.yaml", cwd=applied.folder, environ={"PYTHONIOENCODING": "ascii"})
        assert "+ done         1  0001_users" in ended.stdout


class TestHistory:
    def test_facts_are_lines(self, applied: Shop, run: Run) -> None:
        applied.add(3, "0003_bad", "select 1;\nselect 1/0;")
        run("apply", "shop.yaml")
        run("retry", "shop.yaml")
        run("resolve", "shop.yaml", "3", "--as", "done", "--reason", "made by hand")
        lines = [steady(line).split() for line in run("history", "shop.yaml", "3").stdout.splitlines()]
        assert [line[1:3] for line in lines] == [
            ["0003_bad", "started"],
            ["0003_bad", "failed"],
            ["0003_bad", "started"],
            ["0003_bad", "failed"],
            ["0003_bad", "resolved"],
        ]
        assert lines[1][3:] == ["<who>", "<duration>,", "division", "by", "zero"]
        assert lines[2][3:] == ["<who>", "attempt", "2"]
        assert lines[4][3:] == ["<who>", "as", "done,", "made", "by", "hand"]

    def test_json_holds_the_facts_as_they_are_stored(self, applied: Shop, run: Run) -> None:
        facts = json.loads(run("history", "shop.yaml", "--json").stdout)["facts"]
        assert len(facts) == 7
        assert facts[1]["event_type"] == "migration.done"
        assert facts[1]["event_data"]["checksum"]
        assert [fact["position"] for fact in facts] == sorted(fact["position"] for fact in facts)

    def test_json_is_written_as_any_other_document_is(self, filled: Shop, run: Run) -> None:
        for count in (0, 1, 6):
            written = run("history", "shop.yaml", *(["1"] if count == 1 else []), "--json").stdout
            assert written == json.dumps(json.loads(written), indent=2) + "\n"
            run("apply", "shop.yaml")

    def test_without_facts_there_is_nothing_on_stdout(self, filled: Shop, run: Run) -> None:
        ended = run("history", "shop.yaml")
        assert (ended.code, ended.stdout, ended.stderr) == (0, "", "nothing has happened yet\n")

    def test_unknown_name_offers_the_nearest(self, applied: Shop, run: Run) -> None:
        ended = run("history", "shop.yaml", "0001_user")
        assert ended.code == 2
        assert ended.stderr == "error: no migration is called `0001_user`\nhint: write `0001_users`\n"


def test_version_is_the_highest_applied_one(filled: Shop, run: Run) -> None:
    assert run("version", "shop.yaml").stdout == "0\n"
    run("apply", "shop.yaml")
    assert run("version", "shop.yaml").stdout == "2\n"
    assert json.loads(run("version", "shop.yaml", "--json").stdout) == {"current_version": 2}


class TestRollback:
    def test_without_a_terminal_it_needs_a_yes(
        self, applied: Shop, run: Run, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with Path("/dev/null").open() as nothing:
            monkeypatch.setattr("sys.stdin", nothing)
            ended = run("rollback", "shop.yaml")
        assert ended.code == 2
        assert ended.stderr.endswith(
            "error: nobody can be asked: standard input is no terminal\n"
            "   = nothing was rolled back\n"
            "hint: add `--yes` to roll back without being asked\n"
        )
        assert exists(connection, "active")

    def test_yes_rolls_back_what_the_plan_said(self, applied: Shop, run: Run, connection: psycopg.Connection) -> None:
        ended = run("rollback", "shop.yaml", "--steps", "2", "--include-repeatables", "--yes", "--json")
        assert ended.code == 0
        assert json.loads(ended.stdout)["completed"] == ["0090_view", "0002_orders"]
        assert not exists(connection, "orders")
        assert exists(connection, "users")

    def test_target_zero_rolls_everything_back(self, applied: Shop, run: Run, connection: psycopg.Connection) -> None:
        ended = run("rollback", "shop.yaml", "--to", "0", "--yes")
        assert ended.code == 1, "a view depends on it"
        assert ended.stderr.splitlines()[-1] == (
            "hint: correct the rollback file; or, if repeatables depend on it, "
            "see `zmig rollback shop.yaml --include-repeatables --dry-run`"
        )
        planned = run("rollback", "shop.yaml", "--to", "0", "--include-repeatables", "--dry-run")
        assert planned.stdout.splitlines()[-1] == "2 steps to roll back"
        assert exists(connection, "users")
        assert run("rollback", "shop.yaml", "--to", "0", "--include-repeatables", "--yes").code == 0
        assert not exists(connection, "users")
        ended = run("rollback", "shop.yaml", "--yes")
        assert (ended.code, ended.stderr) == (0, "nothing to roll back\n")

    def test_what_is_asked_and_what_is_run_share_a_connection(self, applied: Shop, run: Run) -> None:
        with Proxy(applied.url) as proxy:
            ended = run("rollback", "shop.yaml", "--include-repeatables", "--yes", "--database-url", proxy.url)
        assert ended.code == 0
        assert len(proxy.sessions) == 1

    def test_irreversible_migration_refuses_the_plan(self, applied: Shop, run: Run) -> None:
        applied.add(3, "0003", "select 1;")
        run("apply", "shop.yaml")
        ended = run("rollback", "shop.yaml", "--to", "1", "--yes")
        assert ended.code == 2
        assert ended.stderr.startswith("error: migration `0003` has no rollback\n")


class TestDeciding:
    def test_resolve(self, applied: Shop, run: Run) -> None:
        applied.add(3, "0003", "select 1/0;")
        run("apply", "shop.yaml")
        ended = run("resolve", "shop.yaml", "0003", "--as", "done", "--reason", "made by hand", "--json")
        assert json.loads(ended.stdout) == {"name": "0003", "resolved_as": "done"}
        assert run("status", "shop.yaml", "--check").code == 0
        assert run("resolve", "shop.yaml", "0003", "--as", "pending", "--reason", "undone").code == 0
        assert run("status", "shop.yaml", "--check").code == 5

    def test_resolve_needs_a_known_verdict_and_a_reason(self, applied: Shop, run: Run) -> None:
        ended = run("resolve", "shop.yaml", "1", "--as", "finished", "--reason", "x")
        assert (ended.code, ended.stderr.splitlines()[0]) == (2, "error: a migration cannot be resolved as `finished`")
        assert run("resolve", "shop.yaml", "1", "--as", "done", "--reason", " ").code == 2

    def test_accept(self, applied: Shop, run: Run) -> None:
        assert run("accept", "shop.yaml", "1", "--reason", "x").code == 2
        applied.write("0001_users.sql", "create table users (id bigint);\n")
        assert run("apply", "shop.yaml").code == 2
        ended = run("accept", "shop.yaml", "1", "--reason", "it is one already")
        assert (ended.code, ended.stderr) == (0, "the file of migration `0001_users` is accepted as it is now\n")
        assert run("apply", "shop.yaml").code == 0

    def test_a_cosmetic_edit_is_a_note_of_status_and_plan(self, applied: Shop, run: Run) -> None:
        applied.write("0001_users.sql", "-- who buys\nCREATE TABLE users (id int);\n")
        note = "note: `0001_users`: edited since it was applied, in comments, white space or case only"
        assert note in run("plan", "shop.yaml").stdout
        assert json.loads(run("plan", "shop.yaml", "--json").stdout)["notes"] == [note.removeprefix("note: ")]
        status = run("status", "shop.yaml", "--check")
        assert (status.code, note in status.stdout, "cosmetic-edit" in status.stdout) == (0, True, True)
        assert "finding:" not in status.stdout
        (finding,) = json.loads(run("status", "shop.yaml", "--json").stdout)["migrations"][0]["findings"]
        assert finding == {"code": "cosmetic-edit", "message": note.partition("`: ")[2]}

    def test_baseline(self, filled: Shop, run: Run, connection: psycopg.Connection) -> None:
        ended = run("baseline", "shop.yaml", "--to", "2", "--reason", "made by the previous tool", "--json")
        assert json.loads(ended.stdout) == {"names": ["0001_users", "0002_orders"]}
        assert "2 migrations recorded, nothing was run" in ended.stderr
        assert not exists(connection, "users")
        assert run("version", "shop.yaml").stdout == "2\n"


class TestReset:
    def test_confirmed_by_name_it_drops_everything(
        self, applied: Shop, run: Run, connection: psycopg.Connection
    ) -> None:
        name = connection.info.dbname
        ended = run("reset", "shop.yaml", "--confirm", name, "--json")
        assert (ended.code, json.loads(ended.stdout)) == (0, {"database": name, "dropped": ["public", "zmig"]})
        assert not exists(connection, "users")
        assert run("apply", "shop.yaml").code == 0

    def test_a_new_migration_without_a_statement_keeps_nobody_from_beginning_anew(
        self, applied: Shop, run: Run, connection: psycopg.Connection
    ) -> None:
        assert run("create", "shop.yaml", "add_orders").code == 0
        assert run("apply", "shop.yaml").code == 2
        assert run("reset", "shop.yaml", "--confirm", connection.info.dbname).code == 0
        assert not exists(connection, "users")

    def test_the_name_is_asked_for_and_everything_dropped_over_one_connection(
        self, applied: Shop, run: Run, connection: psycopg.Connection
    ) -> None:
        with Proxy(applied.url) as proxy:
            ended = run("reset", "shop.yaml", "--confirm", connection.info.dbname, "--database-url", proxy.url)
        assert ended.code == 0
        assert len(proxy.sessions) == 1

    def test_what_belongs_to_something_else_goes_with_it(
        self, shop: Shop, run: Run, connection: psycopg.Connection
    ) -> None:
        shop.add(
            1,
            "0001",
            """
            create table a (id bigint generated always as identity primary key, b serial, c text unique);
            create table parts (id int, primary key (id)) partition by range (id);
            create table part partition of parts for values from (0) to (10);
            create type kind as enum ('x');
            create domain name as text check (value <> '');
            create table typed (kind kind, name name) inherits (a);
            create view seen as select * from typed;
            create materialized view kept as select * from a;
            create sequence free;
            create function f() returns trigger language plpgsql as $$ begin return new; end $$;
            create trigger t before insert on a for each row execute function f();
            create aggregate total (int) (sfunc = int4pl, stype = int);
            """,
        )
        if connection.execute("select from pg_available_extensions where name = 'citext'").fetchone():
            shop.add(2, "0002", "create extension citext; create table d (e citext);")
        assert run("apply", "shop.yaml").code == 0
        ended = run("reset", "shop.yaml", "--confirm", connection.info.dbname)
        assert ended.code == 0, ended.stderr
        left = connection.execute("""
            select pg_describe_object(classid, objid, objsubid) from pg_depend
            where refclassid = 'pg_namespace'::regclass and refobjid = to_regnamespace('public')
        """).fetchall()
        assert left == []
        assert run("apply", "shop.yaml").code == 0

    def test_another_name_drops_nothing(self, applied: Shop, run: Run, connection: psycopg.Connection) -> None:
        ended = run("reset", "shop.yaml", "--confirm", "other")
        assert (ended.code, "not `other`\n   = nothing was dropped" in ended.stderr) == (2, True)
        assert exists(connection, "users")

    @pytest.mark.parametrize("environment", ["production", "staging"])
    def test_production_is_refused_whatever_is_confirmed(
        self, applied: Shop, run: Run, connection: psycopg.Connection, environment: str
    ) -> None:
        applied.environment = environment
        applied.declare()
        ended = run("reset", "shop.yaml", "--confirm", connection.info.dbname)
        assert ended.code == 2
        assert ended.stderr.startswith(
            f"error: `zmig reset` is refused: the manifest's environment is {environment}\n   = nothing was dropped\n"
        )
        assert exists(connection, "users")


class TestCreate:
    def test_files_and_entry_are_written_and_can_be_applied(self, applied: Shop, run: Run) -> None:
        ended = run("create", "shop.yaml", "add_items", "--description", "items of an order")
        file, rollback = ended.stdout.splitlines()
        assert (ended.code, Path(file).is_file(), Path(rollback).is_file()) == (0, True, True)
        assert "items of an order" in Path(file).read_text()
        Path(file).write_text("select 1;")
        document = json.loads(run("apply", "shop.yaml", "--json").stdout)
        assert document["completed"] == [Path(file).stem]

    @pytest.mark.parametrize(("option", "suffix"), [("--python", ".py"), ("--repeatable", ".sql")])
    def test_other_kinds(self, applied: Shop, run: Run, option: str, suffix: str) -> None:
        document = json.loads(run("create", "shop.yaml", "again", option, "--json").stdout)
        assert Path(document["file"]).suffix == suffix
        assert Path(document["file"]).is_file()
        assert document["manifest"] == "shop.yaml"

    def test_unusable_name_changes_nothing(self, applied: Shop, run: Run) -> None:
        before = applied.path.read_text()
        ended = run("create", "shop.yaml", "...")
        assert (ended.code, ended.stdout) == (2, "")
        assert applied.path.read_text() == before


class TestLint:
    def test_clean_manifests(self, filled: Shop, run: Run) -> None:
        ended = run("lint", "shop.yaml", "--quiet")
        assert (ended.code, ended.stderr) == (0, "")
        assert "error[" not in ended.stdout

    def test_every_finding_of_every_manifest_is_data(self, filled: Shop, run: Run) -> None:
        filled.add(3, "0003", "select 1; commit;")
        filled.add(4, "0004.py", "def run(ctx): ...\n")
        ended = run("lint", "shop.yaml")
        assert ended.code == 1
        assert "error[transaction/control]: `COMMIT` is in a file" in ended.stdout
        assert "error[python/invalid]: `0004.py` has no function `execute`" in ended.stdout
        document = json.loads(run("lint", "shop.yaml", "--format", "json").stdout)
        assert set(document["findings"][0]) == {
            "rule", "severity", "message", "file", "line", "column", "end_line", "end_column", "hint", "migration",
            "fix",
        }  # fmt: skip

    def test_manifest_that_cannot_be_read_at_all(self, filled: Shop, run: Run) -> None:
        ended = run("lint", "shop.yaml", "gone.yaml")
        assert (ended.code, ended.stdout) == (2, "")
        assert "error: the manifest `gone.yaml` does not exist" in ended.stderr

    def test_file_that_cannot_run_as_declared_is_found_without_a_database(self, filled: Shop, run: Run) -> None:
        filled.url = "postgresql://nowhere.invalid/shop"
        filled.add(3, "0003", "select 1;\ncommit;")
        findings = json.loads(run("lint", "shop.yaml", "--json").stdout)["findings"]
        places = {(one["rule"], one["file"], one["line"]) for one in findings if one["severity"] == "error"}
        assert places == {("transaction/control", "0003.sql", 2)}


class TestDb:
    @pytest.fixture
    def private(self, empty: Path) -> Iterator[EmbeddedServer]:
        (empty / "demo.yaml").write_text(
            "manifest: 1\nname: demo\nenvironment: test\ndatabase: {embedded: pg}\nmigrations: []\n"
        )
        server = EmbeddedServer(empty / "pg")
        yield server
        server.stop()

    def test_from_start_to_stop(self, private: EmbeddedServer, run: Run) -> None:
        from tests.support.process import run as run_process

        assert run("db", "url", "demo.yaml").stdout == f"{private.url()}\n"
        assert not private.is_running()
        assert run("db", "start", "demo.yaml").stdout == f"{private.url()}\n"
        assert private.is_running()
        psql = run_process("db", "psql", "demo.yaml", "--", "-XAtc", "select 6 * 7", cwd=Path.cwd())
        assert (psql.code, psql.stdout) == (0, "42\n")
        assert json.loads(run("db", "stop", "demo.yaml", "--json").stdout) == {"stopped": True}
        assert not private.is_running()
        assert run("db", "stop", "demo.yaml").stderr == "the private PostgreSQL was not running\n"

    def test_the_private_server_is_reached_whatever_files_are_missing(self, empty: Path, run: Run) -> None:
        entry = "migrations:\n  - {version: 1, file: gone.sql}\n  - {version: 1, file: gone.py}\n"
        (empty / "demo.yaml").write_text(f"manifest: 1\ndatabase: {{embedded: pg}}\n{entry}")
        ended = run("db", "stop", "demo.yaml")
        assert (ended.code, ended.stderr) == (0, "the private PostgreSQL was not running\n")
        assert run("db", "url", "demo.yaml").code == 0

    def test_server_of_a_url_is_not_ours(self, shop: Shop, run: Run) -> None:
        shop.declare()
        ended = run("db", "stop", "shop.yaml")
        assert ended.code == 2
        assert "names a PostgreSQL server by URL, which is not zmig's to start or stop" in ended.stderr
