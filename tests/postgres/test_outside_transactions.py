"""Files that cannot run in a transaction: recognised, run statement by statement, continued after a kill."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from tests.support import backends
from tests.support.process import Process
from tests.support.project import ProjectFolder
from zmig import MigrationFailed, Migrator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import psycopg

    from tests.support.crash import CrashServer
    from tests.support.facts import Facts

PARTITIONED = """
create table events (id int, at date) partition by range (at);
create table events_old partition of events for values from ('2020-01-01') to ('2021-01-01');
create table events_new partition of events for values from ('2021-01-01') to ('2022-01-01');
insert into events select n, '2020-06-01' from generate_series(1, 10) n;
"""


SINCE_14 = {
    "reindex (concurrently) table events_old",
    "alter table events detach partition events_old concurrently",
}


def skip_before_14(connection: psycopg.Connection) -> None:
    if connection.info.server_version < 140000:
        pytest.skip("the statement came with PostgreSQL 14")


@pytest.mark.parametrize(
    ("statement", "command"),
    [
        ("vacuum (analyze) events_old", "VACUUM"),
        ("reindex index concurrently events_id", "REINDEX CONCURRENTLY"),
        ("reindex (concurrently) table events_old", "REINDEX CONCURRENTLY"),
        ("reindex schema public", "REINDEX SCHEMA"),
        ("drop index concurrently if exists events_id", "DROP INDEX CONCURRENTLY"),
        ("create unique index concurrently other on events_old (id)", "CREATE UNIQUE INDEX CONCURRENTLY"),
        ("alter table events detach partition events_old concurrently", "ALTER TABLE ... DETACH PARTITION ..."),
    ],
)
def test_a_statement_that_refuses_a_transaction_is_run_without_one_and_the_plan_says_why(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts, statement: str, command: str
) -> None:
    if statement in SINCE_14:
        skip_before_14(connection)
    connection.execute(PARTITIONED + "create index events_id on events_old (id);")
    project.sql("001_alone", f"create table before ();\n{statement};\ncreate table behind ();")
    (step,) = Migrator(project.manifest).plan().steps
    assert step.mode is not None
    assert not step.mode.transactional
    assert step.mode.reason.startswith(f"`{command}")
    assert "in line 2" in step.mode.reason
    Migrator(project.manifest).migrate()
    assert facts.told[-1] == ("001_alone", "done")
    assert [one["statement"] for one in facts.data("001_alone", "checkpoint")] == [1, 1, 2, 3]
    assert connection.execute("select to_regclass('behind') is not null").fetchone() == (True,)


def test_alter_system_runs(tmp_path: Path, crash_server: CrashServer) -> None:
    project = ProjectFolder(tmp_path, crash_server.url())
    project.sql("001_system", "alter system set work_mem = '7MB';\nselect pg_reload_conf();")
    assert Migrator(project.manifest).migrate().completed == ("001_system",)
    assert "work_mem = '7MB'" in (crash_server.data / "postgresql.auto.conf").read_text()


def test_what_is_done_is_not_done_again_when_the_rest_is_corrected(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    connection.execute("create table a (id int); create table log (n int)")
    project.sql("001_a", "vacuum a;\ninsert into log values (1);\nvacuum nowhere;")
    with pytest.raises(MigrationFailed):
        Migrator(project.manifest).migrate()
    project.sql("001_a", "vacuum a;\ninsert into log values (1);\nvacuum log;")
    Migrator(project.manifest).migrate()
    assert connection.execute("select count(*) from log").fetchone() == (1,)
    assert facts.data("001_a", "started")[-1]["resumed_after"] == 2


def kill_where(project: ProjectFolder, connection: psycopg.Connection, condition: str) -> None:
    """Kill an apply where a condition on the catalog is true, and wait until its backend is gone."""
    with Process("apply", project.manifest) as process:
        backends.wait_until(connection, condition, of=process)
        process.kill()
    backends.wait_for_end(connection)


def test_a_detach_that_was_killed_while_pending_is_finished(
    project: ProjectFolder, connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
) -> None:
    skip_before_14(connection)
    connection.execute(PARTITIONED)
    project.sql(
        "001_detach",
        "alter table events detach partition events_old concurrently;\nalter table events_old add column done bool;",
    )
    reader = connect(autocommit=False)
    reader.execute("select from events")
    kill_where(project, connection, "exists (select from pg_inherits where inhdetachpending)")
    reader.rollback()
    assert Migrator(project.manifest).status().stuck == ["001_detach"]
    Migrator(project.manifest).migrate()
    assert connection.execute(
        "select count(*), bool_or(inhdetachpending) from pg_inherits where inhparent = 'events'::regclass"
    ).fetchone() == (1, False)
    assert connection.execute("select count(done is null or null) from events_old").fetchone() == (10,)


def test_a_detach_that_was_killed_before_it_began_is_done(
    project: ProjectFolder, connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
) -> None:
    skip_before_14(connection)
    connection.execute(PARTITIONED)
    project.sql("001_detach", "alter table events detach partition events_old concurrently;")
    holder = connect(autocommit=False)
    holder.execute("lock table events in access exclusive mode")
    kill_where(
        project,
        connection,
        "exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')",
    )
    holder.rollback()
    Migrator(project.manifest).migrate()
    assert connection.execute("select count(*) from pg_inherits where inhparent = 'events'::regclass").fetchone() == (
        1,
    )


def test_a_reindex_that_was_killed_is_done_again_without_its_leftovers(
    project: ProjectFolder, connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
) -> None:
    connection.execute("create table a as select generate_series(1, 100) as id; create index a_id on a (id)")
    project.sql("001_reindex", "reindex index concurrently a_id;\ncreate table behind ();")
    writer = connect(autocommit=False)
    writer.execute("insert into a values (0)")
    kill_where(project, connection, "exists (select from pg_class where relname like 'a_id_ccnew%')")
    writer.rollback()
    Migrator(project.manifest).migrate()
    query = "select indexrelid::regclass::text, indisvalid from pg_index where indrelid = 'a'::regclass"
    assert connection.execute(query.encode()).fetchall() == [("a_id", True)]
    assert connection.execute("select to_regclass('behind') is not null").fetchone() == (True,)


def test_a_drop_that_was_killed_while_it_waited_is_finished(
    project: ProjectFolder, connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
) -> None:
    connection.execute("create table a as select generate_series(1, 100) as id; create index a_id on a (id)")
    project.sql("001_drop", "drop index concurrently a_id;\ncreate table behind ();")
    writer = connect(autocommit=False)
    writer.execute("insert into a values (0)")
    kill_where(
        project,
        connection,
        "exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')",
    )
    writer.rollback()
    Migrator(project.manifest).migrate()
    assert connection.execute("select to_regclass('a_id'), to_regclass('behind') is not null").fetchone() == (
        None,
        True,
    )


def test_a_transaction_mode_that_is_declared_overrides_the_file(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    project.sql("001_plain", "create table a ();\nselect 1/0;", transaction=False)
    with pytest.raises(MigrationFailed):
        Migrator(project.manifest).migrate()
    assert connection.execute("select to_regclass('a') is not null").fetchone() == (True,)
    (step,) = Migrator(project.manifest).plan().steps
    assert step.mode is not None
    assert step.mode.reason == "`transaction: false` in the manifest"


@pytest.mark.parametrize(
    ("statement", "left"),
    [
        ("create unique index concurrently events_key on events_old (at)", "events_key"),
        ("create unique index concurrently on events_old (at)", "events_old_at_idx"),
        ("create unique index on events_old (at)", None),
    ],
)
def test_an_invalid_index_that_a_failure_leaves_is_told_and_the_next_try_drops_it(
    project: ProjectFolder, connection: psycopg.Connection, statement: str, left: str | None
) -> None:
    connection.execute(PARTITIONED)
    project.sql("001_index", statement, transaction=False)
    with pytest.raises(MigrationFailed) as caught:
        Migrator(project.manifest).migrate()
    told = f", and an invalid index `{left}` is left, which the next try drops" if left else ""
    assert caught.value.problems[0].effect == f"not rolled back: no statement had completed{told}"
    connection.execute("delete from events")
    Migrator(project.manifest).retry()
    valid = connection.execute("select indisvalid from pg_index where indrelid = 'events_old'::regclass").fetchall()
    assert valid == [(True,)]


def test_an_index_that_is_built_concurrently_waits_for_others_however_short_the_lock_timeout(
    project: ProjectFolder, connection: psycopg.Connection, connect: Callable[..., psycopg.Connection], facts: Facts
) -> None:
    connection.execute("create table t (id int)")
    holder = connect(autocommit=False)
    holder.execute("insert into t values (1)")
    project.sql("001_index", "create index concurrently t_id on t (id)", lock_timeout="20ms", retry={"attempts": 1})
    run = threading.Thread(target=Migrator(project.manifest).migrate)
    run.start()
    waiting = "wait_event_type = 'Lock' and clock_timestamp() - query_start > interval '300 ms'"
    try:
        backends.wait_for(connection, 1, f"query like '%concurrently t_id%' and {waiting}")
    finally:
        holder.rollback()
        run.join()
    assert facts.told[-1] == ("001_index", "done")
