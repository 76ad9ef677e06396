from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.recorder import Recorder
from zmig import MigrationFailed, Migrator, PlanRefused, UsageError
from zmig.planning.plan import Action, Direction

if TYPE_CHECKING:
    import psycopg

    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder


@pytest.fixture
def project(project: ProjectFolder) -> ProjectFolder:
    """Three reversible migrations, of which each needs the one before it."""
    project.sql("001_one", "create table one (x int primary key);", rollback="drop table one;")
    project.sql("002_two", "create table two (x int references one);", rollback="drop table two;")
    project.python(
        "003_three",
        "def execute(ctx):\n    ctx.execute('create table three (x int)')\n\n\n"
        "def rollback(ctx):\n    ctx.execute('drop table three')\n",
    )
    return project


@pytest.fixture
def migrator(project: ProjectFolder) -> Migrator:
    migrator = Migrator(project.manifest)
    migrator.migrate()
    return migrator


def _tables(connection: psycopg.Connection) -> list[str]:
    return [
        name for (name,) in connection.execute("select tablename from pg_tables where schemaname = 'public' order by 1")
    ]


def test_the_last_one_is_rolled_back_by_default(
    migrator: Migrator, connection: psycopg.Connection, facts: Facts
) -> None:
    assert list(migrator.rollback().completed) == ["003_three"]
    assert _tables(connection) == ["one", "two"]
    assert facts.applied == [(1, "001_one"), (2, "002_two")]
    assert migrator.current_version() == 2
    assert migrator.status().pending == ["003_three"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"steps": 2}, ["003_three", "002_two"]),
        ({"steps": 99}, ["003_three", "002_two", "001_one"]),
        ({"to": 1}, ["003_three", "002_two"]),
        ({"to": 0}, ["003_three", "002_two", "001_one"]),
        ({"to": 3}, []),
    ],
)
def test_it_goes_back_from_the_last_to_the_first(
    migrator: Migrator, arguments: dict[str, Any], expected: list[str]
) -> None:
    planned = migrator.plan_rollback(**arguments)
    assert planned.direction is Direction.ROLLBACK
    assert [step.migration.name for step in planned.steps] == expected
    assert all(step.action is Action.ROLL_BACK for step in planned.steps)
    result = migrator.rollback(**arguments)
    assert list(result.completed) == expected
    assert (result.run_id is None) is (expected == [])


def test_what_was_rolled_back_can_be_applied_again(migrator: Migrator, facts: Facts) -> None:
    migrator.rollback(to=0)
    assert list(migrator.migrate().completed) == ["001_one", "002_two", "003_three"]
    assert [data["attempt"] for data in facts.data("001_one", "started")] == [1, 1]
    assert facts.applied == [(1, "001_one"), (2, "002_two"), (3, "003_three")]


def test_one_without_a_rollback_stops_all_of_it_before_anything_runs(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    project.sql("002_two", "create table two (x int references one);")
    migrator = Migrator(project.manifest)
    migrator.migrate()
    with pytest.raises(PlanRefused, match="002_two") as caught:
        migrator.rollback(to=0)
    assert caught.value.code == "irreversible"
    assert _tables(connection) == ["one", "three", "two"]
    assert list(migrator.rollback().completed) == ["003_three"]


def test_one_that_is_declared_no_more_stops_all_of_it(project: ProjectFolder, migrator: Migrator) -> None:
    project.forget(3)
    with pytest.raises(PlanRefused, match="no longer declared"):
        Migrator(project.manifest).rollback()


def test_a_version_that_nothing_has_is_no_target(migrator: Migrator) -> None:
    with pytest.raises(UsageError, match="no migration has version 7"):
        migrator.rollback(to=7)


def test_a_failure_leaves_the_migration_applied(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    project.sql(
        "002_two", "create table two (x int references one);", rollback="drop table two;\ndrop table nowhere;\n"
    )
    recorder = Recorder()
    migrator = Migrator(project.manifest, observer=recorder)
    migrator.migrate()
    with pytest.raises(MigrationFailed) as caught:
        migrator.rollback(to=0)
    (problem,) = caught.value.problems
    assert problem.message == 'rollback of `002_two` failed: table "nowhere" does not exist'
    assert problem.location is not None
    assert problem.location.path.endswith("002_two.rollback.sql")
    assert problem.location.line == 2
    assert problem.effect == "rolled back: `002_two` left nothing behind; `003_three` of this run stays rolled back"
    assert _tables(connection) == ["one", "two"]
    assert facts.told[-2:] == [("002_two", "rollback_started"), ("002_two", "rollback_failed")]
    assert facts.applied == [(1, "001_one"), (2, "002_two")]
    status = migrator.status()
    assert (status.applied, status.failed) == (["001_one", "002_two"], [])
    assert [finding.code.value for finding in status.migrations[1].findings] == ["rollback-failed"]
    project.sql("002_two", "create table two (x int references one);", rollback="drop table two;")
    assert list(Migrator(project.manifest).rollback(to=0).completed) == ["002_two", "001_one"]
    assert [data["attempt"] for data in facts.data("002_two", "rollback_started")] == [1, 2]


def test_a_rollback_outside_a_transaction_continues_where_it_failed(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    forward = "create table four (x int);\ncreate index concurrently four_x on four (x);\n"
    project.sql(
        "004_four", forward, rollback="drop index concurrently four_x;\ndrop table nowhere;\ndrop table four;\n"
    )
    migrator = Migrator(project.manifest)
    migrator.migrate()
    with pytest.raises(MigrationFailed) as caught:
        migrator.rollback()
    (problem,) = caught.value.problems
    assert problem.effect == "not rolled back: statement 1 stays applied"
    with pytest.raises(PlanRefused) as refused:
        migrator.migrate()
    assert refused.value.code == "rollback-incomplete"
    connection.execute("create table nowhere ()")
    assert list(Migrator(project.manifest).rollback().completed) == ["004_four"]
    assert _tables(connection) == ["one", "three", "two"]
    assert facts.told[-1] == ("004_four", "rolled_back")
    assert migrator.status().pending == ["004_four"]


def test_an_edited_rollback_file_is_told_and_may_run(project: ProjectFolder, facts: Facts) -> None:
    project.sql("004_four", "create table four ();", rollback="drop table nowhere;")
    migrator = Migrator(project.manifest)
    migrator.migrate()
    (done,) = facts.data("004_four", "done")
    assert len(done["rollback_checksum"]) == 64
    assert "rollback_checksum" not in facts.data("003_three", "done")[0]
    (step,) = migrator.plan_rollback().steps
    assert "edited" not in step.reason
    with pytest.raises(MigrationFailed):
        migrator.rollback()
    project.sql("004_four", "create table four ();", rollback="drop table four;")
    migrator = Migrator(project.manifest)
    (step,) = migrator.plan_rollback().steps
    assert step.reason.endswith("; its rollback file was edited since")
    assert list(migrator.rollback().completed) == ["004_four"]


@pytest.fixture
def view(project: ProjectFolder) -> ProjectFolder:
    """Two repeatables that rest on the last migration: a view that goes with it, and a function that does not."""
    project.sql("004_four", "create table four (x int);", rollback="drop table four cascade;")
    project.repeatable("090_view", "create or replace view v as select x from four;")
    project.repeatable("091_function", "create or replace function f() returns int language sql as 'select 1';")
    return project


def test_repeatables_stay_and_run_again_behind_what_they_may_rest_on(
    view: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    migrator = Migrator(view.manifest)
    migrator.migrate()
    assert list(migrator.rollback().completed) == ["004_four"]
    assert facts.applied[-2:] == [(90, "090_view"), (91, "091_function")]
    assert (migrator.status().pending, migrator.status().due) == (["004_four"], ["090_view", "091_function"])
    (outdated,) = facts.data("090_view", "outdated")
    assert (outdated["version"], outdated["rolled_back"]) == (90, "004_four")
    assert list(migrator.migrate().completed) == ["004_four", "090_view", "091_function"]
    assert connection.execute("select to_regclass('v') is not null").fetchone() == (True,)
    assert (migrator.migrate().run_id, migrator.status().due) == (None, [])


def test_repeatables_are_due_even_if_the_run_that_should_repeat_them_ends_too_early(
    view: ProjectFolder, connection: psycopg.Connection
) -> None:
    migrator = Migrator(view.manifest)
    migrator.migrate()
    migrator.rollback()
    migrator.migrate_to_version(4)
    assert connection.execute("select to_regclass('v')").fetchone() == (None,)
    assert list(migrator.migrate().completed) == ["090_view", "091_function"]


def test_a_failed_rollback_makes_no_repeatable_due(view: ProjectFolder) -> None:
    view.sql("004_four", "create table four (x int);", rollback="drop table four cascade; select 1 / 0;")
    migrator = Migrator(view.manifest)
    migrator.migrate()
    with pytest.raises(MigrationFailed):
        migrator.rollback()
    assert migrator.status().due == []


def test_a_repeatable_with_a_rollback_is_rolled_back_before_the_versions_where_it_is_included(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    project.repeatable("090_view", "create or replace view v as select 1 as x;", rollback="x")
    (project.folder / "x").unlink(missing_ok=True)
    project.repeatable("090_view", "create or replace view v as select 1 as x;", rollback="090.sql")
    (project.folder / "090.sql").write_text("drop view v;")
    project.repeatable("091_grant", "select 1;")
    migrator = Migrator(project.manifest)
    migrator.migrate()
    planned = migrator.plan_rollback(to=2, include_repeatables=True)
    assert [step.migration.name for step in planned.steps] == ["090_view", "003_three"]
    assert [step.migration.name for step in migrator.plan_rollback(to=2).steps] == ["003_three"]
    assert list(migrator.rollback(include_repeatables=True).completed) == ["090_view"]
    assert list(migrator.rollback().completed) == ["003_three"]
    assert connection.execute("select to_regclass('v')").fetchone() == (None,)


def test_a_rollback_that_was_killed_is_settled_by_the_next_apply(migrator: Migrator, facts: Facts) -> None:
    facts.append("003_three", "rollback_started", data='{"version": 3, "backend_pid": 1, "transactional": true}')
    assert migrator.status().stuck == ["003_three"]
    assert [step.action for step in migrator.plan().steps] == [Action.RECORD_END]
    migrator.migrate()
    assert migrator.status().applied == ["001_one", "002_two", "003_three"]
    assert list(migrator.rollback().completed) == ["003_three"]


def test_the_confirmed_plan_is_the_one_that_runs(project: ProjectFolder, migrator: Migrator) -> None:
    confirmed = migrator.plan_rollback()
    migrator.rollback()
    with pytest.raises(PlanRefused) as caught:
        migrator.rollback(confirmed=confirmed)
    assert caught.value.code == "plan-changed"
    confirmed = migrator.plan_rollback()
    project.sql("002_two", "create table two (x int references one);", rollback="drop table two; drop table one;")
    with pytest.raises(PlanRefused) as caught:
        Migrator(project.manifest).rollback(confirmed=confirmed)
    assert caught.value.code == "plan-changed"
    assert list(migrator.rollback(confirmed=migrator.plan_rollback()).completed) == ["002_two"]


def test_one_without_a_transaction_is_rolled_back_without_one_and_continues_where_it_stopped(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    steps = "drop table tried;\ninsert into seen values (pg_current_xact_id()::text);\n"
    rollback = f"{steps}insert into seen values (pg_current_xact_id()::text);\ndrop table gone;\n"
    project.sql("004_four", "create table tried (x int);", rollback=rollback, transaction=False)
    connection.execute("create table seen (xid text)")
    migrator = Migrator(project.manifest)
    migrator.migrate()
    (step,) = migrator.plan_rollback().steps
    assert step.mode is not None
    assert (step.mode.transactional, step.mode.reason) == (False, "`transaction: false` in the manifest")
    with pytest.raises(MigrationFailed) as raised:
        migrator.rollback()
    assert "statements 1-3 stay applied" in (raised.value.problems[0].effect or "")
    connection.execute("create table gone ()")
    assert list(migrator.rollback().completed) == ["004_four"]
    assert connection.execute("select count(*), count(distinct xid) from seen").fetchone() == (2, 2)
    assert _tables(connection) == ["one", "seen", "three", "two"]
    assert facts.told[-1] == ("004_four", "rolled_back")
    assert [data["transactional"] for data in facts.data("004_four", "rollback_started")] == [False, False]


def test_one_that_must_have_a_transaction_says_nothing_of_its_rollback(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    made = "create table five (x int);\ncreate index five_x on five (x);"
    project.sql("005_five", made, rollback="drop index concurrently five_x;\ndrop table five;", transaction=True)
    migrator = Migrator(project.manifest)
    migrator.migrate()
    assert list(migrator.rollback().completed) == ["005_five"]
    assert "five" not in _tables(connection)
