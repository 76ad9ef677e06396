from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from zmig_tui.models import remote_run

from tests.support import backends
from tests.support.recorder import Recorder
from zmig import MigrationFailed, Migrator, PlanRefused
from zmig.progress import Reported, StatementStarted, StepFailed, StepFinished, StepStarted

if TYPE_CHECKING:
    import psycopg
    from zmig_tui.models.run import Run

    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder
    from zmig import Context
    from zmig.progress import Progress


@pytest.fixture
def three(project: ProjectFolder) -> ProjectFolder:
    """Two migrations in SQL and one in Python."""
    project.sql("001_one", "create table one (x int);\ninsert into one values (1);\n")
    project.sql("002_two", "select pg_catalog.set_config('search_path', '', false);\ncreate table public.two ();\n")
    project.python("003_three", "def execute(ctx):\n    ctx.execute('insert into one values (3)')\n")
    return project


def _untouched(connection: psycopg.Connection) -> bool:
    row = connection.execute("select to_regclass('one') is null and to_regclass('two') is null").fetchone()
    return row == (True,)


def test_all_steps_commit_together(three: ProjectFolder, connection: psycopg.Connection, facts: Facts) -> None:
    seen: list[bool] = []

    def observe(progress: Progress) -> None:
        if isinstance(progress, StepStarted):
            seen.append(_untouched(connection))
            assert facts.told == [("001_one", "started")] if progress.number > 1 else True

    result = Migrator(three.manifest, observer=observe).migrate(atomic=True)

    assert list(result.completed) == ["001_one", "002_two", "003_three"]
    assert seen == [True, True, True]
    assert facts.told == [(name, type) for name in result.completed for type in ("started", "done")]
    transactions = connection.execute(
        "select count(distinct xmin::text) from zmig.migration_events where event_type = 'migration.done'"
    ).fetchone()
    assert transactions == (1,)
    assert facts.applied == [(1, "001_one"), (2, "002_two"), (3, "003_three")]


def test_started_is_visible_while_the_transaction_is_open(three: ProjectFolder, facts: Facts) -> None:
    seen: list[list[tuple[str, str]]] = []

    def observe(progress: Progress) -> None:
        if isinstance(progress, StatementStarted) and progress.number == 1:
            seen.append(facts.told)

    Migrator(three.manifest, observer=observe).migrate(atomic=True)
    assert seen == [[("001_one", "started")], [("001_one", "started")]]


def test_a_failure_takes_everything_back_and_is_recorded_for_the_one_that_failed(
    three: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    three.sql("003_three", "insert into one values (3);\nselect 1 / 0;\n")
    recorder = Recorder()
    with pytest.raises(MigrationFailed) as caught:
        Migrator(three.manifest, observer=recorder).migrate(atomic=True)

    (problem,) = caught.value.problems
    assert problem.message == "migration `003_three` failed: division by zero"
    assert problem.location is not None
    assert problem.location.line == 2
    assert problem.effect == "rolled back: `003_three` left nothing behind, and neither did any other step of this run"
    assert _untouched(connection)
    assert facts.applied == []
    assert facts.told == [(name, type) for name in ("001_one", "003_three") for type in ("started", "failed")]
    assert problem.hint == f"correct the file, then run `zmig apply {three.manifest} --atomic`"
    assert facts.data("001_one", "failed")[0]["error"]["message"] == (
        "rolled back with `003_three`, in the same atomic run"
    )
    failed = recorder.one(StepFailed)
    assert (failed.step.migration.name, failed.number, failed.total) == ("003_three", 3, 3)
    assert recorder.all(StepFinished) == []
    status = Migrator(three.manifest).status()
    assert (status.failed, status.pending) == (["003_three"], ["001_one", "002_two"])
    three.sql("003_three", "insert into one values (3);")
    assert len(Migrator(three.manifest).migrate(atomic=True).completed) == 3


def test_a_deferred_check_fails_at_the_end_of_all(three: ProjectFolder, connection: psycopg.Connection) -> None:
    three.sql(
        "001_one",
        "create table one (x int primary key);\n"
        "create table two_of (x int references one deferrable initially deferred);\ninsert into two_of values (9);\n",
    )
    with pytest.raises(MigrationFailed, match="foreign key") as caught:
        Migrator(three.manifest).migrate(atomic=True)
    (problem,) = caught.value.problems
    assert any("at commit" in fact for fact in problem.facts)
    assert _untouched(connection)


def test_a_step_that_cannot_run_in_a_transaction_is_refused_before_anything_runs(
    three: ProjectFolder, connection: psycopg.Connection
) -> None:
    three.sql("004_four", "create index concurrently one_x on one (x);")
    three.sql("007_seven", "vacuum;")
    with pytest.raises(PlanRefused) as caught:
        Migrator(three.manifest).migrate(atomic=True)
    assert [problem.code for problem in caught.value.problems] == ["atomic-impossible"] * 2
    hint = caught.value.problems[0].hint or ""
    assert "--to 3 --atomic" in hint
    assert connection.execute("select to_regnamespace('zmig')").fetchone() == (None,)
    assert list(Migrator(three.manifest).migrate(to=3, atomic=True).completed) == ["001_one", "002_two", "003_three"]


def test_repeatables_take_their_turn(three: ProjectFolder, facts: Facts) -> None:
    three.repeatable("090_idle", "select 1;", repeat={"condition": "select false"})
    three.repeatable("091_busy", "insert into one values (91);", repeat={"condition": "select count(*) = 4 from one"})
    migrator = Migrator(three.manifest)
    migrator.migrate()
    three.sql("004_four", "set search_path = ''; insert into public.one values (4);")
    result = Migrator(three.manifest).migrate(atomic=True)
    assert (result.completed, result.skipped) == (("004_four", "091_busy"), ("090_idle",))
    assert facts.told[-1] == ("091_busy", "done")


def test_a_condition_without_an_answer_takes_everything_back(
    three: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    three.repeatable("090_fix", "select 1;", repeat={"condition": "select true"})
    Migrator(three.manifest).migrate()
    three.repeatable("090_fix", "select 1;", repeat={"condition": "select 1 / 0 = 1"})
    three.sql("004_four", "create table four ();")
    with pytest.raises(MigrationFailed) as caught:
        Migrator(three.manifest).migrate(atomic=True)
    assert caught.value.code == "repeat-undecided"
    assert "090_fix" in str(caught.value)
    assert connection.execute("select to_regclass('four')").fetchone() == (None,)
    assert facts.told[-2:] == [("004_four", "started"), ("004_four", "failed")]
    assert facts.data("004_four", "failed")[0]["error"]["message"] == (
        "rolled back with `090_fix`, in the same atomic run"
    )


def test_an_interruption_takes_everything_back(
    three: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    class Stopping:
        version = 4
        name = "004_stop"

        def execute(self, ctx: Context) -> None:
            raise KeyboardInterrupt

    migrator = Migrator(three.manifest)
    migrator.register_migration(Stopping())
    with pytest.raises(KeyboardInterrupt):
        migrator.migrate(atomic=True)
    assert _untouched(connection)
    assert facts.told == [(name, type) for name in ("001_one", "004_stop") for type in ("started", "failed")]
    assert facts.data("004_stop", "failed")[0]["error"]["interrupted"] == "SIGINT"


def test_a_migration_that_commits_is_told_and_nothing_is_called_applied(
    three: ProjectFolder, facts: Facts, connection: psycopg.Connection
) -> None:
    three.python("003_three", "def execute(ctx):\n    ctx.execute('commit')\n")
    with pytest.raises(MigrationFailed) as caught:
        Migrator(three.manifest).migrate(atomic=True)
    (problem,) = caught.value.problems
    assert problem.code == "transaction-ended"
    assert "stays" in (problem.effect or "")
    assert not _untouched(connection)
    assert facts.told[-1] == ("003_three", "failed")


def test_a_lost_connection_takes_everything_back(
    three: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    from zmig import ConnectionFailed

    three.sql("002_two", "create table two ();\nselect pg_terminate_backend(pg_backend_pid());\n")
    with pytest.raises(ConnectionFailed):
        Migrator(three.manifest).migrate(atomic=True)
    assert _untouched(connection)
    assert facts.told == [("001_one", "started")]
    assert Migrator(three.manifest).status().stuck == ["001_one"]
    three.sql("002_two", "create table two ();")
    assert len(Migrator(three.manifest).migrate(atomic=True).completed) == 3


def test_a_run_that_wakes_up_behind_another_one_records_nothing(
    three: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    """Its client was stopped between two steps, its backend ended, and another run did all of it."""
    from zmig import ConnectionFailed

    recorder = Recorder()

    def observe(progress: Progress) -> None:
        recorder(progress)
        if isinstance(progress, StepStarted) and progress.number == 2:
            own = "datname = current_database() and application_name like 'zmig/%'"
            connection.execute(f"select pg_terminate_backend(pid) from pg_stat_activity where {own}".encode())
            backends.wait_for(connection, 0, "application_name like 'zmig/%'")
            Migrator(three.manifest).migrate()

    with pytest.raises(ConnectionFailed):
        Migrator(three.manifest, observer=observe).migrate(atomic=True)
    names = ("001_one", "002_two", "003_three")
    ends = [("001_one", type) for type in ("started", "failed", "started", "done")]
    assert facts.told == ends + [(name, type) for name in names[1:] for type in ("started", "done")]
    assert Migrator(three.manifest).migrate().completed == ()
    assert connection.execute("select x from one order by x").fetchall() == [(1,), (3,)]


def test_an_interruption_at_the_commit_records_nothing_behind_it(
    three: ProjectFolder, facts: Facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the last step is one that was not due."""
    from zmig.running.run_session import RunSession

    three.repeatable("090_idle", "select 1;", repeat={"condition": "select false"})
    Migrator(three.manifest).migrate()
    three.sql("004_four", "create table public.four ();")
    send = RunSession.send

    def interrupted(session: RunSession, *parts: str) -> None:
        send(session, *parts)
        if parts == ("commit",):
            raise KeyboardInterrupt

    monkeypatch.setattr(RunSession, "send", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Migrator(three.manifest).migrate(atomic=True)
    assert facts.told[-2:] == [("004_four", "started"), ("004_four", "done")]


def test_what_was_rolled_back_with_another_one_is_as_it_was(three: ProjectFolder, facts: Facts) -> None:
    three.repeatable("090_view", "create or replace view v as select 1 as x;")
    Migrator(three.manifest).migrate()
    three.repeatable("090_view", "create or replace view v as select 2 as x;")
    three.repeatable("091_next", "select 1 / 0;")
    with pytest.raises(MigrationFailed):
        Migrator(three.manifest).migrate(atomic=True)
    assert [error["error"]["code"] for error in facts.data("090_view", "failed")] == ["rolled-back-with"]
    status = Migrator(three.manifest).status()
    assert status.failed == ["091_next"]
    assert "090_view" in status.applied
    assert [step.migration.name for step in Migrator(three.manifest).plan().steps] == ["090_view", "091_next"]


def test_which_step_is_at_work_is_told_while_the_transaction_is_open(
    project: ProjectFolder,
) -> None:
    """By status, by a watcher and in the console: in SQL, in Python, and in what was applied before."""
    project.repeatable("090_view", "create or replace view v as select 1 as x;")
    Migrator(project.manifest).migrate()
    project.repeatable("090_view", "create or replace view v as select 2 as x;\nselect 1;\n")
    project.sql("001_one", "create table one (x int);\nselect 1;\n")
    project.sql("002_two", "select 1;\ncreate table two ();\n")
    project.python("003_three", "def execute(ctx):\n    ctx.execute('select 1')\n    ctx.progress('here')\n")
    watcher = Migrator(project.manifest).watcher()
    seen: list[tuple[str | None, list[str], str | None, list[str]]] = []
    shown: list[Run | None] = [None]

    def observe(progress: Progress) -> None:
        if isinstance(progress, StatementStarted | Reported):
            status, observation = Migrator(project.manifest).status(), watcher.poll()
            watched = observation.status
            assert status.holder is not None
            assert watched.holder is not None
            seen.append((status.holder.migration, status.running, watched.holder.migration, watched.running))
            shown.append(remote_run.remote_run(observation, float(len(shown)), None, shown[-1]))

    try:
        Migrator(project.manifest, observer=observe).migrate(atomic=True)
    finally:
        watcher.close()
    names = ["001_one", "001_one", "002_two", "002_two", "003_three", "090_view", "090_view"]
    running = [[name] if name == "001_one" else ["001_one", name] for name in names]
    assert seen == [(name, those, name, those) for name, those in zip(names, running, strict=True)]
    current = [run.current for run in shown if run is not None and run.current is not None]
    assert [one.name for one in current] == names
    assert [(one.began, one.attempt) for one in current[-2:]] == [(6.0, 1), (6.0, 1)]


def test_what_ends_a_run_as_a_later_step_is_announced_takes_the_first_one_back(
    three: ProjectFolder, facts: Facts
) -> None:
    begun: list[str] = []

    def observer(progress: Progress) -> None:
        if isinstance(progress, StepStarted):
            begun.append(progress.step.migration.name)
            if progress.number == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Migrator(three.manifest, observer=observer).migrate(atomic=True)
    (failed,) = facts.data(begun[0], "failed")
    assert failed["error"]["code"] == "rolled-back-with"
