"""Runs all steps of a plan in one transaction: everything is applied, or nothing.

`started` facts must be visible while the transaction is open, so a second connection appends them; the lock and
the work stay on the working connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig import database, record, transaction
from zmig.errors import PlanRefused, Problem
from zmig.events import EventType
from zmig.plan import Action
from zmig.progress import StepFinished, StepStarted
from zmig.runner import Runner
from zmig.session import Attempt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig.database import Connection
    from zmig.prepare import Work


def check(works: Sequence[Work]) -> None:
    """Make sure that every step can run in one transaction.

    Raises:
        PlanRefused: with every step that cannot.
    """
    problems = [
        Problem(
            "atomic-impossible",
            f"migration `{work.step.migration.name}` cannot run in a transaction with the others: {work.mode.reason}",
            location=work.step.migration.declared_at,
            effect="nothing was run",
            hint=f"apply up to the version before it with `--to {work.step.migration.version - 1} --atomic`, "
            "then apply without `--atomic`",
        )
        for work in works
        if not work.mode.transactional
    ]
    if problems:
        raise PlanRefused(*problems)


class AtomicRunner(Runner):
    """One run of one plan in one transaction; nothing is retried."""

    def _run_steps(self) -> None:
        attempts: list[Attempt] = []
        with database.connect(self.target, application_name=self.session.run.application_name) as witness:
            try:
                self._run_in_one_transaction(attempts, witness)
            except BaseException as error:
                self._fail_all(attempts, error)
        for number, attempt in enumerate(attempts, start=1):
            self.completed.append(attempt.step.migration.name)
            self.session.observer(StepFinished(attempt.step, number, len(self.works), attempt.seconds))

    def _run_in_one_transaction(self, attempts: list[Attempt], witness: Connection) -> None:
        self.session.send("begin", self.session.lock.mark_sql)
        for number, work in enumerate(self.works, start=1):
            if work.step.action is Action.SETTLE:
                self.settle(work, number)
                continue
            if work.step.action is Action.CHECK and not self.is_due(work.step):
                self.skip(work, number)
                continue
            attempt = Attempt(work, work.step.attempt)
            self.session.observer(StepStarted(work.step, number, len(self.works), attempt.number, work.count))
            with self.session.interrupts.deferred():
                attempts.append(attempt)
                for fact in record.started_sql(self.session, attempt):
                    witness.execute(fact)
                self.session.send(*self.reset_sql, *transaction.limits_sql(attempt))
            transaction.run_body(self.session, attempt)
            with self.session.interrupts.deferred():
                attempt.running = None
                self.session.send(*transaction.closing_sql(self.session, attempt))
        with self.session.interrupts.deferred():
            if attempts:
                attempts[-1].at_commit = True
            self.session.send("commit")

    @property
    def reset_sql(self) -> tuple[str, ...]:
        """The statements that bring the session back to zmig's own settings inside the transaction."""
        return database.reset_sql(self.session.server_version, self.session.run.application_name)

    def clean(self) -> None:
        """Bring the session back to zmig's own settings, inside the transaction."""
        self.session.send(*self.reset_sql)

    def _fail_all(self, attempts: Sequence[Attempt], error: BaseException) -> None:
        """Record every started step as failed, the one that raised last of all, and raise for it."""
        if not attempts:
            raise error
        if database.is_lost(self.session.connection, error):
            self.fail(attempts[-1], len(attempts), error, may_retry=False)
        culprit = attempts[-1].step.migration.name
        with self.session.interrupts.deferred():
            self.session.send("rollback")
            for attempt in attempts[:-1]:
                data = attempt.data(self.session) | {
                    "error": {"message": f"rolled back with `{culprit}`, in the same atomic run", "sqlstate": None},
                    "will_retry": False,
                    "transactional": True,
                }
                fact = self.session.store.append_sql(
                    self.session.run, EventType.FAILED, attempt.step.migration.name, data
                )
                self.session.send(fact)
        self.fail(attempts[-1], len(attempts), error, may_retry=False)

    def effect(self, attempt: Attempt, promise: Problem | None) -> str:
        """Say what an atomic run leaves behind when it fails."""
        own = super().effect(attempt, promise)
        return own if promise is not None else f"{own}, and neither did any other step of this run"
