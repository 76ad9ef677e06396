"""A batched migration beside a real replica: it waits for one that is behind."""

from __future__ import annotations

import json
import re
import threading
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from tests.support import replica
from tests.support.backends import wait_until
from tests.support.facts import Facts
from tests.support.process import run
from tests.support.project import ProjectFolder
from tests.support.recorder import Recorder
from zmig import Migrator, TrackingError
from zmig.database.standby import Standby
from zmig.embedded import EmbeddedServer
from zmig.progress import Held, Notice, RoundFinished

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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
    recorder = Recorder()
    run = threading.Thread(target=Migrator(project.manifest, observer=recorder).migrate)
    run.start()
    try:
        held = recorder.wait_for(Held)
        assert held.reason.startswith("the slowest replica is ")
        recorder.wait_for(Held, lambda one: one.held_seconds > 1)
        held_at = len(recorder.all(RoundFinished))
    finally:
        standby.execute("select pg_wal_replay_resume()")
        run.join()
    assert held_at < 4
    rounds = recorder.all(RoundFinished)
    assert rounds[-1].rows == 40
    assert (held.lag_seconds or 0) > 0.3
    assert rounds[0].lag_seconds is not None and rounds[0].lag_seconds < 0.3, "what was known when it began"
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
    recorder = Recorder()
    Migrator(project.manifest, observer=recorder).migrate()
    (told,) = recorder.all(Notice)
    assert told.message.startswith("there are replicas, and this role may not see how far behind they are")
    assert standby.info.dbname == "postgres"


@pytest.fixture
def beside(tmp_path: Path, crash_server: CrashServer, standby: psycopg.Connection) -> ProjectFolder:
    """A project with one migration that is applied, and one that is not, on the primary of `standby`."""
    project = ProjectFolder(tmp_path, crash_server.url())
    project.sql("001_done", "create table done (x int);", rollback="drop table done;")
    Migrator(project.manifest).migrate()
    wait_until(standby, "exists (select from pg_class where relname = 'done')")
    return project


def _commands(migrator: Migrator) -> Iterator[tuple[str, Callable[[], object]]]:
    yield "migrate", migrator.migrate
    yield "rehearse", migrator.rehearse
    yield "rollback", migrator.rollback
    yield "retry", migrator.retry
    yield "resolve", lambda: migrator.resolve("001_done", "pending", reason="so it is")
    yield "baseline", lambda: migrator.baseline(to=2, reason="so it is")
    yield "pause", migrator.pause
    yield "resume", migrator.resume


def test_a_standby_is_named_and_takes_no_command_that_writes(
    beside: ProjectFolder, crash_server: CrashServer, standby: psycopg.Connection
) -> None:
    """Not even one that has nothing to do: the standby may be behind."""
    folder = crash_server.folder.with_name(f"{crash_server.folder.name}-replica")
    on_standby = Migrator(beside.manifest, database_url=EmbeddedServer(folder).url())
    (primary,) = parse_qs(urlsplit(crash_server.url()).query)["host"]
    wait_until(standby, "pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()")
    for name, command in _commands(on_standby):
        with pytest.raises(TrackingError) as raised:
            command()
        problem = raised.value.problems[0]
        assert (name, problem.code) == (name, "read-only")
        assert problem.message == "database `postgres` is read-only: it is on a standby"
        assert problem.hint == f"connect to the primary server, `{primary}:5432`"
    assert Migrator(beside.manifest).status().as_dict()["standby"] is None
    found = on_standby.status()
    assert (found.applied, found.standby) == (["001_done"], Standby(0.0, f"{primary}:5432"))
    with closing(on_standby.watcher()) as watcher:
        assert watcher.poll().status.standby == found.standby


def test_a_standby_that_is_behind_says_by_how_much(
    beside: ProjectFolder, crash_server: CrashServer, standby: psycopg.Connection
) -> None:
    folder = crash_server.folder.with_name(f"{crash_server.folder.name}-replica")
    url = EmbeddedServer(folder).url()
    beside.sql("002_more", "create table more (x int);")
    standby.execute("select pg_wal_replay_pause()")
    wait_until(standby, "pg_get_wal_replay_pause_state() = 'paused'" if _tells_pause(standby) else "true")
    Migrator(beside.manifest).migrate()
    wait_until(standby, "pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()")
    shown = run("status", beside.manifest, "--database-url", url)
    assert "version 1, standby\n" in shown.stdout
    assert re.search(
        r"^a standby of the primary server, `.*`: the last transaction it replayed is \d+ s old$", shown.stdout, re.M
    )
    standby_said = json.loads(run("status", beside.manifest, "--database-url", url, "--json").stdout)["standby"]
    assert standby_said["replay_lag_seconds"] > 0


def _tells_pause(connection: psycopg.Connection) -> bool:
    return connection.info.server_version >= 140000


def test_a_promotion_is_told_until_a_run_has_begun_on_the_new_timeline(
    beside: ProjectFolder, crash_server: CrashServer, standby: psycopg.Connection
) -> None:
    folder = crash_server.folder.with_name(f"{crash_server.folder.name}-replica")
    url = EmbeddedServer(folder).url()
    wait_until(standby, "pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()")
    crash_server.crash()
    standby.execute("select pg_promote()")
    wait_until(standby, "not pg_is_in_recovery()")
    facts = Facts(standby)
    ((run_id,),) = standby.execute("select distinct run_id from zmig.migration_events")
    told = f"the facts of run {run_id} were written on timeline 1, this server is on 2: it was promoted or restored"
    shown = run("status", beside.manifest, "--database-url", url)
    assert f"\nnote: {told}" in shown.stdout
    ended = run("apply", beside.manifest, "--database-url", url)
    assert (ended.code, told in ended.stderr) == (0, True)
    beside.sql("002_more", "create table more (x int);")
    ended = run("apply", beside.manifest, "--database-url", url)
    assert (ended.code, told in ended.stderr) == (0, True)
    assert [
        data["server"]["timeline"] for name in ("001_done", "002_more") for data in facts.data(name, "started")
    ] == [
        1,
        2,
    ]
    status = Migrator(beside.manifest, database_url=url).status()
    assert status.as_dict()["timeline_change"] is None
    assert "timeline" not in run("apply", beside.manifest, "--database-url", url).stderr


def _append_run(connection: psycopg.Connection, **server: object) -> None:
    """Append what a run would have written about the first migration on another server."""
    for type in ("started", "done"):
        connection.execute(
            "insert into zmig.migration_events (aggregate_id, event_type, event_data, run_id) "
            "select aggregate_id, event_type, event_data || case when event_data ? 'server' then "
            "jsonb_build_object('server', event_data->'server' || %s::jsonb) else '{}' end, 'afterwards' "
            "from zmig.migration_events where event_type = %s order by position limit 1",
            [json.dumps(server), f"migration.{type}"],
        )


@pytest.mark.parametrize("is_pending", [False, True])
def test_a_return_to_an_older_timeline_is_told(
    project: ProjectFolder, connection: psycopg.Connection, is_pending: bool
) -> None:
    project.sql("001_m", "create table t (x int);")
    Migrator(project.manifest).migrate()
    assert Migrator(project.manifest).status().timeline_change is None
    _append_run(connection, timeline=7)
    if is_pending:
        project.sql("002_m", "create table u (x int);")
    ((now,),) = connection.execute("select (pg_control_checkpoint()).timeline_id")
    told = (
        f"the facts of run afterwards were written on timeline 7, this server is on {now}: "
        "it has gone back to an older history, and newer facts may be on another server"
    )
    assert f"\nnote: {told}" in run("status", project.manifest).stdout
    ended = run("apply", project.manifest)
    assert (ended.code, ended.stderr.count(told)) == (0, 1)
    assert (Migrator(project.manifest).status().timeline_change is None) is is_pending


def test_timelines_of_another_system_say_nothing(project: ProjectFolder, connection: psycopg.Connection) -> None:
    """As behind a dump that is restored elsewhere, or pg_upgrade."""
    project.sql("001_m", "create table t (x int);")
    Migrator(project.manifest).migrate()
    _append_run(connection, timeline=7, system="7000000000000000001")
    assert Migrator(project.manifest).status().timeline_change is None
    assert "timeline" not in run("apply", project.manifest).stderr


@pytest.mark.parametrize("other", [{"timeline": "7"}, {"timeline": None}, {"timeline": 1e300}, {"system": 5}])
def test_what_is_no_timeline_says_nothing(
    project: ProjectFolder, connection: psycopg.Connection, other: dict[str, object]
) -> None:
    project.sql("001_m", "create table t (x int);")
    Migrator(project.manifest).migrate()
    _append_run(connection, **other)
    assert Migrator(project.manifest).status().timeline_change is None


def test_facts_say_on_which_server_and_database_they_were_written(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    project.sql("001_m", "create table t (x int);", rollback="drop table t;")
    Migrator(project.manifest).migrate()
    Migrator(project.manifest).rollback()
    ((system, timeline, database),) = connection.execute(
        "select system_identifier::text, (pg_control_checkpoint()).timeline_id, "
        "(select oid::bigint from pg_database where datname = current_database()) from pg_control_system()"
    )
    expected = {"system": system, "timeline": timeline, "database": database}
    assert [data["server"] for type in ("started", "rollback_started") for data in facts.data("001_m", type)] == [
        expected,
        expected,
    ]


def test_a_server_that_does_not_say_what_it_is_serves_all_the_same(tmp_path: Path, crash_server: CrashServer) -> None:
    with psycopg.connect(crash_server.url(), autocommit=True) as admin:
        admin.execute("create role plain login; grant create on database postgres to plain")
        admin.execute("revoke execute on function pg_control_system() from public")
        project = ProjectFolder(tmp_path, crash_server.url().replace("//postgres@", "//plain@"))
        project.sql("001_m", "select 1;")
        Migrator(project.manifest).migrate()
        assert "server" not in Facts(admin).data("001_m", "started")[0]
        assert Migrator(project.manifest).status().applied == ["001_m"]
