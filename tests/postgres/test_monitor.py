"""What is heard of a statement that takes long: who blocks it, and how far the server is with it."""

from __future__ import annotations

import contextlib
import json
import threading
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import conninfo_to_dict

from tests.support import backends
from tests.support.process import Process
from tests.support.recorder import Recorder
from zmig import Migrator
from zmig.progress import Blocked, ServerReported, StepStarted

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tests.support.project import ProjectFolder
    from zmig.progress import Progress


@contextlib.contextmanager
def _waiting_run(project: ProjectFolder, holder: psycopg.Connection) -> Generator[Recorder]:
    """Run a project, which waits for table `a` while `holder` reads it, until the end of the block."""
    holder.execute("select from a")
    recorder = Recorder()
    run = threading.Thread(target=Migrator(project.manifest, observer=recorder).migrate)
    run.start()
    try:
        yield recorder
    finally:
        holder.rollback()
        run.join()


def test_who_blocks_a_statement_is_told_while_it_waits(
    project: ProjectFolder, connect: Callable[..., psycopg.Connection]
) -> None:
    project.sql("001_a", "alter table a add column b int;", lock_timeout="60s")
    holder, second = connect(autocommit=False), connect()
    second.execute("create table a ()")
    with _waiting_run(project, holder) as recorder:
        blocked = recorder.wait_for(Blocked)
    (blocker,) = blocked.blockers
    assert blocked.step.migration.name == "001_a"
    assert (blocker.depth, blocker.pid) == (0, holder.info.backend_pid)
    assert blocker.backend is not None
    assert (blocker.backend.state, blocker.backend.query) == ("idle in transaction", "select from a")
    assert blocked.waited_seconds >= 1.0


def test_how_many_queue_behind_a_statement_is_told_while_it_waits(
    project: ProjectFolder, connect: Callable[..., psycopg.Connection]
) -> None:
    project.sql("001_a", "alter table a add column b int;", lock_timeout="10min")
    holder, second = connect(autocommit=False), connect()
    second.execute("create table a (); set application_name = 'web app'")
    queued = threading.Thread(target=second.execute, args=("select from a",))
    with _waiting_run(project, holder) as recorder:
        assert recorder.wait_for(Blocked).queued == 0
        queued.start()
        blocked = recorder.wait_for(Blocked, lambda one: one.queued > 0)
    queued.join()
    assert (blocked.queued, blocked.queued_applications) == (1, ("web app",))


def test_who_blocks_a_statement_is_told_before_a_short_lock_timeout_is_over(
    project: ProjectFolder, connect: Callable[..., psycopg.Connection]
) -> None:
    # On a busy machine an attempt may be over before anybody has looked; then the next one is seen.
    retry = {"attempts": 100, "backoff": "10ms", "max_backoff": "10ms"}
    project.sql("001_a", "alter table a add column b int;", lock_timeout="800ms", retry=retry)
    connect().execute("create table a ()")
    holder = connect(autocommit=False)
    holder.execute("select from a")
    recorder = Recorder()

    def observe(progress: Progress) -> None:
        recorder(progress)
        if isinstance(progress, Blocked) and progress.blockers:
            holder.rollback()

    Migrator(project.manifest, observer=observe).migrate()
    (blocker,) = recorder.all(Blocked)[0].blockers
    assert blocker.pid == holder.info.backend_pid


def test_how_far_the_server_is_with_an_index_is_told(project: ProjectFolder, connection: psycopg.Connection) -> None:
    connection.execute(
        "create table a as select n from generate_series(1, 60) n;"
        "create function slow(int) returns int immutable language sql as $$ select $1 from pg_sleep(0.05) $$"
    )
    project.sql("001_a", "create index a_slow on a (slow(n));")
    recorder = Recorder()
    Migrator(project.manifest, observer=recorder).migrate()
    report = recorder.all(ServerReported)[0].report
    assert (report.command, report.relation, report.unit) == ("create index", "a", "blocks")
    assert report.phase == "building index: scanning table"


UNTIL_IT_LOOKS = """\
do $$ begin
    while not exists (select from pg_stat_activity
                      where application_name = 'zmig monitor' and datname = current_database() and state = 'idle')
    loop
        perform pg_sleep(0.01), pg_stat_clear_snapshot();
    end loop;
end $$;"""


def test_it_looks_on_from_a_session_that_holds_no_snapshot_and_only_when_something_takes_long(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    look = (
        "create table {} as select application_name, backend_xmin is null as holds_none, query "
        "from pg_stat_activity where application_name = 'zmig monitor' and datname = current_database();"
    )
    project.sql("001_fast", look.format("fast"))
    project.sql("002_slow", f"{UNTIL_IT_LOOKS}\n{look.format('slow')}")
    Migrator(project.manifest).migrate()
    assert connection.execute("select count(*) from fast").fetchone() == (0,)
    assert connection.execute("select application_name, holds_none from slow").fetchall() == [("zmig monitor", True)]


def test_the_run_goes_on_where_nobody_may_look(project: ProjectFolder, server: str) -> None:
    name = conninfo_to_dict(project.url)["dbname"]
    project.sql("001_slow", "select pg_sleep(2.5);")
    recorder = Recorder()

    def close_the_door(progress: Progress) -> None:
        if isinstance(progress, StepStarted):
            admin.execute(f'alter database "{name}" allow_connections false'.encode())
        recorder(progress)

    with psycopg.connect(server, autocommit=True) as admin:
        try:
            result = Migrator(project.manifest, observer=close_the_door).migrate()
        finally:
            admin.execute(f'alter database "{name}" allow_connections true'.encode())
    assert result.completed == ("001_slow",)
    assert recorder.all(ServerReported) == []


def test_plain_lines_and_lines_of_json_name_the_blocker(
    project: ProjectFolder, connect: Callable[..., psycopg.Connection]
) -> None:
    connect().execute("create table a ()")
    for number, options in enumerate(((), ("--json",)), start=1):
        project.sql(f"00{number}_a", f"alter table a add column b{number} int;", lock_timeout="60s")
        holder = connect(autocommit=False)
        holder.execute("select from a")
        with Process("apply", project.manifest, *options) as process:
            process.wait_for("blocked")
            holder.rollback()
            ended = process.wait()
        assert ended.code == 0, ended.stderr
        if options:
            lines = [json.loads(line) for line in ended.stderr.splitlines()]
            assert [line["progress"] for line in lines if line["progress"] in ("run-started", "run-finished")] == [
                "run-started",
                "run-finished",
            ]
            blocked = next(line for line in lines if line["progress"] == "blocked")
            assert blocked["step"] == {"version": 2, "name": "002_a", "action": "apply"}
            assert blocked["blockers"][0]["pid"] == holder.info.backend_pid
        else:
            assert "1/1 blocked for " in ended.stderr
            assert f"by backend {holder.info.backend_pid}, " in ended.stderr
            assert ended.stderr.count("blocked for") == 1


def test_the_status_says_how_many_wait_for_the_run(
    project: ProjectFolder, connect: Callable[..., psycopg.Connection]
) -> None:
    project.sql("001_a", "alter table a add column b int;", lock_timeout="10min")
    holder, waiting, looking = connect(autocommit=False), connect(), connect()
    waiting.execute("create table a (); set application_name = 'web app'")
    assert Migrator(project.manifest).status().queue is None
    queued = threading.Thread(target=waiting.execute, args=("select from a",))
    with _waiting_run(project, holder) as recorder:
        recorder.wait_for(Blocked)
        alone = Migrator(project.manifest).status()
        queued.start()
        backends.wait_until(looking, f"pg_blocking_pids({waiting.info.backend_pid}) <> '{{}}'")
        with Process("status", project.manifest) as process:
            said = process.wait()
        with Process("status", project.manifest, "--json") as process:
            document = json.loads(process.wait().stdout)
    queued.join()
    assert alone.as_dict()["lock_queue"] is None
    assert "note: 1 other session waits for it: `web app`" in said.stdout
    assert document["lock_queue"] == {"count": 1, "applications": [{"application_name": "web app", "count": 1}]}
