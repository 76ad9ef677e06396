"""A client is killed while its statement runs: nobody starts on top of what the backend still does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support import backends
from tests.support.process import Process, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import psycopg

    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder

NAME = "001_long"
CHECK_INTERVAL_SINCE = 140000


@pytest.fixture(autouse=True)
def patience(project: ProjectFolder) -> None:
    """Let statements wait for the locks that a test holds, however slow the machine is."""
    project.change(defaults={"lock_timeout": "10min"})


def blind(connection: psycopg.Connection) -> str:
    """Return what makes a session blind to its client's death; before PostgreSQL 14 every session is."""
    has_check = connection.info.server_version >= CHECK_INTERVAL_SINCE
    return "set client_connection_check_interval = 0;\n" if has_check else ""


@pytest.fixture
def gate(connect: Callable[..., psycopg.Connection]) -> psycopg.Connection:
    """A session that holds the lock which the long statement waits for."""
    holder = connect()
    holder.execute("create table t (x int); select pg_advisory_lock(1)")
    return holder


@pytest.fixture
def zombie(project: ProjectFolder, gate: psycopg.Connection) -> Iterator[int]:
    """The pid of a backend that works on although its client was killed."""
    project.sql(NAME, f"{blind(gate)}select pg_advisory_xact_lock(1);\ninsert into t values (1);")
    with Process("apply", project.manifest) as process:
        backends.wait_for(gate, 1, "wait_event_type = 'Lock'", of=process)
        pid = backends.pid(gate, "wait_event_type = 'Lock'")
        process.kill()
        yield pid


def rows(connection: psycopg.Connection) -> list[int]:
    return [row[0] for row in connection.execute("select x from t order by x").fetchall()]


def test_where_the_server_looks_for_its_client_the_backend_is_gone_while_its_statement_waits(
    project: ProjectFolder, connection: psycopg.Connection, gate: psycopg.Connection
) -> None:
    if connection.info.server_version < CHECK_INTERVAL_SINCE:
        pytest.skip("PostgreSQL 13 cannot look for its client")
    project.sql(NAME, "insert into t values (1);\nselect pg_advisory_xact_lock(1);")
    with Process("apply", project.manifest) as process:
        backends.wait_for(connection, 1, "wait_event_type = 'Lock'", of=process)
        process.kill()
    backends.wait_for(connection, 0)
    gate.execute("select pg_advisory_unlock(1)")
    assert run("apply", project.manifest).code == 0
    assert rows(connection) == [1]


def test_nobody_starts_before_the_backend_ends_and_everything_is_done_once(
    project: ProjectFolder, facts: Facts, zombie: int, gate: psycopg.Connection
) -> None:
    ended = run("apply", project.manifest, "--lock-wait", "0")
    assert ended.code == 4
    assert f"held by backend {zombie}, whose client is gone" in ended.stderr
    assert "retry" in ended.stderr.splitlines()[-1]
    assert "--terminate" in ended.stderr.splitlines()[-1]
    with Process("apply", project.manifest) as next_run:
        next_run.wait_for(f"waiting for the lock: backend {zombie}, whose client is gone")
        assert facts.told == [(NAME, "started")]
        gate.execute("select pg_advisory_unlock(1)")
        assert next_run.wait().code == 0
    told = [type for _, type in facts.told]
    completed, rolled_back = ["started", "done"], ["started", "failed", "started", "done"]
    assert told in (completed, rolled_back), "the server completes the message, or notices that nobody listens"
    assert rows(gate) == [1]


def test_status_names_the_backend_its_age_and_its_query(project: ProjectFolder, zombie: int) -> None:
    shown = run("status", project.manifest)
    assert shown.code == 0
    assert f"backend {zombie} works on `{NAME}`, for " in shown.stdout
    assert "although the process it works for is gone" in shown.stdout
    assert "select pg_advisory_xact_lock(1)" in shown.stdout
    assert f"zmig retry {project.manifest} --terminate" in shown.stdout
    holder = json.loads(run("status", project.manifest, "--json").stdout)["lock_holder"]
    assert (holder["pid"], holder["client"], holder["migration"]) == (zombie, "gone", NAME)
    assert holder["seconds"] > 0


def test_retry_ends_it_on_request(
    project: ProjectFolder, facts: Facts, zombie: int, connection: psycopg.Connection, gate: psycopg.Connection
) -> None:
    project.sql(NAME, "insert into t values (1)")
    ended = run("retry", project.manifest, "--terminate")
    assert ended.code == 0, ended.stderr
    assert f"ending backend {zombie}" in ended.stderr
    assert facts.told[-1] == (NAME, "done")
    assert rows(connection) == [1]


def test_a_backend_whose_client_lives_is_not_ended(
    project: ProjectFolder, connection: psycopg.Connection, gate: psycopg.Connection
) -> None:
    project.sql(NAME, "select pg_advisory_xact_lock(1);")
    with Process("apply", project.manifest) as process:
        backends.wait_for(connection, 1, "wait_event_type = 'Lock'", of=process)
        ended = run("retry", project.manifest, "--terminate", "--json")
        assert (ended.code, json.loads(ended.stdout)["problems"][0]["code"]) == (2, "holder-alive")
        gate.execute("select pg_advisory_unlock(1)")
        assert process.wait().code == 0


def test_a_statement_outside_a_transaction_that_ends_after_its_client_is_not_done_again(
    project: ProjectFolder, gate: psycopg.Connection, connect: Callable[..., psycopg.Connection]
) -> None:
    project.sql(NAME, f"{blind(gate)}create index concurrently t_x on t (x);\ninsert into t values (1);")
    reader = connect()
    reader.execute("begin isolation level repeatable read; select * from t")
    with Process("apply", project.manifest) as process:
        backends.wait_for(gate, 1, "query like 'create index%' and wait_event_type = 'Lock'", of=process)
        process.kill()
    reader.execute("rollback")
    backends.wait_for(gate, 0)
    built = gate.execute("select indexrelid, indisvalid from pg_index where indrelid = 't'::regclass").fetchall()
    assert [valid for _, valid in built] == [True]
    assert run("apply", project.manifest).code == 0
    assert (
        gate.execute("select indexrelid, indisvalid from pg_index where indrelid = 't'::regclass").fetchall() == built
    )
    assert rows(gate) == [1]
