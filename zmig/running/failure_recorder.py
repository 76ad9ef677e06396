"""Records what failed: the connection is made usable again, `failed` is written, and the failure is reported."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import psycopg

from zmig.database import connection as database
from zmig.database import unresponsive, wire
from zmig.errors import ConnectionFailed, MigrationFailed, Problem, ZmigError
from zmig.facts import EventType
from zmig.planning import blocked_by
from zmig.planning.history import ROLLED_BACK_WITH
from zmig.planning.plan import Direction
from zmig.process.interrupts import Interrupted
from zmig.progress import StepFailed
from zmig.running import envelope
from zmig.running.attempt import Fate
from zmig.sql import variables
from zmig.text import secrets
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from zmig.database.connection import Target
    from zmig.planning.blocked_by import PastBlocker
    from zmig.planning.plan import Plan
    from zmig.project.prepare import PreparedStep
    from zmig.running.attempt import Attempt, Failed
    from zmig.running.failure_message import Failure, RunSoFar
    from zmig.running.retry import NextTry
    from zmig.running.run_session import RunSession
    from zmig.running.transport import Transport


class FailureRecorder:
    """Records the failures of one run."""

    def __init__(self, session: RunSession, transport: Transport, plan: Plan, *, target: Target) -> None:
        self._session = session
        self._transport = transport
        self._plan = plan
        self._target = target

    def cancel_in_flight(self) -> None:
        """Make the connection usable again, whatever an exception left under way."""
        with contextlib.suppress(psycopg.Error):
            wire.cancel_in_flight(self._session.connection)

    def is_recorded(self, attempt: Attempt, error: BaseException) -> bool:
        """Whether `done` was committed before an interruption came, which does not say so itself."""
        session = self._session
        status = session.connection.info.transaction_status
        if isinstance(error, Exception) or status is not psycopg.pq.TransactionStatus.IDLE:
            return False
        with contextlib.suppress(psycopg.OperationalError):
            done = envelope.end_type(attempt.step)
            return session.store.is_recorded(session.run, done, attempt.name, attempt=attempt.number)
        return False

    def record(
        self, failed: Failed, *, next_try: NextTry | None, completed: Sequence[str], first_of_all: Attempt | None
    ) -> Problem:
        """Roll back and record a failure; return what it is only if the step is to be tried again.

        `next_try` is the attempt that would follow, if the failure is one that may pass; None where there is none.
        `completed` names what the run has committed. `first_of_all` is the first attempt of those that one transaction
        holds, which ends with the one that failed.

        Raises:
            ConnectionFailed: the connection was lost.
            Interrupted: an interruption ended the attempt.
            MigrationFailed: anything else did.
        """
        from zmig.running import failure_message

        if failed.is_lost:
            raise self._lost(failed, failed.error) from failed.error
        blocked = self._blocked_by(failed)  # before anything else is asked, which would be seen as its work
        found, hint = self._explained(failed)
        problem = failure_message.problem(found, failed, self._run_so_far(completed))
        if hint is not None:
            problem = replace(problem, hint=failure_message.hint_then_again(hint, failed))
        will_retry = found.is_retryable and next_try is not None and failed.fate.is_repeatable
        problem = replace(problem, facts=(*problem.facts, *blocked_by.sentences(blocked)))
        try:
            self._append(failed, found, first_of_all, blocked=blocked, next_try=next_try if will_retry else None)
        except Interrupted as interruption:
            interruption.problem = problem
            raise
        except psycopg.Error as refusal:
            if database.is_lost(self._session.connection, refusal):
                raise self._lost(failed, refusal) from failed.error
            problem, will_retry = self._unrecorded(problem, refusal), False
        attempt, total = failed.attempt, len(self._plan.steps)
        self._session.observer(
            StepFailed(
                attempt.step,
                attempt.position,
                total,
                duration_seconds=failed.seconds,
                problem=problem,
                will_retry=will_retry,
                blocked_by=blocked,
            )
        )
        if not will_retry:
            _raise(failed, problem)
        return problem

    def take_back(self, first_of_all: Attempt, culprit: PreparedStep) -> None:
        """Record that nothing came of the first attempt, on account of a step that never began itself."""
        session = self._session
        with session.interrupts.deferred(), contextlib.suppress(psycopg.Error):
            if session.is_in_transaction:
                session.send("rollback")
            session.send(*session.clean_sql)
            session.send(*self._ended_with_sql(first_of_all, culprit))

    def _blocked_by(self, failed: Failed) -> tuple[PastBlocker, ...]:
        """Return who kept the attempt waiting when it failed."""
        session, attempt = self._session, failed.attempt
        timeout = attempt.step.migration.settings.lock_timeout_seconds
        private = self._privately(attempt)
        return session.blockers.of_failure(
            failed.error, lock_timeout_seconds=timeout, private=lambda text: private(session.redact(text))
        )

    def _run_so_far(self, completed: Sequence[str]) -> RunSoFar:
        from zmig.running.failure_message import RunSoFar

        return RunSoFar(
            direction=self._plan.direction,
            completed=tuple(completed),
            is_embedded=self._target.is_embedded,
            user=self._session.connection.info.user,
        )

    def _explained(self, failed: Failed) -> tuple[Failure, str | None]:
        """Return what an attempt failed by, and what helps against it where zmig itself refused to go on."""
        from zmig.running import causes, failure_message

        session, error = self._session, failed.error
        shown = error if failed.broken is None else ZmigError(session.store.problem(failed.broken))
        found = failure_message.explain(
            shown,
            replace(failed.at, encoding=session.encoding),
            redact=session.redact,
            record_detail=session.record_detail,
            seconds=failed.seconds,
        )
        if isinstance(error, psycopg.Error) and failed.broken is None:
            found = causes.explained(found, error, failed, session=session)
        return found, shown.problems[0].hint if isinstance(shown, ZmigError) else None

    def _unrecorded(self, problem: Problem, refusal: psycopg.Error) -> Problem:
        """Return a failure's problem where not even that it failed could be recorded: without the lock nothing is."""
        session = self._session
        broken = session.store.broken_by(refusal)
        if broken is None:
            fact = f"the failure could not be recorded: {session.redact(str(refusal))}"
            return replace(problem, facts=(*problem.facts, fact))
        cause = session.store.problem(broken)
        facts = (*problem.facts, "that it failed is not recorded")
        if problem.code != cause.code:
            facts = (*facts, cause.message)
        return replace(problem, code=cause.code, facts=facts, hint=cause.hint or problem.hint)

    def _append(
        self,
        failed: Failed,
        found: Failure,
        first_of_all: Attempt | None,
        *,
        blocked: Sequence[PastBlocker],
        next_try: NextTry | None,
    ) -> None:
        session, attempt = self._session, failed.attempt
        with session.interrupts.deferred():
            if session.connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                session.send("rollback")
            # Code may have switched it off; then the fact would be in a transaction that nobody commits.
            session.connection.autocommit = True
            session.send(*session.clean_sql)
            first = () if first_of_all is None else self._ended_with_sql(first_of_all, attempt.prepared)
            fact = self._failed_sql(failed, found.error, blocked=blocked, next_try=next_try)
            # One message is one transaction: of an atomic run either all ends are recorded or none.
            session.send(*first, *self._unrecorded_start(attempt), fact)
            self._transport.recorded()
        if not isinstance(failed.error, KeyboardInterrupt):
            session.interrupts.heed()  # code turned an interruption into an error of its own

    def _unrecorded_start(self, attempt: Attempt) -> Iterable[str]:
        """Return what records that an attempt began, if the server refused its first message as a whole."""
        session = self._session
        started = envelope.begin_type(attempt.step)
        if session.store.is_recorded(session.run, started, attempt.name, attempt=attempt.number):
            return ()
        return envelope.started_sql(session, attempt)

    def _failed_sql(
        self,
        failed: Failed,
        error: dict[str, object],
        *,
        blocked: Sequence[PastBlocker],
        next_try: NextTry | None,
    ) -> str:
        attempt = failed.attempt
        forward = attempt.step.direction is Direction.FORWARD
        if failed.left_behind is not None:
            error = error | {"left_behind": failed.left_behind}
        data = attempt.data(self._session) | {
            "duration_ms": round(failed.seconds * 1000),
            "error": self._private(attempt, error),
            "will_retry": next_try is not None,
            "transactional": attempt.prepared.mode.transactional and failed.fate is not Fate.LEFT_TRANSACTION,
        }
        if failed.refused is not None:
            data["refused"] = failed.refused
        if failed.fate.needs_person:
            data["may_be_partial"] = True
        if blocked:
            data[blocked_by.KEY] = [one.as_dict() for one in blocked]
        if next_try is not None:
            data["next_try"] = next_try.as_dict()
        type = EventType.FAILED if forward else EventType.ROLLBACK_FAILED
        return self._session.store.append_sql(self._session.run, type, attempt.name, data)

    def _ended_with_sql(self, first: Attempt, culprit: PreparedStep) -> tuple[str, ...]:
        """Return what records that nothing came of the first attempt, where it is not the one that failed."""
        session = self._session
        if first.prepared is culprit:
            return ()
        done = envelope.end_type(first.step)
        if session.store.is_recorded(session.run, done, first.name, attempt=first.number):
            return ()  # the one that failed had committed the transaction
        message = f"rolled back with `{culprit.step.migration.name}`, in the same atomic run"
        error: dict[str, object] = {"message": message, "sqlstate": None, "code": ROLLED_BACK_WITH}
        data = first.data(session) | {
            "duration_ms": round(first.seconds * 1000),
            "error": self._private(first, error),
            "will_retry": False,
            "transactional": first.prepared.mode.transactional,
        }
        return (session.store.append_sql(session.run, EventType.FAILED, first.name, data),)

    def _private(self, attempt: Attempt, error: dict[str, object]) -> dict[str, object]:
        """Return an error as it may be stored: variables by name, no value of the environment, no rows unasked for."""
        private = self._privately(attempt)
        words = ("message", "detail", "hint", "context", "query", "left_behind")
        return {
            key: private(value) if key in words and isinstance(value, str) else value for key, value in error.items()
        }

    def _privately(self, attempt: Attempt) -> Callable[[str], str]:
        """Return what makes of a text what of it may be stored."""
        session = self._session
        mask = secrets.of_environment(session.environ, session.environ_before)
        filled, values = attempt.prepared.filled, attempt.step.migration.variables or {}

        def private(text: str) -> str:
            kept = text if session.record_detail else secrets.without_detail(text)
            return mask(kept if filled is None else variables.by_name(kept, filled.source, values))

        return private

    def _lost(self, failed: Failed, error: BaseException) -> ConnectionFailed:
        from zmig.running import failure_message

        effect = failure_message.effect_of_loss(failed)
        if self._transport.may_lose_committed:
            effect += "; if the server itself went down, so may be the last ones before it, each with its facts"
        if isinstance(error, psycopg.Error):
            return database.connection_lost(self._target, error, effect=effect)
        words = unresponsive.NO_ANSWER if isinstance(error, KeyboardInterrupt) else str(error)
        return database.connection_lost(self._target, psycopg.OperationalError(words), effect=effect)


def _raise(failed: Failed, problem: Problem) -> None:
    """Raise what ends a run, for a failure that is recorded."""
    error = failed.error
    if isinstance(error, KeyboardInterrupt):
        interrupted = error if isinstance(error, Interrupted) else Interrupted()
        interrupted.problem = problem
        raise interrupted from None
    if failed.attempt.prepared.is_sql and not isinstance(error, Exception):
        raise error  # an observer's, who wants the program to end
    raise MigrationFailed(problem) from error
