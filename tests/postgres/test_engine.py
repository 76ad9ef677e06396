from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from psycopg.conninfo import make_conninfo

from tests.support.recorder import Recorder
from zmig import ConnectionFailed, MigrationFailed, Migrator, PlanRefused, State, TrackingError, UsageError
from zmig.database.lock import RunLock
from zmig.planning.plan import Action
from zmig.progress import LockWaiting

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder
    from zmig.progress import Progress


@pytest.fixture
def project(project: ProjectFolder) -> ProjectFolder:
    """Three migrations, each a table."""
    for number, name in enumerate(("one", "two", "three"), start=1):
        project.sql(f"{number:03}_{name}", f"create table {name} ();", rollback=f"drop table {name};")
    return project


@pytest.fixture
def migrator(project: ProjectFolder) -> Migrator:
    return Migrator(project.manifest)


ALL = ["001_one", "002_two", "003_three"]


def _tables(connection: psycopg.Connection) -> list[str]:
    query = "select tablename from pg_tables where schemaname = 'public' order by 1"
    return [name for (name,) in connection.execute(query)]


class TestPlans:
    def test_what_is_planned_is_what_is_done(self, migrator: Migrator, connection: psycopg.Connection) -> None:
        planned = migrator.plan()
        assert [step.migration.name for step in planned.steps] == ALL
        assert all(step.mode is not None and step.mode.transactional for step in planned.steps)
        result = migrator.migrate(confirmed=planned)
        assert list(result.completed) == ALL
        assert result.plan.fingerprint == planned.fingerprint
        assert migrator.plan().steps == ()
        assert _tables(connection) == ["one", "three", "two"]

    @pytest.mark.parametrize(("to", "expected"), [(0, []), (1, ALL[:1]), (2, ALL[:2]), (3, ALL)])
    def test_a_target_stops_it(self, migrator: Migrator, to: int, expected: list[str]) -> None:
        assert list(migrator.migrate(to=to).completed) == expected
        assert migrator.current_version() == to

    def test_a_target_that_no_migration_has_is_refused(
        self, migrator: Migrator, connection: psycopg.Connection
    ) -> None:
        with pytest.raises(UsageError, match="no migration has version 9") as caught:
            migrator.migrate(to=9)
        assert caught.value.problems[0].hint == "write `--to 3`"
        assert _tables(connection) == []

    def test_a_plan_that_is_not_the_confirmed_one_is_refused(
        self, project: ProjectFolder, migrator: Migrator, connection: psycopg.Connection
    ) -> None:
        confirmed = migrator.plan()
        project.sql("004_four", "create table four ();")
        with pytest.raises(PlanRefused) as caught:
            Migrator(project.manifest).migrate(confirmed=confirmed)
        assert caught.value.code == "plan-changed"
        confirmed = Migrator(project.manifest).plan()
        project.sql("004_four", "create table four_others ();")
        with pytest.raises(PlanRefused):
            Migrator(project.manifest).migrate(confirmed=confirmed)
        assert _tables(connection) == []

    def test_a_confirmed_plan_that_another_run_has_carried_out_is_refused(self, migrator: Migrator) -> None:
        confirmed = migrator.plan()
        migrator.migrate()
        with pytest.raises(PlanRefused):
            migrator.migrate(confirmed=confirmed)

    def test_drift_stops_everything(
        self, project: ProjectFolder, migrator: Migrator, connection: psycopg.Connection
    ) -> None:
        migrator.migrate_to_version(2)
        project.sql("001_one", "create table one (edited int);", rollback="drop table one;")
        with pytest.raises(PlanRefused, match="edited after it was applied"):
            migrator.migrate()
        assert _tables(connection) == ["one", "two"]
        assert [finding.code.value for finding in migrator.status().migrations[0].findings] == ["drift"]

    def test_line_ends_and_byte_order_marks_are_no_edit(self, project: ProjectFolder, migrator: Migrator) -> None:
        path = project.sql("001_one", "create table one ();\nselect 1;\n", rollback="drop table one;")
        migrator.migrate()
        path.write_bytes(b"\xef\xbb\xbfcreate table one ();\r\nselect 1;\r\n")
        assert migrator.plan().refusals == ()


class TestOutOfOrder:
    @pytest.fixture
    def late(self, project: ProjectFolder, migrator: Migrator) -> ProjectFolder:
        """Version 2 turns up when 3 is applied."""
        project.forget(2)
        Migrator(project.manifest).migrate()
        project.sql("002_two", "create table two ();", rollback="drop table two;")
        return project

    def test_a_late_version_is_refused(self, late: ProjectFolder, connection: psycopg.Connection) -> None:
        with pytest.raises(PlanRefused, match="`002_two` is out of order") as caught:
            Migrator(late.manifest).migrate()
        assert caught.value.code == "out-of-order"
        assert _tables(connection) == ["one", "three"]

    def test_with_permission_it_runs_and_the_permission_stands_in_the_fact(
        self, late: ProjectFolder, facts: Facts
    ) -> None:
        assert list(Migrator(late.manifest).migrate(allow_out_of_order=True).completed) == ["002_two"]
        assert facts.data("002_two", "started")[0]["out_of_order"] is True
        assert "out_of_order" not in facts.data("001_one", "started")[0]
        assert Migrator(late.manifest).current_version() == 3

    def test_another_attempt_needs_no_permission_and_says_so_too(self, late: ProjectFolder, facts: Facts) -> None:
        late.sql("002_two", "select 1 / 0;")
        with pytest.raises(MigrationFailed):
            Migrator(late.manifest).migrate(allow_out_of_order=True)
        late.sql("002_two", "select 1;")
        Migrator(late.manifest).retry()
        assert [data["out_of_order"] for data in facts.data("002_two", "started")] == [True, True]


class TestRetry:
    def test_what_failed_is_run_again_alone(self, project: ProjectFolder, migrator: Migrator) -> None:
        project.sql("002_two", "create table two ();\nselect 1 / 0;")
        with pytest.raises(MigrationFailed):
            migrator.migrate()
        project.sql("002_two", "create table two ();", rollback="drop table two;")
        planned = migrator.plan_retry()
        assert [(step.migration.name, step.action, step.attempt) for step in planned.steps] == [
            ("002_two", Action.RETRY, 2)
        ]
        assert list(migrator.retry().completed) == ["002_two"]
        assert migrator.status().pending == ["003_three"]

    @pytest.mark.parametrize("name", ["002_two", "2"])
    def test_by_name_or_version(self, project: ProjectFolder, migrator: Migrator, name: str) -> None:
        project.sql("002_two", "select 1 / 0;")
        with pytest.raises(MigrationFailed):
            migrator.migrate()
        project.sql("002_two", "select 1;")
        assert list(migrator.retry([name]).completed) == ["002_two"]

    def test_a_healthy_one_cannot_be_retried(self, migrator: Migrator) -> None:
        migrator.migrate()
        with pytest.raises(UsageError, match="nothing to retry"):
            migrator.retry(["002_two"])
        assert migrator.retry().run_id is None

    def test_stuck_ones_are_found_and_run_again(self, migrator: Migrator, facts: Facts) -> None:
        migrator.migrate_to_version(1)
        facts.append("002_two", "started", data='{"version": 2, "backend_pid": 1, "run_id": "gone", "attempt": 4}')
        (stuck,) = migrator.find_stuck_migrations()
        assert (stuck.name, stuck.version, stuck.state) == ("002_two", 2, State.STUCK)
        assert list(migrator.retry_stuck_migrations().completed) == ["002_two"]
        assert facts.data("002_two", "started")[-1]["attempt"] == 5
        assert migrator.retry_stuck_migrations().run_id is None

    def test_a_fact_by_hand_that_is_young_proves_nothing(self, migrator: Migrator, facts: Facts) -> None:
        migrator.migrate_to_version(1)
        facts.append("002_two", "started", age="9 min")
        assert migrator.find_stuck_migrations() == []
        assert migrator.status().running == ["002_two"]
        with pytest.raises(PlanRefused) as caught:
            migrator.migrate()
        assert caught.value.code == "started-unproven"

    def test_when_it_counts_as_stuck_is_the_manifest_s_to_say(
        self, project: ProjectFolder, migrator: Migrator, facts: Facts
    ) -> None:
        migrator.migrate_to_version(1)
        facts.append("002_two", "started", age="9 min")
        project.change(tracking={"stuck_after": "5min"})
        assert Migrator(project.manifest).status().stuck == ["002_two"]


class TestLock:
    def test_nothing_to_do_takes_no_lock_and_writes_nothing(
        self, migrator: Migrator, connect: Callable[..., psycopg.Connection], connection: psycopg.Connection
    ) -> None:
        migrator.migrate()
        query = "select max(position), (select count(*) from pg_class) from zmig.migration_events"
        before = connection.execute(query).fetchone()
        holder = connect()
        assert RunLock("zmig").try_acquire(holder)
        assert migrator.migrate().run_id is None
        assert migrator.retry().run_id is None
        assert connection.execute(query).fetchone() == before

    def test_reads_need_no_lock(self, migrator: Migrator, connect: Callable[..., psycopg.Connection]) -> None:
        migrator.migrate_to_version(1)
        assert RunLock("zmig").try_acquire(connect())
        assert migrator.status().applied == ["001_one"]
        assert len(migrator.plan().steps) == 2
        assert len(migrator.history()) == 3

    def test_a_run_waits_plans_again_and_finds_nothing_left(
        self, project: ProjectFolder, connect: Callable[..., psycopg.Connection]
    ) -> None:
        """Another run carries out the plan while this one waits for it."""
        holder = connect()
        lock = RunLock("zmig")
        assert lock.try_acquire(holder)
        recorder = Recorder()

        def observe(progress: Progress) -> None:
            recorder(progress)
            if isinstance(progress, LockWaiting) and len(recorder.heard) == 1:
                for name in ALL:
                    holder.execute(
                        "insert into zmig.migration_events (aggregate_id, event_type) values (%s, 'migration.done')",
                        (name,),
                    )
                lock.release(holder)

        _create_tracking(holder)
        result = Migrator(project.manifest, observer=observe).migrate()
        assert (result.run_id, result.completed) == (None, ())
        assert recorder.words == ["LockWaiting"]

    def test_the_lock_is_given_back_after_a_failure(
        self, project: ProjectFolder, connection: psycopg.Connection
    ) -> None:
        project.sql("002_two", "select 1 / 0;")
        with pytest.raises(MigrationFailed):
            Migrator(project.manifest).migrate()
        assert RunLock("zmig").try_acquire(connection)


def _create_tracking(connection: psycopg.Connection) -> None:
    from zmig.database.store import Store

    store = Store(connection, "zmig")
    store.create(store.inspect())


class TestStatus:
    def test_it_tells_all_there_is(self, project: ProjectFolder, migrator: Migrator) -> None:
        project.sql("003_three", "create table three ();\nselect 1 / 0;\n")
        project.sql("004_four", "select 1;")
        with pytest.raises(MigrationFailed):
            migrator.migrate()
        document = Migrator(project.manifest).status().as_dict()
        assert (document["current_version"], document["applied"]) == (2, ALL[:2])
        assert (document["pending"], document["failed"], document["stuck"]) == (["004_four"], ["003_three"], [])
        assert document["environment"] == "test"
        migrations: Any = document["migrations"]
        assert [entry["state"] for entry in migrations] == ["done", "done", "failed", "pending"]
        one, _, three, four = migrations
        assert one["applied_at"] is not None
        assert one["duration_ms"] >= 0
        assert three["error"]["message"] == "division by zero"
        assert (four["applied_at"], four["error"]) == (None, None)

    def test_what_is_applied_and_no_longer_declared_is_missing(
        self, project: ProjectFolder, migrator: Migrator
    ) -> None:
        migrator.migrate()
        project.forget(2)
        project.forget(3)
        status = Migrator(project.manifest).status()
        assert status.current_version == 3
        assert [(entry.name, [found.code.value for found in entry.findings]) for entry in status.migrations] == [
            ("001_one", []),
            ("002_two", ["missing"]),
            ("003_three", ["missing"]),
        ]
        assert Migrator(project.manifest).migrate().run_id is None


class TestHistory:
    def test_it_is_what_happened_in_order(self, migrator: Migrator) -> None:
        migrator.migrate_to_version(1)
        migrator.rollback()
        assert [(fact.name, fact.type.value.removeprefix("migration.")) for fact in migrator.history()] == [
            ("001_one", type) for type in ("started", "done", "observed", "rollback_started", "rolled_back", "observed")
        ]

    def test_it_can_be_of_some_migrations_only(self, migrator: Migrator) -> None:
        migrator.migrate()
        assert {fact.name for fact in migrator.history(["003_three", "1"])} == {"001_one", "003_three"}
        with pytest.raises(UsageError, match="no migration is called `005`"):
            migrator.history(["005"])

    def test_a_renamed_migration_keeps_the_history_of_its_old_name(
        self, project: ProjectFolder, migrator: Migrator
    ) -> None:
        migrator.migrate()
        project.forget(2)
        project.sql("002_other", "create table two ();", rollback="drop table two;")
        renamed = Migrator(project.manifest)
        assert {fact.name for fact in renamed.history(["002_other"])} == {"002_two"}
        renamed.rollback(to=1)
        renamed.migrate_to_version(2)
        assert {fact.name for fact in renamed.history(["2"])} == {"002_two", "002_other"}

    def test_conditions_of_repeatables_are_not_asked_for_it(self, project: ProjectFolder) -> None:
        project.repeatable("090_fix", "select 1;", repeat={"condition": "select pg_sleep(20) is null"})
        migrator = Migrator(project.manifest)
        migrator.migrate()
        assert len(migrator.history()) == 9
        assert migrator.current_version() == 3
        assert migrator.find_stuck_migrations() == []


class TestTrouble:
    def test_a_database_that_does_not_answer(self, project: ProjectFolder) -> None:
        unreachable = Migrator(project.manifest, database_url="postgresql://bob:s3cret@127.0.0.1:1/x?connect_timeout=2")
        with pytest.raises(ConnectionFailed) as caught:
            unreachable.migrate()
        (problem,) = caught.value.problems
        assert (problem.code, problem.effect) == ("no-connection", "nothing was run")
        assert "s3cret" not in f"{problem}"

    def test_a_database_that_does_not_exist(self, project: ProjectFolder, database: str) -> None:
        with pytest.raises(ConnectionFailed, match="does not exist"):
            Migrator(project.manifest, database_url=make_conninfo(database, dbname="nowhere")).status()

    def test_the_statement_timeout_of_a_role_is_no_lost_connection(
        self, project: ProjectFolder, connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
    ) -> None:
        """A read waits for somebody who has locked the facts away, for as long as the role may wait."""
        Migrator(project.manifest).migrate()
        connection.execute(f"alter database \"{connection.info.dbname}\" set statement_timeout = '50ms'".encode())
        blocker = connect(autocommit=False)
        blocker.execute("lock table zmig.migration_events")
        with pytest.raises(TrackingError, match="statement timeout") as caught:
            Migrator(project.manifest).status()
        assert caught.value.code == "database-refused"

    def test_what_the_database_refuses_zmig_s_own_statements_is_told(
        self, project: ProjectFolder, connection: psycopg.Connection
    ) -> None:
        connection.execute(
            "create function no_ddl() returns event_trigger language plpgsql as "
            "$$ begin raise exception 'no new tables today'; end $$"
        )
        connection.execute(
            "create event trigger guard on ddl_command_start when tag in ('CREATE SCHEMA') execute function no_ddl()"
        )
        with pytest.raises(TrackingError, match="no new tables today") as caught:
            Migrator(project.manifest).migrate()
        (problem,) = caught.value.problems
        assert (problem.code, problem.effect) == ("database-refused", "nothing was run")
        assert _tables(connection) == []
