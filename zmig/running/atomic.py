"""Runs all steps of a plan in one transaction: everything is applied, or nothing.

`started` facts must be visible while the transaction is open, so a second connection appends them; the lock and
the work stay on the working connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from zmig.database import connection as database
from zmig.errors import PlanRefused, Problem
from zmig.events import EventType
from zmig.planning.plan import Action
from zmig.planning.refusal import Refusal
from zmig.progress import StepStarted
from zmig.running import bookkeeping, record, transaction
from zmig.running.runner import Runner
from zmig.running.session import Attempt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zmig.database.connection import Connection
    from zmig.running.failure import Failure
    from zmig.running.prepare import Work


def check(works: Sequence[Work]) -> None:
    """Make sure that every step can run in one transaction.

    Raises:
        PlanRefused: with every step that cannot.
    """
    problems = [refusal.problem for refusal in refusals(works)]
    if problems:
        raise PlanRefused(*problems)


def refusals(works: Sequence[Work]) -> Iterator[Refusal]:
    """Yield what forbids running these steps in one transaction."""
    before: Work | None = None
    is_first = True
    for work in works:
        if not work.mode.transactional:
            migration = work.step.migration
            yield Refusal(migration.version, migration.name, _impossible(work, before if is_first else None))
            is_first = False
        before = work


def _impossible(work: Work, before: Work | None) -> Problem:
    name = work.step.migration.name
    hint = "apply without `--atomic`"
    if before is not None:
        hint = (
            f"apply what stands before it with `--to {before.step.migration.version} --atomic`, then the rest without"
        )
    return Problem(
        "atomic-impossible",
        f"migration `{name}` cannot run in a transaction with the others: {work.mode.reason}",
        location=work.step.migration.declared_at,
        effect="nothing was run",
        hint=hint,
    )


class AtomicRunner(Runner):
    """One run of one plan in one transaction; nothing is retried."""

    def _run_steps(self) -> None:
        attempts: dict[int, Attempt] = {}
        with database.connect(self.target, application_name=self.session.run.application_name) as witness:
            for number, work in enumerate(self.works, start=1):
                try:
                    if number == 1:
                        self.session.send("begin", self.session.lock.mark_sql)
                    self._run_step(number, work, attempts, witness)
                    if number == len(self.works):
                        self._commit(attempts.get(number))
                except BaseException as error:
                    self._end(number, work, attempts, error)
        self._complete_all(attempts)

    def _run_step(self, number: int, work: Work, attempts: dict[int, Attempt], witness: Connection) -> None:
        if work.step.action is Action.SETTLE:
            self.settle(work, number)
            return
        if work.step.action is Action.CHECK and not self.is_due(work.step):
            self.skip(work, number)
            return
        attempt = Attempt(work, work.step.attempt)
        self.session.observer(StepStarted(work.step, number, len(self.works), attempt.number, work.count))
        with self.session.interrupts.deferred():
            attempts[number] = attempt
            for fact in record.started_sql(self.session, attempt):
                witness.execute(fact.encode())
            self.session.send(*self.reset_sql, *bookkeeping.limits_sql(attempt))
        transaction.run_body(self.session, attempt)
        self.session.interrupts.heed()
        with self.session.interrupts.deferred():
            attempt.running, attempt.at_commit = None, True
            self.session.send(*bookkeeping.closing_sql(self.session, attempt))

    def _commit(self, last: Attempt | None) -> None:
        with self.session.interrupts.deferred():
            self.session.send("commit")
            if last is not None:
                last.is_complete = True

    def _complete_all(self, attempts: Mapping[int, Attempt]) -> None:
        for number, attempt in attempts.items():
            self._complete(attempt, number)

    @property
    def reset_sql(self) -> tuple[str, ...]:
        """The statements that bring the session back to zmig's own settings inside the transaction."""
        server = self.session.server
        return (*server.settings_stay_sql, *server.reset_sql(self.session.run.application_name))

    def clean(self) -> None:
        """Bring the session back to zmig's own settings, inside the transaction."""
        self.session.send(*self.reset_sql)

    def _end(self, number: int, work: Work, attempts: dict[int, Attempt], error: BaseException) -> None:
        """Record every started step as failed, the one that raised last of all, and raise for it.

        Should only an interruption have come behind the commit, all steps are complete.
        """
        self.quieten()
        last = attempts.get(number)
        if last is not None and (last.is_complete or self._is_recorded(last, error)):
            self._complete_all(attempts)
            raise error
        meant = self.session.interrupts.meaning(error)
        if not database.is_lost(self.session.connection, error):
            if last is not None:
                last.has_escaped = self._has_escaped(last, record.broken_promise(error))
            others = [attempt for attempt in attempts.values() if attempt is not last]
            self._record_others(others, work.step.migration.name, has_escaped=last is not None and last.has_escaped)
        if last is not None:
            self.fail(last, number, meant, may_retry=False)
        with database.translated(self.target):
            raise meant

    def _record_others(self, attempts: Sequence[Attempt], culprit: str, *, has_escaped: bool) -> None:
        message = f"rolled back with `{culprit}`, in the same atomic run"
        if has_escaped:
            message = f"`{culprit}` ended the transaction of the atomic run, so this may be committed"
        error: dict[str, object] = {"message": message, "sqlstate": None}
        with self.session.interrupts.deferred():
            if self.session.connection.info.transaction_status is not psycopg.pq.TransactionStatus.IDLE:
                self.session.send("rollback")
            for attempt in attempts:
                attempt.has_escaped = has_escaped
                self.session.send(self._failed_sql(attempt, EventType.FAILED, error, will_retry=False))

    def effect(self, attempt: Attempt) -> str:
        """Say what an atomic run leaves behind when it fails."""
        if attempt.has_escaped:
            return f"not rolled back: what this run committed up to `{attempt.step.migration.name}` stays"
        return f"{super().effect(attempt)}, and neither did any other step of this run"

    def _hint(self, attempt: Attempt, found: Failure) -> str:
        if found.needs_no_transaction:
            return f"run `{self.invocation.command('apply')}` without `--atomic`"
        return super()._hint(attempt, found)
