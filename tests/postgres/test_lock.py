"""Runs are exclusive, whoever starts them and whenever; waiting ones are told of, and harm nobody."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, cast

import pytest

from tests.support import backends
from tests.support.process import Process, run
from tests.support.project import ProjectFolder
from zmig.database.lock import RunLock
from zmig.database.store import Store
from zmig.facts import EventType, Run
from zmig.planning.state import State
from zmig.session.snapshot import RelevantFacts, SnapshotReader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import psycopg

    from zmig.database.connection import WorkingConnection
    from zmig.database.lock_holder import LockHolder
    from zmig.database.types import Questioning

CROWD = 20


@pytest.fixture(autouse=True)
def patience(project: ProjectFolder) -> None:
    """Let statements wait for the locks that a test holds, however slow the machine is."""
    project.change(defaults={"lock_timeout": "10min"})


def test_twenty_first_runs_at_once_apply_everything_once(
    project: ProjectFolder, connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
) -> None:
    project.sql("001_tally", "create table tally (version int);\ninsert into tally values (1);")
    project.python("002_code", "def execute(ctx):\n    ctx.execute('insert into tally values (2)')\n")
    project.sql(
        "003_index", "create index concurrently tally_version on tally (version);\ninsert into tally values (3);"
    )
    lock, holder = RunLock("zmig"), connect()
    assert lock.try_acquire(holder)
    with contextlib.ExitStack() as closing:
        crowd = [closing.enter_context(Process("apply", project.manifest)) for _ in range(CROWD)]
        backends.wait_for(connection, CROWD)
        for process in crowd:
            process.wait_for(f"waiting for the lock: backend {holder.info.backend_pid}")
        lock.release(holder)
        ends = [process.wait() for process in crowd]
    assert [end.code for end in ends] == [0] * CROWD
    assert connection.execute("select version from tally order by version").fetchall() == [(1,), (2,), (3,)]
    assert sum("nothing to apply" in end.stderr for end in ends) == CROWD - 1
    facts = connection.execute(
        "select aggregate_id from zmig.migration_events where event_type = 'migration.started' order by position"
    ).fetchall()
    assert facts == [("001_tally",), ("002_code",), ("003_index",)]


def test_a_waiting_run_names_the_backend_the_run_and_the_migration_it_waits_for(
    project: ProjectFolder, connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
) -> None:
    gate = connect()
    gate.execute("select pg_advisory_lock(1)")
    project.sql("001_slow", "select pg_advisory_lock(1);\nselect pg_advisory_unlock(1);")
    with Process("apply", project.manifest, "--verbose") as first:
        first.wait_for("pg_advisory_lock(1)")
        backends.wait_for(connection, 1, "wait_event_type = 'Lock'", of=first)
        pid = backends.pid(connection, "wait_event_type = 'Lock'")
        (name,) = connection.execute(
            "select application_name from pg_stat_activity where pid = %s", [pid]
        ).fetchone() or ("",)
        with Process("apply", project.manifest) as second:
            second.wait_for(f"waiting for the lock: backend {pid}, application `{name}`, in a transaction since ")
            second.wait_for("running `001_slow`")
            gate.execute("select pg_advisory_unlock(1)")
            assert first.wait().code == 0
            assert second.wait().code == 0
            assert "nothing to apply" in second.stderr


def test_a_retry_that_waited_while_another_run_completed_the_migration_says_so(
    project: ProjectFolder, connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
) -> None:
    project.sql("001_slow", "select 1 / 0")
    assert run("apply", project.manifest).code == 1
    project.sql("001_slow", "select pg_advisory_xact_lock(1)")
    gate, waiting = connect(), connect()
    gate.execute("select pg_advisory_lock(1)")
    assert RunLock("zmig").try_acquire(waiting)
    with (
        Process("retry", project.manifest, "001_slow") as early,
        Process("apply", project.manifest) as first,
        contextlib.ExitStack() as closing,
    ):
        early.wait_for(f"waiting for the lock: backend {waiting.info.backend_pid}")
        first.wait_for(f"waiting for the lock: backend {waiting.info.backend_pid}")
        RunLock("zmig").release(waiting)
        backends.wait_for(connection, 1, "wait_event_type = 'Lock'")
        late = closing.enter_context(Process("retry", project.manifest, "001"))
        late.wait_for("running `001_slow`")
        gate.execute("select pg_advisory_unlock(1)")
        ends = [process.wait() for process in (early, first, late)]
    assert [end.code for end in ends] == [0, 0, 0]
    assert "nothing to retry: another run has completed `001` meanwhile" in ends[2].stderr
    told = ("nothing to retry: another run has completed `001_slow` meanwhile", "nothing to apply")
    assert sum(text in end.stderr for text, end in zip(told, ends[:2], strict=True)) == 1
    assert run("retry", project.manifest, "001_slow").code == 2


@pytest.mark.parametrize("wait", ["0", "300ms"])
def test_a_run_that_may_not_wait_ends_with_code_4(
    project: ProjectFolder, connect: Callable[..., psycopg.Connection], wait: str
) -> None:
    project.sql("001_t", "create table t ()")
    holder = connect()
    assert RunLock("zmig").try_acquire(holder)
    ended = run("apply", project.manifest, "--lock-wait", wait, "--json")
    assert ended.code == 4
    assert json.loads(ended.stdout)["problems"][0]["code"] == "lock-held"
    assert f"held by backend {holder.info.backend_pid}" in ended.stderr


@pytest.mark.parametrize(
    "words", ["rollback --yes", "retry 001_t", "resolve 001_t --as pending --reason x", "accept 001_t --reason x"]
)
def test_a_command_that_may_not_wait_is_told_to_wait_longer_in_its_own_words(
    project: ProjectFolder, connect: Callable[..., psycopg.Connection], words: str
) -> None:
    failing = words.startswith("retry")
    project.sql("001_t", "select 1 / 0" if failing else "create table t ()", rollback="drop table t")
    assert run("apply", project.manifest).code == (1 if failing else 0)
    assert RunLock("zmig").try_acquire(connect())
    verb, *others = words.split()
    ended = run(verb, project.manifest, *others, "--lock-wait", "0")
    assert ended.code == 4
    again = f"zmig {verb} {project.manifest} {' '.join(others)} --lock-wait 10min"
    assert ended.stderr.endswith(f"hint: wait longer for it with `{again}`\n")


def test_other_tracking_schemas_do_not_wait_for_each_other(
    tmp_path: Path, database: str, connect: Callable[..., psycopg.Connection]
) -> None:
    assert RunLock("zmig").try_acquire(connect())
    other = ProjectFolder(tmp_path, database, tracking={"schema": "other"})
    other.sql("001_t", "create table t ()")
    assert run("apply", other.manifest, "--lock-wait", "0").code == 0


def test_waiting_runs_hold_no_snapshot_and_do_not_hold_up_an_index_built_concurrently(
    project: ProjectFolder, connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
) -> None:
    connection.execute("create table t (x int)")
    project.sql("001_index", "create index concurrently t_x on t (x);")
    reader = connect(autocommit=False)
    reader.execute("set transaction isolation level repeatable read")
    reader.execute("select count(*) from t")
    with contextlib.ExitStack() as closing:
        builder = closing.enter_context(Process("apply", project.manifest))
        backends.wait_for(connection, 1, "query like 'create index%' and wait_event_type = 'Lock'")
        waiters = [closing.enter_context(Process("apply", project.manifest)) for _ in range(3)]
        for waiter in waiters:
            waiter.wait_for("running `001_index`")
        backends.wait_for(connection, 3, "state = 'idle' and backend_xmin is null and xact_start is null")
        reader.commit()
        assert [process.wait().code for process in (builder, *waiters)] == [0] * 4
    assert connection.execute("select indisvalid from pg_index where indexrelid = 't_x'::regclass").fetchone() == (
        True,
    )


def test_an_atomic_run_writes_through_one_connection(
    project: ProjectFolder, connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
) -> None:
    gate = connect()
    gate.execute("select pg_advisory_lock(1)")
    project.sql("001_t", "create table t (x int)")
    project.sql("002_slow", "select pg_advisory_xact_lock(1)")
    with Process("apply", project.manifest, "--atomic") as process:
        backends.wait_for(connection, 1, "wait_event_type = 'Lock'", of=process)
        assert backends.count(connection) == 1
        gate.execute("select pg_advisory_unlock(1)")
        assert process.wait().code == 0


def test_waiting_asks_no_repeatable(project: ProjectFolder, connect: Callable[..., psycopg.Connection]) -> None:
    asked = project.folder / "asked"
    project.python(
        "001_code",
        f"def should_repeat(ctx, last_run):\n    with open({str(asked)!r}, 'a') as file:\n        file.write('x')\n"
        "    return False\n\n\ndef execute(ctx):\n    pass\n",
        kind="repeatable",
    )
    assert run("apply", project.manifest).code == 0
    project.sql("002_t", "create table t ()")
    assert RunLock("zmig").try_acquire(connect())
    with Process("apply", project.manifest) as process:
        process.wait_for("waiting for the lock")
        assert asked.read_text() == "x"


class _Meanwhile(RunLock):
    """Lets something happen between reading the facts and looking at the lock."""

    def __init__(self, happens: Callable[[], None]) -> None:
        super().__init__("zmig")
        self._happens = [happens]

    def holder(self, connection: Questioning) -> LockHolder | None:
        if self._happens:
            self._happens.pop()()
        return super().holder(connection)


class _OtherRun:
    """A run of somebody else, step by step."""

    def __init__(self, connection: psycopg.Connection, run_id: str) -> None:
        self._connection = connection
        self._store = Store(connection, "zmig")
        self._run = Run(run_id, "host", connection.info.backend_pid, f"zmig/{run_id}")
        connection.execute(f"set application_name = 'zmig/{run_id}'".encode())

    def starts(self, name: str) -> None:
        assert RunLock("zmig").try_acquire(self._connection)
        self._append(name, EventType.STARTED)

    def ends(self, name: str) -> None:
        self._append(name, EventType.DONE)
        RunLock("zmig").release(self._connection)

    def dies(self, witness: psycopg.Connection) -> None:
        self._connection.close()
        backends.wait_for(witness, 0, f"pid = {self._run.backend_pid}")

    def _append(self, name: str, type: EventType) -> None:
        data = {"version": int(name[:3]), "backend_pid": self._run.backend_pid}
        self._connection.execute(self._store.append_sql(self._run, type, name, data).encode())


def looked_at(connection: psycopg.Connection, lock: RunLock) -> dict[str, State]:
    store = Store(connection, "zmig")
    source = RelevantFacts(store, ())
    reader = SnapshotReader(cast("WorkingConnection", connection), store, lock, source, stuck_after_seconds=600)
    view = reader.read((), store.inspect())
    return {entry.name: entry.state for entry in view.entries if entry.name != "001_t"}


@pytest.fixture
def tracked(project: ProjectFolder) -> None:
    project.sql("001_t", "create table t ()")
    assert run("apply", project.manifest).code == 0


@pytest.mark.usefixtures("tracked")
def test_a_run_that_ends_while_the_state_is_read_is_not_taken_for_stuck(
    connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
) -> None:
    other = _OtherRun(connect(), "b2")
    other.starts("002_other")
    assert looked_at(connection, _Meanwhile(lambda: other.ends("002_other"))) == {"002_other": State.DONE}


@pytest.mark.usefixtures("tracked")
def test_a_run_that_begins_while_the_state_is_read_is_not_taken_for_stuck(
    connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
) -> None:
    first, second = _OtherRun(connect(), "b2"), _OtherRun(connect(), "c3")

    def one_after_the_other() -> None:
        first.ends("002_first")
        second.starts("003_second")

    first.starts("002_first")
    states = looked_at(connection, _Meanwhile(one_after_the_other))
    assert states == {"002_first": State.DONE, "003_second": State.STARTED}


@pytest.mark.usefixtures("tracked")
def test_a_run_whose_backend_is_gone_is_stuck_whatever_another_run_does(
    connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
) -> None:
    dying, first, second = _OtherRun(connect(), "b2"), _OtherRun(connect(), "c3"), _OtherRun(connect(), "d4")
    dying.starts("002_dead")
    dying.dies(connection)
    first.starts("003_first")

    def one_after_the_other() -> None:
        first.ends("003_first")
        second.starts("004_second")

    states = looked_at(connection, _Meanwhile(one_after_the_other))
    assert states == {"002_dead": State.STUCK, "003_first": State.DONE, "004_second": State.STARTED}
