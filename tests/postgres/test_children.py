"""Child processes that a migration's code makes with fork: they share nothing of the run but its memory."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support import backends
from tests.support.process import Process, run

if TYPE_CHECKING:
    import psycopg

    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

MAKES = """
import multiprocessing, os, signal, sys, time
fork = multiprocessing.get_context("fork")

ready, tell = os.pipe()

def forever():
    os.write(tell, b".")
    while True: time.sleep(0.05)

def execute(ctx):
    ctx.execute("create table effect (x text)")
    def work():
        {work}
    child = fork.Process(target=work)
    child.start()
    {then}
    ctx.execute("insert into effect values ('of the run')")
"""

DISTURBS = {
    "closes the connection": "ctx.connection.close()",
    "leaves the connection's block": "\n        with ctx.connection: pass",
    "uses libpq": "ctx.connection.pgconn.exec_(b\"insert into effect values ('of the child')\")",
    "ends the session in libpq": "ctx.connection.pgconn.finish()",
    "ends with an exception": "raise ValueError",
    "commits": "ctx.connection.commit()",
    "runs a statement": "ctx.execute(\"insert into effect values ('of the child')\")",
}


@pytest.mark.parametrize("transaction", [True, False])
@pytest.mark.parametrize("work", DISTURBS.values(), ids=DISTURBS)
def test_nothing_that_a_child_does_reaches_the_run(
    project: ProjectFolder, facts: Facts, connection: psycopg.Connection, work: str, *, transaction: bool
) -> None:
    project.python("001_forks", MAKES.format(work=work, then="child.join()"), transaction=transaction)
    project.sql("002_next", "create table next ()")
    ended = run("apply", project.manifest)
    assert ended.code == 0, ended.stderr
    assert connection.execute("select x from effect").fetchall() == [("of the run",)]
    assert facts.applied == [(1, "001_forks"), (2, "002_next")]


def test_a_child_that_lives_on_keeps_no_lock_when_the_run_is_killed(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    then = "print(f'child {child.pid}.', file=sys.stderr, flush=True)\n    forever()"
    project.python("001_forks", MAKES.format(work="forever()", then=then))
    with Process("apply", project.manifest) as process:
        process.wait_for(".\n")
        child = int(process.stderr.partition("child ")[2].partition(".")[0])
        os.kill(process.pid, signal.SIGKILL)
        try:
            backends.wait_for(connection, 0)
            os.kill(child, 0)
        finally:
            os.kill(child, signal.SIGKILL)
    assert backends.advisory_locks(connection) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_a_child_ends_it_as_if_zmig_handled_none(project: ProjectFolder, number: signal.Signals) -> None:
    ends = f"os.read(ready, 1); os.kill(child.pid, {number:d}); child.join(); assert child.exitcode == -{number:d}"
    project.python("001_forks", MAKES.format(work="forever()", then=ends))
    ended = run("apply", project.manifest)
    assert ended.code == 0, ended.stderr
    assert "Traceback" not in ended.stderr


def test_ctrl_c_in_a_child_is_the_one_of_python(project: ProjectFolder) -> None:
    work = """
        try:
            forever()
        except KeyboardInterrupt as error:
            os._exit(7 if type(error) is KeyboardInterrupt else 8)"""
    ends = (
        "os.read(ready, 1); os.kill(child.pid, signal.SIGINT); child.join(); assert child.exitcode == 7, child.exitcode"
    )
    project.python("001_forks", MAKES.format(work=work, then=ends))
    ended = run("apply", project.manifest)
    assert ended.code == 0, ended.stderr


def test_ctrl_c_that_reaches_both_ends_both(
    project: ProjectFolder, facts: Facts, connection: psycopg.Connection
) -> None:
    then = "os.read(ready, 1); print('here', file=sys.stderr, flush=True)\n    forever()"
    project.python("001_forks", MAKES.format(work="forever()", then=then))
    command = (
        "import os; os.setpgid(0, 0); from zmig.cli.main import main; "
        f"os._exit(main(['apply', {str(project.manifest)!r}]))"
    )
    with Process(program=("-c", command)) as process:
        process.wait_for("here")
        os.killpg(process.pid, signal.SIGINT)
        ended = process.wait()
    assert ended.code == 130
    assert facts.told == [("001_forks", "started"), ("001_forks", "failed")]
    backends.wait_for(connection, 0)


AT_ONCE = """
import os, signal

def execute(ctx):
    for _ in range(300):
        ends, hold = os.pipe()
        child = os.fork()
        if not child:
            os.close(hold)
            os.read(ends, 1)
            os._exit(9)
        os.kill(child, {number})
        os.close(hold)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.close(ends)
        assert status == -{number}, status
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_comes_to_a_child_at_once_is_not_lost(project: ProjectFolder, number: signal.Signals) -> None:
    project.python("001_forks", AT_ONCE.format(number=int(number)))
    ended = run("apply", project.manifest)
    assert ended.code == 0, ended.stderr


HANDLES_ITSELF = """
import os, signal

def execute(ctx):
    signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
    child = os.fork()
    if not child:
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before | {signal.SIGHUP}
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        signal.raise_signal(signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before | {signal.SIGHUP}
"""


def test_a_child_keeps_what_the_code_has_set_for_signals(project: ProjectFolder) -> None:
    project.python("001_forks", HANDLES_ITSELF)
    ended = run("apply", project.manifest)
    assert ended.code == 0, ended.stderr
