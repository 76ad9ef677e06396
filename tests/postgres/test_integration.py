"""The mission's own cases: what zmig is for, from an empty database to a failed migration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zmig import MigrationFailed, Migrator

if TYPE_CHECKING:
    import psycopg

    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder
    from zmig import Context


@pytest.fixture
def users(project: ProjectFolder) -> ProjectFolder:
    """A small service: two SQL migrations, one in Python, one repeatable."""
    project.sql(
        "001_create_eventstore",
        "create table events (id bigint generated always as identity primary key, type text not null);\n"
        "create index events_type on events (type);\n",
        rollback="drop table events;",
    )
    project.sql("002_create_projections", "create table users (name text primary key);", rollback="drop table users;")
    project.python(
        "003_seed_initial_data",
        "def execute(ctx):\n    ctx.connection.execute('insert into users values (%s)', ('system',))\n",
    )
    project.repeatable("090_reporting", "create or replace view user_count as select count(*) as n from users;")
    return project


EVERYTHING = ["001_create_eventstore", "002_create_projections", "003_seed_initial_data", "090_reporting"]


def test_all_migrations_from_a_fresh_database(
    users: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    migrator = Migrator(users.manifest)
    assert migrator.current_version() == 0

    result = migrator.migrate()

    assert list(result.completed) == EVERYTHING
    assert migrator.current_version() == 3
    status = migrator.status()
    assert (status.applied, status.pending, status.failed, status.stuck) == (EVERYTHING, [], [], [])
    assert connection.execute("select n from user_count").fetchone() == (1,)
    assert connection.execute("select to_regclass('events_type') is not null").fetchone() == (True,)
    assert facts.told == [(name, type) for name in EVERYTHING for type in ("started", "done")]
    assert facts.applied == list(zip((1, 2, 3, 90), EVERYTHING, strict=True))


def test_resume_from_version_1_to_the_last_and_again(users: ProjectFolder, facts: Facts) -> None:
    migrator = Migrator(users.manifest)
    assert list(migrator.migrate_to_version(1).completed) == EVERYTHING[:1]
    assert migrator.current_version() == 1
    assert migrator.status().pending == EVERYTHING[1:]

    assert list(migrator.migrate().completed) == EVERYTHING[1:]
    told = facts.told

    again = migrator.migrate()
    assert (again.run_id, again.completed, again.plan.steps) == (None, (), ())
    assert facts.told == told


def test_a_started_row_inserted_by_hand_ten_minutes_ago_is_found_stuck_and_retried(
    users: ProjectFolder, facts: Facts
) -> None:
    migrator = Migrator(users.manifest)
    migrator.migrate_to_version(1)
    facts.append("002_create_projections", "migration.started", age="10 min")

    assert [stuck.name for stuck in migrator.find_stuck_migrations()] == ["002_create_projections"]
    assert migrator.status().stuck == ["002_create_projections"]

    assert list(migrator.retry_stuck_migrations().completed) == ["002_create_projections"]

    assert migrator.find_stuck_migrations() == []
    assert migrator.current_version() == 2
    assert facts.told[-3:] == [("002_create_projections", type) for type in ("started", "started", "done")]


class Exploding:
    version = 4
    name = "004_explode"

    def execute(self, ctx: Context) -> None:
        ctx.connection.execute("create table debris ()")
        raise RuntimeError("no fuel left")


def test_a_migration_registered_in_code_that_raises_is_recorded_as_failed(
    users: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    migrator = Migrator(users.manifest)
    migrator.register_migration(Exploding())

    with pytest.raises(MigrationFailed, match="no fuel left") as caught:
        migrator.migrate()

    assert isinstance(caught.value.__cause__, RuntimeError)
    status = migrator.status()
    assert status.failed == ["004_explode"]
    assert status.applied == EVERYTHING[:3]
    assert status.pending == ["090_reporting"]
    assert facts.data("004_explode", "failed")[0]["error"]["message"] == "no fuel left"
    assert connection.execute("select to_regclass('debris')").fetchone() == (None,)
