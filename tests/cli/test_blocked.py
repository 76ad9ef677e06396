"""Streams that take nothing, and streams that are not there: the run goes on, and its exit code is right."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from tests.support import backends
from tests.support.facts import Facts
from tests.support.process import ROOT
from tests.support.process import run as run_process

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from tests.support.shop import Shop

_PATIENCE_SECONDS = 60
_NOTICES = 3000
TELLS = f"do $$ begin for i in 1..{_NOTICES} loop raise notice 'line % %', i, repeat('x', 80); end loop; end $$;"
STORM = "do $$ begin loop raise notice 'storm'; end loop; end $$;"
PRINTS = f"def execute(ctx):\n    for i in range({_NOTICES}):\n        print('line', i, 'x' * 80)\n"


class Unread:
    """A command whose stdout and stderr go to one place that nobody reads, until `read` does."""

    def __init__(self, *words: str, cwd: Path, is_terminal: bool) -> None:
        self._ours, theirs = os.openpty() if is_terminal else os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "zmig", *words],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "dumb"},
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        return self._process.wait(_PATIENCE_SECONDS)

    def read(self) -> str:
        return b"".join(self._blocks()).decode().replace("\r\n", "\n")

    def _blocks(self) -> Iterator[bytes]:
        with contextlib.suppress(OSError):  # Linux says so when a terminal's other side was closed
            while block := os.read(self._ours, 65536):
                yield block


def wait_until_done(connection: psycopg.Connection, number: int) -> None:
    """Wait until so many migrations are done and no run is connected any more."""
    backends.wait_until(connection, f"(select count(*) from zmig.schema_migrations) = {number}")
    backends.wait_for(connection, 0)


PLACES = pytest.mark.parametrize("is_terminal", [False, True], ids=["pipe", "terminal"])


@PLACES
def test_a_run_goes_on_whoever_reads_and_tells_everything_in_the_end(
    shop: Shop, connection: psycopg.Connection, *, is_terminal: bool
) -> None:
    shop.add(1, "0001", "select 1;")
    shop.migrator().migrate()
    shop.add(2, "0002", TELLS)
    shop.add(3, "0003.py", PRINTS)
    shop.add(4, "0004", "create table last ();")
    with Unread("apply", "shop.yaml", cwd=shop.folder, is_terminal=is_terminal) as process:
        wait_until_done(connection, 4)
        lines = process.read().splitlines()
        assert process.wait() == 0
    told = [line.split()[2] for line in lines if line.startswith("notice: line")]
    assert told == [str(number) for number in range(1, _NOTICES + 1)]
    assert [line.split()[1] for line in lines if line.startswith("line")] == [str(n) for n in range(_NOTICES)]
    assert lines.index("2/3 apply 0003") > lines.index(f"notice: line {_NOTICES} {'x' * 80}")


@PLACES
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_one_signal_ends_a_run_that_nobody_reads(
    shop: Shop, connection: psycopg.Connection, number: signal.Signals, code: int, *, is_terminal: bool
) -> None:
    shop.add(1, "0001", STORM)
    with Unread("apply", "shop.yaml", cwd=shop.folder, is_terminal=is_terminal) as process:
        backends.wait_for(connection, 1, "query like '%storm%' and state = 'active'")
        process.send(number)
        assert process.wait() == code
    assert Facts(connection).told == [("0001", "started"), ("0001", "failed")]
    backends.wait_for(connection, 0)


def in_a_shell(command: str, cwd: Path) -> tuple[int, str]:
    """Run a command line with redirections in a shell; return its exit code and what it said."""
    program = f"{sys.executable} -m zmig"
    ended = subprocess.run(
        ["sh", "-c", command.replace("zmig", program, 1)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout + ended.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_streams_that_nobody_reads(shop: Shop, connection: psycopg.Connection, closed: str) -> None:
    shop.add(1, "0001", "create table one ();")
    shop.add(2, "0002.py", "import os\n\n\ndef execute(ctx):\n    os.system('echo a; echo b >&2')\n")
    for command in ("--version", "plan shop.yaml", "apply shop.yaml", "apply shop.yaml", "status shop.yaml --json"):
        code, said = in_a_shell(f"zmig {command} {closed}", shop.folder)
        assert code == 0
        assert "Traceback" not in said
    assert Facts(connection).applied == [(1, "0001"), (2, "0002")]
    assert in_a_shell(f"zmig nonsense {closed}", shop.folder)[0] == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
@pytest.mark.parametrize("options", ["", "--json"])
def test_a_full_disk_changes_no_exit_code_of_a_run(shop: Shop, connection: psycopg.Connection, options: str) -> None:
    shop.add(1, "0001.py", "def execute(ctx):\n    print('told')\n")
    assert in_a_shell(f"zmig apply shop.yaml {options} 2>/dev/full", shop.folder)[0] == 0
    shop.add(2, "0002.py", "def execute(ctx):\n    print('told')\n")
    code, said = in_a_shell(f"zmig apply shop.yaml {options} >/dev/full", shop.folder)
    assert code == 0
    assert "standard output cannot be written: No space left on device" in said
    assert Facts(connection).applied == [(1, "0001"), (2, "0002")]
    shop.add(3, "0003", "select 1 / 0;")
    assert in_a_shell(f"zmig apply shop.yaml {options} >/dev/full", shop.folder)[0] == 1


@pytest.mark.parametrize(
    "closes", ["sys.stdout.close()", "sys.__stdout__.close()", "sys.stderr.close()", "os.close(1)", "os.close(2)"]
)
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_stream_that_a_migration_closes_stays_open_for_the_run(
    shop: Shop, connection: psycopg.Connection, closes: str, options: tuple[str, ...]
) -> None:
    shop.add(1, "0001.py", f"import os\nimport sys\n\n\ndef execute(ctx):\n    {closes}\n    print('told')\n")
    shop.add(2, "0002", "create table two ();")
    ended = run_process("apply", "shop.yaml", *options, cwd=shop.folder)
    assert (ended.code, "Traceback" in ended.stderr) == (0, False)
    assert Facts(connection).applied == [(1, "0001"), (2, "0002")]


def test_what_is_printed_behind_a_stream_that_was_closed_is_told(shop: Shop) -> None:
    shop.add(1, "0001.py", "import sys\n\n\ndef execute(ctx):\n    sys.stdout.close()\n    print('told')\n")
    ended = run_process("apply", "shop.yaml", cwd=shop.folder)
    assert (ended.code, ended.stdout) == (0, "told\n")


FORKS = {
    "returns": "    if os.fork() == 0:\n        return\n    os.wait()\n",
    "raises": "    if os.fork() == 0:\n        raise ValueError('of the child')\n    os.wait()\n",
    "uses the connection": "    if os.fork() == 0:\n        ctx.execute('select 1')\n    os.wait()\n",
    "exits": "    if os.fork() == 0:\n        sys.exit(3)\n    assert os.waitstatus_to_exitcode(os.wait()[1]) == 3\n",
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("child", FORKS)
def test_a_child_process_that_comes_back_ends_and_the_run_goes_on(
    shop: Shop, connection: psycopg.Connection, child: str
) -> None:
    shop.add(1, "0001.py", f"import os\nimport sys\n\n\ndef execute(ctx):\n{FORKS[child]}    ctx.execute('select 1')\n")
    shop.add(2, "0002", "create table two ();")
    ended = run_process("apply", "shop.yaml", cwd=shop.folder)
    assert ended.code == 0, ended.stderr
    assert ended.stderr.count("completed 2 of 2 steps") == 1
    assert ("ValueError: of the child" in ended.stderr) is (child == "raises")
    assert ("a child process cannot use the connection" in ended.stderr) is (child == "uses the connection")
    assert Facts(connection).applied == [(1, "0001"), (2, "0002")]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_process_of_a_batch_ends(shop: Shop, connection: psycopg.Connection) -> None:
    connection.execute("create table t (id int primary key, x int); insert into t select generate_series(1, 5)")
    code = """
import os


def execute(ctx):
    for batch in ctx.batches():
        child = os.fork()
        rows = []
        if child:
            os.waitpid(child, 0)
            query = "update t set x = 1 where id in (select id from t where id > %s order by id limit %s) returning id"
            rows = [id for (id,) in ctx.execute(query, (batch.cursor, batch.size)).fetchall()]
        batch.done(len(rows) or int(not child), cursor=max(rows, default=None))
"""
    shop.add(1, "0001.py", code, batch="{size: 2, start: 0}")
    ended = run_process("apply", "shop.yaml", cwd=shop.folder)
    assert ended.code == 0, ended.stderr
    assert connection.execute("select count(*) from t where x = 1").fetchone() == (5,)
    assert Facts(connection).applied == [(1, "0001")]


@pytest.mark.parametrize("words", [("status",), ("plan",), ("apply",), ("lint",), ("history",)])
def test_a_working_directory_that_is_gone(shop: Shop, words: tuple[str, ...]) -> None:
    shop.add(1, "0001", "create table one ();")
    gone = shop.folder / "gone"
    code, said = in_a_shell(
        f"mkdir {gone}; cd {gone}; rmdir {gone}; exec zmig {' '.join(words)} {shop.path}", shop.folder
    )
    assert (code, "Traceback" in said) == (0, False), said
    code, said = in_a_shell(
        f"mkdir {gone}; cd {gone}; rmdir {gone}; exec zmig {' '.join(words)} shop.yaml", shop.folder
    )
    assert (code, "Traceback" in said) == (2, False), said
