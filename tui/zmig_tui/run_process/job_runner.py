"""Runs one job as `zmig apply` would, and serves whoever attaches until its outcome was seen."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from zmig import __version__
from zmig.errors import ZmigError
from zmig.migrator import Migrator
from zmig.observer import lengthening
from zmig.process.interrupts import Interrupted
from zmig.valueclass import replace
from zmig_tui.run_process import messages
from zmig_tui.run_process.messages import Hello, Job, Outcome
from zmig_tui.run_process.problems import internal
from zmig_tui.run_process.requested import RequestedInterrupts
from zmig_tui.run_process.server import RunServer

if TYPE_CHECKING:
    import socket


def run(line: bytes, rest: bytes, console: socket.socket, linger_seconds: float) -> int:
    """Run the job of a line, and serve until its outcome was seen; return the exit code.

    `rest` is what `console`, which has begun it, has sent after the line.
    """
    job = messages.decoder().value(line)
    assert isinstance(job, Job)
    hello = Hello(__version__, os.getpid(), uuid4().hex, job.request.title, len(job.plan.steps), began=time.monotonic())
    interrupts = RequestedInterrupts()
    server = RunServer(job.identity, hello, interrupts.request, linger_seconds=linger_seconds)
    with interrupts.installed():
        server.start(console, rest)
        outcome, exit_code = _carry_out(job, interrupts, server)
    # Everything is recorded; while the outcome waits to be seen, a signal just ends the process.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    server.finish(replace(outcome, at=time.monotonic()))
    return exit_code


def _carry_out(job: Job, interrupts: RequestedInterrupts, server: RunServer) -> tuple[Outcome, int]:
    migrator = Migrator(
        Path(job.manifest),
        database_url=job.database_url,
        observer=lengthening(server.hear),
        environ=job.environ,
        interrupts=interrupts,
    )
    try:
        return Outcome(migrator.run(job.request, confirmed=job.plan)), 0
    except Interrupted as error:
        problems = (error.problem,) if error.problem is not None else ()
        return Outcome(None, problems, is_cancelled=True), error.exit_code
    except ZmigError as error:
        return Outcome(None, error.problems, is_cancelled=interrupts.is_asked), error.exit_code
    except BaseException as error:
        return Outcome(None, (internal(error),)), 1
