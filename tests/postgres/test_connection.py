"""The connection is lost: at every single message, on the way there and on the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import backends
from tests.support.process import Process, run
from tests.support.proxy import Moment, Proxy
from zmig import ConnectionFailed, Migrator
from zmig.database.lock import RunLock

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder

TALLY = """
create table tally (version int, place int);
insert into tally values (1, 0);
"""
CODE = """
def execute(ctx):
    ctx.execute("insert into tally values (2, 0)")
    ctx.execute("insert into tally values (2, 1)")
"""
OUTSIDE = """
insert into tally values (3, 0);
create index concurrently tally_version on tally (version);
insert into tally values (3, 1);
create index concurrently on tally (place);
"""
EVERYTHING = [(1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (90, 0)]


@pytest.fixture(autouse=True)
def patience(project: ProjectFolder) -> None:
    """Let statements wait for the locks that a test holds, however slow the machine is."""
    project.change(defaults={"lock_timeout": "10min"})


@pytest.fixture
def everything(project: ProjectFolder) -> ProjectFolder:
    project.sql("001_tally", TALLY)
    project.python("002_code", CODE)
    project.sql("003_outside", OUTSIDE)
    project.repeatable("090_view", "create view v as select * from tally; insert into tally values (90, 0);")
    return project


def tally(connection: psycopg.Connection) -> list[tuple[int, int]]:
    rows = connection.execute("select version, place from tally order by 1, 2").fetchall()
    return [(version, place) for version, place in rows]


def indexes(connection: psycopg.Connection) -> list[tuple[str, bool]]:
    rows = connection.execute(
        "select indexrelid::regclass::text, indisvalid from pg_index where indrelid = 'tally'::regclass order by 1"
    ).fetchall()
    return [(name, valid) for name, valid in rows]


@pytest.mark.parametrize("moment", Moment)
def test_wherever_it_is_lost_everything_is_done_once(
    everything: ProjectFolder, database: str, connection: psycopg.Connection, facts: Facts, moment: Moment
) -> None:
    number, completed = 0, False
    while not completed:
        number += 1
        with Proxy(database, number=number, moment=moment) as proxy:
            try:
                Migrator(everything.manifest, database_url=proxy.url).migrate()
                completed = not proxy.has_cut
            except ConnectionFailed as lost:
                (problem,) = lost.problems
                assert (problem.code, problem.effect is not None) == ("connection-lost", True)
        backends.wait_for(connection, 0)
        Migrator(everything.manifest).migrate()
        assert tally(connection) == EVERYTHING, f"cut at message {number}"
        assert indexes(connection) == [("tally_place_idx", True), ("tally_version", True)], f"cut at message {number}"
        assert facts.applied == [(1, "001_tally"), (2, "002_code"), (3, "003_outside"), (90, "090_view")]
        connection.execute("drop schema zmig cascade; drop table tally cascade")
    assert number > 20


def test_in_the_middle_of_a_statement_the_loss_and_the_effect_are_told(
    project: ProjectFolder, database: str, connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
) -> None:
    gate = connect()
    gate.execute("select pg_advisory_lock(1)")
    project.sql("001_slow", "create table t ();\nselect pg_advisory_xact_lock(1);\ncreate table u ();")
    with Proxy(database) as proxy, Process("apply", project.manifest, "--database-url", proxy.url) as process:
        backends.wait_for(connection, 1, "wait_event_type = 'Lock'", of=process)
        proxy.cut()
        ended = process.wait()
    assert ended.code == 3
    assert "error: the connection to the database was lost" in ended.stderr
    assert "`001_slow` was not committed: the server rolls it back" in ended.stderr
    gate.execute("select pg_advisory_unlock(1)")
    backends.wait_for(connection, 0)
    assert connection.execute("select to_regclass('t')").fetchone() == (None,)
    assert run("apply", project.manifest).code == 0


def test_while_it_waits_for_the_lock_nothing_was_run(
    project: ProjectFolder, database: str, connect: Callable[..., psycopg.Connection]
) -> None:
    project.sql("001_t", "create table t ()")
    assert RunLock("zmig").try_acquire(connect())
    with Proxy(database) as proxy, Process("apply", project.manifest, "--database-url", proxy.url) as process:
        process.wait_for("waiting for the lock")
        proxy.cut()
        ended = process.wait()
    assert ended.code == 3
    assert "nothing was run" in ended.stderr


def test_the_server_ends_the_session_between_two_steps(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    project.python(
        "001_view",
        "def should_repeat(ctx, last_run):\n    ctx.execute('select pg_terminate_backend(pg_backend_pid())')\n\n\n"
        "def execute(ctx):\n    pass\n",
        kind="repeatable",
    )
    assert run("apply", project.manifest).code == 0
    project.sql("002_t", "create table t ()")
    ended = run("apply", project.manifest)
    assert ended.code == 3
    assert "connection" in ended.stderr


def test_a_session_of_a_migrations_own_that_the_server_ended_is_not_taken_for_zmigs(
    project: ProjectFolder, database: str, facts: Facts, connection: psycopg.Connection
) -> None:
    project.python(
        "001_own",
        "import psycopg\n\n\ndef execute(ctx):\n"
        f"    with psycopg.connect({database!r}) as own:\n"
        "        own.execute('select pg_terminate_backend(pg_backend_pid())')\n",
    )
    ended = run("apply", project.manifest)
    assert ended.code == 1
    assert "rolled back: `001_own` left nothing behind" in ended.stderr
    assert facts.told == [("001_own", "started"), ("001_own", "failed")]
    backends.wait_for(connection, 0)


@pytest.mark.parametrize("transaction", [True, False])
def test_a_migration_that_ends_its_own_session_ends_the_run_with_what_is_left(
    project: ProjectFolder, connection: psycopg.Connection, *, transaction: bool
) -> None:
    project.python(
        "001_end",
        "def execute(ctx):\n    ctx.execute('select pg_terminate_backend(pg_backend_pid())')\n",
        transaction=transaction,
    )
    ended = run("apply", project.manifest)
    assert ended.code == 3
    assert "error: the connection to the database was lost" in ended.stderr
    assert ("was not committed" if transaction else "ran outside a transaction") in ended.stderr
    backends.wait_for(connection, 0)
