"""Who blocked a migration is known after it has failed: recorded with the failure, and said wherever that is shown."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.support import backends
from tests.support.command import Command
from tests.support.recorder import Recorder
from zmig import Migrator
from zmig.cli.main import main
from zmig.errors import MigrationFailed
from zmig.planning import blocked_by
from zmig.presentation.narration import say
from zmig.progress import Blocked, RetryScheduled, StepFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.project import ProjectFolder
    from zmig.facts import Fact
    from zmig.progress import Progress

QUERY = "update a set n = 4711 where note = 'of Anna' and secret <> 'password=hunter2'"


@pytest.fixture
def nightly(connect: Callable[..., psycopg.Connection]) -> Iterator[psycopg.Connection]:
    """A session that keeps a table for itself."""
    connect().execute("create table a (n int, note text, secret text)")
    holder = connect(autocommit=False)
    holder.execute("set application_name = 'nightly-report'")
    holder.execute(QUERY.encode())
    yield holder
    holder.rollback()


def _failed(project: ProjectFolder) -> list[Fact]:
    return [fact for fact in Migrator(project.manifest).read_history() if fact.type.label == "failed"]


def test_who_blocked_each_attempt_is_recorded_with_its_failure(
    project: ProjectFolder, nightly: psycopg.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    retry = {"attempts": 2, "backoff": "10ms", "max_backoff": "10ms"}
    project.sql("001_fine", "create table fine ();")
    project.sql("002_a", "select 1;\nalter table a add column b int;", lock_timeout="2s", retry=retry)
    recorder = Recorder()
    with pytest.raises(MigrationFailed):
        Migrator(project.manifest, observer=recorder).migrate()

    first, last = _failed(project)
    pid = nightly.info.backend_pid
    for fact in (first, last):
        (blocker,) = blocked_by.of_fact(fact)
        assert (blocker.pid, blocker.depth, blocker.application_name) == (pid, 0, "nightly-report")
        assert (blocker.database_user, blocker.state) == (nightly.info.user, "idle in transaction")
        assert blocker.query == "update a set n = ? where note = ? and secret <> ?"
        assert blocker.since is not None
        assert blocker.seen >= 1
    next_try = first.data["next_try"]
    assert isinstance(next_try, dict)
    assert (next_try["number"], next_try["of"]) == (2, 2)
    assert 5 <= next_try["in_ms"] <= 10
    assert "next_try" not in last.data

    again, end = recorder.all(StepFailed)
    assert [one.pid for one in again.blocked_by] == [pid]
    said = say(again)
    assert said is not None
    assert f"lock timeout; blocked by pid {pid} nightly-report" in said.sentence
    assert recorder.all(RetryScheduled)[0].attempt == 2
    assert any(f"blocked by pid {pid} nightly-report, user" in str(fact) for fact in end.problem.facts)

    zmig = Command(capsys)
    (shown,) = zmig("status", str(project.manifest), "--json")["migrations"][1:]
    assert shown["blocked_by"] == last.data["blocked_by"]
    capsys.readouterr()
    assert main(["status", str(project.manifest)]) == 0
    assert f"blocked by pid {pid} nightly-report" in capsys.readouterr().out
    assert main(["history", str(project.manifest), "002_a"]) == 0
    assert capsys.readouterr().out.count(f"blocked by pid {pid} nightly-report") == 2


def test_who_blocks_the_blocker_is_recorded_too_and_a_statement_timeout_says_who_was_in_the_way(
    project: ProjectFolder, nightly: psycopg.Connection, connect: Callable[..., psycopg.Connection]
) -> None:
    waiting = connect()
    queue = threading.Thread(target=lambda: waiting.execute("alter table a add column c int"))
    queue.start()
    try:
        project.sql("001_a", "select count(*) from a;", lock_timeout="60s", statement_timeout="2500ms")
        backends.wait_until(connect(), f"pg_blocking_pids({waiting.info.backend_pid}) <> '{{}}'")
        with pytest.raises(MigrationFailed):
            Migrator(project.manifest).migrate()
    finally:
        nightly.rollback()
        queue.join()
    (fact,) = _failed(project)
    direct, root = blocked_by.of_fact(fact)
    assert [(one.depth, one.pid) for one in (direct, root)] == [
        (0, waiting.info.backend_pid),
        (1, nightly.info.backend_pid),
    ]
    assert direct.query == "alter table a add column c int"


@pytest.mark.parametrize(
    ("failing", "message"),
    [
        ("select pg_sleep(2.2);\nselect 1/0;", "division by zero"),
        ("set local statement_timeout = '3s';\nselect pg_sleep(600);", "statement timeout"),
    ],
)
def test_nobody_is_blamed_for_a_failure_after_the_wait(
    project: ProjectFolder, nightly: psycopg.Connection, failing: str, message: str
) -> None:
    project.sql("001_a", f"alter table a add column b int;\n{failing}", lock_timeout="60s")
    recorder = Recorder()

    def observe(progress: Progress) -> None:
        recorder(progress)
        if isinstance(progress, Blocked) and progress.blockers:
            nightly.rollback()

    with pytest.raises(MigrationFailed, match=message):
        Migrator(project.manifest, observer=observe).migrate()
    assert recorder.all(Blocked)
    (fact,) = _failed(project)
    assert "blocked_by" not in fact.data


@pytest.mark.parametrize("found", ["nonsense", 7, [1, "x"], [{"pid": "x", "seen": None, "since": 5, "depth": True}]])
def test_what_others_wrote_under_the_key_does_no_harm(project: ProjectFolder, found: object) -> None:
    project.sql("001_a", "select 1;")
    project.sql("002_a", "select 1;")
    Migrator(project.manifest).migrate(to=1)
    with psycopg.connect(project.url, autocommit=True) as connection:
        connection.execute(
            "insert into zmig.migration_events (aggregate_id, event_type, event_data) "
            "values ('002_a', 'migration.failed', %s)",
            [json.dumps({"version": 2, "blocked_by": found})],
        )
    (fact,) = _failed(project)
    assert [one.name for one in blocked_by.of_fact(fact)] in ([], ["a prepared transaction"])
    assert Migrator(project.manifest).status().failed == ["002_a"]
