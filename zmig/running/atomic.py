"""Runs all steps of a plan in one transaction: everything is applied, or nothing.

That a run is at work must be visible while its transaction is open, and whatever writes a fact must hold the run's
lock. So the working session commits the first step's `started` before it opens the transaction; those of the others
are written in it, when their turn comes, and become visible with everything else. Which one is at work meanwhile, the
session's application name tells, which others see at once. If it fails, it is recorded that nothing came of the first
step, and which step failed; the others never began, as far as facts tell.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import psycopg

from zmig.database import connection as database
from zmig.database.lock_holder import working_on
from zmig.errors import PlanRefused, Problem
from zmig.facts import EventType
from zmig.hints import Hint, run
from zmig.planning.history import ROLLED_BACK_WITH
from zmig.planning.plan import Action, Refusal
from zmig.progress import StepStarted
from zmig.running import envelope, transactional
from zmig.running.runner import Runner
from zmig.running.session import Attempt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from zmig.hints import SuggestedCommand
    from zmig.project.prepare import PreparedStep
    from zmig.running.failure import Failure


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
        hint = (
            f"apply what stands before it with `--to {before.step.migration.version} --atomic`, then the rest without"
        )
    return Problem(
        "atomic-impossible",
        f"migration `{name}` cannot run in a transaction with the others: {prepared.mode.reason}",
        location=prepared.step.migration.declared_at,
        effect="nothing was run",
        hint=hint,
    )


class AtomicRunner(Runner):
    """One run of one plan in one transaction; nothing is retried."""

    _announced: Attempt | None = None
    """The first attempt, whose start was recorded before the transaction began."""
    _is_committed = False

    def _run_steps(self) -> None:
        attempts: dict[int, Attempt] = {}
        for number, prepared in enumerate(self.prepared_steps, start=1):
            try:
                self._run_step(number, prepared, attempts)
                if number == len(self.prepared_steps) and self.session.is_in_transaction:
                    self._commit()
            except BaseException as error:
                self._end(number, prepared, attempts, error)
        self._complete_all(attempts)

    def _run_step(self, number: int, prepared: PreparedStep, attempts: dict[int, Attempt]) -> None:
        if prepared.step.action is Action.SETTLE:
            self.record_unended(prepared, number)
            return
        if prepared.step.action is Action.CHECK and not self.is_due(prepared.step):
            self.skip(prepared, number)
            return
        attempt = Attempt(prepared, prepared.step.attempt, is_atomic=True)
        self.session.observer(
            StepStarted(prepared.step, number, len(self.prepared_steps), attempt.number, prepared.count)
        )
        with self.session.interrupts.deferred():
            attempts[number] = attempt
            if self._announced is None:
                self._announced = attempt
                self.session.send(*envelope.opening_sql(self.session, attempt))
            else:
                started = envelope.started_sql(self.session, attempt)
                name = working_on(self.session.run.application_name, prepared.step.migration.version)
                self.session.send(*self.session.server.reset_inside_sql(name), *started, *envelope.limits_sql(attempt))
        transactional.run_body(self.session, attempt)
        transactional.check_condition(self.session, attempt)
        self.session.interrupts.heed()
        with self.session.interrupts.deferred():
            attempt.running, attempt.at_commit = None, True
            self.session.send(*envelope.closing_sql(self.session, attempt))

    def _commit(self) -> None:
        with self.session.interrupts.deferred():
            self.session.send("commit")
            self._is_committed = True

    def _complete_all(self, attempts: Mapping[int, Attempt]) -> None:
        for number, attempt in attempts.items():
            self._complete(attempt, number)

    @property
    def reset_sql(self) -> tuple[str, ...]:
        """The statements that bring the session back to zmig's own settings inside the transaction."""
        return self.session.server.reset_inside_sql(self.session.run.application_name)

    def reset_session(self) -> None:
        """Bring the session back to zmig's own settings, inside the transaction."""
        self.session.send(*self.reset_sql)

    def _end(self, number: int, prepared: PreparedStep, attempts: dict[int, Attempt], error: BaseException) -> None:
        """Record what failed, and that nothing came of what was announced, and raise for it.

        Should only an interruption have come behind the commit, all steps are complete.
        """
        self.cancel_in_flight()
        if self._is_committed or (attempts and self._is_recorded([*attempts.values()][-1], error)):
            self._complete_all(attempts)
            raise error
        meant = self.session.interrupts.translate(error)
        attempt = attempts.get(number)
        if attempt is not None:
            self.fail(attempt, number, meant, may_retry=False)
        elif not database.is_lost(self.session.connection, error):
            self._take_back(prepared)
        with database.translated(self.target):
            raise meant

    def _take_back(self, culprit: PreparedStep) -> None:
        """Record that nothing came of what was announced, on account of a step that never began itself."""
        session = self.session
        with session.interrupts.deferred(), contextlib.suppress(psycopg.Error):
            if session.is_in_transaction:
                session.send("rollback")
            session.send(*session.clean_sql)
            session.send(*self._others_sql(culprit))

    def _others_sql(self, culprit: PreparedStep) -> Iterable[str]:
        """Yield what ends the step that was announced, where it is not the one that failed and did not end."""
        announced, session = self._announced, self.session
        if announced is None or announced.prepared is culprit:
            return
        name, done = announced.step.migration.name, envelope.end_type(announced.step)
        if session.store.is_recorded(session.run, done, name, attempt=announced.number):
            return  # the one that failed had committed the transaction
        message = f"rolled back with `{culprit.step.migration.name}`, in the same atomic run"
        error: dict[str, object] = {"message": message, "sqlstate": None, "code": ROLLED_BACK_WITH}
        yield self._failed_sql(announced, EventType.FAILED, error, will_retry=False)

    def effect(self, attempt: Attempt) -> str:
        """Say what an atomic run leaves behind when it fails."""
        if attempt.left_transaction:
            return f"not rolled back: what this run committed up to `{attempt.step.migration.name}` stays"
        return f"{super().effect(attempt)}, and neither did any other step of this run"

    def _again(self, attempt: Attempt) -> SuggestedCommand:
        return run("apply", "--atomic")

    def _hint(self, attempt: Attempt, found: Failure) -> str:
        if found.needs_no_transaction:
            return Hint(run("apply"), " without `--atomic`")
        return super()._hint(attempt, found)
