"""A batched migration beside a real replica: it waits for one that is behind."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.support import replica
from tests.support.backends import wait_until
from tests.support.listener import Listener
from tests.support.project import ProjectFolder
from zmig import Migrator
from zmig.progress import Held, Notice, RoundFinished

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.crash import CrashServer

DELETE = "delete from users where id in (select id from users limit :size)"


@pytest.fixture
def standby(crash_server: CrashServer) -> Iterator[psycopg.Connection]:
    """A session on a replica that has caught up with `crash_server`, where there are 40 users."""
    with replica.of(crash_server, crash_server.folder.with_name(f"{crash_server.folder.name}-replica")) as server:
        with psycopg.connect(crash_server.url(), autocommit=True) as primary:
            primary.execute("create table users as select generate_series(1, 40) as id")
            wait_until(primary, "exists (select from pg_stat_replication where state = 'streaming')")
        with psycopg.connect(server.url(), autocommit=True) as connection:
            yield connection


def test_rounds_wait_for_a_replica_that_is_behind(
    tmp_path: Path, crash_server: CrashServer, standby: psycopg.Connection
) -> None:
    project = ProjectFolder(tmp_path, crash_server.url())
    project.sql("001_delete", DELETE, batch={"size": 10, "max_lag": "300ms", "pause": "100ms"})
    standby.execute("select pg_wal_replay_pause()")
    listener = Listener()
    run = threading.Thread(target=Migrator(project.manifest, observer=listener).migrate)
    run.start()
    try:
        held = listener.wait_for(Held)
        assert held.reason.startswith("the slowest replica is ")
        listener.wait_for(Held, lambda one: one.held_seconds > 1)
        held_at = len(listener.all(RoundFinished))
    finally:
        standby.execute("select pg_wal_replay_resume()")
        run.join()
    assert held_at < 4
    assert listener.all(RoundFinished)[-1].rows == 40
    wait_until(standby, "not exists (select from users)")


def test_a_role_that_may_not_see_the_replica_is_told_so_once_and_goes_on(
    tmp_path: Path, crash_server: CrashServer, standby: psycopg.Connection
) -> None:
    with psycopg.connect(crash_server.url(), autocommit=True) as admin:
        admin.execute(
            "create role plain login; alter table users owner to plain; grant create on database postgres to plain"
        )
    project = ProjectFolder(tmp_path, crash_server.url().replace("//postgres@", "//plain@"))
    project.sql("001_delete", DELETE, batch={"size": 10})
    listener = Listener()
    Migrator(project.manifest, observer=listener).migrate()
    (told,) = listener.all(Notice)
    assert told.message.startswith("there are replicas, and this role may not see how far behind they are")
    assert standby.info.dbname == "postgres"
