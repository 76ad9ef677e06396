"""What a Python migration changes for the whole process: the next migration, and zmig, find it as it was before."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.process import Process, run

if TYPE_CHECKING:
    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder

CODE = "import asyncio, io, os, signal, sys, time\n\ndef execute(ctx):\n    {}\n"
AT_IMPORT = "import signal\n{}\n\ndef execute(ctx):\n    pass\n"
WAITS = CODE.format("ctx.progress('here')\n    while True: time.sleep(0.05)")
IGNORES = "signal.signal(signal.{}, signal.SIG_IGN)"

DEAF = {
    "ignores it": CODE.format(IGNORES.format("{}")),
    "ignores it from its import on": AT_IMPORT.format(IGNORES.format("{}")),
    "has a handler that does nothing": CODE.format("signal.signal(signal.{}, lambda *_: None)"),
    "has an event loop handle it": CODE.format("asyncio.new_event_loop().add_signal_handler(signal.{}, print)"),
}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("source", DEAF.values(), ids=DEAF)
def test_a_signal_ends_the_next_migration(
    project: ProjectFolder, facts: Facts, source: str, number: signal.Signals, code: int
) -> None:
    project.python("001_deaf", source.format(number.name))
    project.python("002_waits", WAITS)
    with Process("apply", project.manifest) as process:
        process.wait_for("here")
        process.send(number)
        assert process.wait().code == code
    assert facts.told[-2:] == [("002_waits", "started"), ("002_waits", "failed")]


def test_a_signal_ends_what_follows_a_question(project: ProjectFolder, facts: Facts) -> None:
    asks = DEAF["ignores it"].format("SIGTERM").replace("execute(ctx)", "should_repeat(ctx, last_run)")
    project.python("001_deaf", f"{asks}    return False\n\ndef execute(ctx):\n    pass\n", kind="repeatable")
    assert run("apply", project.manifest).code == 0
    project.python("002_waits", WAITS)
    with Process("apply", project.manifest) as process:
        process.wait_for("here")
        process.send(signal.SIGTERM)
        assert process.wait().code == 143
    assert facts.told[-1] == ("002_waits", "failed")


def test_a_signal_that_comes_while_code_blocks_it_ends_the_run_behind_the_code(
    project: ProjectFolder, facts: Facts
) -> None:
    blocks = "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])"
    sends = (
        "signal.pthread_kill(threading.get_ident(), signal.SIGTERM)"  # to this thread, so that no other one takes it
    )
    project.python("001_deaf", CODE.format(f"import threading\n    {blocks}\n    {sends}"))
    project.sql("002_next", "create table next ()")
    assert run("apply", project.manifest).code == 143
    assert facts.told == [("001_deaf", "started"), ("001_deaf", "failed")]


@pytest.mark.parametrize("timer", ["ITIMER_REAL", "ITIMER_VIRTUAL", "ITIMER_PROF"])
def test_no_alarm_of_one_migration_ends_another(project: ProjectFolder, timer: str) -> None:
    project.python("001_sets", CODE.format(f"signal.setitimer(signal.{timer}, 3600)"))
    project.python("002_looks", CODE.format(f"assert signal.getitimer(signal.{timer}) == (0, 0)"))
    ended = run("apply", project.manifest)
    assert ended.code == 0, ended.stderr


def test_an_alarm_of_the_program_that_uses_the_library_goes_on(project: ProjectFolder) -> None:
    project.python("001_one", CODE.format("pass"))
    program = (
        "import signal; from zmig import Migrator; signal.setitimer(signal.ITIMER_REAL, 3600); "
        "signal.signal(signal.SIGALRM, print); "
        f"Migrator({str(project.manifest)!r}).migrate(); assert signal.getitimer(signal.ITIMER_REAL)[0] > 0; "
        "assert signal.getsignal(signal.SIGALRM) is print"
    )
    with Process(program=("-c", program)) as process:
        ended = process.wait()
    assert ended.code == 0, ended.stderr


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_what_the_next_migration_prints_is_seen(project: ProjectFolder, options: tuple[str, ...]) -> None:
    project.python("001_replaces", CODE.format("sys.stdout = sys.stderr = io.StringIO()"))
    project.python("002_prints", CODE.format("print('printed'); print('to stderr', file=sys.stderr)"))
    ended = run("apply", project.manifest, *options)
    assert ended.code == 0
    assert "printed" in ended.stdout + ended.stderr
    assert "to stderr" in ended.stderr
