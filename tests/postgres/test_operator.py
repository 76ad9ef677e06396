from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zmig import MigrationFailed, Migrator, UsageError
from zmig.database.lock import RunLock

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder


@pytest.fixture
def migrator(project: ProjectFolder) -> Migrator:
    """Three migrations; the second fails."""
    project.sql("001_one", "create table one ();", rollback="drop table one;")
    project.sql("002_two", "create table two ();\nselect 1 / 0;\n", rollback="drop table if exists two;")
    project.sql("003_three", "create table three ();", rollback="drop table three;")
    return Migrator(project.manifest)


def _fail(migrator: Migrator) -> None:
    with pytest.raises(MigrationFailed):
        migrator.migrate()


class TestResolve:
    def test_a_failed_migration_resolved_as_done_is_applied_and_the_run_goes_on_behind_it(
        self, migrator: Migrator, facts: Facts
    ) -> None:
        _fail(migrator)
        assert migrator.resolve("002_two", "done", reason="completed by hand") == "002_two"
        assert migrator.status().applied == ["001_one", "002_two"]
        assert facts.applied == [(1, "001_one"), (2, "002_two")]
        assert list(migrator.migrate().completed) == ["003_three"]
        (fact,) = facts.data("002_two", "resolved")
        assert fact.keys() == {"version", "name", "run_id", "reason", "checksum", "token_checksum", "kind", "as", "was"}
        assert (fact["as"], fact["was"], fact["reason"]) == ("done", "failed", "completed by hand")

    def test_an_applied_migration_resolved_as_pending_runs_again(
        self, migrator: Migrator, facts: Facts, connection: psycopg.Connection
    ) -> None:
        migrator.migrate_to_version(1)
        connection.execute("drop table one")
        migrator.resolve("1", "pending", reason="dropped by accident")
        assert facts.applied == []
        assert migrator.current_version() == 0
        assert list(migrator.migrate_to_version(1).completed) == ["001_one"]

    def test_a_migration_resolved_as_failed_is_retried(self, migrator: Migrator, facts: Facts) -> None:
        migrator.migrate_to_version(1)
        facts.append("002_two", "started", age="1 hour")
        assert migrator.status().stuck == ["002_two"]
        migrator.resolve("002_two", "failed", reason="its machine is gone")
        assert (migrator.status().stuck, migrator.status().failed) == ([], ["002_two"])
        assert [step.migration.name for step in migrator.plan_retry().steps] == ["002_two"]

    def test_a_migration_that_is_declared_no_more_can_be_resolved(
        self, migrator: Migrator, facts: Facts, connection: psycopg.Connection
    ) -> None:
        migrator.migrate_to_version(1)
        connection.execute(
            "insert into zmig.migration_events (aggregate_id, event_type, event_data) "
            """values ('000_gone', 'migration.done', '{"version": 7, "kind": "python"}')"""
        )
        migrator.resolve("000_gone", "done", reason="it is there")
        assert facts.applied == [(1, "001_one"), (7, "000_gone")]
        migrator.resolve("000_gone", "pending", reason="it never was")
        assert facts.applied == [(1, "001_one")]

    @pytest.mark.parametrize("verdict", ["done", "failed", "pending"])
    def test_a_name_that_belongs_to_no_version_can_be_resolved(
        self, migrator: Migrator, facts: Facts, verdict: str
    ) -> None:
        migrator.migrate_to_version(1)
        facts.append("stranger", "started", age="1 hour")
        assert migrator.status().stuck == ["stranger"]
        migrator.resolve("stranger", verdict, reason="not ours")
        assert migrator.status().stuck == []
        assert facts.told[-1] == ("stranger", "resolved")
        assert facts.applied == [(1, "001_one")]
        migrator.migrate_to_version(1)

    @pytest.mark.parametrize(
        ("name", "verdict", "reason", "code"),
        [
            ("002_tow", "done", "why", "unknown-migration"),
            ("99", "done", "why", "unknown-migration"),
            ("002_two", "finished", "why", "unknown-verdict"),
            ("002_two", "done", " ", "reason-missing"),
        ],
    )
    def test_what_cannot_be_recorded_leaves_the_database_untouched(
        self, migrator: Migrator, connection: psycopg.Connection, name: str, verdict: str, reason: str, code: str
    ) -> None:
        with pytest.raises(UsageError) as caught:
            migrator.resolve(name, verdict, reason=reason)
        assert caught.value.code == code
        assert connection.execute("select to_regnamespace('zmig')").fetchone() == (None,)

    def test_a_password_in_the_reason_is_not_stored(self, migrator: Migrator, facts: Facts) -> None:
        migrator.resolve("001_one", "done", reason="see postgresql://bob:hunter2@db/x")
        (fact,) = facts.data("001_one", "resolved")
        assert "hunter2" not in str(fact)


class TestAccept:
    def test_a_changed_file_is_accepted_and_what_was_applied_is_remembered(
        self, project: ProjectFolder, migrator: Migrator, facts: Facts
    ) -> None:
        migrator.migrate_to_version(1)
        (done,) = facts.data("001_one", "done")
        project.sql("001_one", "create table one (more int);", rollback="drop table one;")
        assert migrator.plan().refusals[0].problem.code == "checksum-changed"
        assert migrator.accept("001_one", reason="a comment only") == "001_one"
        assert migrator.plan().refusals == ()
        (accepted,) = facts.data("001_one", "accepted")
        assert accepted["checksum"] != done["checksum"]
        row = facts.connection.execute("select checksum from zmig.schema_migrations").fetchone()
        assert row == (done["checksum"],)

    def test_a_file_that_changes_again_drifts_again(self, project: ProjectFolder, migrator: Migrator) -> None:
        migrator.migrate_to_version(1)
        for column in ("first", "second"):
            project.sql("001_one", f"create table one ({column} int);", rollback="drop table one;")
            assert migrator.plan().refusals != ()
            migrator.accept("001_one", reason="a comment only")
            assert migrator.plan().refusals == ()

    def test_a_file_that_has_not_changed_is_nothing_to_accept(self, migrator: Migrator, facts: Facts) -> None:
        migrator.migrate_to_version(1)
        with pytest.raises(UsageError) as caught:
            migrator.accept("001_one", reason="why")
        assert caught.value.code == "nothing-to-accept"
        assert [type for _, type in facts.told] == ["started", "done"]


class TestBaseline:
    def test_what_is_there_already_is_recorded_without_being_run(
        self, migrator: Migrator, facts: Facts, connection: psycopg.Connection
    ) -> None:
        connection.execute("create table one (); create table two ()")
        assert migrator.baseline(to=2, reason="came with the dump") == ["001_one", "002_two"]
        assert facts.applied == [(1, "001_one"), (2, "002_two")]
        assert facts.told == [("001_one", "baselined"), ("002_two", "baselined")]
        assert list(migrator.migrate().completed) == ["003_three"]

    def test_what_is_applied_is_left_as_it_is(self, migrator: Migrator, facts: Facts) -> None:
        migrator.migrate_to_version(1)
        assert migrator.baseline(to=2, reason="came with the dump") == ["002_two"]
        assert migrator.baseline(to=2, reason="came with the dump") == []
        assert facts.told[2:] == [("002_two", "baselined")]

    @pytest.mark.parametrize(("to", "reason"), [(77, "why"), (2, "")])
    def test_what_cannot_be_recorded_leaves_the_database_untouched(
        self, migrator: Migrator, connection: psycopg.Connection, to: int, reason: str
    ) -> None:
        with pytest.raises(UsageError):
            migrator.baseline(to=to, reason=reason)
        assert connection.execute("select to_regnamespace('zmig')").fetchone() == (None,)


def test_a_decision_waits_for_a_run(
    migrator: Migrator, connect: Callable[..., psycopg.Connection], project: ProjectFolder
) -> None:
    from zmig import LockNotObtained
    from zmig.database.lock import RunLock

    migrator.migrate_to_version(1)
    assert RunLock("zmig").try_acquire(connect())
    hasty = Migrator(project.manifest, lock_wait_seconds=0)
    with pytest.raises(LockNotObtained):
        hasty.resolve("001_one", "pending", reason="why")


_SLIPS: list[tuple[Callable[[Migrator], object], str]] = [
    (lambda migrator: migrator.resolve("002_tow", "done", reason="why"), "unknown-migration"),
    (lambda migrator: migrator.resolve("002_two", "finished", reason="why"), "unknown-verdict"),
    (lambda migrator: migrator.resolve("002_two", "done", reason=" "), "reason-missing"),
    (lambda migrator: migrator.accept("002_tow", reason="why"), "unknown-migration"),
    (lambda migrator: migrator.baseline(to=99, reason="why"), "unknown-version"),
]


@pytest.mark.parametrize(("decide", "code"), _SLIPS)
def test_a_slip_in_a_decision_is_reported_without_waiting_for_another_run(
    project: ProjectFolder, migrator: Migrator, connection: psycopg.Connection,
    decide: Callable[[Migrator], object], code: str,
) -> None:  # fmt: skip
    assert RunLock("zmig").try_acquire(connection)
    with pytest.raises(UsageError) as caught:
        decide(Migrator(project.manifest, lock_wait_seconds=0))
    assert caught.value.code == code
