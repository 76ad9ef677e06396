"""What zmig costs beside the migrations themselves, in counted round trips to the server; nothing is timed."""

from __future__ import annotations

import math
import re
from cProfile import Profile
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.support import backends
from tests.support import database as databases
from tests.support.crash import wal_flushes
from tests.support.project import ProjectFolder
from tests.support.proxy import Proxy
from zmig import Migrator
from zmig.embedded import EmbeddedServer
from zmig.running import group_commit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import CodeType


def _round_trips(project: ProjectFolder, act: Callable[[Migrator], object]) -> int:
    with Proxy(project.url) as proxy:
        act(Migrator(project.manifest, database_url=proxy.url))
    return proxy.round_trips


def _each(project: ProjectFolder, declare: Callable[[int], object]) -> float:
    """Return how many round trips a migration costs beyond those of the run: eleven compared with one."""
    declare(1)
    Migrator(project.manifest).migrate()
    declare(2)
    one = _round_trips(project, Migrator.migrate)
    for number in range(3, 14):
        declare(number)
    return (_round_trips(project, Migrator.migrate) - one) / 10


def test_a_small_migration_is_one_round_trip(project: ProjectFolder) -> None:
    assert (
        _each(project, lambda n: project.sql(f"{n:03}_m", f"create table t{n} (x int);\ninsert into t{n} values (1);"))
        == 1
    )


def test_each_statement_that_may_take_long_is_one_more(project: ProjectFolder) -> None:
    assert _each(project, lambda n: project.sql(f"{n:03}_m", "select 1;\nselect 2;\nselect 3;")) == 3


def test_one_in_python_is_two_and_those_of_its_own(project: ProjectFolder) -> None:
    body = "def execute(ctx):\n    ctx.execute('select 1')\n    ctx.execute('select %s', [2])\n"
    assert _each(project, lambda n: project.python(f"{n:03}_m", body)) == 4


def test_outside_a_transaction_each_statement_is_three_and_the_run_of_them_three(project: ProjectFolder) -> None:
    assert _each(project, lambda n: project.sql(f"{n:03}_m", "select 1;\nselect 2;", transaction=False)) == 3 + 2 * 3


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server on which nobody else writes, and which flushes what is committed."""
    # What flushes by itself does so seldom, however long the runs take on a busy machine.
    settings = {"wal_writer_delay": "10s", "bgwriter_delay": "10s", "checkpoint_timeout": "1h"}
    server = EmbeddedServer(tmp_path_factory.mktemp("server"), settings=settings)
    server.start()
    yield server
    server.stop()


_BRIEF = "create table t{n} (x int);"


@pytest.mark.parametrize(
    ("text", "longest_unflushed", "least", "most"),
    [
        pytest.param(f"{_BRIEF} create index on t{{n}} (x);", math.inf, 100, 110, id="each by itself"),
        pytest.param(_BRIEF, math.inf, 1, 50, id="brief ones together"),
        pytest.param(_BRIEF, 0.0, 100, 110, id="brief ones that take their time"),
    ],
)
def test_a_small_migration_flushes_wal_at_most_once(
    private: EmbeddedServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    longest_unflushed: float,
    least: int,
    most: int,
) -> None:
    monkeypatch.setattr(group_commit, "_LONGEST_UNFLUSHED_SECONDS", longest_unflushed)
    url = databases.create(private.url(), "shop")
    with psycopg.connect(url) as connection:
        if connection.info.server_version < 150000:
            pytest.skip("the server does not tell at once how often it flushed")
    project = ProjectFolder(tmp_path, url)
    project.sql("001_m", text.format(n=1))
    Migrator(project.manifest).migrate()
    for number in range(2, 102):
        project.sql(f"{number:03}_m", text.format(n=number))
    before = wal_flushes(private.url())
    Migrator(project.manifest).migrate()
    with psycopg.connect(url, autocommit=True) as connection:
        backends.wait_for_end(connection)  # what it has flushed is counted when its session is over
    # The server's own writers flush now and then, too.
    assert least <= wal_flushes(private.url()) - before <= most


_UPDATE = "update t set x = 1 where id in (select id from t where id > :cursor order by id limit :size) returning id;"
_CODE = """
def execute(ctx):
    for batch in ctx.batches():
        ids = ctx.execute("select id from t where id > %s order by id limit %s", (batch.cursor, batch.size)).fetchall()
        batch.done(len(ids), cursor=max((id for id, in ids), default=None))
"""


@pytest.mark.parametrize(
    ("suffix", "text", "pause", "cost"),
    [("sql", _UPDATE, "0", 2), ("sql", _UPDATE, "1ms", 3), ("py", _CODE, "0", 3)],
)
def test_a_round_is_its_statement_and_its_commit(
    project: ProjectFolder, connection: psycopg.Connection, suffix: str, text: str, pause: str, cost: int
) -> None:
    """With a pause it is asked behind that whether the next round may begin."""

    def trips(version: int, rows: int) -> int:
        connection.execute("drop table if exists t; create table t (id bigint primary key, x int)")
        connection.execute("insert into t select generate_series(1, %s)", [rows])
        declare = project.sql if suffix == "sql" else project.python
        declare(f"{version:03}_m", text, batch={"size": 1, "start": 0, "pause": pause})
        return _round_trips(project, Migrator.migrate)

    trips(1, 1)
    assert (trips(2, 12) - trips(3, 2)) / 10 == cost


@pytest.mark.parametrize("applied", [1, 30])
def test_reads_and_a_run_with_nothing_to_do_cost_the_same_however_much_is_applied(
    tmp_path: Path, database: str, applied: int
) -> None:
    project = ProjectFolder(tmp_path, database)
    for number in range(1, applied + 1):
        project.sql(f"{number:03}_m", "select 1;")
    Migrator(project.manifest).migrate()
    assert _round_trips(project, Migrator.migrate) == 4
    assert _round_trips(project, Migrator.status) == 5, "one more, for the schema"
    assert _round_trips(project, Migrator.current_version) == 4


def test_to_record_the_schema_is_three_round_trips_and_to_look_before_is_one(tmp_path: Path, database: str) -> None:
    def trips(records: bool) -> list[int]:
        name = f"zmig_{records}".lower()
        folder = tmp_path / name
        project = ProjectFolder(folder, database, tracking={"schema": name}, verify={"record": records})
        spent: list[int] = []
        for number, text in enumerate(("create table {} ();", "create view {} as select 1;", "select '{}';"), start=1):
            project.sql(f"00{number}_m", text.format(f"{name}_{number}"))
            spent.append(_round_trips(project, Migrator.migrate))
        return spent

    without = trips(False)
    assert [one - other for one, other in zip(trips(True), without, strict=True)] == [3, 4, 4]


def _declared(tmp_path: Path, url: str, count: int) -> ProjectFolder:
    """Return a project of small migrations, each with a rollback, and with a tracking schema of its own."""
    project = ProjectFolder(tmp_path / str(count), url, tracking={"schema": f"zmig_{count}"})
    (project.folder / "back.sql").write_text("select 1;")
    for number in range(1, count + 1):
        (project.folder / f"{number:03}_m.sql").write_text(f"comment on schema public is '{number}';")
    numbers = range(1, count + 1)
    entries = [{"version": n, "file": f"{n:03}_m.sql", "kind": "sql", "rollback": "back.sql"} for n in numbers]
    project.change(migrations=entries)
    return project


_WAITING = re.compile(
    r"wire\.py|interrupts\.py|interruptible\.py|tcp\.py|unresponsive\.py|waiting\.py|selectors\.py|threading\.py"
    r"|is_busy|consume_input|flush|perf_counter|monotonic|poll|select"
)
"""What is called as often as the answer of the server is looked for, which depends on how busy the machine is."""


def _calls(act: Callable[[Migrator], object], migrator: Migrator) -> int:
    """Return how many functions are called, those written in C among them, but for what waits for the server."""
    profile = Profile()
    profile.runcall(act, migrator)
    return sum(entry.callcount for entry in profile.getstats() if _WAITING.search(_named(entry.code)) is None)


def _named(code: CodeType | str) -> str:
    return code if isinstance(code, str) else f"{code.co_filename} {code.co_name}"


def _last(migrator: Migrator) -> int:
    return migrator.project().migrations[-1].version


def _watch(migrator: Migrator) -> None:
    watcher = migrator.watcher()
    watcher.poll()
    watcher.close()


COMMANDS: dict[str, tuple[bool, Callable[[Migrator], object]]] = {
    "plan": (False, Migrator.plan),
    "apply": (False, Migrator.migrate),
    "apply atomically": (False, lambda migrator: migrator.migrate(atomic=True)),
    "baseline": (False, lambda migrator: migrator.baseline(to=_last(migrator), reason="seen")),
    "apply nothing": (True, Migrator.migrate),
    "status": (True, Migrator.status),
    "history": (True, Migrator.history),
    "watch": (True, _watch),
    "plan a rollback": (True, lambda migrator: migrator.plan_rollback(to=0)),
    "roll back": (True, lambda migrator: migrator.rollback(to=0)),
}
"""Whether everything is applied before, and what is done."""


@pytest.mark.parametrize(("is_applied", "act"), COMMANDS.values(), ids=COMMANDS)
def test_work_grows_with_the_migrations_and_not_with_their_square(
    tmp_path: Path, database: str, *, is_applied: bool, act: Callable[[Migrator], object]
) -> None:
    def calls(count: int) -> int:
        migrator = Migrator(_declared(tmp_path, database, count).manifest)
        if is_applied:
            migrator.migrate()
        return _calls(act, migrator)

    calls(1)  # imports what is needed
    few, more, many = calls(50), calls(100), calls(200)
    # If each looked at all others, it would be four times as much instead of twice.
    assert many - more < 2.6 * (more - few)


@pytest.mark.parametrize("is_known_to_be_small", [False, True])
def test_the_server_reads_as_many_rows_for_each_migration_however_many_there_are(
    tmp_path: Path, database: str, connection: psycopg.Connection, *, is_known_to_be_small: bool
) -> None:
    """Even if what zmig sends was planned when there were a few facts, which were best read without an index."""

    def rows_read(count: int) -> int:
        migrator = Migrator(_declared(tmp_path, database, count).manifest)
        if is_known_to_be_small:
            migrator.migrate(to=1)
            connection.execute(f"vacuum analyze zmig_{count}.migration_events".encode())
        migrator.migrate()
        query = (
            "select sum(n_tup_ins)::int, sum(seq_tup_read + idx_tup_fetch)::int from pg_stat_all_tables "
            "where schemaname = %s"
        )
        written, read = 0, 0
        while written < 3 * count:  # a session's counts are there when it has ended
            row = connection.execute(query, [f"zmig_{count}"]).fetchone()
            written, read = row if row is not None and row[0] is not None else (0, 0)
        return read

    few, more, many = rows_read(50), rows_read(100), rows_read(200)
    assert many - more < 2.6 * (more - few)
