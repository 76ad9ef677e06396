"""What zmig takes of memory: of a large statement little more than libpq does, and nothing of facts that are past."""

from __future__ import annotations

import resource
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, cast

import psycopg
import pytest

from bench import measured
from zmig import Migrator
from zmig.database import large_message, wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.project import ProjectFolder
    from zmig.database.types import Connection

pytestmark = pytest.mark.growth

SIZE = 26_000_000
"""In octets."""

_RUN = """
import sys
from contextlib import suppress
from zmig import Migrator
from zmig.errors import ZmigError
with suppress(ZmigError):
    Migrator(sys.argv[1]).migrate()
for line in open("/proc/self/status"):
    if line.startswith("VmHWM:"):
        print(int(line.split()[1]) * 1024)
"""

needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux says how much it was")


def _peak(project: ProjectFolder) -> int:
    """Return how much memory a process had at most that applied what is pending."""
    ended = subprocess.run([sys.executable, "-c", _RUN, project.manifest], capture_output=True, text=True, check=True)
    return int(ended.stdout)


def _literal(piece: str) -> str:
    return "insert into t (x) values ('" + piece * (SIZE // len(piece.encode())) + "')"


STATEMENTS: dict[str, Callable[[], str]] = {
    "one long string": lambda: _literal("x"),
    "characters of four octets": lambda: _literal("x" * 1000 + "\N{GRINNING FACE}"),
    "many rows": lambda: "insert into t (x) values ('a')" + ",\n('some text')" * (SIZE // 14),
    "a query": lambda: "select length('" + "x" * SIZE + "')",
    "a failure": lambda: _literal("x\n")[:-1] + ", nowhere)",
    "a failure at the beginning": lambda: _literal("x").replace("into", "intoo", 1),
}
"""What makes each: together they would fill the memory of every process that collects the tests."""


@needs_proc
@pytest.mark.parametrize("transaction", [True, False])
@pytest.mark.parametrize("statement", STATEMENTS.values(), ids=STATEMENTS)
def test_a_large_statement_is_held_by_zmig_once(
    project: ProjectFolder, statement: Callable[[], str], *, transaction: bool
) -> None:
    project.sql("001_small", "create table t (x text);")
    before = _peak(project)
    project.sql("002_large", f"{statement()};\nselect 1;", transaction=transaction)
    # libpq has one copy, too; and there is what the allocator keeps.
    assert _peak(project) - before < 2.6 * SIZE


@needs_proc
@pytest.mark.parametrize("group_commit", [True, False])
def test_a_large_statement_is_not_held_while_the_next_is_read(project: ProjectFolder, *, group_commit: bool) -> None:
    project.change(tracking={"group_commit": group_commit})
    project.sql("001_small", "create table t (x text);")
    before = _peak(project)
    project.sql("002_large", f"{STATEMENTS['one long string']()};\n" * 3)
    # libpq keeps the buffer of the first; the next is there as it was read, and as it is sent.
    assert _peak(project) - before < 3.5 * SIZE


@needs_proc
def test_the_limit_that_spares_a_copy_is_taken_away_again(connection: Connection) -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    for _ in range(2):
        reply = wire.send(connection, b"select length('" + b"x" * SIZE + b"')")
        assert reply.last == (str(SIZE),)
    with pytest.raises(wire.MessageError) as caught:
        wire.send(connection, b"select length('" + b"x" * SIZE + b"', nowhere)")
    assert caught.value.error.diag.statement_position == str(SIZE + 19)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


@needs_proc
def test_a_lower_limit_of_the_user_is_kept(connection: Connection) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    lower = 4 << 30
    resource.setrlimit(resource.RLIMIT_DATA, (lower, hard))
    try:
        assert wire.send(connection, b"select length('" + b"x" * SIZE + b"')").last == (str(SIZE),)
        assert resource.getrlimit(resource.RLIMIT_DATA) == (lower, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


@needs_proc
@pytest.mark.parametrize("is_alone", [True, False])
def test_the_processes_memory_is_limited_for_a_moment_and_only_where_no_other_thread_wants_any(is_alone: bool) -> None:
    limits: list[int] = []

    class Link:
        def send_query(self, content: bytes) -> None:
            limits.append(resource.getrlimit(resource.RLIMIT_DATA)[0])

    over = threading.Event()
    other = threading.Thread(target=over.wait)
    before = resource.getrlimit(resource.RLIMIT_DATA)
    if not is_alone:
        other.start()
    try:
        large_message.send(cast("psycopg.pq.abc.PGconn", Link()), b"x" * SIZE)
    finally:
        over.set()
    assert (limits != [before[0]]) is is_alone
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_a_lost_connection_is_told_of_a_large_message_as_well(connection: Connection) -> None:
    connection.close()
    with pytest.raises(psycopg.OperationalError):
        wire.send(connection, b"select length('" + b"x" * SIZE + b"')")


_FACTS = """
insert into zmig.migration_events (aggregate_id, event_type, event_data, run_id)
select '001_small', case when i % 2 = 1 then 'migration.started' else 'migration.failed' end,
    jsonb_build_object('version', 1, 'name', '001_small', 'attempt', i, 'error', jsonb_build_object('message', 'no')),
    'run' || i
from generate_series(1, {}) as i
"""

_WATCH = """
import sys
from zmig import Migrator
watcher = Migrator(sys.argv[1]).watcher()
watcher.poll()
watcher.facts("001_small", most=200)
"""


@needs_proc
@pytest.mark.parametrize(
    "command", ["status", "status --json", "plan", "history", "history --json", "resolve", "retry", "apply", "watch"]
)
def test_no_command_holds_the_facts_that_are_past(
    project: ProjectFolder, connection: Connection, tmp_path: Path, command: str
) -> None:
    project.sql("001_small", "select 1;")
    verb, *options = command.split()
    if verb == "resolve":
        options = ["1", "--as", "failed", "--reason", "seen"]
    words = [sys.executable, "-m", "zmig", verb, str(project.manifest), *options]
    if verb == "watch":
        words = [sys.executable, "-c", _WATCH, str(project.manifest)]
    Migrator(project.manifest).migrate()

    def peak(facts: int) -> int:
        connection.execute(_FACTS.format(facts).encode())
        return measured.run(words, log=tmp_path / "log").peak_bytes

    before = peak(20_000)
    # Each fact would take some two thousand octets.
    assert peak(40_000) - before < 10_000_000
