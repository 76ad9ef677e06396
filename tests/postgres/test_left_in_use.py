"""Python migrations that return while something of theirs still uses the connection: the run ends all the same."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support import backends
from tests.support.process import ROOT, Process, run

if TYPE_CHECKING:
    import psycopg

    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder

COPIES = {
    "in": "copy effect from stdin",
    "out": "copy (select repeat('x', 100) from generate_series(1, 100000)) to stdout",
}

LEAVES_COPY = """
kept = []

def execute(ctx):
    ctx.execute("create table effect (x text)")
    copying = ctx.connection.cursor().copy({statement!r})
    kept.append(copying)
    copying.__enter__()
"""

LEAVES_THREAD = """
import threading

def execute(ctx):
    ctx.execute("create table effect (x text)")
    def work():
        ctx.execute("select pg_sleep(600)")
    threading.Thread(target=work{daemon}).start()
    from psycopg.pq import TransactionStatus
    while ctx.connection.info.transaction_status is not TransactionStatus.ACTIVE:
        pass
"""

HOLDS_LOCK = """
import threading

def execute(ctx):
    ctx.execute("create table effect (x text)")
    holds = threading.Event()
    def work():
        with ctx.connection.lock:
            holds.set()
            threading.Event().wait()
    threading.Thread(target=work, daemon=True).start()
    holds.wait()
"""

LEAVES_STREAM = """
kept = []

def execute(ctx):
    ctx.execute("create table effect (x text)")
    twice = "select repeat('x', 100000) from generate_series(1, 2)"  # the first row comes as a whole with the second
    rows = ctx.connection.cursor().stream(f"{twice} union all select pg_sleep(600)::text")
    kept.append(rows)
    next(rows)
"""

LEAVES_PIPELINE = """
kept = []

def execute(ctx):
    ctx.execute("create table effect (x text)")
    pipeline = ctx.connection.pipeline()
    kept.append(pipeline)
    pipeline.__enter__()
    {more}
"""
SENDS = "for _ in range(3):\n        ctx.connection.cursor().execute('select pg_sleep({seconds})')"
SYNCS = "\n    ctx.connection.pgconn.pipeline_sync()\n    ctx.connection.pgconn.flush()"

LEFT = {
    "a COPY from the client": LEAVES_COPY.format(statement=COPIES["in"]),
    "a COPY to the client": LEAVES_COPY.format(statement=COPIES["out"]),
    "a statement in a thread": LEAVES_THREAD.format(daemon=", daemon=True"),
    "a statement in a thread that is waited for": LEAVES_THREAD.format(daemon=""),
    "a thread that hangs": HOLDS_LOCK,
    "a query that is read row by row": LEAVES_STREAM,
    "an empty pipeline": LEAVES_PIPELINE.format(more=""),
    "a pipeline at work": LEAVES_PIPELINE.format(more=SENDS.format(seconds=600)),
    "a pipeline with an error": LEAVES_PIPELINE.format(more="ctx.connection.cursor().execute('select 1 / 0')"),
    "a pipeline with synchronisations": LEAVES_PIPELINE.format(more=SENDS.format(seconds=0) + SYNCS + SYNCS),
}


@pytest.mark.parametrize("transaction", [True, False])
@pytest.mark.parametrize("source", LEFT.values(), ids=LEFT)
def test_what_still_uses_the_connection_is_a_failure(
    project: ProjectFolder, facts: Facts, connection: psycopg.Connection, source: str, *, transaction: bool
) -> None:
    project.python("001_leaves", source, transaction=transaction)
    project.sql("002_next", "create table next ()")
    ended = run("apply", project.manifest)
    assert ended.code == 1
    assert "it returned while its connection was still in use" in ended.stderr
    assert facts.told == [("001_leaves", "started"), ("001_leaves", "failed")]
    assert connection.execute("select to_regclass('effect') is null").fetchone() == (transaction,)
    backends.wait_for(connection, 0)
    assert backends.advisory_locks(connection) == 0


@pytest.mark.parametrize("source", LEFT.values(), ids=LEFT)
def test_an_error_of_the_codes_own_says_more(
    project: ProjectFolder, facts: Facts, connection: psycopg.Connection, source: str
) -> None:
    project.python("001_leaves", source + "\n    raise ValueError('my own')\n")
    ended = run("apply", project.manifest)
    assert ended.code == 1
    assert "migration `001_leaves` failed: my own" in ended.stderr
    assert facts.told == [("001_leaves", "started"), ("001_leaves", "failed")]
    backends.wait_for(connection, 0)


WAITS = """
    import sys, time
    print("here", file=sys.stderr, flush=True)
    while True:
        time.sleep(0.05)
"""


@pytest.mark.parametrize("source", LEFT.values(), ids=LEFT)
def test_a_signal_ends_code_that_has_such_things_under_way(
    project: ProjectFolder, facts: Facts, connection: psycopg.Connection, source: str
) -> None:
    project.python("001_leaves", source + WAITS)
    with Process("apply", project.manifest) as process:
        process.wait_for("here")
        process.send(signal.SIGTERM)
        assert process.wait().code == 143
    assert facts.told == [("001_leaves", "started"), ("001_leaves", "failed")]
    assert facts.data("001_leaves", "failed")[0]["error"]["interrupted"] == "SIGTERM"
    backends.wait_for(connection, 0)


LATE = """
import sys, threading
go_on, over = threading.Event(), threading.Event()
sys.late = (go_on, over)

def execute(ctx):
    def work():
        go_on.wait()
        try:
            ctx.execute("insert into effect values ('late')")
        finally:
            over.set()
    threading.Thread(target=work).start()
"""
SEES = """
import sys
def execute(ctx):
    go_on, over = sys.late
    go_on.set()
    over.wait()
"""


def test_a_thread_that_outlives_its_migration_has_no_part_in_the_next_one(
    project: ProjectFolder, facts: Facts, connection: psycopg.Connection
) -> None:
    connection.execute("create table effect (x text)")
    project.python("001_leaves", LATE)
    project.sql("002_next", "create table next ()")
    project.python("003_sees", SEES)
    ended = run("apply", project.manifest)
    assert ended.code == 0, ended.stderr
    assert connection.execute("select * from effect").fetchall() == []


ASKING = {name: source for name, source in LEFT.items() if COPIES["in"] not in source}
"""What a question may do, which only reads."""


@pytest.mark.parametrize("source", ASKING.values(), ids=ASKING)
def test_a_question_that_leaves_it_in_use_gave_no_answer(
    project: ProjectFolder, facts: Facts, connection: psycopg.Connection, source: str
) -> None:
    asks = source.replace("def execute", "def should_repeat").replace("(ctx)", "(ctx, last_run)")
    asks = asks.replace("create table effect (x text)", "set local work_mem to default")
    project.python("001_asks", f"def execute(ctx):\n    pass\n{asks}\n    return True\n", kind="repeatable")
    assert run("apply", project.manifest).code == 0
    ended = run("apply", project.manifest)
    assert ended.code == 1
    assert "gave no answer: it returned while its connection was still in use" in ended.stderr
    backends.wait_for(connection, 0)


POOL = "from concurrent.futures import ThreadPoolExecutor\nPOOL = ThreadPoolExecutor(2)\n"
SHARES = """
from pools import POOL

def execute(ctx):
    ctx.execute("create table if not exists effect (x text)")
    insert = "insert into effect values (%s)"
    list(POOL.map(lambda one: ctx.connection.execute(insert, (f"{{ctx.version}}{{one}}",)), "ab"))
"""


def with_module(project: ProjectFolder, name: str, source: str) -> dict[str, str]:
    """Write a module that migrations can import with these variables of the environment."""
    (project.folder / name).write_text(source)
    return {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tui"), str(project.folder)))}


def test_migrations_may_share_threads(project: ProjectFolder, connection: psycopg.Connection) -> None:
    environ = with_module(project, "pools.py", POOL)
    project.python("001_shares", SHARES.format())
    project.python("002_shares", SHARES.format(), transaction=False)
    project.python("003_shares", SHARES.format())
    ended = run("apply", project.manifest, environ=environ)
    assert ended.code == 0, ended.stderr
    rows = connection.execute("select x from effect order by x").fetchall()
    assert rows == [("1a",), ("1b",), ("2a",), ("2b",), ("3a",), ("3b",)]


QUEUES = """
import threading
from pools import POOL, go_on, done

def execute(ctx):
    ctx.execute("create table effect (x text)")
    POOL.submit(go_on.wait)
    POOL.submit(go_on.wait)
    done.append(POOL.submit(ctx.connection.execute, "insert into effect values ('late')"))
"""
AWAITS = """
from pools import go_on, done

def execute(ctx):
    go_on.set()
    error = done[0].exception()
    assert "the migration that used the connection has ended" in str(error), error
"""


def test_what_waits_for_a_shared_thread_has_no_part_in_the_next_migration(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    environ = with_module(project, "pools.py", f"{POOL}import threading\ngo_on, done = threading.Event(), []\n")
    project.python("001_queues", QUEUES)
    project.python("002_awaits", AWAITS)
    ended = run("apply", project.manifest, environ=environ)
    assert ended.code == 0, ended.stderr
    assert connection.execute("select * from effect").fetchall() == []


KEEPS = """
import keeps

def execute(ctx):
    keeps.connection = getattr(keeps, "connection", ctx.connection)
    ctx.execute("create table if not exists effect (x text)")
    with keeps.connection.transaction():
        keeps.connection.execute("insert into effect values ('kept')")
    keeps.connection.execute(f"notify here, '{ctx.version}'")
"""


def test_code_may_keep_its_connection_for_the_next_migration(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    environ = with_module(project, "keeps.py", "")
    project.python("001_keeps", KEEPS)
    project.python("002_keeps", KEEPS)
    ended = run("apply", project.manifest, environ=environ)
    assert ended.code == 0, ended.stderr
    assert connection.execute("select * from effect").fetchall() == [("kept",), ("kept",)]


LISTENS = """
def execute(ctx):
    ctx.execute("listen here")
    for word in ("one", "two"):
        ctx.execute("select pg_notify('here', %s)", (word,))
        heard = [one.payload for one in ctx.connection.notifies(timeout=0.2, stop_after=1)]
        assert heard == [word], heard
"""


def test_what_the_server_notifies_of_is_heard_once(project: ProjectFolder) -> None:
    project.python("001_listens", LISTENS, transaction=False)
    ended = run("apply", project.manifest)
    assert ended.code == 0, ended.stderr


BREAKS = """
def {head}:
    for row in ctx.connection.cursor().stream("select generate_series(1, 100000)"):
        break
    {then}
"""


@pytest.mark.parametrize("then", ["pass", "ctx.execute('create table effect ()')"])
def test_a_stream_that_is_left_before_its_end_is_told(project: ProjectFolder, facts: Facts, then: str) -> None:
    project.python("001_breaks", BREAKS.format(head="execute(ctx)", then=then))
    ended = run("apply", project.manifest)
    assert ended.code == 1
    assert "failed: it left a `stream()` before its last row" in ended.stderr
    assert "nobody cancels" not in ended.stderr
    assert "caught" not in ended.stderr
    assert facts.told == [("001_breaks", "started"), ("001_breaks", "failed")]


def test_a_question_that_leaves_a_stream_gave_no_answer(project: ProjectFolder) -> None:
    asks = BREAKS.format(head="should_repeat(ctx, last_run)", then="return True")
    project.python("001_asks", f"def execute(ctx):\n    pass\n{asks}", kind="repeatable")
    assert run("apply", project.manifest).code == 0
    ended = run("apply", project.manifest)
    assert ended.code == 1
    assert "gave no answer: it left a `stream()` before its last row" in ended.stderr


def test_a_cursor_with_a_name_may_be_left(project: ProjectFolder) -> None:
    named = BREAKS.format(head="execute(ctx)", then="pass").replace(
        'cursor().stream("select generate_series(1, 100000)")',
        "cursor('rows').execute('select generate_series(1, 100000)')",
    )
    project.python("001_breaks", named)
    ended = run("apply", project.manifest)
    assert ended.code == 0, ended.stderr
