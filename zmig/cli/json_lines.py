"""A run as lines of JSON on stderr, one for each progress, where the command's result is JSON too."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, assert_never

from zmig.cli import documents
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

if TYPE_CHECKING:
    from zmig.cli.output import Output
    from zmig.database.activity import Backend, Blocker
    from zmig.database.lock_holder import LockHolder
    from zmig.planning.plan import Step
    from zmig.progress import Progress

Document = dict[str, object]


class JsonLines:
    """An observer that writes each progress as one JSON object on a line of its own."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def __call__(self, progress: Progress) -> None:
        """Write a progress."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._output.note_document({"progress": _name(progress), "at": now, **of(progress)})


def _name(progress: Progress) -> str:
    """Return the progress's type as words joined by hyphens."""
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in type(progress).__name__)[1:]


def of(progress: Progress) -> Document:
    """Return what a progress holds."""
    match progress:
        case RunStarted():
            steps = [_step(step) for step in progress.plan.steps]
            return {"run_id": progress.run_id, "database": progress.database, "steps": steps}
        case RunFinished():
            return {
                "run_id": progress.run_id,
                "completed": progress.completed,
                "total": progress.total,
                "duration_seconds": round(progress.duration_seconds, 3),
                "failed": progress.failed,
            }
        case LockWaiting():
            return {"holder": _holder(progress.holder), "waited_seconds": round(progress.waited_seconds, 3)}
        case Notice():
            return {
                "severity": progress.severity,
                "message": progress.message,
                "detail": progress.detail,
                "hint": progress.hint,
            }
        case _:
            return {"step": _step(progress.step), **_of_step(progress)}


def _of_step(
    progress: StepStarted
    | StepFinished
    | StepSkipped
    | StepFailed
    | RetryScheduled
    | StatementStarted
    | StatementFinished
    | Reported
    | Blocked
    | ServerReported
    | RoundFinished
    | Held,
) -> Document:
    match progress:
        case StepStarted():
            return _place(progress) | {"attempt": progress.attempt, "statements": progress.statements}
        case StepFinished():
            return _place(progress) | {"duration_seconds": round(progress.duration_seconds, 3)}
        case StepSkipped():
            return _place(progress) | {"reason": progress.reason}
        case StepFailed():
            seconds = round(progress.duration_seconds, 3)
            problem = documents.of_problem(progress.problem)
            return _place(progress) | {
                "duration_seconds": seconds,
                "error": problem,
                "will_retry": progress.will_retry,
            }
        case RetryScheduled():
            pause = round(progress.delay_seconds, 3)
            return {"attempt": progress.attempt, "attempts": progress.attempts, "delay_seconds": pause}
        case _:
            return _of_statement(progress)


def _of_statement(
    progress: StatementStarted | StatementFinished | Reported | Blocked | ServerReported | RoundFinished | Held,
) -> Document:
    match progress:
        case StatementStarted():
            return _place(progress) | {"line": progress.line, "text": progress.text}
        case StatementFinished():
            return _place(progress) | {"rows": progress.rows, "duration_seconds": round(progress.duration_seconds, 3)}
        case Reported():
            return {"message": progress.message, "done": progress.done, "total": progress.total}
        case Blocked():
            waited = round(progress.waited_seconds, 3)
            return {"waited_seconds": waited, "blockers": [_blocker(one) for one in progress.blockers]}
        case RoundFinished():
            left = progress.seconds_left
            return {
                "rounds": progress.rounds,
                "rows": progress.rows,
                "total": progress.total,
                "rows_per_second": round(progress.rows_per_second, 1),
                "seconds_left": None if left is None else round(left, 1),
            }
        case Held():
            return {"reason": progress.reason, "held_seconds": round(progress.held_seconds, 3)}
        case ServerReported(report=report):
            return {
                "seconds": round(progress.seconds, 3),
                "command": report.command,
                "phase": report.phase,
                "relation": report.relation,
                "done": report.done,
                "total": report.total,
                "unit": report.unit,
            }
        case _:
            assert_never(progress)


def _place(
    progress: StepStarted | StepFinished | StepSkipped | StepFailed | StatementStarted | StatementFinished,
) -> Document:
    return {"number": progress.number, "total": progress.total}


def _step(step: Step) -> Document:
    return {"version": step.migration.version, "name": step.migration.name, "action": step.action.value}


def _holder(holder: LockHolder | None) -> Document | None:
    if holder is None:
        return None
    return {
        "pid": holder.pid,
        "application_name": holder.application_name,
        "database_user": holder.database_user,
        "host": holder.host,
        "since": _moment(holder.since),
        "migration": holder.migration,
    }


def _blocker(blocker: Blocker) -> Document:
    return {
        "depth": blocker.depth,
        "pid": blocker.pid,
        "waiting_pid": blocker.waiting_pid,
        **({} if blocker.backend is None else _backend(blocker.backend)),
    }


def _backend(backend: Backend) -> Document:
    return {
        "application_name": backend.application_name,
        "database_user": backend.database_user,
        "host": backend.host,
        "state": backend.state,
        "since": _moment(backend.since),
        "query": backend.query,
    }


def _moment(value: datetime | None) -> str | None:
    return value.isoformat() if value is not None else None
