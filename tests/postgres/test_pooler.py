"""Behind PgBouncer: refused where a session is not kept, at work where it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.support import backends, pgbouncer
from tests.support.process import Process, run
from zmig.database.lock import RunLock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder

pytestmark = pytest.mark.skipif(
    pgbouncer.find() is None, reason="PgBouncer is not installed: on Debian, `apt-get install pgbouncer` brings it"
)


@pytest.mark.parametrize("size", [1, 20])
@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_a_pooler_of_transactions_is_refused_before_anything_is_locked_or_written(
    project: ProjectFolder, database: str, connection: psycopg.Connection, pooler_folder: Path, mode: str, size: int
) -> None:
    project.sql("001_t", "create table t ()")
    with pgbouncer.pooled(pooler_folder, database, mode=mode, size=size) as url:
        ended = run("apply", project.manifest, "--database-url", url, "--json")
        assert ended.code == 2
        assert json.loads(ended.stdout)["problems"][0]["code"] == "transaction-pooler"
        assert "use a direct connection" in ended.stderr
        assert backends.advisory_locks(connection) == 0
    assert connection.execute("select to_regclass('zmig.migration_events')").fetchone() == (None,)


@pytest.mark.parametrize("size", [1, 20])
def test_a_pooler_of_sessions_serves(
    project: ProjectFolder, database: str, connection: psycopg.Connection, facts: Facts, pooler_folder: Path, size: int
) -> None:
    project.sql("001_t", "create table t (x int)")
    project.sql("002_index", "create index concurrently t_x on t (x)")
    with pgbouncer.pooled(pooler_folder, database, mode="session", size=size) as url:
        ended = run("apply", project.manifest, "--database-url", url)
        assert ended.code == 0, ended.stderr
        assert run("apply", project.manifest, "--database-url", url).code == 0
    assert facts.applied == [(1, "001_t"), (2, "002_index")]
    assert backends.advisory_locks(connection) == 0


WAYS = {
    "applied": (("apply",), 0),
    "failed": (("apply",), 1),
    "locked by another": (("apply", "--lock-wait", "0s"), 4),
    "rehearsed": (("plan", "--rehearse"), 0),
    "resolved": (("resolve", "001_t", "--as", "done", "--reason", "by hand"), 0),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_session_goes_back_to_a_pooler_as_it_came(
    project: ProjectFolder,
    database: str,
    connection: psycopg.Connection,
    connect: Callable[..., psycopg.Connection],
    pooler_folder: Path,
    way: str,
) -> None:
    project.sql("001_t", "set search_path = pg_catalog;\ncreate table public.t (x int);\nset role pg_monitor;")
    project.sql("002_u", "create table u (x int);\nselect 1 / 0;" if way == "failed" else "create table u (x int);")
    arguments, code = WAYS[way]
    holder = connect()
    if way == "locked by another":
        assert RunLock("zmig").try_acquire(holder)
    with pgbouncer.pooled(pooler_folder, database, mode="session", size=1, cleans=False) as url:
        ended = run(arguments[0], project.manifest, *arguments[1:], "--database-url", url)
        assert ended.code == code, ended.stderr
        with psycopg.connect(url, autocommit=True) as other:
            settings = other.execute(
                "select name, setting from pg_settings where source = 'session' "
                "and name not in ('client_encoding', 'application_name', 'DateStyle', 'TimeZone') "
                # Each transaction begins with its own of these.
                "and name not in ('transaction_isolation', 'transaction_read_only')"
            ).fetchall()
            assert settings == []
            assert other.execute("select current_user = session_user").fetchone() == (True,)
            assert other.execute("select count(*) from pg_prepared_statements").fetchone() == (0,)
        assert backends.advisory_locks(connection) == (1 if way == "locked by another" else 0)


def test_reading_works_through_any_pooler(project: ProjectFolder, database: str, pooler_folder: Path) -> None:
    project.sql("001_t", "create table t ()")
    assert run("apply", project.manifest).code == 0
    with pgbouncer.pooled(pooler_folder, database, mode="transaction") as url:
        shown = run("status", project.manifest, "--database-url", url, "--json")
        assert (shown.code, json.loads(shown.stdout)["applied"]) == (0, ["001_t"])
        assert run("apply", project.manifest, "--database-url", url).code == 0


def test_a_pooler_of_transactions_is_refused_while_others_use_it(
    project: ProjectFolder, database: str, pooler_folder: Path
) -> None:
    project.sql("001_t", "create table t ()")
    with pgbouncer.pooled(pooler_folder, database, mode="transaction", size=5) as url:
        others = [psycopg.connect(url) for _ in range(3)]
        for other in others:
            other.execute("select 1")
        ended = run("apply", project.manifest, "--database-url", url)
        for other in others:
            other.close()
    assert ended.code == 2


def test_a_pooler_that_dies_is_a_lost_connection(
    project: ProjectFolder, database: str, connection: psycopg.Connection, pooler_folder: Path
) -> None:
    project.sql("001_slow", "select pg_sleep(60)")
    with pgbouncer.pooled(pooler_folder, database, mode="session") as url:
        process = Process("apply", project.manifest, "--database-url", url, "--verbose")
        process.wait_for("pg_sleep")
    with process:
        ended = process.wait()
    assert ended.code == 3
    assert "rolls it back and has nothing" in ended.stderr
