"""What SIGINT and SIGTERM do to a command: it says what is left, and ends with the contracted exit code."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support import backends
from tests.support.facts import Facts
from tests.support.process import Process
from zmig.database.lock import RunLock

if TYPE_CHECKING:
    import psycopg

    from tests.support.shop import Shop

SIGNALS = pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])

NAPS = "while True: time.sleep(0.05)"
"""Waits for a signal; one long sleep would not heed a signal that comes just before it."""


@SIGNALS
def test_during_sql_the_statement_is_cancelled_and_the_failure_recorded(
    shop: Shop, connection: psycopg.Connection, number: signal.Signals, code: int
) -> None:
    shop.add(1, "0001", "create table users ();")
    shop.add(2, "0002", "create table orders ();\nselect pg_sleep(600);")
    with Process("apply", "shop.yaml", "-v", cwd=shop.folder) as process:
        process.wait_for("statement 2 of 2")
        backends.wait_for(connection, 1, "wait_event = 'PgSleep'", of=process)
        os.kill(process.pid, number)
        ended = process.wait()
    assert ended.code == code
    assert f"error: migration `0002` failed: interrupted by {number.name}\n" in ended.stderr
    assert "   = rolled back: `0002` left nothing behind; `0001` of this run stays applied\n" in ended.stderr
    assert ended.stderr.endswith("hint: run `zmig apply shop.yaml`, which starts it again\n")
    assert Facts(connection).told[-1] == ("0002", "failed")
    backends.wait_for(connection, 0)


def test_during_python_code_as_json(shop: Shop, connection: psycopg.Connection) -> None:
    shop.add(1, "0001.py", f"import time\n\ndef execute(ctx):\n    ctx.progress('asleep')\n    {NAPS}\n")
    with Process("apply", "shop.yaml", "--json", cwd=shop.folder) as process:
        process.wait_for('"message": "asleep"')
        os.kill(process.pid, signal.SIGTERM)
        ended = process.wait()
    document = json.loads(ended.stdout)
    assert ended.code == document["exit_code"] == 143
    assert document["error"]["message"] == "migration `0001` failed: interrupted by SIGTERM"
    assert Facts(connection).told == [("0001", "started"), ("0001", "failed")]


@SIGNALS
def test_while_it_waits_for_the_lock_nothing_was_run(
    shop: Shop, connection: psycopg.Connection, number: signal.Signals, code: int
) -> None:
    shop.add(1, "0001", "select 1;")
    RunLock("zmig").try_acquire(connection)
    with Process("apply", "shop.yaml", cwd=shop.folder) as process:
        process.wait_for("waiting for the lock: backend ")
        os.kill(process.pid, number)
        ended = process.wait()
    assert ended.code == code
    assert ended.stderr.endswith(
        f"error: interrupted by {number.name} while waiting for the lock\n"
        "   = nothing was run\n"
        "hint: run the same command again\n"
    )


def test_between_two_tries_what_was_completed_is_told(shop: Shop, connection: psycopg.Connection) -> None:
    connection.execute("create table busy ()")
    shop.add(1, "0001", "select 1;")
    shop.add(2, "0002", "drop table busy;", lock_timeout="10ms", retry="{attempts: 5, backoff: 10min, max_backoff: 1h}")
    with connection.transaction():
        connection.execute("lock table busy")
        with Process("apply", "shop.yaml", cwd=shop.folder) as process:
            process.wait_for("2/2 trying 0002 again in ")
            os.kill(process.pid, signal.SIGINT)
            ended = process.wait()
    assert ended.code == 130
    assert "error: interrupted by SIGINT before another attempt: migration `0002` failed: " in ended.stderr
    assert "   = rolled back: `0002` left nothing behind; `0001` of this run stays applied\n" in ended.stderr


def test_second_signal_ends_the_process_at_once(shop: Shop) -> None:
    shop.add(
        1,
        "0001.py",
        f"""
import time

def execute(ctx):
    try:
        ctx.progress("asleep")
        {NAPS}
    finally:
        ctx.progress("cleaning up")
        {NAPS}
""",
    )
    with Process("apply", "shop.yaml", cwd=shop.folder) as process:
        process.wait_for("asleep")
        os.kill(process.pid, signal.SIGTERM)
        process.wait_for("cleaning up")
        while process.is_running:  # one that comes within a second counts as sent together with the first
            process.send(signal.SIGTERM)
        ended = process.wait()
    assert ended.code == 143
    assert "error: ended at once by a second signal, SIGTERM\n" in ended.stderr
    assert ended.stderr.endswith("hint: see what is recorded with `zmig status shop.yaml`\n")


def test_reading_command_is_interrupted_without_a_traceback(shop: Shop, connection: psycopg.Connection) -> None:
    shop.add(1, "0001", "select 1;", kind="repeatable", repeat='{condition: "select pg_sleep(600) is null"}')
    with Process("apply", "shop.yaml", cwd=shop.folder) as process:
        assert process.wait().code == 0
    with Process("status", "shop.yaml", cwd=shop.folder) as process:
        backends.wait_for(connection, 1, "wait_event = 'PgSleep'", of=process)
        os.kill(process.pid, signal.SIGINT)
        ended = process.wait()
    assert (ended.code, ended.stderr) == (130, "error: interrupted by SIGINT\n")


def test_question_interrupted_between_a_query_and_its_answer_is_ended_without_a_word_of_the_driver(
    shop: Shop, connection: psycopg.Connection
) -> None:
    asks = "    ctx.connection.pgconn.send_query(b'select pg_sleep(600)')\n    raise KeyboardInterrupt\n"
    execute = "def execute(ctx):\n    pass\n\n\ndef should_repeat(ctx, last_run):\n"
    shop.add(1, "0001.py", execute + asks, kind="repeatable")
    with Process("apply", "shop.yaml", cwd=shop.folder) as process:
        assert process.wait().code == 0
    with Process("status", "shop.yaml", cwd=shop.folder) as process:
        ended = process.wait()
    assert (ended.code, ended.stderr) == (130, "error: interrupted by SIGINT\n")
    backends.wait_for(connection, 0)
