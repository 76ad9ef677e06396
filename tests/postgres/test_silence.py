"""A signal, and a server that says nothing: the client ends by itself, and tells what is known."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.support import backends
from tests.support.process import Process, run
from tests.support.project import ProjectFolder
from tests.support.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.crash import CrashServer
    from tests.support.facts import Facts

SIGNALS = pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
LOST = "the connection to the database was lost: the server does not answer"

WAITS = {
    "a statement": "select pg_sleep(600)",
    "rows it is sent": "copy (select pg_sleep(600)) to stdout",
    "rows it sends": "create table slow (x int);\ncreate trigger slow before insert on slow for each row "
    "execute function sleeps();\ncopy slow from stdin;\n1\n\\.\n",
}
EITHER = "the server completes `002_waits` and has all of it, or rolls it back and has nothing"
EFFECTS = {
    "a statement": EITHER,
    "rows it is sent": EITHER,
    "rows it sends": "`002_waits` was not committed: the server rolls it back",
}
INSERTS = "def execute(ctx):\n    ctx.execute('insert into late values (1)')\n"
SLEEPS = """
create function sleeps() returns trigger language plpgsql as $$ begin perform pg_sleep(600); return new; end $$
"""

WAITS_AT_COMMIT = """
create table late (x int);
create function wait_at_commit() returns trigger language plpgsql as
    $$ begin perform pg_advisory_xact_lock(1); return null; end $$;
create constraint trigger late after insert on late deferrable initially deferred
    for each row execute function wait_at_commit();
select pg_advisory_lock(1);
"""


@pytest.fixture
def proxy(database: str) -> Iterator[Proxy]:
    with Proxy(database) as proxy:
        yield proxy


@SIGNALS
@pytest.mark.parametrize("wait", WAITS)
def test_one_signal_ends_a_client_whose_network_is_gone(
    tmp_path: Path, proxy: Proxy, connection: psycopg.Connection, wait: str, number: signal.Signals, code: int
) -> None:
    connection.execute(SLEEPS)
    project = ProjectFolder(tmp_path, proxy.url)
    project.sql("001_first", "create table first ()")
    project.sql("002_waits", WAITS[wait])
    with Process("apply", project.manifest) as process:
        backends.wait_for(connection, 1, "wait_event = 'PgSleep'", of=process)
        proxy.fall_silent()
        process.send(number)
        ended = process.wait()
    assert ended.code == code
    assert f"error: interrupted by {number.name}: {LOST}\n" in ended.stderr
    assert f"   = {EFFECTS[wait]}\n" in ended.stderr


def test_one_that_comes_while_a_commit_is_under_way_does_too(
    tmp_path: Path, proxy: Proxy, connect: Callable[..., psycopg.Connection], database: str
) -> None:
    gate = connect()
    gate.execute(WAITS_AT_COMMIT)
    project = ProjectFolder(tmp_path, proxy.url)
    project.python("001_late", INSERTS, lock_timeout="10min")
    with Process("apply", project.manifest) as process:
        backends.wait_for(gate, 1, "wait_event_type = 'Lock'", of=process)
        proxy.fall_silent()
        process.send(signal.SIGTERM)
        ended = process.wait()
    assert ended.code == 143
    assert "   = the server completes `001_late` and has all of it, or rolls it back and has nothing\n" in ended.stderr
    gate.execute("select pg_advisory_unlock(1)")
    proxy.cut()
    backends.wait_for(gate, 0)
    assert run("apply", project.manifest, "--database-url", database).code == 0
    assert gate.execute("select count(*) from late").fetchone() == (1,)


def test_a_server_that_answers_is_waited_for(
    tmp_path: Path, connect: Callable[..., psycopg.Connection], database: str, facts: Facts
) -> None:
    gate = connect()
    gate.execute(WAITS_AT_COMMIT)
    project = ProjectFolder(tmp_path, database)
    project.python("001_late", INSERTS, lock_timeout="10min")
    with Process("apply", project.manifest) as process:
        backends.wait_for(gate, 1, "wait_event_type = 'Lock'", of=process)
        process.send(signal.SIGTERM)
        gate.execute("select pg_sleep(3)")  # longer than a server that is gone would be waited for
        assert process.is_running, process.stderr
        gate.execute("select pg_advisory_unlock(1)")
        assert process.wait().code == 143
    assert facts.told[-1] == ("001_late", "done")


@pytest.mark.parametrize("text", ["select pg_sleep(600)", "copy (select pg_sleep(600)) to stdout"])
def test_one_signal_ends_a_client_whose_server_is_stopped(tmp_path: Path, crash_server: CrashServer, text: str) -> None:
    project = ProjectFolder(tmp_path, crash_server.url())
    project.sql("001_waits", text)
    with psycopg.connect(crash_server.url(), autocommit=True) as connection, Process("apply", project.manifest) as ours:
        backends.wait_for(connection, 1, "wait_event = 'PgSleep'", of=ours)
        server = crash_server.process()
        assert server is not None
        stopped = (server, backends.pid(connection, "true"))
        for process in stopped:
            os.kill(process, signal.SIGSTOP)
        try:
            ours.send(signal.SIGINT)
            ended = ours.wait()
        finally:
            for process in stopped:
                os.kill(process, signal.SIGCONT)
    assert ended.code == 130
    assert f"error: interrupted by SIGINT: {LOST}\n" in ended.stderr
