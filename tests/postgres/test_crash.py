"""Nothing is lost and nothing is done twice when a run dies, whenever it dies."""

from __future__ import annotations

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.support import backends
from tests.support.process import Process, run

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from tests.support.project import ProjectFolder

INDEX = "create index concurrently t_x on t (x)"


@pytest.fixture(autouse=True)
def patience(project: ProjectFolder) -> None:
    """Let statements wait for the locks that a test holds, however slow the machine is."""
    project.change(defaults={"lock_timeout": "10min"})


@pytest.fixture(autouse=True)
def table(connection: psycopg.Connection) -> None:
    connection.execute("create table t (x int); insert into t values (1)")


@pytest.fixture
def tracked(project: ProjectFolder) -> ProjectFolder:
    """A project whose tracking tables are there, so that a test can lock them."""
    project.sql("001_first", "select 1")
    assert run("apply", project.manifest).code == 0
    return project


def die(connection: psycopg.Connection, project: ProjectFolder, *arguments: str, when: str) -> None:
    """Run zmig and kill it once its backend fulfils a condition; return when the backend is gone."""
    with Process(arguments[0] if arguments else "apply", project.manifest, *arguments[1:]) as process:
        backends.wait_for(connection, 1, when, of=process)
        process.kill()
    backends.wait_for_end(connection)


class Gate:
    """A lock that a test holds, and that something waits for."""

    def __init__(self, connection: psycopg.Connection, statement: str) -> None:
        self._connection = connection
        with connection.transaction(force_rollback=True):
            pass
        connection.execute("begin")
        connection.execute(statement.encode())

    def open(self) -> None:
        self._connection.execute("rollback")


IN_CHECKPOINT = "wait_event_type = 'Lock' and query like '%migration.checkpoint%'"
IN_INDEX = "wait_event_type = 'Lock' and query like 'create index%'"


def no_facts(connect: Callable[..., psycopg.Connection]) -> Gate:
    """Keep every fact from being appended: whoever tries, waits."""
    return Gate(connect(), "lock table zmig.migration_events in exclusive mode")


def no_index(connect: Callable[..., psycopg.Connection]) -> Gate:
    """Keep every index of `t` from being completed concurrently: its build waits for this snapshot."""
    return Gate(connect(), "set transaction isolation level repeatable read; select * from t")


def states(project: ProjectFolder) -> dict[str, str]:
    """Return what `zmig status` says, by name."""
    shown = run("status", project.manifest, "--json")
    return {one["name"]: one["state"] for one in json.loads(shown.stdout)["migrations"]}


def facts(connection: psycopg.Connection, name: str) -> list[str]:
    """Return the types of a migration's facts, without prefix."""
    rows = connection.execute(
        "select replace(event_type, 'migration.', '') from zmig.migration_events where aggregate_id = %s "
        "and aggregate_type = 'migration' order by position",
        [name],
    )
    return [row[0] for row in rows]


def indexes(connection: psycopg.Connection) -> dict[str, tuple[int, bool]]:
    """Return the indexes of `t`: oid and validity by name."""
    rows = connection.execute(
        "select c.relname, c.oid::int, i.indisvalid from pg_index i join pg_class c on c.oid = i.indexrelid "
        "where i.indrelid = 't'::regclass"
    )
    return {name: (oid, valid) for name, oid, valid in rows}


def problem(ended_stdout: str) -> dict[str, object]:
    return json.loads(ended_stdout)["problems"][0]


class TestTransactional:
    def test_a_killed_one_is_stuck_and_the_next_apply_runs_it_once(
        self, project: ProjectFolder, connection: psycopg.Connection
    ) -> None:
        project.sql("001_slow", "insert into t values (2);\nselect pg_sleep(60);")
        die(connection, project, when="query like '%pg_sleep%'")
        assert states(project) == {"001_slow": "stuck"}
        project.sql("001_slow", "insert into t values (2);")
        assert run("apply", project.manifest).code == 0
        assert connection.execute("select x from t order by x").fetchall() == [(1,), (2,)]

    def test_the_attempt_of_a_killed_run_gets_an_end(
        self, project: ProjectFolder, connection: psycopg.Connection
    ) -> None:
        project.sql("001_slow", "select pg_sleep(60);")
        die(connection, project, when="query like '%pg_sleep%'")
        project.sql("001_slow", "select 1;")
        assert run("apply", project.manifest).code == 0
        assert facts(connection, "001_slow") == ["started", "failed", "started", "done"]
        ends = connection.execute(
            "select event_data->'attempt', event_data->>'run_id', event_data->'error'->>'code' "
            "from zmig.migration_events where event_type = 'migration.failed'"
        ).fetchall()
        (died,) = connection.execute("select run_id from zmig.migration_events where position = 1").fetchone() or ("",)
        assert ends == [(1, died, "run-died")]

    def test_a_killed_rollback_left_the_migration_applied_and_apply_says_so(
        self, project: ProjectFolder, connection: psycopg.Connection
    ) -> None:
        project.sql("001_two", "insert into t values (2)", rollback="delete from t where x = 2;\nselect pg_sleep(60);")
        assert run("apply", project.manifest).code == 0
        die(connection, project, "rollback", "--yes", when="query like '%pg_sleep%'")
        assert states(project) == {"001_two": "stuck"}
        assert run("apply", project.manifest).code == 0
        assert states(project) == {"001_two": "done"}
        assert facts(connection, "001_two") == ["started", "done", "rollback_started", "rollback_failed"]
        assert connection.execute("select x from t order by x").fetchall() == [(1,), (2,)]


class TestIndexBuiltConcurrently:
    def test_one_that_was_built_but_not_recorded_is_not_built_again(
        self, tracked: ProjectFolder, connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
    ) -> None:
        tracked.sql("002_index", f"{INDEX};\ninsert into t values (2);")
        snapshot = no_index(connect)
        with Process("apply", tracked.manifest) as process:
            backends.wait_for(connection, 1, IN_INDEX, of=process)
            facts_gate = no_facts(connect)
            snapshot.open()
            backends.wait_for(connection, 1, IN_CHECKPOINT, of=process)
            process.kill()
        backends.wait_for_end(connection)
        facts_gate.open()
        built = indexes(connection)
        assert built["t_x"][1]
        assert run("apply", tracked.manifest).code == 0
        assert indexes(connection) == built
        assert connection.execute("select x from t order by x").fetchall() == [(1,), (2,)]
        assert states(tracked)["002_index"] == "done"

    def test_one_without_a_name_is_not_built_twice(
        self, tracked: ProjectFolder, connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
    ) -> None:
        connection.execute("create index t_x_idx on t (x)")
        tracked.sql("002_index", "create index concurrently on t (x)")
        snapshot = no_index(connect)
        with Process("apply", tracked.manifest) as process:
            backends.wait_for(connection, 1, IN_INDEX, of=process)
            facts_gate = no_facts(connect)
            snapshot.open()
            backends.wait_for(connection, 1, IN_CHECKPOINT, of=process)
            process.kill()
        backends.wait_for_end(connection)
        facts_gate.open()
        built = indexes(connection)
        assert {name: valid for name, (_, valid) in built.items()} == {"t_x_idx": True, "t_x_idx1": True}
        assert run("apply", tracked.manifest).code == 0
        assert indexes(connection) == built

    @pytest.mark.parametrize("statement", [INDEX, "create index concurrently on t (x)"])
    def test_one_that_was_half_built_is_dropped_and_built_again(
        self,
        tracked: ProjectFolder,
        connection: psycopg.Connection,
        connect: Callable[..., psycopg.Connection],
        statement: str,
    ) -> None:
        tracked.sql("002_index", f"{statement};\ninsert into t values (2);")
        snapshot = no_index(connect)
        die(connection, tracked, when=IN_INDEX)
        snapshot.open()
        assert [valid for _, valid in indexes(connection).values()] == [False]
        assert run("apply", tracked.manifest).code == 0
        assert [valid for _, valid in indexes(connection).values()] == [True]
        assert connection.execute("select x from t order by x").fetchall() == [(1,), (2,)]

    def test_an_index_of_somebody_else_is_never_taken_for_the_migration_s(
        self, tracked: ProjectFolder, connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
    ) -> None:
        connection.execute("create index t_x on t ((x + 1))")
        tracked.sql("002_index", INDEX)
        for _ in range(3):
            ended = run("apply", tracked.manifest, "--json")
            assert (ended.code, problem(ended.stdout)["code"]) == (1, "migration-failed")
        gate = no_facts(connect)
        with Process("apply", tracked.manifest) as process:
            backends.wait_for(connection, 1, "wait_event_type = 'Lock'", of=process)
            process.kill()
        backends.wait_for_end(connection)
        gate.open()
        assert run("apply", tracked.manifest).code == 1

    def test_an_invalid_index_of_somebody_else_is_left_alone(
        self, tracked: ProjectFolder, connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
    ) -> None:
        snapshot, other = no_index(connect), connect()
        builder = other.info.backend_pid
        with ThreadPoolExecutor(1) as threads:
            built = threads.submit(other.execute, INDEX)
            waits = f"select from pg_stat_activity where pid = {builder} and {IN_INDEX}"
            backends.wait_until(connection, f"exists ({waits})")
            connection.execute("select pg_cancel_backend(%s)", [builder])
            with pytest.raises(Exception, match="due to user request"):
                built.result()
        snapshot.open()
        before = indexes(connection)
        tracked.sql("002_index", "create index concurrently if not exists t_x on t (x)")
        for _ in range(2):
            ended = run("apply", tracked.manifest)
            assert ended.code == 1
            assert 'index "t_x" is invalid' in ended.stderr
            assert 'drop index concurrently "t_x"' in ended.stderr
        assert indexes(connection) == before

    def test_one_that_the_server_refused_is_cleared_away_even_if_the_file_is_corrected(
        self, tracked: ProjectFolder, connection: psycopg.Connection
    ) -> None:
        connection.execute("insert into t values (1)")
        tracked.sql("002_index", "create unique index concurrently t_x on t (x)")
        assert run("apply", tracked.manifest).code == 1
        assert [valid for _, valid in indexes(connection).values()] == [False]
        tracked.sql("002_index", INDEX)
        assert run("apply", tracked.manifest).code == 0
        assert [valid for _, valid in indexes(connection).values()] == [True]

    def test_a_crash_while_the_rest_is_cleared_away_changes_nothing(
        self, tracked: ProjectFolder, connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
    ) -> None:
        tracked.sql("002_index", INDEX)
        for condition in (IN_INDEX, "wait_event_type = 'Lock' and query like 'drop index%'"):
            snapshot = no_index(connect)
            die(connection, tracked, when=condition)
            snapshot.open()
        assert run("apply", tracked.manifest).code == 0
        assert [valid for _, valid in indexes(connection).values()] == [True]


BATCHES = """create procedure batches() language plpgsql as $$
begin
    insert into t values (2);
    commit;
    perform pg_advisory_xact_lock(1);
end $$"""


class TestUndecided:
    @pytest.fixture
    def killed(
        self, tracked: ProjectFolder, connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
    ) -> ProjectFolder:
        """A migration that was killed inside a procedure which had committed something."""
        connection.execute(BATCHES)
        tracked.sql(
            "002_call", "insert into t values (3);\ncall batches();\ninsert into t values (4);", transaction=False
        )
        gate = Gate(connect(), "select pg_advisory_xact_lock(1)")
        die(connection, tracked, when="wait_event_type = 'Lock' and query like 'call%'")
        gate.open()
        return tracked

    def test_it_is_refused_with_the_facts_and_two_commands_and_nothing_is_recorded(
        self, killed: ProjectFolder, connection: psycopg.Connection
    ) -> None:
        before = facts(connection, "002_call")
        for verb in ("apply", "retry"):
            ended = run(verb, killed.manifest, "--json")
            assert ended.code == 2
            told = problem(ended.stdout)
            assert told["code"] == "resume-undecided"
            assert "statement 2 of 3, `call batches()`" in ended.stderr
            assert "--as failed" in ended.stderr
            assert "--as done" in ended.stderr
        assert facts(connection, "002_call") == before
        assert connection.execute("select x from t order by x").fetchall() == [(1,), (2,), (3,)]

    def test_resolved_as_failed_the_statement_is_sent_again_and_nothing_before_it(
        self, killed: ProjectFolder, connection: psycopg.Connection
    ) -> None:
        assert run("resolve", killed.manifest, "002_call", "--as", "failed", "--reason", "had no effect").code == 0
        assert run("apply", killed.manifest).code == 0
        assert connection.execute("select x from t order by x").fetchall() == [(1,), (2,), (2,), (3,), (4,)]

    def test_resolved_as_done_nothing_is_run(self, killed: ProjectFolder, connection: psycopg.Connection) -> None:
        assert run("resolve", killed.manifest, "002_call", "--as", "done", "--reason", "completed by hand").code == 0
        assert run("apply", killed.manifest).code == 0
        assert connection.execute("select x from t order by x").fetchall() == [(1,), (2,), (3,)]

    def test_an_interrupted_one_is_refused_too(
        self, tracked: ProjectFolder, connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
    ) -> None:
        connection.execute(BATCHES)
        tracked.sql("002_call", "call batches();", transaction=False)
        gate = Gate(connect(), "select pg_advisory_xact_lock(1)")
        with Process("apply", tracked.manifest) as process:
            backends.wait_for(connection, 1, "wait_event_type = 'Lock' and query like 'call%'", of=process)
            process.send(signal.SIGTERM)
            assert process.wait().code == 143
        gate.open()
        assert states(tracked)["002_call"] == "failed"
        ended = run("apply", tracked.manifest, "--json")
        assert (ended.code, problem(ended.stdout)["code"]) == (2, "resume-undecided")

    def test_a_statement_that_was_never_sent_is_no_question(
        self, tracked: ProjectFolder, connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
    ) -> None:
        connection.execute(BATCHES)
        tracked.sql("002_call", "insert into t values (3);\ncall batches();", transaction=False)
        gate = Gate(connect(), "lock table t in exclusive mode")
        die(connection, tracked, when="wait_event_type = 'Lock' and query like 'insert into t%'")
        gate.open()
        assert run("apply", tracked.manifest).code == 0
        assert connection.execute("select x from t order by x").fetchall() == [(1,), (2,), (3,)]

    def test_python_outside_a_transaction_is_refused(
        self, tracked: ProjectFolder, connection: psycopg.Connection
    ) -> None:
        tracked.python("002_code", "def execute(ctx):\n    ctx.execute('select pg_sleep(60)')\n", transaction=False)
        die(connection, tracked, when="query like '%pg_sleep%'")
        ended = run("apply", tracked.manifest, "--json")
        assert (ended.code, problem(ended.stdout)["code"]) == (2, "resume-undecided")

    def test_a_rollback_outside_a_transaction_is_refused_too(
        self, tracked: ProjectFolder, connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
    ) -> None:
        connection.execute(BATCHES)
        tracked.sql("002_call", "select 1", rollback="call batches();\nvacuum t;")
        assert run("apply", tracked.manifest).code == 0
        gate = Gate(connect(), "select pg_advisory_xact_lock(1)")
        die(connection, tracked, "rollback", "--yes", when="wait_event_type = 'Lock' and query like 'call%'")
        gate.open()
        ended = run("rollback", tracked.manifest, "--yes", "--json")
        assert (ended.code, problem(ended.stdout)["code"]) == (2, "resume-undecided")
        assert "--as pending" in ended.stderr
        assert "--as done" in ended.stderr
        assert connection.execute("select x from t order by x").fetchall() == [(1,), (2,)]


HALF = """create procedure half() language plpgsql as $$
begin
    insert into t values (2);
    commit;
    raise exception 'half way';
end $$"""
PARTWAY = {
    "a procedure": ("sql", "insert into t values (3);\ncall half();", False),
    "a block": ("sql", "do $$ begin insert into t values (2); commit; raise exception 'half way'; end $$", False),
    "Python outside a transaction": (
        "python",
        "def execute(ctx):\n    ctx.execute('insert into t values (2)')\n    raise RuntimeError('half way')\n",
        False,
    ),
    "Python that ended its transaction": (
        "python",
        "def execute(ctx):\n    ctx.execute('insert into t values (2)')\n    ctx.execute('commit')\n"
        "    raise RuntimeError('half way')\n",
        True,
    ),
}


class TestFailedPartway:
    @pytest.fixture(params=PARTWAY)
    def failed(
        self, tracked: ProjectFolder, connection: psycopg.Connection, request: pytest.FixtureRequest
    ) -> ProjectFolder:
        """A migration that failed by itself after it had committed something, and one behind it."""
        connection.execute(HALF)
        kind, text, transaction = PARTWAY[request.param]
        getattr(tracked, kind)("002_half", text, transaction=transaction)
        tracked.sql("003_next", "insert into t values (4)")
        ended = run("apply", tracked.manifest)
        assert ended.code == 1
        assert f"retry {tracked.manifest} 002_half`" in ended.stderr
        return tracked

    def _rows(self, connection: psycopg.Connection) -> list[int]:
        return [x for (x,) in connection.execute("select x from t where x <> 3 order by x").fetchall()]

    def test_applying_again_is_refused_with_the_two_commands_and_does_nothing_twice(
        self, failed: ProjectFolder, connection: psycopg.Connection
    ) -> None:
        before = facts(connection, "002_half")
        ended = run("apply", failed.manifest, "--json")
        told = problem(ended.stdout)
        assert (ended.code, told["code"]) == (2, "failed-partway")
        assert ("half way" in ended.stderr) == ("ended the transaction" not in ended.stderr)
        assert "002_half --as done" in ended.stderr
        assert f"zmig retry {failed.manifest} 002_half" in str(told["hint"])
        assert facts(connection, "002_half") == before
        assert self._rows(connection) == [1, 2]

    def test_a_person_may_have_it_done_again(self, failed: ProjectFolder, connection: psycopg.Connection) -> None:
        assert run("retry", failed.manifest, "002_half").code == 1
        assert self._rows(connection) == [1, 2, 2]

    @pytest.mark.parametrize(("verdict", "code", "rows"), [("done", 0, [1, 2, 4]), ("failed", 1, [1, 2, 2])])
    def test_a_person_may_say_what_is_true(
        self, failed: ProjectFolder, connection: psycopg.Connection, verdict: str, code: int, rows: list[int]
    ) -> None:
        assert run("resolve", failed.manifest, "002_half", "--as", verdict, "--reason", "looked").code == 0
        assert run("apply", failed.manifest).code == code
        assert self._rows(connection) == rows


def test_python_interrupted_outside_a_transaction_is_left_to_a_person(
    tracked: ProjectFolder, connection: psycopg.Connection
) -> None:
    body = "    ctx.execute('insert into t values (2)')\n    ctx.execute('select pg_sleep(600)')\n"
    tracked.python("002_code", f"def execute(ctx):\n{body}", transaction=False)
    with Process("apply", tracked.manifest) as process:
        backends.wait_for(connection, 1, "wait_event = 'PgSleep'", of=process)
        process.send(signal.SIGTERM)
        ended = process.wait()
    assert ended.code == 143
    assert f"look at what it committed, then run `zmig retry {tracked.manifest} 002_code`" in ended.stderr
    again = run("apply", tracked.manifest, "--json")
    assert (again.code, problem(again.stdout)["code"]) == (2, "failed-partway")
    assert connection.execute("select x from t order by x").fetchall() == [(1,), (2,)]


class TestContinued:
    def test_settings_of_statements_that_are_not_repeated_are_made_again(
        self, tracked: ProjectFolder, connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
    ) -> None:
        connection.execute("create schema s; create table s.t (x int)")
        tracked.sql(
            "002_path",
            "set search_path = s;\ninsert into t values (2);\ncreate index concurrently t_x on t (x);\n"
            "insert into t values (3);",
        )
        snapshot = Gate(connect(), "set transaction isolation level repeatable read; select * from s.t")
        die(connection, tracked, when=IN_INDEX)
        snapshot.open()
        assert run("apply", tracked.manifest).code == 0
        assert connection.execute("select x from s.t order by x").fetchall() == [(2,), (3,)]
        assert connection.execute(
            "select indisvalid from pg_index where indexrelid = 's.t_x'::regclass"
        ).fetchall() == [(True,)]

    @pytest.mark.parametrize("mode", [None, True])
    def test_an_edit_of_what_is_done_is_refused(
        self,
        tracked: ProjectFolder,
        connection: psycopg.Connection,
        connect: Callable[..., psycopg.Connection],
        mode: bool | None,
    ) -> None:
        tracked.sql("002_index", f"insert into t values (2);\n{INDEX};")
        snapshot = no_index(connect)
        die(connection, tracked, when=IN_INDEX)
        snapshot.open()
        if mode:
            tracked.sql("002_index", "insert into t values (2);")
        else:
            tracked.sql("002_index", f"insert into t values (5);\n{INDEX};")
        ended = run("apply", tracked.manifest, "--json")
        assert (ended.code, problem(ended.stdout)["code"]) == (2, "done-statements-changed")
        assert connection.execute("select x from t order by x").fetchall() == [(1,), (2,)]

    def test_an_edit_of_a_statement_in_doubt_is_refused(
        self, tracked: ProjectFolder, connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
    ) -> None:
        tracked.sql("002_index", INDEX)
        snapshot = no_index(connect)
        die(connection, tracked, when=IN_INDEX)
        snapshot.open()
        tracked.sql("002_index", "create index concurrently other on t (x)")
        ended = run("apply", tracked.manifest, "--json")
        assert (ended.code, problem(ended.stdout)["code"]) == (2, "done-statements-changed")

    def test_an_edit_behind_what_is_done_is_allowed(
        self, tracked: ProjectFolder, connection: psycopg.Connection
    ) -> None:
        tracked.sql("002_index", f"insert into t values (2);\n{INDEX};\ninsert into nowhere values (3);")
        assert run("apply", tracked.manifest).code == 1
        tracked.sql("002_index", f"insert into t values (2);\n{INDEX};\ninsert into t values (3);")
        assert run("apply", tracked.manifest).code == 0
        assert connection.execute("select x from t order by x").fetchall() == [(1,), (2,), (3,)]

    def test_a_statement_whose_commit_failed_is_sent_again(
        self, tracked: ProjectFolder, connection: psycopg.Connection
    ) -> None:
        connection.execute("""
            create sequence tries;
            create function fail_once() returns trigger language plpgsql as $$
            begin
                if nextval('tries') = 1 then
                    raise exception 'not yet' using errcode = 'serialization_failure';
                end if;
                return null;
            end $$;
            create constraint trigger late after insert on t deferrable initially deferred
                for each row execute function fail_once();
        """)
        tracked.sql("002_rows", "insert into t values (2);\nvacuum t;", transaction=False)
        assert run("apply", tracked.manifest).code == 0
        assert connection.execute("select x from t order by x").fetchall() == [(1,), (2,)]

    @pytest.mark.parametrize("statement", ["reindex table parts", "reindex (verbose) table parts"])
    def test_what_refuses_a_transaction_only_for_a_partitioned_table_can_be_run(
        self, tracked: ProjectFolder, connection: psycopg.Connection, statement: str
    ) -> None:
        connection.execute(
            "create table parts (x int primary key) partition by range (x); "
            "create table part_1 partition of parts for values from (0) to (9)"
        )
        tracked.sql("002_reindex", statement, transaction=False)
        ended = run("apply", tracked.manifest)
        assert ended.code == 0, ended.stderr
