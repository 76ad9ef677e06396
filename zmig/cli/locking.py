"""What commands share that take the run's lock: signals, narration, and what was done when an error ends them."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from zmig.cli.command import Option, duration_seconds
from zmig.errors import ConnectionFailed, ExitCode, Problem
from zmig.hints import Hint, command
from zmig.process.interrupts import Interrupted, SignalInterrupts
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType
    from typing import Self

    from zmig.cli.command import CommandContext
    from zmig.cli.json_documents import Document
    from zmig.cli.output import Output
    from zmig.migrator import Migrator
    from zmig.planning.plan import RunResult
    from zmig.process.interrupts import Interrupts
    from zmig.progress import Observer, Progress, RunStarted

LOCK_WAIT = Option(
    "--lock-wait",
    "wait no longer than this for another run, such as 10min; 0 does not wait (without it: no limit)",
    "DURATION",
    duration_seconds,
)


class RunSummary:
    """An observer that keeps what a run has done so far."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._run: RunStarted | None = None
        self._is_waiting = False
        self._completed: list[str] = []
        self._skipped: list[str] = []

    def __call__(self, progress: Progress) -> None:
        """Count what was completed."""
        from zmig.progress import LockWaiting, RunStarted, StepFinished, StepSkipped

        self._is_waiting = isinstance(progress, LockWaiting)
        if isinstance(progress, RunStarted):
            self._run = progress
        elif isinstance(progress, StepFinished):
            self._completed.append(progress.step.migration.name)
        elif isinstance(progress, StepSkipped):
            self._skipped.append(progress.step.migration.name)

    def document(self) -> Document:
        """Return what was done, empty where no run began."""
        from zmig.cli import json_documents

        if self._run is None:
            return {}
        seconds = time.monotonic() - self._began
        return json_documents.of_run(self._run.run_id, self._run.plan, self._completed, self._skipped, seconds)

    def interrupted(self, error: Interrupted) -> Problem:
        """Return the problem of an interruption between steps, or before the first one."""
        doing = " while waiting for the lock" if self._is_waiting else ""
        effect = "nothing was run"
        if self._completed:
            names = ", ".join(f"`{name}`" for name in self._completed)
            effect = f"completed, and left as it is: {names}"
        return Problem(
            "interrupted", f"interrupted by {error}{doing}", effect=effect, hint="run the same command again"
        )


class ProgressOutput:
    """An observer that narrates for as long as its block lasts; nothing is set up for a run that says nothing."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._narrator: Observer | None = None
        self._ended = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Say nothing yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take away what was drawn and is not to stay."""
        self._ended.close()

    def __call__(self, progress: Progress) -> None:
        """Print what a progress says."""
        if self._narrator is None:
            self._narrator = self._chosen()
        self._narrator(progress)

    def _chosen(self) -> Observer:
        self._output.unblock()
        if self._output.is_json:
            from zmig.cli.json_lines import JsonLines

            return JsonLines(self._output)
        if self._output.is_live:
            from zmig.cli.live_display import Live

            return self._ended.enter_context(Live(self._output))
        from zmig.cli.plain_lines import Lines

        return Lines(self._output)


@contextlib.contextmanager
def running(call: CommandContext, *, lock_wait_seconds: float | None, may_change: bool = True) -> Generator[Migrator]:
    """Give the engine for a command that takes the lock, with signals handled and every progress narrated."""
    tally, interrupts = RunSummary(), SignalInterrupts(report_end=partial(_report_end, call.output))
    call.output.has_acted = may_change
    with contextlib.ExitStack() as stack:
        narrate = stack.enter_context(ProgressOutput(call.output))
        stack.enter_context(interrupts.installed(ends_process=True))
        try:
            yield call.migrator(
                observer=_both(tally, narrate, interrupts), interrupts=interrupts, lock_wait_seconds=lock_wait_seconds
            )
        except Interrupted as error:
            if error.problem is None:
                error.problem = tally.interrupted(error)
            call.output.so_far = tally.document()
            raise
        except ConnectionFailed as error:
            call.output.so_far = tally.document()
            interruption = interrupts.asked()
            if interruption is None:
                raise
            problem = error.problems[0]
            message = f"interrupted by {interruption}: {problem.message}"
            interruption.problem = replace(problem, code="interrupted", message=message)
            raise interruption from error
        except Exception:
            call.output.so_far = tally.document()
            raise


def _both(first: Observer, second: Observer, interrupts: Interrupts) -> Observer:
    """Return an observer that calls both, in the main thread without being interrupted in the middle of a line."""
    main = threading.get_ident()

    def report(progress: Progress) -> None:
        first(progress)
        second(progress)

    def report_whole(progress: Progress) -> None:
        if threading.get_ident() != main:
            report(progress)
            return
        with interrupts.polled():
            report(progress)
        if sys.exception() is not None:
            from zmig.progress import RunFinished

            if isinstance(progress, RunFinished):
                return  # what ended the run says more
        interrupts.check()

    return report_whole


def _report_end(output: Output, number: int, is_second: bool) -> None:
    name = signal.Signals(number).name
    why = f"a second signal, {name}" if is_second else f"{name}, which a migration's code did not let in"
    problem = Problem(
        "interrupted",
        f"ended at once by {why}",
        effect="what the server was doing, it completes or rolls back, each migration with its facts",
        hint=Hint("see what is recorded with ", command("status")),
    )
    output.problem_at_once(problem)


def finish(call: CommandContext, result: RunResult, *, nothing: str) -> ExitCode:
    """Print the result of a run; `nothing` says that none was needed."""
    if result.run_id is None:
        call.output.note(nothing)
    if call.output.is_json:
        from zmig.cli import json_documents

        call.output.document(json_documents.of_result(result))
    return ExitCode.OK
