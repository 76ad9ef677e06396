from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.support import backends
from tests.support.shop import APPLY, UNNOTICED, Shop
from zmig import Migrator, State
from zmig.database import lock_queue
from zmig.database.activity import Blocker, Blocking
from zmig.database.lock_queue import LockQueue
from zmig.errors import ConnectionFailed, ManifestError, MigrationFailed
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from zmig.session.watcher import Observation, Watcher


@pytest.fixture
def shop(tmp_path: Path, database: str) -> Shop:
    return Shop(tmp_path, database)


@pytest.fixture
def watcher(shop: Shop) -> Iterator[Watcher]:
    watcher = shop.migrator().watcher()
    yield watcher
    watcher.close()


def _until(watcher: Watcher, is_reached: Callable[[Observation], bool]) -> Observation:
    for _ in range(1000):
        seen = watcher.poll()
        if is_reached(seen):
            return seen
        threading.Event().wait(0.02)
    raise AssertionError("it was never observed")


def _states(seen: Observation) -> dict[str, str]:
    return {entry.name: entry.state.value for entry in seen.status.migrations}


def test_nothing_is_created_by_looking(shop: Shop, watcher: Watcher, connection: psycopg.Connection) -> None:
    shop.add(1, "one", "select 1;")
    assert _states(watcher.poll()) == {"one": "pending"}
    assert connection.execute("select to_regnamespace('zmig')").fetchone() == (None,)


def test_only_new_facts_are_told(shop: Shop, watcher: Watcher) -> None:
    shop.add(1, "one", "select 1;")
    watcher.poll()
    shop.migrator().migrate()
    assert [fact.type.value for fact in watcher.poll().new_facts] == ["migration.started", "migration.done"]
    assert watcher.poll().new_facts == ()


def test_a_lower_position_that_becomes_visible_later_is_not_lost(
    shop: Shop, watcher: Watcher, connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
) -> None:
    shop.add(1, "one", "select 1;")
    shop.migrator().migrate()
    watcher.poll()
    insert = "insert into zmig.migration_events (aggregate_id, event_type) values (%s, 'migration.failed')"
    late = connect(autocommit=False)
    late.execute(insert, ["late"])
    connection.execute(insert, ["early"])
    assert [fact.name for fact in watcher.poll().new_facts] == ["early"]
    for _ in range(3):
        assert watcher.poll().new_facts == ()
    late.commit()
    assert [fact.name for fact in watcher.poll().new_facts] == ["late"]
    assert watcher.poll().new_facts == ()


def test_a_position_that_was_rolled_back_is_not_asked_for_for_ever(
    shop: Shop, watcher: Watcher, connection: psycopg.Connection
) -> None:
    shop.add(1, "one", "select 1;")
    shop.migrator().migrate()
    insert = "insert into zmig.migration_events (aggregate_id, event_type) values (%s, 'migration.failed')"
    with connection.transaction(force_rollback=True):
        connection.execute(insert, ["gone"])
    connection.execute(insert, ["there"])
    assert "there" in [fact.name for fact in watcher.poll().new_facts]
    watcher.poll()
    assert watcher.poll().new_facts == ()


def test_a_run_elsewhere_is_seen_with_its_statement(
    shop: Shop, watcher: Watcher, connect: Callable[..., psycopg.Connection]
) -> None:
    gate = connect()
    gate.execute("select pg_advisory_lock(1)")
    shop.add(1, "one", "select 1;")
    shop.add(2, "two", "select pg_advisory_xact_lock(1);", lock_timeout="10min")
    run = threading.Thread(target=shop.migrator().migrate)
    run.start()
    seen = _until(watcher, lambda seen: seen.work is not None and "two" in seen.status.running)
    assert seen.work is not None
    assert seen.work.backend.wait == "Lock: advisory"
    assert seen.status.holder is not None
    assert (seen.status.holder.migration, seen.is_zombie) == ("two", False)
    gate.execute("select pg_advisory_unlock(1)")
    run.join()
    assert _states(watcher.poll()) == {"one": "done", "two": "done"}


def test_the_watcher_never_holds_a_snapshot_or_the_lock(
    shop: Shop, watcher: Watcher, connection: psycopg.Connection
) -> None:
    shop.add(1, "one", "select 1;")
    shop.migrator().migrate()
    watcher.poll()
    query = """
        select backend_xmin, state, (select count(*) from pg_locks l where l.pid = a.pid)
        from pg_stat_activity a where application_name = 'zmig/console' and datname = current_database()
    """
    assert connection.execute(query).fetchall() == [(None, "idle", 0)]


def test_blockers_form_a_tree(shop: Shop, watcher: Watcher, connect: Callable[..., psycopg.Connection]) -> None:
    shop.add(1, "one", "create table thing (id int);")
    shop.migrator().migrate()
    idle, queued = connect(autocommit=False), connect(autocommit=False)
    idle.execute("select from thing")
    waiting = threading.Thread(target=queued.execute, args=("lock table thing in access exclusive mode",))
    waiting.start()
    shop.add(2, "two", "alter table thing add column name text;", lock_timeout="10s")
    run = threading.Thread(target=shop.migrator().migrate)
    run.start()
    seen = _until(watcher, lambda seen: seen.work is not None and len(seen.work.blockers) >= 2)
    assert seen.work is not None
    tree = [(one.depth, one.pid) for one in seen.work.blockers]
    assert (0, queued.info.backend_pid) in tree
    assert (1, idle.info.backend_pid) in tree
    states = {one.pid: one.backend.state for one in seen.work.blockers if one.backend is not None}
    assert states[idle.info.backend_pid] == "idle in transaction"
    idle.rollback()
    waiting.join()
    queued.rollback()
    run.join()


def test_the_server_tells_how_far_an_index_is(
    shop: Shop, watcher: Watcher, connect: Callable[..., psycopg.Connection]
) -> None:
    shop.add(1, "one", "create table thing as select generate_series(1, 10) id;")
    shop.migrator().migrate()
    reader = connect(autocommit=False)
    reader.execute("insert into thing values (0)")
    shop.add(2, "two", "create index concurrently thing_id on thing (id);")
    run = threading.Thread(target=shop.migrator().migrate)
    run.start()
    seen = _until(watcher, lambda seen: bool(seen.work and seen.work.progress and seen.work.progress.total))
    assert seen.work is not None and seen.work.progress is not None
    assert seen.work.progress.command == "create index concurrently"
    assert seen.work.progress.phase.startswith("waiting for writers")
    assert (seen.work.progress.done, seen.work.progress.unit) == (0, "transactions waited for")
    reader.rollback()
    run.join()


def test_every_progress_view_of_this_server_can_be_read(connection: psycopg.Connection) -> None:
    from zmig.database import activity

    assert activity.progress(connection, 0) is None


def test_a_cancelled_statement_fails_its_migration(
    shop: Shop, watcher: Watcher, connection: psycopg.Connection
) -> None:
    shop.add(1, "one", "select pg_sleep(60);")
    failures: list[BaseException] = []

    def run() -> None:
        try:
            shop.migrator().migrate()
        except MigrationFailed as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    seen = _until(watcher, lambda seen: seen.work is not None and seen.work.backend.wait == "Timeout: PgSleep")
    assert seen.work is not None
    assert watcher.cancel(seen.work.backend)
    thread.join()
    assert len(failures) == 1
    assert _states(watcher.poll()) == {"one": "failed"}
    backends.wait_until(connection, f"not exists (select from pg_stat_activity where pid = {seen.work.backend.pid})")
    assert not watcher.terminate(seen.work.backend)


def test_the_backend_that_runs_is_never_ended_as_one_that_blocks(shop: Shop, watcher: Watcher) -> None:
    shop.add(1, "one", "select pg_sleep(600);")
    process = subprocess.Popen([sys.executable, "-c", APPLY, str(shop.path)], env=os.environ)
    try:
        seen = _until(watcher, lambda seen: seen.work is not None and seen.work.backend.wait == "Timeout: PgSleep")
        assert seen.work is not None
        assert watcher.terminate_blocker(seen.work.backend) is None
        assert watcher.blocking([Blocker(0, 1, seen.work.backend.pid, seen.work.backend)]) == Blocking()
        assert watcher.poll().work is not None
        assert watcher.terminate(seen.work.backend)
    finally:
        process.kill()
        process.wait()


def test_a_backend_whose_client_was_killed_is_a_zombie_until_it_is_terminated(shop: Shop, watcher: Watcher) -> None:
    shop.add(1, "one", UNNOTICED)
    process = subprocess.Popen([sys.executable, "-c", APPLY, str(shop.path)], env=os.environ)
    seen = _until(watcher, lambda seen: seen.work is not None and seen.work.backend.wait == "Timeout: PgSleep")
    assert not seen.is_zombie
    process.kill()
    process.wait()
    seen = watcher.poll()
    assert seen.is_zombie and seen.work is not None
    assert seen.status.running == ["one"]
    assert "pg_sleep" in (seen.work.backend.query or "")
    assert watcher.terminate(seen.work.backend)
    _until(watcher, lambda seen: seen.work is None)
    assert _states(watcher.poll()) == {"one": State.STUCK}


def test_a_lost_connection_is_told_and_opened_again(
    shop: Shop, watcher: Watcher, connection: psycopg.Connection
) -> None:
    shop.add(1, "one", "select 1;")
    watcher.poll()
    connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where datname = current_database() and application_name = 'zmig/console'"
    )
    with pytest.raises(ConnectionFailed):
        watcher.poll()
    assert _states(watcher.poll()) == {"one": "pending"}


def test_an_edited_manifest_is_read_again(shop: Shop, watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zmig.project.reload._SECONDS_BETWEEN_CHECKS", 0)
    shop.add(1, "one", "select 1;")
    assert _states(watcher.poll()) == {"one": "pending"}
    shop.add(2, "two", "select 2;")
    assert _states(watcher.poll()) == {"one": "pending", "two": "pending"}
    shop.path.write_text("manifest: [")
    seen = watcher.poll()
    assert [problem.code for problem in seen.manifest_problems] != []
    assert _states(seen) == {"one": "pending", "two": "pending"}
    shop.declare()
    assert watcher.poll().manifest_problems == ()


def test_a_manifest_that_never_was_usable_is_told_until_it_is(
    shop: Shop, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zmig.project.reload._SECONDS_BETWEEN_CHECKS", 0)
    for _ in range(2):
        with pytest.raises(ManifestError):
            watcher.poll()
    shop.add(1, "one", "select 1;")
    assert _states(watcher.poll()) == {"one": "pending"}


def test_a_recreated_store_is_read_from_its_beginning(
    shop: Shop, watcher: Watcher, connection: psycopg.Connection
) -> None:
    shop.add(1, "one", "select 1;")
    shop.migrator().migrate()
    assert _states(watcher.poll()) == {"one": "done"}
    connection.execute("drop schema zmig cascade")
    assert _states(watcher.poll()) == {"one": "pending"}
    Migrator(shop.path).migrate()
    assert _states(watcher.poll()) == {"one": "done"}


def test_the_last_facts_of_one_migration_are_told(shop: Shop, watcher: Watcher) -> None:
    shop.add(1, "one", "select 1;")
    shop.add(2, "two", "select 2;")
    watcher.poll()
    assert watcher.facts("one", most=9) == []
    shop.migrator().migrate()
    assert [fact.type.value for fact in watcher.facts("one", most=9)] == ["migration.started", "migration.done"]
    assert [fact.type.value for fact in watcher.facts("one", most=1)] == ["migration.done"]


def _in_the_background(connection: psycopg.Connection, query: str) -> threading.Thread:
    def wait() -> None:
        with contextlib.suppress(psycopg.Error):  # some are ended while they wait
            connection.execute(query.encode())

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_who_queues_behind_a_run_is_seen_with_what_each_waits_for_as_the_server_itself_says(
    shop: Shop, watcher: Watcher, connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
) -> None:
    shop.add(1, "one", "create table thing (id int primary key); create schema app; create table app.item (id int);")
    shop.migrator().migrate()
    connection.execute("insert into app.item values (1)")
    reader, app, row_waiter, other = (connect(autocommit=False) for _ in range(4))
    for number, one in enumerate((reader, app, row_waiter, other)):
        one.execute(f"set application_name = 'session {number}'".encode())
        one.commit()
    reader.execute("select from thing")
    app.execute("update app.item set id = 2")
    other.execute("lock table app.item in row share mode")
    shop.add(2, "two", "alter table thing add column name text;", lock_timeout="10min")
    run = threading.Thread(target=shop.migrator().migrate)
    run.start()
    _until(watcher, lambda seen: seen.work is not None and len(seen.work.blockers) == 1)
    threads = [_in_the_background(app, "insert into thing values (1)")]
    backends.wait_until(connection, f"pg_blocking_pids({app.info.backend_pid}) <> '{{}}'")
    threads.append(_in_the_background(row_waiter, "update app.item set id = 3"))
    backends.wait_until(connection, f"pg_blocking_pids({row_waiter.info.backend_pid}) <> '{{}}'")
    seen = _until(watcher, lambda seen: seen.queue is not None and seen.queue.count == 2)

    assert seen.work is not None and seen.queue is not None and seen.queue.awaited is not None
    assert (seen.queue.awaited.mode_words, seen.queue.awaited.target) == ("ACCESS EXCLUSIVE", "table thing")
    assert [
        (one.depth, one.waits_for_pid, one.pid, f"{one.lock.mode_words} on {one.lock.target}")
        for one in seen.queue.queued
    ] == [
        (0, seen.work.backend.pid, app.info.backend_pid, "ROW EXCLUSIVE on table thing"),
        (1, app.info.backend_pid, row_waiter.info.backend_pid, "SHARE on a row of app.item"),
    ]
    assert [one.backend.query for one in seen.queue.queued if one.backend is not None] == [
        "insert into thing values (1)",
        "update app.item set id = 3",
    ]
    assert seen.queue.applications == (("session 1", 1), ("session 2", 1))
    assert [lock.mode_words for lock in seen.queue.held[reader.info.backend_pid]] == ["ACCESS SHARE"]
    if connection.info.server_version >= 140000:
        assert all(one.lock.since is not None and one.lock.since <= seen.now for one in seen.queue.queued)
    for one in seen.queue.queued:
        (asked,) = connection.execute("select pg_blocking_pids(%s)", [one.pid]).fetchall()
        assert one.waits_for_pid in asked[0]

    # What was done is seen at once, and not a second later.
    assert seen.queue.queued[1].backend is not None
    assert watcher.terminate(seen.queue.queued[1].backend)
    backends.wait_until(connection, f"not exists (select from pg_stat_activity where pid = {seen.queue.queued[1].pid})")
    gone = watcher.poll().queue
    assert gone is not None and [one.pid for one in gone.queued] == [app.info.backend_pid]
    reader.rollback()
    run.join()
    for thread in threads:
        thread.join()
    assert watcher.poll().queue is None


def test_who_waits_is_asked_once_in_a_while_and_does_without_an_answer_of_a_busy_server(
    shop: Shop, watcher: Watcher, connect: Callable[..., psycopg.Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    is_busy = False

    def read(_connection: psycopg.Connection, pid: int, _blockers: object) -> LockQueue:
        asked.append(pid)
        if is_busy:
            raise psycopg.errors.QueryCanceled
        return LockQueue(pid)

    monkeypatch.setattr("zmig.database.lock_queue.read", read)
    monkeypatch.setattr("zmig.database.watched_queue._SECONDS_BETWEEN", 3600.0)
    gate = connect()
    gate.execute("select pg_advisory_lock(1)")
    shop.add(1, "one", "select pg_advisory_xact_lock(1);", lock_timeout="10min")
    run = threading.Thread(target=shop.migrator().migrate)
    run.start()
    seen = _until(watcher, lambda seen: seen.queue is not None)
    assert [watcher.poll().queue for _ in range(3)] == [LockQueue(asked[0])] * 3
    assert len(asked) == 1
    assert seen.work is not None
    is_busy = True
    gone = replace(seen.work.backend, started_at=None)
    assert not watcher.terminate(gone)
    assert watcher.poll().queue is None
    assert len(asked) == 2, "after something was done, it is asked at once"
    gate.execute("select pg_advisory_unlock(1)")
    run.join()


def test_who_waits_is_known_to_a_role_that_may_not_see_what_others_do(
    connect: Callable[..., psycopg.Connection], connection: psycopg.Connection
) -> None:
    run, waiting, looking = connect(autocommit=False), connect(), connect(autocommit=False)
    connection.execute("create table thing (id int)")
    run.execute("lock table thing")
    thread = _in_the_background(waiting, "table thing")
    backends.wait_until(connection, f"pg_blocking_pids({waiting.info.backend_pid}) <> '{{}}'")
    looking.execute("create role looks_only")
    looking.execute("set local role looks_only")
    queue = lock_queue.read(looking, run.info.backend_pid)
    looking.rollback()
    run.rollback()
    thread.join()
    assert queue is not None
    (one,) = queue.queued
    assert (one.pid, one.lock.mode_words, one.lock.target) == (waiting.info.backend_pid, "ACCESS SHARE", "table thing")
    assert one.backend is not None and one.backend.state is None
