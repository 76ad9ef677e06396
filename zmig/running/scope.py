"""Which transaction the steps of a run are in: one of each step's own, or one for all.

That a run is at work must be visible while its transaction is open, and whatever writes a fact must hold the run's
lock. So a run in one transaction commits the first step's `started` before it opens that; those of the others are
written in it, when their turn comes, and become visible with everything else. Which one is at work meanwhile, the
session's application name says, which others see at once. If it fails, it is recorded that nothing came of the first
step, and which step failed; the others never began, as far as facts say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from zmig.database.lock_holder import working_on
from zmig.errors import PlanRefused, Problem
from zmig.model import Retry
from zmig.planning.plan import Refusal
from zmig.running import envelope
from zmig.running.transactional import Transactional, run_body, script_failed
from zmig.running.transport import Script

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.project.prepare import PreparedStep
    from zmig.running.attempt import Attempt, Execution, Failed
    from zmig.running.run_session import RunSession
    from zmig.running.transport import Transport


class TransactionScope(Protocol):
    """Begins and commits the transactions of a run."""

    is_atomic: bool
    """Whether all steps are in one transaction."""

    @property
    def is_committed(self) -> bool:
        """Whether the one transaction of all steps is committed."""
        ...

    def retry(self, prepared: PreparedStep) -> Retry:
        """Return how often a step is tried."""
        ...

    def execution(self, attempt: Attempt, *, is_last: bool) -> Execution:
        """Return an attempt, ready to be run; `is_last` says that it is the last step of the plan."""
        ...

    def reset_session(self) -> None:
        """Bring the session back to zmig's own settings, between two steps."""
        ...

    def finish(self) -> None:
        """Commit what the steps before have left open; the last step of the plan had nothing to run."""
        ...


class PerStep:
    """Each step has transactions of its own: one, or one for each of its statements or rounds."""

    is_atomic = False
    is_committed = False

    def __init__(self, session: RunSession, transport: Transport) -> None:
        self._session = session
        self._transport = transport

    def retry(self, prepared: PreparedStep) -> Retry:
        """Return what the manifest says."""
        return prepared.step.migration.settings.retry

    def execution(self, attempt: Attempt, *, is_last: bool) -> Execution:
        """Return an attempt at a step by itself."""
        prepared = attempt.prepared
        if prepared.batch is not None:
            from zmig.running.batched import Batched

            return Batched(self._session, attempt, prepared.batch)
        if prepared.mode.transactional:
            return Transactional(self._session, attempt, self._transport)
        from zmig.running.statementwise import CodeOutside, Statementwise

        return (Statementwise if prepared.is_sql else CodeOutside)(self._session, attempt)

    def reset_session(self) -> None:
        """Bring the session back to zmig's own settings."""
        self._session.send(*self._session.clean_sql)

    def finish(self) -> None:
        """Every step has committed."""


class WholePlan:
    """All steps are in one transaction: everything is applied, or nothing. Nothing is retried."""

    is_atomic = True

    def __init__(self, session: RunSession) -> None:
        self._session = session
        self._has_begun = False
        self.is_committed = False

    def retry(self, prepared: PreparedStep) -> Retry:
        """Return that there is one attempt."""
        return Retry(attempts=1)

    def execution(self, attempt: Attempt, *, is_last: bool) -> Execution:
        """Return an attempt in the transaction of all."""
        return _StepOfPlan(self, self._session, attempt, is_last=is_last)

    def begin(self, attempt: Attempt) -> None:
        """Record `started`: before the transaction opens for the first step, in it for the others."""
        session = self._session
        with session.interrupts.deferred():
            if not self._has_begun:
                self._has_begun = True
                session.send(*envelope.opening_sql(session, attempt))
            else:
                name = working_on(session.run.application_name, attempt.step.migration.version)
                reset, started = session.server.reset_inside_sql(name), envelope.started_sql(session, attempt)
                session.send(*reset, *started, *envelope.limits_sql(attempt))

    def commit(self) -> None:
        """Commit everything."""
        with self._session.interrupts.deferred():
            self._session.send("commit")
            self.is_committed = True

    def reset_session(self) -> None:
        """Bring the session back to zmig's own settings, inside the transaction."""
        self._session.send(*self._session.server.reset_inside_sql(self._session.run.application_name))

    def finish(self) -> None:
        """Commit, unless nothing was to be run."""
        if self._session.is_in_transaction:
            self.commit()


class _StepOfPlan:
    """One attempt at a step in the transaction of all."""

    def __init__(self, scope: WholePlan, session: RunSession, attempt: Attempt, *, is_last: bool) -> None:
        self._scope = scope
        self._session = session
        self._attempt = attempt
        self._is_last = is_last
        self._script = Script(session, attempt)

    @property
    def is_complete(self) -> bool:
        """Whether the transaction is committed."""
        return self._scope.is_committed

    def run(self) -> None:
        """Execute the step; the last one commits all of them."""
        session, attempt = self._session, self._attempt
        self._scope.begin(attempt)
        run_body(self._script)
        session.interrupts.heed()
        self._script.close(envelope.closing_sql(session, attempt, seconds=attempt.seconds), commits=False)
        if self._is_last:
            self._scope.commit()

    def failed(self, error: BaseException) -> Failed:
        """Return what an error left of it: the server rolls everything back, unless it had the commit already."""
        return script_failed(self._script, error)


def check(prepared_steps: Sequence[PreparedStep]) -> None:
    """Make sure that every step can run in one transaction.

    Raises:
        PlanRefused: with every step that cannot.
    """
    problems = [refusal.problem for refusal in refusals(prepared_steps)]
    if problems:
        raise PlanRefused(*problems)


def refusals(prepared_steps: Sequence[PreparedStep]) -> Iterator[Refusal]:
    """Yield what forbids running these steps in one transaction."""
    before: PreparedStep | None = None
    is_first = True
    for prepared in prepared_steps:
        if not prepared.mode.transactional:
            migration = prepared.step.migration
            yield Refusal(migration.version, migration.name, _impossible(prepared, before if is_first else None))
            is_first = False
        before = prepared


def _impossible(prepared: PreparedStep, before: PreparedStep | None) -> Problem:
    name = prepared.step.migration.name
    hint = "apply without `--atomic`"
    if before is not None:
        hint = f"apply what comes before it with `--to {before.step.migration.version} --atomic`, then the rest without"
    return Problem(
        "atomic-impossible",
        f"migration `{name}` cannot run in a transaction with the others: {prepared.mode.reason}",
        location=prepared.step.migration.declared_at,
        effect="nothing was run",
        hint=hint,
    )
