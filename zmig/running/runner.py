"""Runs a plan, step by step, and nothing else.

The lock is held before a runner is made and released by whoever made it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NoReturn

import psycopg

from zmig.database import connection as database
from zmig.errors import MigrationFailed
from zmig.planning.plan import Action, RunResult
from zmig.process.interrupts import Interrupted
from zmig.progress import RunFinished, RunStarted, StepFinished, StepSkipped, StepStarted
from zmig.running import envelope
from zmig.running.attempt import Attempt, Committed, Executed, Failed
from zmig.running.retry import RetryPolicy
from zmig.session import conditions
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zmig.database.connection import Target
    from zmig.planning.plan import Plan, Step
    from zmig.project.prepare import PreparedStep
    from zmig.running.attempt import Execution
    from zmig.running.failure_recorder import FailureRecorder
    from zmig.running.run_session import RunSession
    from zmig.running.scope import TransactionScope
    from zmig.running.transport import Transport


class Runner:
    """One run of one plan over one session."""

    def __init__(
        self,
        session: RunSession,
        transport: Transport,
        scope: TransactionScope,
        failures: FailureRecorder,
        *,
        plan: Plan,
        prepared_steps: Sequence[PreparedStep],
        target: Target,
        observe: Callable[[str], None] | None = None,
    ) -> None:
        """`observe` is called with the last migration, once all is committed, where something was changed."""
        self._session = session
        self._transport = transport
        self._scope = scope
        self._failures = failures
        self._plan = plan
        self._prepared_steps = prepared_steps
        self._target = target
        self._observe = observe
        self._changing: str | None = None
        """The last migration by which the schema may have become another one."""
        self._completed: list[str] = []
        self._skipped: list[str] = []
        self._uncommitted: list[Attempt] = []
        """Attempts that are executed, and commit together with those after them."""

    def run(self) -> RunResult:
        """Run every step.

        Raises:
            MigrationFailed: a step failed; those before it stay as they are.
            ConnectionFailed: the connection was lost.
            Interrupted: a signal or a keyboard interrupt ended the run.
        """
        run, began, succeeded = self._session.run, time.monotonic(), False
        self._session.observer(RunStarted(run.id, self._plan, self._session.connection.info.dbname))
        try:
            for position, prepared in enumerate(self._prepared_steps, start=1):
                self._run_step(prepared, position)
            self._session.interrupts.heed(is_over=True)
            succeeded = True
        except BaseException as error:
            self._session.interrupts.translate(error)  # a request that has ended the run is pursued no further
            if not isinstance(error, Exception):
                self._observe = None  # whoever interrupts a run waits for it to end
            broken = self._session.store.broken_by(error)
            if broken is None:
                raise
            problem = self._session.store.problem(broken, what="the run")
            raise MigrationFailed(replace(problem, effect="what the run completed before stays")) from error
        finally:
            try:
                self._transport.end(self._session)
                self._observe_schema(has_succeeded=succeeded)
            finally:
                seconds, done = time.monotonic() - began, len(self._completed)
                self._session.observer(
                    RunFinished(run.id, done, self._total, duration_seconds=seconds, failed=not succeeded)
                )
        return RunResult(
            run.id,
            self._plan,
            completed=tuple(self._completed),
            skipped=tuple(self._skipped),
            duration_seconds=seconds,
        )

    def _observe_schema(self, *, has_succeeded: bool) -> None:
        """Have the schema recorded, if this run may have changed it; an interruption waits until that is done."""
        if self._observe is None or self._changing is None or database.is_lost(self._session.connection):
            return
        try:
            with self._session.interrupts.deferred():
                self._observe(self._changing)
        except KeyboardInterrupt as error:
            if not has_succeeded:  # the run ends by what has failed
                return
            if not isinstance(error, Interrupted):
                raise
            self._session.interrupts.heed(is_over=True)

    @property
    def _total(self) -> int:
        return len(self._prepared_steps)

    def _run_step(self, prepared: PreparedStep, position: int) -> None:
        """Make attempts at a step until one is executed."""
        if self._has_nothing_to_run(prepared, position):
            return
        retries = RetryPolicy(self._session, self._scope.retry(prepared))
        attempt = Attempt(prepared, prepared.step.attempt, position, is_atomic=self._scope.is_atomic)
        while True:
            self._announce(attempt)
            execution = self._scope.execution(attempt, is_last=position == self._total)
            try:
                execution.run()
            except BaseException as error:
                outcome = self._outcome_of(error, execution, attempt)
            else:
                outcome = Committed() if execution.is_complete else Executed()
            if not isinstance(outcome, Failed):
                self._conclude(attempt, outcome)
                return
            attempt = self._following(outcome, retries)

    def _announce(self, attempt: Attempt) -> None:
        """Report that an attempt begins."""
        step, total, count = attempt.step, self._total, attempt.prepared.count
        if not attempt.prepared.mode.transactional:
            self._changing = attempt.name
        try:
            self._session.observer(StepStarted(step, attempt.position, total, attempt=attempt.number, statements=count))
        except BaseException as error:
            self._end_between_steps(error, attempt.prepared)

    def _outcome_of(self, error: BaseException, execution: Execution, attempt: Attempt) -> Committed | Failed:
        """Return what came of an attempt that raised something; the connection can be used again, or is lost."""
        self._transport.reset()
        self._failures.cancel_in_flight()
        # An error that came after the commit is no failure: the server had completed the step before it was raised.
        if execution.is_complete or self._failures.is_recorded(attempt, error):
            return Committed(interrupt=error)
        return execution.failed(error)

    def _conclude(self, attempt: Attempt, outcome: Committed | Executed) -> None:
        self._uncommitted.append(attempt)
        if isinstance(outcome, Executed):
            return
        self._complete_all()
        if outcome.interrupt is not None:
            raise outcome.interrupt

    def _complete_all(self) -> None:
        """Report the end of what is committed."""
        while self._uncommitted:
            attempt = self._uncommitted.pop(0)
            self._transport.committed()
            self._completed.append(attempt.name)
            self._changing = attempt.name
            self._session.observer(StepFinished(attempt.step, attempt.position, self._total, attempt.seconds))

    def _following(self, failed: Failed, retries: RetryPolicy) -> Attempt:
        """Record a failure, and return the next attempt; raises what ends the run where there is none."""
        first = self._uncommitted[0] if self._uncommitted else None
        next_try = retries.next_try(failed)
        problem = self._failures.record(failed, next_try=next_try, completed=self._completed, first_of_all=first)
        if next_try is None:
            raise AssertionError("a step is tried again that has no attempt left")
        return retries.following(failed, problem, next_try)

    def _has_nothing_to_run(self, prepared: PreparedStep, position: int) -> bool:
        """Go on to a step; return whether it is over already, since none of its statements or code is to be run."""
        try:
            self._session.interrupts.heed()
            self._transport.start(position - 1)
            if prepared.step.action is Action.RECORD_END:
                self._record_unended(prepared, position)
            elif prepared.step.action is Action.CHECK and not self._is_due(prepared.step):
                self._skip(prepared, position)
            else:
                return False
            if position == self._total:
                self._scope.finish()
                self._complete_all()
            return True
        except BaseException as error:
            self._end_between_steps(error, prepared)

    def _end_between_steps(self, error: BaseException, culprit: PreparedStep) -> NoReturn:
        """End the run at a step that did not begin; what is executed and not committed ends with it."""
        if not self._uncommitted:
            raise error
        self._failures.cancel_in_flight()
        if self._scope.is_committed or self._failures.is_recorded(self._uncommitted[-1], error):
            self._complete_all()
            raise error
        meant = self._session.interrupts.translate(error)
        if not database.is_lost(self._session.connection, error):
            self._failures.take_back(self._uncommitted[0], culprit)
        with database.translated(self._target):
            raise meant

    def _is_due(self, step: Step) -> bool:
        """Ask a repeatable whose turn has come, in a session as it was before the migrations of this run."""
        session = self._session
        self._scope.reset_session()
        try:
            return conditions.is_due(session.connection, step.migration, step.last_run, run_id=session.run.id)
        except MigrationFailed as error:
            if isinstance(error.__cause__, psycopg.Error) and database.is_lost(session.connection, error.__cause__):
                raise database.connection_lost(self._target, error.__cause__, effect="it was not run") from error
            raise

    def _record_unended(self, prepared: PreparedStep, position: int) -> None:
        """Record the end of a rollback that never ended and changed nothing."""
        step, session = prepared.step, self._session
        if step.unended is None:
            raise AssertionError(f"the rollback of {step.migration.name} has ended")
        attempt = Attempt(prepared, step.unended.integer("attempt") or 1)
        session.observer(StepStarted(step, position, self._total, attempt=attempt.number, statements=None))
        with session.interrupts.deferred():
            self._scope.reset_session()
            session.send(envelope.unended_sql(session, step, step.unended))
        session.observer(StepFinished(step, position, self._total, attempt.seconds))

    def _skip(self, prepared: PreparedStep, position: int) -> None:
        """Leave out a repeatable that is not due."""
        self._skipped.append(prepared.step.migration.name)
        self._session.observer(StepSkipped(prepared.step, position, self._total, "not due"))
