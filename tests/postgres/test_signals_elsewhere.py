"""Signals in a question whether a repeatable is due and in a round of a batch; code that ends the process itself."""

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

BOTH = pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])


@pytest.fixture(autouse=True)
def patience(project: ProjectFolder) -> None:
    """Let statements wait for the locks that a test holds, however slow the machine is."""
    project.change(defaults={"lock_timeout": "10min"})


CONDITIONS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "before the plan": ("select pg_sleep(25) is null", []),
    "when its turn comes": (
        "select case when to_regclass('first') is null then false else pg_sleep(25) is null end",
        [("001_first", "started"), ("001_first", "done")],
    ),
}


@BOTH
@pytest.mark.parametrize(("condition", "told"), CONDITIONS.values(), ids=CONDITIONS)
def test_while_a_condition_is_asked_nothing_of_the_repeatable_is_recorded(
    project: ProjectFolder,
    facts: Facts,
    connection: psycopg.Connection,
    condition: str,
    told: list[tuple[str, str]],
    number: signal.Signals,
    code: int,
) -> None:
    project.repeatable("090_asks", "select 1", repeat={"condition": condition})
    assert run("apply", project.manifest).code == 0
    project.sql("001_first", "create table first ()")
    project.repeatable("100_last", "select 2")
    with Process("apply", project.manifest) as process:
        backends.wait_for(connection, 1, "wait_event = 'PgSleep'", of=process)
        process.send(number)
        ended = process.wait()
    assert ended.code == code
    assert f"error: interrupted by {number.name}\n" in ended.stderr
    assert facts.told[2:] == told
    backends.wait_for(connection, 0)
    assert backends.advisory_locks(connection) == 0


BATCH = "update t set x = x + 1 where id in (select id from t where id > :cursor order by id limit :size) returning id"
CODE = f"""
def execute(ctx):
    query = {BATCH.replace(":cursor", "%s").replace(":size", "%s")!r}
    for batch in ctx.batches():
        rows = [id for (id,) in ctx.execute(query, (batch.cursor, batch.size)).fetchall()]
        batch.done(len(rows), cursor=max(rows, default=None))
"""


@BOTH
@pytest.mark.parametrize("is_code", [True, False])
def test_in_the_middle_of_a_round_that_is_taken_back_and_done_again(
    project: ProjectFolder,
    facts: Facts,
    connection: psycopg.Connection,
    connect: Callable[..., psycopg.Connection],
    *,
    is_code: bool,
    number: signal.Signals,
    code: int,
) -> None:
    connection.execute("create table t (id int primary key, x int not null default 0)")
    connection.execute("insert into t select generate_series(1, 6)")
    declare = project.python if is_code else project.sql
    declare("001_batch", CODE if is_code else BATCH, batch={"size": 2, "start": 0})
    project.sql("002_next", "create table next ()")
    gate = connect()
    gate.execute("begin; select from t where id = 4 for update")
    with Process("apply", project.manifest) as process:
        backends.wait_for(connection, 1, "wait_event_type = 'Lock'", of=process)
        process.send(number)
        ended = process.wait()
    assert ended.code == code
    assert f"migration `001_batch` failed outside a transaction: interrupted by {number.name}" in ended.stderr
    assert facts.told == [("001_batch", "started"), ("001_batch", "checkpoint"), ("001_batch", "failed")]
    assert connection.execute("select id from t where x = 1 order by id").fetchall() == [(1,), (2,)]
    gate.execute("rollback")
    backends.wait_for(connection, 0)
    assert run("apply", project.manifest).code == 0
    assert connection.execute("select count(*) from t where x = 1").fetchone() == (6,)
    assert facts.applied == [(1, "001_batch"), (2, "002_next")]


@pytest.mark.parametrize("transaction", [True, False])
def test_code_that_ends_the_process_without_a_word_is_told_by_the_next_command(
    project: ProjectFolder, facts: Facts, connection: psycopg.Connection, *, transaction: bool
) -> None:
    exits = "    import os\n    if not os.path.exists('/nowhere'):\n        {}os._exit(0)\n"
    source = "def execute(ctx):\n    ctx.execute('create table effect ()')\n"
    project.python("001_exits", source + exits.format(""), transaction=transaction)
    project.sql("002_next", "create table next ()")
    run("apply", project.manifest)
    backends.wait_for(connection, 0)
    assert facts.told == [("001_exits", "started")]
    assert connection.execute("select to_regclass('effect') is null").fetchone() == (transaction,)
    status = run("status", project.manifest, "--check")
    assert status.code == 6
    assert "stuck" in status.stdout
    project.python("001_exits", source, transaction=transaction)
    again = run("apply", project.manifest)
    assert again.code == (0 if transaction else 2)
    assert (facts.applied == [(1, "001_exits"), (2, "002_next")]) is transaction
