"""Signals that come at awkward moments: what is recorded is what happened."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.support import backends
from tests.support.process import Process, run

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder


@pytest.fixture(autouse=True)
def patience(project: ProjectFolder) -> None:
    """Let statements wait for the locks that a test holds, however slow the machine is."""
    project.change(defaults={"lock_timeout": "10min"})


STORM = "do $$ begin loop raise notice 'storm'; end loop; end $$"

SLOW_ROWS = """
copy (select repeat('x', 20000) from generate_series(1, 3) union all select pg_sleep(600)::text) to stdout
"""

SWALLOWS = """
import time

def execute(ctx):
    try:
        ctx.progress('here')
        while True: time.sleep(0.05)
    except:
        pass
"""

ALL = pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])


@ALL
def test_inside_a_storm_of_notices(project: ProjectFolder, facts: Facts, number: signal.Signals, code: int) -> None:
    project.sql("001_storm", STORM)
    with Process("apply", project.manifest) as process:
        process.wait_for("notice: storm")
        process.send(number)
        assert process.wait().code == code
    assert facts.told == [("001_storm", "started"), ("001_storm", "failed")]
    assert facts.data("001_storm", "failed")[0]["error"]["interrupted"] == number.name


def test_inside_a_storm_of_notices_that_python_code_asked_for(project: ProjectFolder, facts: Facts) -> None:
    project.python("001_storm", f"def execute(ctx):\n    ctx.execute({STORM!r})\n")
    with Process("apply", project.manifest) as process:
        process.wait_for("notice: storm")
        process.send(signal.SIGTERM)
        assert process.wait().code == 143
    assert facts.told == [("001_storm", "started"), ("001_storm", "failed")]


@pytest.mark.parametrize("transaction", [True, False])
def test_between_the_rows_of_a_copy_to_the_client(
    project: ProjectFolder, facts: Facts, connection: psycopg.Connection, *, transaction: bool
) -> None:
    project.sql("001_rows", SLOW_ROWS, transaction=transaction)
    with Process("apply", project.manifest) as process:
        backends.wait_for(connection, 1, "wait_event = 'PgSleep'", of=process)
        process.send(signal.SIGINT)
        assert process.wait().code == 130
    assert facts.told[-1] == ("001_rows", "failed")
    backends.wait_for(connection, 0)


@ALL
def test_one_that_code_swallows_ends_the_run_behind_its_migration(
    project: ProjectFolder, facts: Facts, number: signal.Signals, code: int
) -> None:
    project.python("001_swallows", SWALLOWS)
    project.sql("002_next", "create table next ()")
    with Process("apply", project.manifest) as process:
        process.wait_for("here")
        process.send(number)
        ended = process.wait()
    assert ended.code == code
    assert facts.told == [("001_swallows", "started"), ("001_swallows", "done")]
    assert f"error: interrupted by {number.name}\n   = completed, and left as it is: `001_swallows`\n" in ended.stderr


def test_one_that_the_last_code_swallows_is_told_by_the_exit_code(project: ProjectFolder, facts: Facts) -> None:
    project.python("001_swallows", SWALLOWS)
    with Process("apply", project.manifest) as process:
        process.wait_for("here")
        process.send(signal.SIGTERM)
        assert process.wait().code == 143
    assert facts.told == [("001_swallows", "started"), ("001_swallows", "done")]


def test_one_that_code_swallows_takes_an_atomic_run_back(project: ProjectFolder, facts: Facts) -> None:
    project.python("001_swallows", SWALLOWS)
    project.sql("002_next", "create table next ()")
    with Process("apply", project.manifest, "--atomic") as process:
        process.wait_for("here")
        process.send(signal.SIGTERM)
        assert process.wait().code == 143
    assert facts.told == [("001_swallows", "started"), ("001_swallows", "failed")]


def test_one_that_code_turns_into_an_error_of_its_own_ends_the_run_all_the_same(
    project: ProjectFolder, facts: Facts
) -> None:
    project.python("001_turns", SWALLOWS.replace("pass", "raise ValueError('no more')"))
    with Process("apply", project.manifest) as process:
        process.wait_for("here")
        process.send(signal.SIGINT)
        ended = process.wait()
    assert ended.code == 130
    assert "migration `001_turns` failed: no more" in ended.stderr
    assert facts.told == [("001_turns", "started"), ("001_turns", "failed")]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_one_that_was_ignored_before_is_ignored(
    project: ProjectFolder, connect: Callable[..., psycopg.Connection], number: signal.Signals
) -> None:
    gate = connect()
    gate.execute("select pg_advisory_lock(1)")
    project.sql("001_waits", "select pg_advisory_xact_lock(1)")
    program = (
        f"import signal, sys; signal.signal({number:d}, signal.SIG_IGN); from zmig.cli.main import main; "
        f"sys.exit(main(['apply', {str(project.manifest)!r}]))"
    )
    with Process(program=("-c", program)) as process:
        backends.wait_for(gate, 1, "wait_event_type = 'Lock'", of=process)
        process.send(number)
        gate.execute("select pg_advisory_unlock(1)")
        assert process.wait().code == 0


BOTH = pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])

WAITS_AT_COMMIT = """
create table late (x int);
create function wait_at_commit() returns trigger language plpgsql as $$
begin
    perform pg_advisory_xact_lock(1);
    return null;
end $$;
create constraint trigger late after insert on late deferrable initially deferred
    for each row execute function wait_at_commit();
"""


@BOTH
@pytest.mark.parametrize("transaction", [True, False])
def test_while_it_commits_what_is_recorded_is_what_happened(
    project: ProjectFolder,
    facts: Facts,
    connect: Callable[..., psycopg.Connection],
    *,
    transaction: bool,
    number: signal.Signals,
    code: int,
) -> None:
    gate = connect()
    gate.execute(WAITS_AT_COMMIT.encode())
    gate.execute("select pg_advisory_lock(1)")
    project.sql("001_late", "insert into late values (1)", transaction=transaction)
    project.sql("002_next", "create table next ()")
    with Process("apply", project.manifest) as process:
        backends.wait_for(gate, 1, "wait_event_type = 'Lock'", of=process)
        process.send(number)
        gate.execute("select pg_advisory_unlock(1)")
        ended = process.wait()
    assert ended.code == code
    is_there = gate.execute("select count(*) from late").fetchone() == (1,)
    assert facts.told[-1][0] == "001_late"
    if transaction:
        assert facts.told[-1][1] == ("done" if is_there else "failed")
    else:
        assert facts.told[-2:] == [("001_late", "checkpoint" if is_there else "started"), ("001_late", "failed")]
    assert run("apply", project.manifest).code == 0
    assert gate.execute("select count(*) from late").fetchone() == (1,)
    assert facts.applied == [(1, "001_late"), (2, "002_next")]


@pytest.mark.parametrize("transaction", [True, False])
def test_ctrl_c_that_comes_too_late_for_a_library_is_told_from_one_that_does_not(
    project: ProjectFolder,
    facts: Facts,
    connection: psycopg.Connection,
    connect: Callable[..., psycopg.Connection],
    *,
    transaction: bool,
) -> None:
    connection.execute(STUBBORN_COMMIT.encode())
    project.sql("001_first", "select 1")
    project.sql("002_next", "select pg_advisory_xact_lock(1);\ncreate table next ()", transaction=transaction)
    assert run("apply", project.manifest, "--to", "1").code == 0
    gate = connect()
    gate.execute("select pg_advisory_lock(1)")
    program = f"from zmig import Migrator; Migrator({str(project.manifest)!r}).migrate()"
    with Process(program=("-c", program)) as process:
        backends.wait_for(connection, 1, "wait_event_type = 'Lock'", of=process)
        connection.execute(  # once zmig has looked at its tables
            "create constraint trigger late after insert on zmig.schema_migrations "
            "deferrable initially deferred for each row execute function ignore_cancel()"
        )
        gate.execute("select pg_advisory_unlock(1)")
        backends.wait_for(connection, 1, "wait_event = 'PgSleep'", of=process)
        process.send(signal.SIGINT)
        assert process.wait().code != 0
    assert facts.told[-1] == ("002_next", "done")
    connection.execute("drop trigger late on zmig.schema_migrations")
    assert run("apply", project.manifest).code == 0


STUBBORN_COMMIT = """
create function ignore_cancel() returns trigger language plpgsql as $$
begin
    perform pg_sleep(60);
    return null;
exception when query_canceled then
    return null;
end $$;
"""


PLACES = {
    "a pure loop": "def execute(ctx):\n    ctx.progress('here')\n    while True:\n        pass\n",
    "a pause": "import time\n\n\ndef execute(ctx):\n    ctx.progress('here')\n    while True: time.sleep(0.05)\n",
    "its connection": (
        "def execute(ctx):\n    ctx.progress('here')\n    ctx.connection.execute('select pg_sleep(600)')\n"
    ),
    "code that catches every exception": (
        "def execute(ctx):\n    ctx.progress('here')\n    while True:\n        try:\n"
        "            ctx.execute('select pg_sleep(600)')\n        except Exception:\n            pass\n"
    ),
}


@BOTH
@pytest.mark.parametrize("place", PLACES)
def test_inside_python_code(
    project: ProjectFolder, facts: Facts, connection: psycopg.Connection, place: str, number: signal.Signals, code: int
) -> None:
    project.python("001_code", PLACES[place])
    with Process("apply", project.manifest) as process:
        process.wait_for("here")
        process.send(number)
        assert process.wait().code == code
    assert facts.told == [("001_code", "started"), ("001_code", "failed")]
    assert facts.data("001_code", "failed")[0]["error"]["interrupted"] == number.name
    backends.wait_for(connection, 0)


def test_a_terminal_that_closes_sends_two(project: ProjectFolder, facts: Facts, connection: psycopg.Connection) -> None:
    project.sql("001_waits", "select pg_sleep(600)")
    with Process("apply", project.manifest) as process:
        backends.wait_for(connection, 1, "wait_event = 'PgSleep'", of=process)
        process.send(signal.SIGHUP)
        backends.wait_for(connection, 0, "wait_event = 'PgSleep'")
        process.send(signal.SIGHUP)
        assert process.wait().code == 129
    assert facts.told == [("001_waits", "started"), ("001_waits", "failed")]


def test_inside_an_index_build(
    project: ProjectFolder, facts: Facts, connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
) -> None:
    connection.execute("create table t (x int)")
    project.sql("001_index", "create index concurrently t_x on t (x)")
    reader = connect()
    reader.execute("begin isolation level repeatable read; select * from t")
    with Process("apply", project.manifest) as process:
        backends.wait_for(connection, 1, "query like 'create index%' and wait_event_type = 'Lock'", of=process)
        process.send(signal.SIGTERM)
        ended = process.wait()
    reader.execute("rollback")
    assert ended.code == 143
    assert facts.told[-1] == ("001_index", "failed")
    backends.wait_for(connection, 0)
    assert run("apply", project.manifest).code == 0
    assert connection.execute("select indisvalid from pg_index where indrelid = 't'::regclass").fetchall() == [(True,)]


def test_inside_copied_rows(project: ProjectFolder, facts: Facts, connection: psycopg.Connection) -> None:
    connection.execute("""
        create table t (x int);
        create function slow() returns trigger language plpgsql as
            $$ begin perform pg_sleep(600); return new; end $$;
        create trigger slow before insert on t for each row execute function slow();
    """)
    project.sql("001_rows", "copy t from stdin;\n" + "".join(f"{n}\n" for n in range(1000)) + "\\.\n")
    with Process("apply", project.manifest) as process:
        backends.wait_for(connection, 1, "wait_event = 'PgSleep'", of=process)
        process.send(signal.SIGINT)
        ended = process.wait()
    assert ended.code == 130
    assert facts.told == [("001_rows", "started"), ("001_rows", "failed")]
    backends.wait_for(connection, 0)


@BOTH
def test_between_two_attempts_the_failure_stays_the_last_word(
    project: ProjectFolder,
    facts: Facts,
    connection: psycopg.Connection,
    connect: Callable[..., psycopg.Connection],
    number: signal.Signals,
    code: int,
) -> None:
    connection.execute("create table t (x int)")
    project.sql("001_busy", "alter table t add y int", lock_timeout="50ms", retry={"attempts": 9, "backoff": "10min"})
    connect().execute("begin; lock table t")
    with Process("apply", project.manifest) as process:
        process.wait_for("trying 001_busy again")
        process.send(number)
        ended = process.wait()
    assert ended.code == code
    assert "interrupted by" in ended.stderr
    assert "canceling statement due to lock timeout" in ended.stderr.partition("error: ")[2]
    assert facts.told == [("001_busy", "started"), ("001_busy", "failed")]
    backends.wait_for(connection, 0)


def test_a_failure_that_is_being_recorded_is_recorded_and_told(
    project: ProjectFolder,
    facts: Facts,
    connection: psycopg.Connection,
    connect: Callable[..., psycopg.Connection],
) -> None:
    project.sql("001_first", "select 1")
    assert run("apply", project.manifest).code == 0
    project.sql("002_wrong", "select pg_advisory_xact_lock(1);\nselect 1 / 0;")
    gate, block = connect(), connect()
    gate.execute("select pg_advisory_lock(1)")
    with Process("apply", project.manifest) as process:
        backends.wait_for(connection, 1, "wait_event_type = 'Lock'", of=process)
        block.execute("begin; lock table zmig.migration_events in exclusive mode")
        gate.execute("select pg_advisory_unlock(1)")
        backends.wait_for(connection, 1, "wait_event_type = 'Lock' and query like '%migration.failed%'", of=process)
        process.send(signal.SIGTERM)
        block.execute("rollback")
        ended = process.wait()
    assert ended.code == 143
    assert "division by zero" in ended.stderr.partition("error: ")[2]
    assert facts.data("002_wrong", "failed")[0]["error"]["sqlstate"] == "22012"
