"""What happens during a run, in words: progress becomes sentences here and nowhere else; front ends form them."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from zmig.database import lock_holder
from zmig.planning import blocked_by
from zmig.planning.plan import Direction
from zmig.presentation import words
from zmig.presentation.spans import Tone
from zmig.progress import (
    Blocked,
    Held,
    LockWaiting,
    Notice,
    Reported,
    RetryScheduled,
    RoundFinished,
    RunFinished,
    RunStarted,
    ServerReported,
    StatementFinished,
    StatementStarted,
    StepFailed,
    StepFinished,
    StepSkipped,
    StepStarted,
)
from zmig.text import listing
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Hashable
    from dataclasses import KW_ONLY

    from zmig.database.activity import Blocker
    from zmig.database.lock_holder import LockHolder
    from zmig.progress import Progress

TRIES_AGAIN_IN = "tries again in"
"""What a display says before the time that is left."""
_MOST_APPLICATIONS = 3
INSIDE = " "
"""The mark of what is said inside of a step: a display indents it."""


@valueclass
class Saying:
    """What is said of one progress: a sentence for a line of a log, or parts that a display puts together."""

    sentence: str
    """All of it, for a reader who sees nothing else."""
    brief: str
    """What a display says beside the mark; empty where it sums that up itself."""
    tone: Tone = Tone.PLAIN
    mark: str = ""
    """A glyph, `INSIDE`, or nothing."""
    _: KW_ONLY
    quoted: str = ""
    """The statement that follows the brief words."""
    took: str = ""
    """The time that follows the brief words."""
    lasts: bool = True
    """Whether it stays on a display when the next thing happens."""
    subject: Hashable = None
    """What is the same in what is said every second about the same thing; None where each is worth a line."""
    is_detail: bool = False
    """Whether only those want to read it who asked for everything."""


def say(progress: Progress) -> Saying | None:
    """Return what is said of a progress; None where it is not worth a word."""
    match progress:
        case RunStarted():
            return _run_started(progress)
        case LockWaiting():
            short = waiting_for(progress.holder)
            return Saying(f"{short}, {words.duration(progress.waited_seconds)}", brief=short, tone=Tone.WARN)
        case StepStarted():
            again = f", attempt {progress.attempt}" if progress.attempt > 1 else ""
            name = progress.step.migration.name
            return _said(f"{progress.step.action.value} {name}{again}", Tone.BUSY, "▶")
        case StepFinished():
            name, took = progress.step.migration.name, words.duration(progress.duration_seconds)
            return Saying(f"done {name}, {took}", name, Tone.GOOD, "✓", took=took)
        case StepSkipped():
            short = f"{progress.step.migration.name}: {progress.reason}"
            return Saying(f"skipped {short}", short, Tone.QUIET, "-")
        case StepFailed():  # where that is the end, the error that follows says why
            message = progress.problem.message
            if blocked := blocked_by.short(progress.blocked_by):
                message += f"; {blocked}"
            failed = f"failed {progress.step.migration.name}, {words.duration(progress.duration_seconds)}"
            return Saying(f"{failed}: {message}" if progress.will_retry else failed, message, Tone.BAD, "✗")
        case RetryScheduled():
            name, pause = progress.step.migration.name, words.duration(progress.delay_seconds)
            attempt = f"try {progress.attempt} of {progress.attempts}"
            return Saying(f"trying {name} again in {pause}, {attempt}", f"{attempt} in {pause}", Tone.WARN, "↻")
        case RunFinished():
            return _run_finished(progress)
        case _:
            return _say_inside(progress)


def _say_inside(
    progress: StatementStarted
    | StatementFinished
    | Reported
    | Blocked
    | ServerReported
    | RoundFinished
    | Held
    | Notice,
) -> Saying | None:
    """Return what is said of what happens inside of a step."""
    match progress:
        case StatementStarted():
            place = f"{statement_number(progress.number, progress.total)}, line {progress.line}"
            short, text = place.removeprefix("statement "), progress.text
            return Saying(f"{place}: {text}", short, Tone.QUIET, INSIDE, quoted=text, is_detail=True)
        case StatementFinished():
            return None
        case Notice():
            parts = [progress.message, *(part for part in (progress.detail, progress.hint) if part)]
            tone = Tone.WARN if progress.severity.upper() == "WARNING" else Tone.PLAIN
            return _said(f"{progress.severity.lower()}: {'; '.join(parts)}", tone, INSIDE)
        case Reported(done=None):
            return _passing(progress.message)
        case Reported():
            of = "" if progress.total is None else f" of {progress.total}"
            return _passing(f"{progress.message}: {progress.done}{of}")
        case Blocked():
            blockers = (blocker.pid for blocker in progress.blockers)
            return _passing(_blocked(progress), ("blocked", bool(progress.queued), *blockers))
        case ServerReported():
            return _passing(_server_reported(progress), ("server", progress.report.phase))
        case RoundFinished():
            return _passing(_round_finished(progress), "round")
        case Held():
            held = words.duration(progress.held_seconds)
            return _passing(f"waiting for {held} between two rounds: {progress.reason}", ("held", progress.reason[:20]))
        case _:
            assert_never(progress)


def _said(text: str, tone: Tone, mark: str) -> Saying:
    return Saying(text, text, tone, mark)


def _passing(text: str, subject: Hashable = None) -> Saying:
    return Saying(text, text, mark=INSIDE, lasts=False, subject=subject)


def waiting_for(holder: LockHolder | None) -> str:
    """Say whom a run waits for, without the time."""
    return f"waiting for the lock: {lock_holder.describe(holder)}"


def _run_started(progress: RunStarted) -> Saying:
    steps = words.counted(len(progress.plan.steps), "step")
    verb = "roll back" if progress.plan.direction is Direction.ROLLBACK else "run"
    return Saying(
        f"run {progress.run_id} on database `{progress.database}`: {steps} to {verb}",
        f"run {progress.run_id} on {progress.database}: {steps}",
        Tone.STRONG,
    )


def _run_finished(progress: RunFinished) -> Saying:
    steps = f"{progress.completed:,} of {words.counted(progress.total, 'step')}"
    ending = "failed after" if progress.failed else "completed"
    took = words.duration(progress.duration_seconds)
    return Saying(f"run {progress.run_id} {ending} {steps}, {took}", brief="", tone=Tone.STRONG)


def statement_number(number: int, total: int | None) -> str:
    """Say which of a file's statements it is."""
    return f"statement {number}" + ("" if total is None else f" of {total}")


def _blocked(progress: Blocked) -> str:
    """Say who keeps a statement waiting, or that nobody does any more."""
    waited = words.duration(progress.waited_seconds)
    if not progress.blockers:
        return f"goes on, after waiting {waited} for a lock"
    return f"blocked for {waited}{_queued(progress)} by {'; '.join(map(_blocker, progress.blockers))}"


def _queued(progress: Blocked) -> str:
    """Say how many others wait for what waits."""
    if not progress.queued:
        return ""
    names = listing.quoted(progress.queued_applications, _MOST_APPLICATIONS)
    return f", with {words.counted(progress.queued, 'other')} waiting for it{f' ({names})' if names else ''},"


def _blocker(blocker: Blocker) -> str:
    who, backend = words.backend(blocker.pid, blocker.backend), blocker.backend
    if backend is None:
        return who
    by = f" (which keeps backend {blocker.waiting_pid} waiting)" if blocker.depth else ""
    return f"{who}{by}{f': {backend.query}' if backend.query else ''}"


def _server_reported(progress: ServerReported) -> str:
    """Say how far the server is with a statement."""
    report = progress.report
    relation = f" of {report.relation}" if report.relation else ""
    text = f"{report.command}{relation}: {report.phase}"
    if report.total:
        return f"{text}, {report.fraction or 0:.0%} of {report.total} {report.unit}"
    return f"{text}, {report.done} {report.unit}" if report.done else text


def _round_finished(progress: RoundFinished) -> str:
    """Say how far a batched migration is."""
    of = "" if progress.total is None else f" of about {progress.total:,}"
    left = "" if progress.seconds_left is None else f", {words.duration(progress.seconds_left)} left"
    return f"round {progress.rounds:,}: {progress.rows:,}{of} rows, {progress.rows_per_second:,.0f} rows/s{left}"
