"""The example in `manifests/` and `migrations/`: it is what people read first, so it has to be right."""

from __future__ import annotations

import shutil
from pathlib import Path

import psycopg
import pytest

from zmig import Migrator
from zmig.embedded import EmbeddedServer

ROOT = Path(__file__).parents[2]
VERSIONED = ["001_create_eventstore", "002_create_projections", "003_seed_initial_data"]
REPEATABLE = ["090_reporting_views", "091_fix_display_names"]


@pytest.fixture
def example(database: str) -> Migrator:
    return Migrator(ROOT / "manifests" / "prod.yaml", database_url=database)


def append(connection: psycopg.Connection, user: str, event_type: str, data: str) -> None:
    connection.execute("select append_event('user', %s, %s, %s)", [user, event_type, data])


def users(connection: psycopg.Connection) -> list[tuple[object, ...]]:
    return connection.execute("select user_id, display_name, email from users_projection order by user_id").fetchall()


def test_all_of_it_applies_to_an_empty_database_and_then_nothing_is_left(example: Migrator) -> None:
    example.migrate()
    status = example.status()
    assert status.applied[:3] == VERSIONED
    assert (status.pending, status.due, status.failed) == ([], [], [])
    assert example.plan().steps == ()


def test_demo_has_the_migrations_of_prod() -> None:
    demo, prod = (Migrator(ROOT / "manifests" / name).project().migrations for name in ("demo.yaml", "prod.yaml"))
    assert [migration.name for migration in demo] == [migration.name for migration in prod] == VERSIONED + REPEATABLE
    assert all(migration.is_reversible for migration in prod)


def test_demo_runs_on_a_private_server(tmp_path: Path) -> None:
    for folder in ("manifests", "migrations"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    try:
        assert Migrator(tmp_path / "manifests" / "demo.yaml", environ={}).migrate().completed[:3] == tuple(VERSIONED)
    finally:
        assert EmbeddedServer(tmp_path / ".zmig" / "postgres").stop()


def test_system_user_is_seeded_through_its_events(example: Migrator, connection: psycopg.Connection) -> None:
    example.migrate()
    assert users(connection) == [("system", "System", None)]
    assert connection.execute("select event_type, sequence from events").fetchall() == [("user.registered", 1)]


def test_projection_follows_the_events(example: Migrator, connection: psycopg.Connection) -> None:
    example.migrate_to_version(2)
    append(connection, "u1", "user.registered", '{"display_name": "Ada", "email": "ada@example.org"}')
    append(connection, "u2", "user.registered", '{"display_name": "Bob", "email": "bob@example.org"}')
    append(connection, "u1", "user.display_name_changed", '{"display_name": "Ada L."}')
    append(connection, "u1", "user.email_changed", '{"email": "ada@example.com"}')
    append(connection, "u1", "user.logged_in", "{}")
    append(connection, "u2", "user.removed", "{}")
    assert users(connection) == [("u1", "Ada L.", "ada@example.com")]


def test_projection_made_later_knows_what_happened_before(example: Migrator, connection: psycopg.Connection) -> None:
    example.migrate_to_version(1)
    append(connection, "u1", "user.registered", '{"display_name": "Ada"}')
    append(connection, "u1", "user.display_name_changed", '{"display_name": "Ada L."}')
    example.migrate_to_version(2)
    assert users(connection) == [("u1", "Ada L.", None)]


def test_writer_that_was_overtaken_fails(example: Migrator, connection: psycopg.Connection) -> None:
    example.migrate_to_version(1)
    append_after = "select append_event('user', 'u1', 'user.registered', '{}', %s)"
    assert connection.execute(append_after, [0]).fetchone() == (1,)
    assert connection.execute(append_after, [1]).fetchone() == (2,)
    with pytest.raises(psycopg.errors.UniqueViolation, match="events_sequence_is_unique"):
        connection.execute(append_after, [1])


@pytest.mark.parametrize("change", ["update events set event_type = 'x'", "delete from events", "truncate events"])
def test_events_cannot_be_changed(example: Migrator, connection: psycopg.Connection, change: str) -> None:
    example.migrate()
    with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
        connection.execute(change.encode())


def test_display_names_are_fixed_whenever_there_are_untidy_ones(
    example: Migrator, connection: psycopg.Connection
) -> None:
    example.migrate()
    append(connection, "u1", "user.registered", '{"display_name": "  Ada \\t Lovelace\\n"}')
    append(connection, "u2", "user.registered", '{"display_name": "Bob"}')
    assert example.status().due == ["091_fix_display_names"]
    assert example.migrate().completed == ("091_fix_display_names",)
    assert users(connection)[1:] == [("u1", "Ada Lovelace", None), ("u2", "Bob", None)]
    assert example.status().due == []


def test_rolling_back_the_fix_gives_the_names_back(example: Migrator, connection: psycopg.Connection) -> None:
    example.migrate()
    append(connection, "u1", "user.registered", '{"display_name": " Ada"}')
    example.migrate()
    rolled_back = example.rollback(include_repeatables=True)
    assert rolled_back.completed == ("091_fix_display_names",)
    assert users(connection)[1:] == [("u1", " Ada", None)]


def test_reports_count_users_and_events(example: Migrator, connection: psycopg.Connection) -> None:
    example.migrate()
    for number in range(3):
        append(connection, f"u{number}", "user.registered", '{"display_name": "someone"}')
    registered = connection.execute("select sum(registered), max(registered_so_far) from report_registrations")
    assert registered.fetchone() == (3, 3)
    activity = connection.execute("select event_type, sum(events), sum(aggregates) from report_activity group by 1")
    assert activity.fetchall() == [("user.registered", 4, 4)]


def test_rolling_all_of_it_back_leaves_nothing_and_it_applies_again(
    example: Migrator, connection: psycopg.Connection
) -> None:
    count = """
        select (select count(*) from pg_class where relnamespace = 'public'::regnamespace)
            + (select count(*) from pg_proc where pronamespace = 'public'::regnamespace)
    """
    example.migrate()
    example.rollback(to=0, include_repeatables=True)
    assert connection.execute(count).fetchone() == (0,)
    example.migrate()
    assert users(connection) == [("system", "System", None)]


def test_seed_can_be_rolled_back_and_applied_again(example: Migrator, connection: psycopg.Connection) -> None:
    example.migrate_to_version(3)
    example.rollback(to=2)
    assert users(connection) == []
    example.migrate_to_version(3)
    assert users(connection) == [("system", "System", None)]
    assert connection.execute("select max(sequence) from events").fetchone() == (3,)
