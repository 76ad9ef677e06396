from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.shop import Shop
from zmig import Migrator
from zmig.process.interrupts import Interrupted, Interrupts
from zmig.progress import (
    LockWaiting,
    Progress,
    RetryScheduled,
    RunFinished,
    StatementStarted,
    StepFinished,
    StepStarted,
)
from zmig.running.cancellation import Cancellation, Cancelled

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import psycopg


class Runner:
    """Runs a manifest in a thread, and asks it to end once an event of one type was heard."""

    def __init__(self, shop: Shop, request_at: type[Progress]) -> None:
        self._request_at = request_at
        self._migrator = Migrator(shop.path, observer=self._hear, interrupts=Cancellation())
        self._reached = threading.Event()
        self.heard: list[Progress] = []
        self.end: BaseException | None = None

    def _hear(self, progress: Progress) -> None:
        self.heard.append(progress)
        if isinstance(progress, self._request_at):
            self._reached.set()

    def run(self) -> None:
        thread = threading.Thread(target=self._run)
        thread.start()
        assert self._reached.wait(10)
        self._migrator.cancel()
        thread.join(10)
        assert not thread.is_alive()

    def _run(self) -> None:
        try:
            self._migrator.migrate()
        except BaseException as error:
            self.end = error


@pytest.fixture
def shop(tmp_path: Path, database: str) -> Shop:
    return Shop(tmp_path, database)


def _facts(shop: Shop) -> list[tuple[str, str | None]]:
    return [(fact.type.value, fact.error_message) for fact in shop.migrator().history()]


def test_a_statement_is_cancelled_on_the_server(shop: Shop) -> None:
    shop.add(1, "one", "create table t ();\nselect pg_sleep(60);\n")
    runner = Runner(shop, StatementStarted)
    runner.run()
    assert isinstance(runner.end, Cancelled)
    assert _facts(shop) == [("migration.started", None), ("migration.failed", "interrupted by request")]


def test_python_code_that_only_computes_is_ended(shop: Shop) -> None:
    shop.add(1, "one.py", "def execute(ctx):\n    while True:\n        pass\n", kind="python")
    runner = Runner(shop, StepStarted)
    runner.run()
    assert isinstance(runner.end, Cancelled)
    assert _facts(shop)[-1] == ("migration.failed", "interrupted by request")


def test_a_run_that_waits_for_the_lock_ends_without_a_fact(shop: Shop, connection: psycopg.Connection) -> None:
    from zmig.database.lock import RunLock

    shop.add(1, "one", "select 1;")
    assert RunLock("zmig").try_acquire(connection)
    runner = Runner(shop, LockWaiting)
    runner.run()
    assert isinstance(runner.end, Cancelled)
    assert _facts(shop) == []


def test_a_pause_between_two_attempts_is_cut_short(shop: Shop, connection: psycopg.Connection) -> None:
    connection.execute("create table busy ()")
    shop.add(1, "one", "lock table busy;", lock_timeout="10ms", retry="{attempts: 3, backoff: 60s, max_backoff: 60s}")
    with connection.transaction():
        connection.execute("lock table busy")
        runner = Runner(shop, RetryScheduled)
        runner.run()
    assert isinstance(runner.end, Cancelled)


class AfterCommit(Interrupts):
    """A signal that arrives while the first step's commit is under way, and was put off until it is done."""

    def __init__(self) -> None:
        self._ended = 0

    @contextmanager
    def deferred(self) -> Generator[None]:
        yield
        self._ended += 1
        if self._ended == 1:
            raise Interrupted


def test_what_is_committed_when_the_request_comes_is_not_called_failed(shop: Shop) -> None:
    shop.add(1, "one", "select 1;")
    shop.add(2, "two", "select 2;")
    heard: list[Progress] = []
    migrator = Migrator(shop.path, observer=heard.append, interrupts=AfterCommit())
    with pytest.raises(Interrupted):
        migrator.migrate()
    assert _facts(shop) == [("migration.started", None), ("migration.done", None)]
    assert [type(progress) for progress in heard][-2:] == [StepFinished, RunFinished]
