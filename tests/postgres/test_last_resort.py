"""Signals to code that does not come back to Python: it waits in a library that is written in another language."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.support import backends
from tests.support.process import Process, run

if TYPE_CHECKING:
    import psycopg

    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder

DEAF = "def execute(ctx):\n    ctx.connection.pgconn.exec_(b'create table effect (); select pg_sleep(600)')\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_one_signal_ends_the_run(
    project: ProjectFolder, facts: Facts, connection: psycopg.Connection, number: signal.Signals, code: int
) -> None:
    project.python("001_deaf", DEAF)
    with Process("apply", project.manifest) as process:
        backends.wait_for(connection, 1, "wait_event = 'PgSleep'", of=process)
        process.send(number)
        ended = process.wait()
    assert ended.code == code
    assert f"ended at once by {number.name}, which a migration's code did not let in" in ended.stderr
    backends.wait_for_end(connection)
    assert facts.told == [("001_deaf", "started")]
    assert backends.advisory_locks(connection) == 0
    project.python("001_deaf", "def execute(ctx):\n    ctx.execute('create table effect ()')\n")
    assert run("apply", project.manifest).code == 0


def test_one_signal_ends_a_run_whose_question_lets_none_in(
    project: ProjectFolder, facts: Facts, connection: psycopg.Connection
) -> None:
    asks = "def should_repeat(ctx, last_run):\n    ctx.connection.pgconn.exec_(b'select pg_sleep(25)')\n"
    project.python("001_asks", f"def execute(ctx):\n    pass\n\n\n{asks}", kind="repeatable")
    assert run("apply", project.manifest).code == 0
    with Process("apply", project.manifest) as process:
        backends.wait_for(connection, 1, "wait_event = 'PgSleep'", of=process)
        process.send(signal.SIGTERM)
        ended = process.wait()
    assert ended.code == 143
    assert "ended at once by SIGTERM, which a migration's code did not let in" in ended.stderr
    assert facts.told == [("001_asks", "started"), ("001_asks", "done")]


def test_a_second_signal_ends_what_went_on_behind_the_first(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    swallows = (
        "    try:\n        ctx.progress('here')\n        while True: time.sleep(0.05)\n    except KeyboardInterrupt:\n"
    )
    project.python(
        "001_deaf", DEAF.replace("    ctx", f"{swallows}        ctx", 1).replace("def", "import time\ndef", 1)
    )
    with Process("apply", project.manifest) as process:
        process.wait_for("here")
        process.send(signal.SIGTERM)
        backends.wait_for(connection, 1, "wait_event = 'PgSleep'")
        while process.is_running:  # one that comes within a second counts as sent together with the first
            process.send(signal.SIGTERM)
        ended = process.wait()
    assert ended.code == 143
    assert "ended at once by a second signal, SIGTERM" in ended.stderr


LONGER_THAN_THE_PATIENCE = "    end = time.monotonic() + 2\n    while time.monotonic() < end: time.sleep(0.01)\n"
OTHERS = {
    "handled by the code": (
        "    signal.signal(signal.SIGTERM, lambda *_: None)\n    os.kill(os.getpid(), signal.SIGTERM)\n"
    ),
    "handled by the code, which puts the handler back": (
        "    before = signal.signal(signal.SIGTERM, lambda *_: None)\n    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    end = time.monotonic() + 0.5\n    while time.monotonic() < end: time.sleep(0.01)\n"
        "    signal.signal(signal.SIGTERM, before)\n"
    ),
    "handled by the code, which puts the handler back at once": (
        "    for _ in range(20):\n        before = signal.signal(signal.SIGTERM, lambda *_: None)\n"
        "        os.kill(os.getpid(), signal.SIGTERM); signal.signal(signal.SIGTERM, before)\n"
    ),
    "of a child": (
        "    ready, tell = os.pipe()\n    child = os.fork()\n"
        "    if not child:\n        os.write(tell, b'.')\n        while True: time.sleep(0.05)\n"
        "    os.read(ready, 1); os.kill(child, signal.SIGTERM); os.waitpid(child, 0)\n"
    ),
    "that zmig does not handle": "    signal.signal(signal.SIGUSR1, print)\n    os.kill(os.getpid(), signal.SIGUSR1)\n",
}


@pytest.mark.parametrize("source", OTHERS.values(), ids=OTHERS)
def test_other_signals_end_nothing(project: ProjectFolder, source: str) -> None:
    head = "import os, signal, time\n\ndef execute(ctx):\n"
    project.python("001_one", head + source + LONGER_THAN_THE_PATIENCE)
    ended = run("apply", project.manifest)
    assert ended.code == 0, ended.stderr


BLOCKS = """
import os, signal

def execute(ctx):
    os.write(1, b"something for each thread to do\\n")
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    os.kill(os.getpid(), signal.SIGTERM)
    while signal.SIGTERM not in signal.sigpending():
        pass
    ctx.progress("came to its end")
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
"""


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
def test_code_that_blocks_a_signal_is_not_interrupted_by_it(
    project: ProjectFolder, facts: Facts, form: tuple[str, ...]
) -> None:
    project.python("001_blocks", BLOCKS)
    ended = run("apply", project.manifest, *form)
    assert ended.code == 143
    assert "came to its end" in ended.stderr
    assert facts.told == [("001_blocks", "started"), ("001_blocks", "failed")]
