"""A request to cancel that is lost, since the server has not begun with the statement: it is asked again."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.support import backends
from tests.support.facts import Facts
from tests.support.process import Process
from tests.support.project import ProjectFolder

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.crash import CrashServer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")

WAITS = """
import os


def execute(ctx):
    ctx.progress("here")
    while not os.path.exists({flag!r}):
        pass
    ctx.execute("select pg_sleep(600)")
"""


def field(process: int, name: str) -> str:
    lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith(f"{name}:"))


def wait_until(condition: Callable[[], bool], times: int = 1) -> None:
    """Wait until a condition was true so many times in a row."""
    seen, ends = 0, time.monotonic() + 60
    while seen < times:
        assert time.monotonic() < ends, "it never came"
        seen = seen + 1 if condition() else 0
        time.sleep(0.001)


def is_signalled(process: int) -> bool:
    """Whether SIGINT, by which a server process is told to cancel, is waiting for it."""
    pending = int(field(process, "ShdPnd"), 16) | int(field(process, "SigPnd"), 16)
    return bool(pending & 1 << signal.SIGINT - 1)


def test_it_is_asked_again_until_the_statement_ends(tmp_path: Path, crash_server: CrashServer) -> None:
    flag = tmp_path / "flag"
    project = ProjectFolder(tmp_path, crash_server.url())
    project.python("001_code", WAITS.format(flag=str(flag)))
    with psycopg.connect(crash_server.url(), autocommit=True) as connection:
        with Process("apply", project.manifest) as process:
            process.wait_for("here")
            backend = backends.pid(connection, "state = 'idle in transaction'")
            os.kill(backend, signal.SIGSTOP)
            try:
                flag.touch()
                wait_until(lambda: field(process.pid, "State").startswith("S"), times=50)
                process.send(signal.SIGTERM)
                wait_until(lambda: is_signalled(backend))
            finally:
                os.kill(backend, signal.SIGCONT)
            assert process.wait().code == 143
        assert Facts(connection).told == [("001_code", "started"), ("001_code", "failed")]
        backends.wait_for(connection, 0)
