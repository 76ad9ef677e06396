from __future__ import annotations

import threading
import traceback
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.support import backends
from tests.support.recorder import Recorder
from zmig import ConnectionFailed, MigrationFailed, Migrator
from zmig.progress import (
    RetryScheduled,
    RunFinished,
    RunStarted,
    StatementStarted,
    StepFailed,
    StepFinished,
    StepStarted,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder
    from zmig.progress import Progress


def test_a_run_is_told_from_its_beginning_to_its_end(project: ProjectFolder) -> None:
    project.sql("001_one", "create table one ();")
    project.python("002_two", "def execute(ctx):\n    pass\n")
    recorder = Recorder()
    result = Migrator(project.manifest, observer=recorder).migrate()
    assert recorder.words == [
        "RunStarted",
        "StepStarted",
        "StatementStarted",
        "StatementFinished",
        "StepFinished",
        "StepStarted",
        "StepFinished",
        "RunFinished",
    ]
    began = recorder.one(RunStarted)
    assert (began.run_id, began.plan) == (result.run_id, result.plan)
    steps = recorder.all(StepStarted)
    assert [(told.number, told.total, told.attempt, told.statements) for told in steps] == [
        (1, 2, 1, 1),
        (2, 2, 1, None),
    ]
    assert [told.number for told in recorder.all(StepFinished)] == [1, 2]
    ended = recorder.one(RunFinished)
    assert (ended.completed, ended.total, ended.failed) == (2, 2, False)


def test_few_calls_are_between_migrate_and_the_server(project: ProjectFolder) -> None:
    """The observer is called by what sends a message, just before it does."""
    project.sql("001_one", "create table one ();")
    stacks: list[list[str]] = []

    def observe(progress: Progress) -> None:
        if isinstance(progress, StatementStarted):
            frames = [frame.f_code.co_qualname for frame, _ in traceback.walk_stack(None)]
            stacks.append(frames[frames.index("Script.begin") + 1 : frames.index("Migrator.migrate") + 1])

    Migrator(project.manifest, observer=observe).migrate()
    (stack,) = stacks
    assert stack[-4:] == ["Runner.run", "PlanExecutor.execute", "MigratorSession.run", "Migrator.migrate"]
    assert len([*stack, "wire.send"]) == 9


def test_a_failure_stops_the_run_and_keeps_what_was_done_before(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    project.sql("001_one", "create table one ();")
    project.sql("002_two", "create table two ();\nselect 1 / 0;")
    project.sql("003_three", "create table three ();")
    recorder = Recorder()
    migrator = Migrator(project.manifest, observer=recorder)
    with pytest.raises(MigrationFailed) as caught:
        migrator.migrate()
    (problem,) = caught.value.problems
    assert problem.effect == "rolled back: `002_two` left nothing behind; `001_one` of this run stays applied"
    assert isinstance(caught.value.__cause__, psycopg.errors.DivisionByZero)
    assert recorder.words[-2:] == ["StepFailed", "RunFinished"]
    assert (recorder.one(RunFinished).failed, recorder.one(RunFinished).completed) == (True, 1)
    assert recorder.one(StepFailed).problem == problem
    assert facts.told == [("001_one", "started"), ("001_one", "done"), ("002_two", "started"), ("002_two", "failed")]
    assert connection.execute("select to_regclass('two')").fetchone() == (None,)
    assert _advisory_locks(connection) == 0


def _advisory_locks(connection: psycopg.Connection) -> int:
    """Return how many are held in this database."""
    row = connection.execute(
        "select count(*) from pg_locks l join pg_database d on d.oid = l.database "
        "where l.locktype = 'advisory' and d.datname = current_database()"
    ).fetchone()
    assert row is not None
    return int(row[0])


class TestRetries:
    @pytest.fixture
    def busy(self, connection: psycopg.Connection) -> psycopg.Connection:
        """A session that has locked the table `busy`."""
        connection.execute("create table busy ()")
        connection.execute("begin; lock table busy")
        return connection

    def test_a_lock_timeout_is_tried_again_until_the_lock_is_free(
        self, project: ProjectFolder, busy: psycopg.Connection, facts: Facts
    ) -> None:
        project.sql(
            "001_one",
            "create table one ();\nlock table busy;",
            lock_timeout="10ms",
            retry={"attempts": 5, "backoff": 0, "max_backoff": 0},
        )
        recorder = Recorder()

        def observe(progress: Progress) -> None:
            recorder(progress)
            if isinstance(progress, RetryScheduled) and progress.attempt == 3:
                busy.execute("commit")

        Migrator(project.manifest, observer=observe).migrate()
        assert facts.told == [
            ("001_one", type) for type in ("started", "failed", "started", "failed", "started", "done")
        ]
        assert [data["attempt"] for data in facts.data("001_one", "started")] == [1, 2, 3]
        failures = facts.data("001_one", "failed")
        assert [(data["will_retry"], data["error"]["sqlstate"]) for data in failures] == [(True, "55P03")] * 2
        assert [(told.attempt, told.attempts) for told in recorder.all(RetryScheduled)] == [(2, 5), (3, 5)]
        assert [told.attempt for told in recorder.all(StepStarted)] == [1, 2, 3]
        assert [told.will_retry for told in recorder.all(StepFailed)] == [True, True]

    def test_the_pauses_grow_and_end(self, project: ProjectFolder, busy: psycopg.Connection, facts: Facts) -> None:
        del busy
        project.sql(
            "001_one",
            "lock table busy;",
            lock_timeout="1ms",
            retry={"attempts": 4, "backoff": "4ms", "max_backoff": "8ms"},
        )
        recorder = Recorder()
        with pytest.raises(MigrationFailed, match="lock timeout"):
            Migrator(project.manifest, observer=recorder).migrate()
        delays = [told.delay_seconds for told in recorder.all(RetryScheduled)]
        assert len(delays) == 3
        for delay, longest in zip(delays, (0.004, 0.008, 0.008), strict=True):
            assert longest / 2 <= delay <= longest
        assert [data["will_retry"] for data in facts.data("001_one", "failed")] == [True, True, True, False]

    def test_the_next_run_counts_on(self, project: ProjectFolder, busy: psycopg.Connection, facts: Facts) -> None:
        project.sql("001_one", "lock table busy;", lock_timeout="1ms", retry={"attempts": 2, "backoff": 0})
        with pytest.raises(MigrationFailed):
            Migrator(project.manifest).migrate()
        busy.execute("commit")
        Migrator(project.manifest).retry()
        assert [data["attempt"] for data in facts.data("001_one", "started")] == [1, 2, 3]

    def test_outside_a_transaction_it_goes_on_behind_what_is_done(
        self, project: ProjectFolder, busy: psycopg.Connection, facts: Facts
    ) -> None:
        project.sql(
            "001_one",
            "create table one ();\nlock table busy;\ncreate table two ();",
            transaction=False,
            lock_timeout="5ms",
            retry={"attempts": 3, "backoff": 0},
        )

        def observe(progress: Progress) -> None:
            if isinstance(progress, RetryScheduled):
                busy.execute("commit")

        Migrator(project.manifest, observer=observe).migrate()
        assert facts.data("001_one", "started")[1]["resumed_after"] == 1
        assert facts.told[-1] == ("001_one", "done")

    @pytest.mark.parametrize("call", ["call in_parts();", "do $$ begin call in_parts(); end $$;"])
    def test_a_procedure_that_commits_in_parts_is_not_repeated_by_itself(
        self, project: ProjectFolder, busy: psycopg.Connection, facts: Facts, call: str
    ) -> None:
        del busy
        project.sql(
            "001_one",
            "create table log (x int);\n"
            "create procedure in_parts() language plpgsql as $$ begin\n"
            "insert into log values (1); commit; perform set_config('lock_timeout', '1ms', false); "
            "lock table busy; end $$;\n" + call,
            transaction=False,
            retry={"attempts": 3, "backoff": 0},
        )
        with pytest.raises(MigrationFailed, match="lock timeout") as caught:
            Migrator(project.manifest).migrate()
        assert facts.told[-1] == ("001_one", "failed")
        assert facts.data("001_one", "failed")[0]["will_retry"] is False
        assert caught.value.problems[0].effect == (
            "not rolled back: statements 1-2 stay applied, and statement 3 may have committed a part"
        )

    def test_a_deadlock_is_tried_again(
        self, project: ProjectFolder, connect: Callable[..., psycopg.Connection], facts: Facts
    ) -> None:
        other = connect()
        other.execute("create table left_side (); create table right_side ()")
        other.execute("set deadlock_timeout = '10min'; begin; lock table right_side")
        project.sql(
            "001_one",
            "set deadlock_timeout = '500ms';\nlock table left_side;\nlock table right_side;",
            lock_timeout="20s",
            retry={"attempts": 2, "backoff": 0},
        )
        waiting = threading.Thread(target=lambda: other.execute("lock table left_side; commit"))
        started: list[bool] = []

        def observe(progress: Progress) -> None:
            if isinstance(progress, StatementStarted) and progress.number == 3 and not started:
                started.append(True)
                waiting.start()

        Migrator(project.manifest, observer=observe).migrate()
        waiting.join()
        assert facts.data("001_one", "failed")[0]["error"]["sqlstate"] == "40P01"
        assert facts.told[-1] == ("001_one", "done")

    @pytest.mark.parametrize("statement", ["select 1 / 0", "select nowhere"])
    def test_what_would_fail_again_is_not_tried_again(
        self, project: ProjectFolder, facts: Facts, statement: str
    ) -> None:
        project.sql("001_one", statement, retry={"attempts": 5, "backoff": 0})
        with pytest.raises(MigrationFailed):
            Migrator(project.manifest).migrate()
        assert [type for _, type in facts.told] == ["started", "failed"]


class TestObserver:
    def test_one_that_raises_is_dropped_and_the_run_goes_on(
        self, project: ProjectFolder, facts: Facts, caplog: pytest.LogCaptureFixture
    ) -> None:
        project.sql("001_one", "select 1;")
        heard: list[Progress] = []

        def observe(progress: Progress) -> None:
            heard.append(progress)
            raise RuntimeError("deaf")

        Migrator(project.manifest, observer=observe).migrate()
        assert len(heard) == 1
        assert facts.told == [("001_one", "started"), ("001_one", "done")]
        assert "the observer raised and is dropped" in caplog.text

    def test_an_interruption_in_one_is_an_interruption_of_the_run(self, project: ProjectFolder, facts: Facts) -> None:
        project.sql("001_one", "create table one ();")

        def observe(progress: Progress) -> None:
            if isinstance(progress, StepFinished):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            Migrator(project.manifest, observer=observe).migrate()
        assert facts.told == [("001_one", "started"), ("001_one", "done")]
        assert _advisory_locks(facts.connection) == 0


class TestLostConnection:
    KILL = "select pg_terminate_backend(pg_backend_pid());"

    def test_inside_a_transaction_the_server_rolls_back_and_the_next_run_starts_again(
        self, project: ProjectFolder, connection: psycopg.Connection, facts: Facts
    ) -> None:
        project.sql("001_one", f"create table one ();\n{self.KILL}")
        migrator = Migrator(project.manifest)
        with pytest.raises(ConnectionFailed) as caught:
            migrator.migrate()
        (problem,) = caught.value.problems
        assert problem.code == "connection-lost"
        assert "rolls it back" in (problem.effect or "")
        assert facts.told == [("001_one", "started")]
        assert migrator.status().stuck == ["001_one"]
        project.sql("001_one", "create table one ();")
        assert list(Migrator(project.manifest).migrate().completed) == ["001_one"]

    def test_outside_a_transaction_what_is_done_is_done(
        self, project: ProjectFolder, connection: psycopg.Connection, facts: Facts
    ) -> None:
        text = "create table one ();\n{}\ncreate table two ();"
        project.sql("001_one", text.format(self.KILL), transaction=False)
        with pytest.raises(ConnectionFailed):
            Migrator(project.manifest).migrate()
        project.sql("001_one", text.format("select 1;"), transaction=False)
        assert list(Migrator(project.manifest).migrate().completed) == ["001_one"]
        assert facts.data("001_one", "started")[-1]["resumed_after"] == 1

    def test_in_a_condition(self, project: ProjectFolder, facts: Facts) -> None:
        project.repeatable("090_fix", "select 1;", repeat={"condition": "select false"})
        Migrator(project.manifest).migrate()
        project.sql("001_one", "create table dying ();")
        project.repeatable(
            "090_fix",
            "select 1;",
            repeat={"condition": "select to_regclass('dying') is not null and pg_terminate_backend(pg_backend_pid())"},
        )
        with pytest.raises(ConnectionFailed):
            Migrator(project.manifest).migrate()
        assert facts.told[-1] == ("001_one", "done")

    def test_while_waiting_for_the_lock(
        self, project: ProjectFolder, connect: Callable[..., psycopg.Connection]
    ) -> None:
        from zmig.database.lock import RunLock
        from zmig.progress import LockWaiting

        project.sql("001_one", "select 1;")
        holder = connect()
        assert RunLock("zmig").try_acquire(holder)

        def observe(progress: Progress) -> None:
            if isinstance(progress, LockWaiting):
                holder.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity "
                    "where datname = current_database() and application_name like 'zmig/%'"
                )

        with pytest.raises(ConnectionFailed):
            Migrator(project.manifest, observer=observe).migrate()


def test_what_the_server_says_against_the_beginning_of_a_large_file_is_said(
    project: ProjectFolder, connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
) -> None:
    """It failed before any statement of the file's."""
    project.sql("001_t", "create table t (x int);")
    Migrator(project.manifest).migrate()
    project.sql("002_large", "insert into t values (1);\n" * 50_000)
    holder = connect(autocommit=False)
    holder.execute("lock table zmig.migration_events in share row exclusive mode")
    raised: list[BaseException] = []

    def run() -> None:
        try:
            Migrator(project.manifest).migrate()
        except MigrationFailed as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    backends.wait_for(connection, 1, "wait_event_type = 'Lock'")
    connection.execute("select pg_cancel_backend(%s)", [backends.pid(connection, "wait_event_type = 'Lock'")])
    holder.rollback()
    thread.join()
    (error,) = raised
    assert "canceling statement due to user request" in str(error)
    assert "ValueError" not in str(error)
