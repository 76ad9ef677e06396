"""What a person at a terminal sees and is asked."""

from __future__ import annotations

import pytest

pytest.importorskip("termios", reason="this system has no pseudo-terminals")

import contextlib
import os
import pty
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.support.terminal import Terminal, environment
from zmig.database.lock import RunLock

if TYPE_CHECKING:
    import psycopg

    from tests.support.shop import Shop

ESCAPE = "\x1b"


def wait_sql(gate: int) -> str:
    """Return SQL that waits until the test gives up an advisory lock, so that nothing depends on time."""
    return f"select pg_advisory_xact_lock({gate});"


def test_run_is_drawn_live(shop: Shop, connection: psycopg.Connection) -> None:
    shop.add(1, "0001_users", "create table users (id int);")
    shop.add(2, "0002_gate", f"select 1;\n{wait_sql(1)}\nselect array['[red]x'];", lock_timeout="0")
    connection.execute("select pg_advisory_lock(1)")
    with Terminal("apply", "shop.yaml", cwd=shop.folder) as terminal:
        terminal.wait_for("✓ 1 0001_users  ")
        terminal.wait_for("apply 0002_gate  statement 2 of 3  ")
        terminal.wait_for("1 of 2")
        terminal.wait_for("select pg_advisory_xact_lock(1)")
        connection.execute("select pg_advisory_unlock(1)")
        assert terminal.end() == 0
        assert "✓ 2 0002_gate  " in terminal.text
        assert re.search(r"run \w{12} completed 2 of 2 steps, ", terminal.text)
        assert f"{ESCAPE}[?25l" not in terminal.raw, "the cursor was hidden"


def test_proving_is_drawn_in_one_line_that_goes_away(shop: Shop, server: str, connection: psycopg.Connection) -> None:
    gate = f"select from pg_locks where locktype = 'advisory' and objid = 4242 and pid = {connection.info.backend_pid}"
    connection.execute("select pg_advisory_lock(4242)")
    waits = f"do $$ begin while exists ({gate}) loop perform pg_sleep(0.01); end loop; end $$;"
    shop.add(1, "0001_users", "create table users (id int);", rollback=f"{waits} drop table users;")
    with Terminal("verify", "shop.yaml", "--scratch-url", server, cwd=shop.folder) as terminal:
        terminal.wait_for("1/1 0001_users: roll back")
        connection.execute("select pg_advisory_unlock(4242)")
        assert terminal.end() == 0
        assert "1 of 1 rollback proved, on PostgreSQL" in terminal.text


def test_a_long_name_gives_way_to_the_statement_and_the_time(shop: Shop, connection: psycopg.Connection) -> None:
    name = f"0001_{'a_very_long_name_' * 6}end"
    shop.add(1, name, f"select 1;\n{wait_sql(1)}", lock_timeout="0")
    connection.execute("select pg_advisory_lock(1)")
    with Terminal("apply", "shop.yaml", cwd=shop.folder) as terminal:
        terminal.wait_for("name_end  statement 2 of 2  ")
        connection.execute("select pg_advisory_unlock(1)")
        assert terminal.end() == 0
    (drawn, *_) = [line for line in terminal.text.splitlines() if "statement 2 of 2" in line]
    assert re.search(r"apply 0001_a_very\S*…\S*name_end  statement 2 of 2  [\d.]+ m?s", drawn)


def test_display_is_gone_when_the_error_is_told(shop: Shop) -> None:
    shop.add(1, "0001", "select 1/0;")
    with Terminal("apply", "shop.yaml", cwd=shop.folder) as terminal:
        assert terminal.end() == 1
        assert "✗ failed 0001, " in terminal.text
        assert terminal.text.rindex("error: migration `0001` failed: division by zero") > terminal.text.rindex("0 of 1")
        assert f"{ESCAPE}[31merror: {ESCAPE}[0m" in terminal.raw


def test_waiting_for_the_lock_names_its_holder(shop: Shop, connection: psycopg.Connection) -> None:
    shop.add(1, "0001", "select 1;")
    connection.execute("set application_name = 'zmig/ci-runner-3'")
    lock = RunLock("zmig")
    lock.try_acquire(connection)
    with Terminal("apply", "shop.yaml", cwd=shop.folder, columns=200) as terminal:
        terminal.wait_for("waiting for the lock: backend ")
        terminal.wait_for("application `zmig/ci-runner-3`")
        lock.release(connection)
        terminal.wait_for("✓ 1 0001")
        assert terminal.end() == 0


def test_python_migration_may_print_and_report(shop: Shop) -> None:
    shop.add(1, "0001.py", "def execute(ctx):\n    print('printed [y]')\n    ctx.log.warning('careful [z]')\n")
    with Terminal("apply", "shop.yaml", cwd=shop.folder) as terminal:
        assert terminal.end() == 0
        assert "printed [y]\n" in terminal.text
        assert "  warning: careful [z]\n" in terminal.text


def test_ctrl_c_takes_the_display_away_and_tells_what_is_left(shop: Shop, connection: psycopg.Connection) -> None:
    shop.add(1, "0001", wait_sql(1), lock_timeout="0")
    connection.execute("select pg_advisory_lock(1)")
    with Terminal("apply", "shop.yaml", cwd=shop.folder) as terminal:
        terminal.wait_for("statement 1 of 1")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.end() == 130
        assert "error: migration `0001` failed: interrupted by SIGINT" in terminal.text


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_no_colours_where_they_are_not_wanted(shop: Shop, name: str, value: str) -> None:
    shop.add(1, "0001", "select 1/0;")
    for words in (("apply", "shop.yaml"), ("status", "shop.yaml")):
        with Terminal(*words, cwd=shop.folder, variables={name: value}) as terminal:
            terminal.end()
            assert re.search(r"\x1b\[[0-9;]*[1-9][0-9;]*m", terminal.raw) is None


def test_dumb_terminal_gets_plain_lines(shop: Shop) -> None:
    shop.add(1, "0001", "select 1;")
    with Terminal("apply", "shop.yaml", cwd=shop.folder, variables={"TERM": "dumb"}) as terminal:
        assert terminal.end() == 0
        assert "1/1 apply 0001\n1/1 done 0001, " in terminal.text
        assert ESCAPE not in terminal.raw


def test_option_turns_colours_off(shop: Shop) -> None:
    with Terminal("status", "shop.yaml", "--no-color", "--check", cwd=shop.folder) as terminal:
        terminal.end()
        assert ESCAPE not in terminal.raw


def test_long_name_is_shortened_in_its_middle_to_fit(shop: Shop) -> None:
    name = f"0001_{'a' * 60}_the_end"
    shop.add(1, name, "select 1;")
    with Terminal("status", "shop.yaml", cwd=shop.folder, columns=80) as terminal:
        assert terminal.end() == 0
        (row,) = [line for line in terminal.text.splitlines() if "· pending" in line]
        assert re.search(r"0001_a+…a*_the_end", row)
        assert len(row) <= 80


class TestAsking:
    """`rollback` and `reset` take nothing away before a person agreed."""

    @pytest.fixture
    def applied(self, shop: Shop) -> Shop:
        shop.add(1, "0001", "create table users ();", rollback="drop table users;")
        shop.migrator().migrate()
        return shop

    @staticmethod
    def has_users(connection: psycopg.Connection) -> bool:
        return connection.execute("select to_regclass('users') is not null").fetchone() == (True,)

    @pytest.mark.parametrize(("answer", "code", "is_left"), [("y", 0, False), ("n", 2, True), ("", 2, True)])
    def test_rollback_shows_its_plan_and_asks(
        self, applied: Shop, connection: psycopg.Connection, answer: str, code: int, *, is_left: bool
    ) -> None:
        with Terminal("rollback", "shop.yaml", cwd=applied.folder) as terminal:
            terminal.wait_for("roll back 1 migration? [y/N] ")
            assert "1  roll-back  0001  applied " in terminal.text
            terminal.type(answer)
            assert terminal.end() == code
        assert self.has_users(connection) is is_left

    @pytest.mark.parametrize("is_right", [True, False])
    def test_rollback_in_production_asks_for_the_name_of_the_database(
        self, applied: Shop, connection: psycopg.Connection, *, is_right: bool
    ) -> None:
        applied.environment = "production"
        applied.declare()
        name = connection.info.dbname
        with Terminal("rollback", "shop.yaml", cwd=applied.folder) as terminal:
            terminal.wait_for(f"type the database's name, `{name}`, to roll back: ")
            terminal.type(name if is_right else "y")
            assert terminal.end() == (0 if is_right else 2)
        assert self.has_users(connection) is not is_right

    def test_an_interruption_at_the_question_takes_nothing_away(
        self, applied: Shop, connection: psycopg.Connection
    ) -> None:
        with Terminal("rollback", "shop.yaml", cwd=applied.folder) as terminal:
            terminal.wait_for("roll back 1 migration? [y/N] ")
            terminal.process.send_signal(signal.SIGINT)
            assert terminal.end() == 130
            assert "error: interrupted by SIGINT" in terminal.text
            assert "= nothing was run" in terminal.text
        assert self.has_users(connection)

    @pytest.mark.parametrize("is_right", [True, False])
    def test_reset_asks_for_the_name_of_the_database(
        self, applied: Shop, connection: psycopg.Connection, *, is_right: bool
    ) -> None:
        name = connection.info.dbname
        with Terminal("reset", "shop.yaml", cwd=applied.folder) as terminal:
            terminal.wait_for(f"everything in database `{name}` will be dropped; type its name to go on: ")
            terminal.type(name if is_right else "yes")
            assert terminal.end() == (0 if is_right else 2)
        assert self.has_users(connection) is not is_right


@pytest.mark.parametrize("stream", ["stdin", "stdout", "stderr"])
def test_the_console_is_refused_where_a_stream_is_no_terminal(shop: Shop, stream: str) -> None:
    ours, theirs = pty.openpty()
    streams: dict[str, int] = {"stdin": theirs, "stdout": theirs, "stderr": theirs, stream: subprocess.PIPE}
    words = [sys.executable, "-m", "zmig", "tui", "shop.yaml"]
    with subprocess.Popen(words, cwd=shop.folder, env=environment(), **streams) as process:  # pyright: ignore[reportCallIssue, reportArgumentType] - streams are given by name
        os.close(theirs)
        said, told = process.communicate()
        with contextlib.suppress(OSError):  # Linux says so when the other side was closed
            while data := os.read(ours, 1 << 16):
                told = (told or b"") + data
        os.close(ours)
    assert process.returncode == 2
    assert not said
    text = re.sub(r"\x1b\[[0-9;]*m", "", (told or b"").decode())
    names = {"stdin": "standard input", "stdout": "standard output", "stderr": "standard error"}
    assert f"error: the console needs a terminal, and {names[stream]} is none" in text
    assert "zmig status shop.yaml" in text
    assert ESCAPE not in text


def test_the_console_is_refused_on_a_terminal_that_cannot_be_drawn_on(shop: Shop) -> None:
    with Terminal("tui", "shop.yaml", cwd=shop.folder, variables={"TERM": "dumb"}) as terminal:
        assert terminal.end() == 2
        assert "this one cannot be drawn on: $TERM is `dumb`" in terminal.text
        assert ESCAPE not in terminal.raw
