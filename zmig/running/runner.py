"""Runs a plan, step by step, and nothing else: retries what may be retried, records every failure.

The lock is held before a runner is made and released by whoever made it.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
from psycopg.rows import tuple_row

from zmig.database import connection as database
from zmig.database import unresponsive, wire
from zmig.database.invariants import Broken
from zmig.database.table_definitions import EVENTS
from zmig.errors import ConnectionFailed, MigrationFailed, Problem, ZmigError
from zmig.facts import EventType
from zmig.hints import Hint, command, run
from zmig.planning.plan import Action, Direction, RunResult
from zmig.process.interrupts import Interrupted
from zmig.progress import (
    RetryScheduled,
    RunFinished,
    RunStarted,
    StepFailed,
    StepFinished,
    StepSkipped,
    StepStarted,
)
from zmig.running import envelope, execute
from zmig.running.session import Attempt, RunSession
from zmig.session import conditions
from zmig.sql import transaction_rules, variables
from zmig.text import secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zmig.batches.batch import Reached
    from zmig.database.connection import Target
    from zmig.hints import SuggestedCommand
    from zmig.planning.plan import Plan, Step
    from zmig.project.prepare import PreparedStep
    from zmig.running.failure import Failure
    from zmig.running.group_commit import GroupCommit

_DEPENDED_ON = "2BP01"
"""dependent_objects_still_exist: https://www.postgresql.org/docs/current/errcodes-appendix.html."""


class Runner:
    """One run of one plan over one session."""

    def __init__(
        self,
        session: RunSession,
        group_commit: GroupCommit,
        plan: Plan,
        prepared_steps: Sequence[PreparedStep],
        *,
        target: Target,
    ) -> None:
        self.session = session
        self.group_commit = group_commit
        self.plan = plan
        self.prepared_steps = prepared_steps
        self.target = target
        self.completed: list[str] = []
        self.skipped: list[str] = []
        self._began = time.monotonic()

    def run(self) -> RunResult:
        """Run every step.

        Raises:
            MigrationFailed: a step failed; those before it stay as they are.
            ConnectionFailed: the connection was lost.
            Interrupted: a signal or a keyboard interrupt ended the run.
        """
        run = self.session.run
        self.session.observer(RunStarted(run.id, self.plan, self.session.connection.info.dbname))
        succeeded = False
        try:
            self._run_steps()
            succeeded = True
        except BaseException as error:
            self.session.interrupts.translate(error)  # a request that has ended the run is pursued no further
            broken = self.session.store.broken_by(error)
            if broken is None:
                raise
            problem = self.session.store.problem(broken, what="the run")
            raise MigrationFailed(replace(problem, effect="what the run completed before stays")) from error
        finally:
            try:
                self.group_commit.end(self.session)
            finally:
                seconds = time.monotonic() - self._began
                done, total = len(self.completed), len(self.prepared_steps)
                self.session.observer(RunFinished(run.id, done, total, seconds, failed=not succeeded))
        return RunResult(run.id, self.plan, tuple(self.completed), tuple(self.skipped), seconds)

    def _run_steps(self) -> None:
        for number, prepared in enumerate(self.prepared_steps, start=1):
            self.session.interrupts.heed()
            self.group_commit.start(number - 1)
            if prepared.step.action is Action.SETTLE:
                self.record_unended(prepared, number)
            elif prepared.step.action is Action.CHECK and not self.is_due(prepared.step):
                self.skip(prepared, number)
            else:
                self._run_with_retries(prepared, number)
        self.session.interrupts.heed(is_over=True)

    def is_due(self, step: Step) -> bool:
        """Ask a repeatable whose turn has come, in a session as it was before the migrations of this run."""
        self.reset_session()
        session = self.session
        try:
            return conditions.is_due(session.connection, step.migration, step.last_run, run_id=session.run.id)
        except MigrationFailed as error:
            if isinstance(error.__cause__, psycopg.Error) and database.is_lost(session.connection, error.__cause__):
                raise database.connection_lost(self.target, error.__cause__, effect="it was not run") from error
            raise

    def reset_session(self) -> None:
        """Bring the session back to zmig's own settings."""
        self.session.send(*self.session.clean_sql)

    def record_unended(self, prepared: PreparedStep, number: int) -> None:
        """Record the end of a rollback that never ended and changed nothing."""
        step = prepared.step
        if step.unended is None:
            raise AssertionError(f"the rollback of {step.migration.name} has ended")
        attempt = Attempt(prepared, step.unended.integer("attempt") or 1)
        self.session.observer(StepStarted(step, number, len(self.prepared_steps), attempt.number, None))
        with self.session.interrupts.deferred():
            self.reset_session()
            self.session.send(envelope.unended_sql(self.session, step, step.unended))
        self.session.observer(StepFinished(step, number, len(self.prepared_steps), attempt.seconds))

    def skip(self, prepared: PreparedStep, number: int) -> None:
        """Leave out a repeatable that is not due."""
        self.skipped.append(prepared.step.migration.name)
        self.session.observer(StepSkipped(prepared.step, number, len(self.prepared_steps), "not due"))

    def _run_with_retries(self, prepared: PreparedStep, number: int) -> None:
        retry = prepared.step.migration.settings.retry
        tries = 0
        for number_of_attempt in itertools.count(prepared.step.attempt):
            tries += 1
            attempt = Attempt(prepared, number_of_attempt)
            self.session.observer(
                StepStarted(prepared.step, number, len(self.prepared_steps), attempt.number, prepared.count)
            )
            try:
                execute.execute(self.session, self.group_commit, attempt)
            except BaseException as error:
                self.group_commit.reset()
                self.cancel_in_flight()
                if attempt.is_complete or self._is_recorded(attempt, error):
                    self._complete(attempt, number)
                    raise
                meant = self.session.interrupts.translate(error)
                tries = 1 if _has_advanced(prepared, attempt) else tries
                problem = self.fail(attempt, number, meant, may_retry=tries < retry.attempts)
                self._pause(prepared.step, tries, problem)
                prepared = _continued(prepared, attempt)
            else:
                self._complete(attempt, number)
                return

    def cancel_in_flight(self) -> None:
        """Make the connection usable again, whatever an exception left under way."""
        with contextlib.suppress(psycopg.Error):
            wire.cancel_in_flight(self.session.connection)

    def _is_recorded(self, attempt: Attempt, error: BaseException) -> bool:
        """Whether `done` was committed before an interruption came, which does not say so itself."""
        session = self.session
        status = session.connection.info.transaction_status
        if isinstance(error, Exception) or status is not psycopg.pq.TransactionStatus.IDLE:
            return False
        name, type = attempt.step.migration.name, envelope.end_type(attempt.step)
        with contextlib.suppress(psycopg.OperationalError):
            return session.store.is_recorded(session.run, type, name, attempt=attempt.number)
        return False

    def _pause(self, step: Step, tries: int, problem: Problem) -> None:
        """Wait before the next attempt; `problem` is what ended the latest one."""
        retry = step.migration.settings.retry
        delay = _delay(tries, retry.backoff_seconds, retry.max_backoff_seconds)
        try:
            self.session.observer(RetryScheduled(step, tries + 1, retry.attempts, delay))
            self.session.interrupts.sleep(delay)
        except Interrupted as interruption:
            message = f"interrupted by {interruption} before another attempt: {problem.message}"
            interruption.problem = replace(problem, code="interrupted", message=message)
            raise

    def _complete(self, attempt: Attempt, number: int) -> None:
        self.group_commit.committed()
        self.completed.append(attempt.step.migration.name)
        self.session.observer(StepFinished(attempt.step, number, len(self.prepared_steps), attempt.seconds))

    def fail(self, attempt: Attempt, number: int, error: BaseException, *, may_retry: bool) -> Problem:
        """Roll back and record a failure; return what it is only if the step is to be tried again."""
        from zmig.running import causes, failure

        if database.is_lost(self.session.connection, error):
            raise self._lost(attempt, error) from error
        broken = self._broken_by(attempt, error)
        attempt.left_transaction = attempt.left_transaction or self._has_escaped(attempt, broken)
        told = error if broken is None else ZmigError(self.session.store.problem(broken))
        found = failure.explain(
            told,
            replace(attempt.place, encoding=self.session.encoding),
            redact=self.session.redact,
            record_detail=self.session.record_detail,
            seconds=attempt.seconds,
        )
        if isinstance(error, psycopg.Error) and broken is None:
            found = causes.told(found, error, attempt, session=self.session)
        problem = self._problem(attempt, found)
        if isinstance(told, ZmigError) and told.problems[0].hint is not None:
            problem = replace(problem, hint=self._then_again(told.problems[0].hint, attempt))
        will_retry = found.is_retryable and may_retry and attempt.is_repeatable
        try:
            self._record(attempt, found, error, will_retry=will_retry)
        except Interrupted as interruption:
            interruption.problem = problem
            raise
        except psycopg.Error as refusal:
            if database.is_lost(self.session.connection, refusal):
                raise self._lost(attempt, refusal) from error
            problem, will_retry = self._unrecorded(problem, refusal), False
        self.session.observer(
            StepFailed(attempt.step, number, len(self.prepared_steps), attempt.seconds, problem, will_retry)
        )
        if will_retry:
            return problem
        if isinstance(error, KeyboardInterrupt):
            interrupted = error if isinstance(error, Interrupted) else Interrupted()
            interrupted.problem = problem
            raise interrupted from None
        if attempt.prepared.is_sql and not isinstance(error, Exception):
            raise error  # an observer's, who wants the program to end
        raise MigrationFailed(problem) from error

    def _broken_by(self, attempt: Attempt, error: BaseException) -> Broken | None:
        """Return what did not hold for zmig's own statements around an attempt, whatever those of the attempt say."""
        from zmig.python import locations

        from_code = not attempt.prepared.is_sql and locations.code_location(error, attempt.prepared.path) is not None
        is_own = attempt.running is None and not from_code
        broken = self.session.store.broken_by(error, is_own=is_own)
        # A script whose statements run one by one is still at its last one when zmig records how far it is.
        writes_facts = from_code or (attempt.running is not None and EVENTS in attempt.running.text.lower())
        return None if broken is Broken.POSITION and writes_facts else broken

    def _unrecorded(self, problem: Problem, refusal: psycopg.Error) -> Problem:
        """Return a failure's problem where not even that it failed could be recorded: without the lock nothing is."""
        broken = self.session.store.broken_by(refusal)
        if broken is None:
            fact = f"the failure could not be recorded: {self.session.redact(str(refusal))}"
            return replace(problem, facts=(*problem.facts, fact))
        told = self.session.store.problem(broken)
        facts = (*problem.facts, "that it failed is not recorded")
        if problem.code != told.code:
            facts = (*facts, told.message)
        return replace(problem, code=told.code, facts=facts, hint=told.hint or problem.hint)

    def _has_escaped(self, attempt: Attempt, broken: Broken | None) -> bool:
        """Whether a migration ended the transaction it was to run in, as far as that can still be seen."""
        if broken is not None:
            return broken is Broken.TRANSACTION
        if attempt.prepared.is_sql or not attempt.prepared.mode.transactional or attempt.at_commit:
            return False
        status = self.session.connection.info.transaction_status
        if status is psycopg.pq.TransactionStatus.INTRANS:
            query = f"select {self.session.lock.is_marked_sql}"
            row = self.session.connection.cursor(row_factory=tuple_row).execute(query.encode()).fetchone()
            return row is None or row[0] is not True
        return status is psycopg.pq.TransactionStatus.IDLE

    def _record(self, attempt: Attempt, found: Failure, error: BaseException, *, will_retry: bool) -> None:
        with self.session.interrupts.deferred():
            self._append_failed(attempt, found, will_retry=will_retry)
            self.group_commit.recorded()
        if not isinstance(error, KeyboardInterrupt):
            self.session.interrupts.heed()  # code turned an interruption into an error of its own

    def _append_failed(self, attempt: Attempt, found: Failure, *, will_retry: bool) -> None:
        session = self.session
        forward = attempt.step.direction is Direction.FORWARD
        type = EventType.FAILED if forward else EventType.ROLLBACK_FAILED
        if session.connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            session.send("rollback")
        session.connection.autocommit = True
        session.send(*session.clean_sql)
        failed = self._failed_sql(attempt, type, found.error, will_retry=will_retry)
        others = self._others_sql(attempt.prepared)
        session.send(*others, *self._unrecorded_start(attempt), failed)

    def _others_sql(self, culprit: PreparedStep) -> Iterable[str]:
        """Return what ends other attempts together with the one that failed."""
        return ()

    def _unrecorded_start(self, attempt: Attempt) -> Iterable[str]:
        """Return what records that an attempt began, if the server refused its first message as a whole."""
        session, step = self.session, attempt.step
        name, type = step.migration.name, envelope.begin_type(step)
        if session.store.is_recorded(session.run, type, name, attempt=attempt.number):
            return ()
        return envelope.started_sql(session, attempt)

    def _failed_sql(self, attempt: Attempt, type: EventType, error: dict[str, object], *, will_retry: bool) -> str:
        data = attempt.data(self.session) | {
            "duration_ms": round(attempt.seconds * 1000),
            "error": self._private(attempt, error),
            "will_retry": will_retry,
            "transactional": attempt.prepared.mode.transactional and not attempt.left_transaction,
        }
        if attempt.refused is not None:
            data["refused"] = attempt.refused
        if attempt.may_be_partial:
            data["may_be_partial"] = True
        return self.session.store.append_sql(self.session.run, type, attempt.step.migration.name, data)

    def _private(self, attempt: Attempt, error: dict[str, object]) -> dict[str, object]:
        """Return an error as it may be stored: variables by name, no value of the environment, no rows unasked for."""
        mask = secrets.of_environment(self.session.environ, self.session.environ_before)
        filled, values = attempt.prepared.filled, attempt.step.migration.variables or {}

        def private(text: str) -> str:
            told = text if self.session.record_detail else secrets.without_detail(text)
            return mask(told if filled is None else variables.by_name(told, filled.source, values))

        words = ("message", "detail", "hint", "context", "query")
        return {
            key: private(value) if key in words and isinstance(value, str) else value for key, value in error.items()
        }

    def _lost(self, attempt: Attempt, error: BaseException) -> ConnectionFailed:
        name = attempt.step.migration.name
        if not attempt.prepared.mode.transactional:
            effect = f"`{name}` ran outside a transaction: what it completed stays, and the next run looks it up"
        elif attempt.at_commit or attempt.may_commit:
            effect = f"the server completes `{name}` and has all of it, or rolls it back and has nothing"
        else:
            effect = f"`{name}` was not committed: the server rolls it back"
        if not self.group_commit.is_flushed:
            effect += "; if the server itself went down, so may be the last ones before it, each with its facts"
        if isinstance(error, psycopg.Error):
            return database.connection_lost(self.target, error, effect=effect)
        words = unresponsive.NO_ANSWER if isinstance(error, KeyboardInterrupt) else str(error)
        return database.connection_lost(self.target, psycopg.OperationalError(words), effect=effect)

    def _problem(self, attempt: Attempt, found: Failure) -> Problem:
        step, mode = attempt.step, attempt.prepared.mode
        what = "rollback of" if step.direction is Direction.ROLLBACK else "migration"
        where = "" if mode.transactional else " outside a transaction"
        return Problem(
            found.code,
            f"{what} `{step.migration.name}` failed{where}: {found.message}",
            location=found.location,
            facts=found.facts,
            effect=self.effect(attempt),
            hint=self._hint(attempt, found),
        )

    def effect(self, attempt: Attempt) -> str:
        """Say what the database is after a failed attempt."""
        name = attempt.step.migration.name
        if attempt.left_transaction:
            own = f"not rolled back: what `{name}` committed stays"
        elif attempt.prepared.mode.transactional:
            own = f"rolled back: `{name}` left nothing behind"
        elif attempt.reached is not None:
            own = f"not rolled back: {_rounds(attempt.reached)}"
        else:
            own = f"not rolled back: {_statements(attempt.completed_statements)}"
            if attempt.running is not None and transaction_rules.may_commit(attempt.running):
                own += f", and statement {attempt.running.number} may have committed a part"
            if (left := self._left_behind(attempt)) is not None:
                own += f", and {left}"
        if not self.completed:
            return own
        stay = "rolled back" if self.plan.direction is Direction.ROLLBACK else "applied"
        return f"{own}; {_names(self.completed)} of this run stay{'s' if len(self.completed) == 1 else ''} {stay}"

    def _left_behind(self, attempt: Attempt) -> str | None:
        """Return what the statement that failed left half done, as far as the server can still be asked."""
        status = self.session.connection.info.transaction_status
        if attempt.running is None or attempt.refused is None or status is not psycopg.pq.TransactionStatus.IDLE:
            return None
        from zmig.database import catalog

        with contextlib.suppress(psycopg.Error):
            return catalog.left_behind(
                self.session.connection, attempt.running, before=attempt.in_doubt and attempt.in_doubt.before
            )
        return None

    def _hint(self, attempt: Attempt, found: Failure) -> str:
        from zmig.planning import remedies

        migration = attempt.step.migration
        missing = self._missing(found)
        if missing is not None:
            return missing
        if attempt.step.direction is Direction.ROLLBACK:
            if found.error.get("sqlstate") == _DEPENDED_ON and not migration.is_repeatable:
                with_them = command("rollback", "--include-repeatables", "--dry-run")
                return Hint("correct the rollback file; or, if repeatables depend on it, see ", with_them)
            again = run("rollback")
            what, started_again = "rollback", Hint(again)
        else:
            again = self._again(attempt)
            started_again = Hint(again if attempt.is_atomic else run("apply"), ", which starts it again")
            what = "file" if migration.file is not None else "code"
        if "interrupted" in found.error:
            return Hint("look at what it committed, then ", again) if attempt.may_be_partial else started_again
        role = migration.settings.run_as or self.session.connection.info.user
        helping = remedies.of(found.error, migration, role=role, again=again)
        return helping or Hint(f"correct the {what}, then ", again)

    def _then_again(self, hint: str, attempt: Attempt) -> str:
        """Return a hint with what to do behind it, where something was committed that nobody asked for."""
        if not attempt.left_transaction:
            return hint
        is_forward = attempt.step.direction is Direction.FORWARD
        again = self._again(attempt) if is_forward else run("rollback")
        return Hint(hint, "; look at what was committed, then ", again)

    def _again(self, attempt: Attempt) -> SuggestedCommand:
        """Return the command that tries a failed attempt again."""
        return run("retry", about=attempt.step.migration)

    def _missing(self, found: Failure) -> str | None:
        """Return what helps where a private server lacks what other servers have."""
        if not self.target.is_embedded:
            return None
        from zmig.embedded import explain_missing

        return explain_missing(found.sqlstate, found.message)


def _continued(prepared: PreparedStep, attempt: Attempt) -> PreparedStep:
    """Return the work that is left after a failed attempt."""
    has_checkpoints = prepared.batch is not None or (
        not prepared.mode.transactional and prepared.statements is not None
    )
    reached = attempt.checkpoint if has_checkpoints else None
    return replace(prepared, step=replace(prepared.step, checkpoint=reached, unended=None))


def _has_advanced(prepared: PreparedStep, attempt: Attempt) -> bool:
    """Whether an attempt at a batched migration came further, so that its failure is the first of the next one."""
    before = prepared.step.checkpoint.reached if prepared.step.checkpoint is not None else None
    return attempt.reached is not None and attempt.reached.rounds > (before.rounds if before is not None else 0)


def _delay(tries: int, backoff_seconds: float, max_backoff_seconds: float) -> float:
    """Return an exponentially growing pause, with jitter so that two runs do not meet again."""
    longest = min(backoff_seconds * 2 ** (tries - 1), max_backoff_seconds)
    return longest * random.uniform(0.5, 1.0)


def _rounds(reached: Reached) -> str:
    if not reached.rounds:
        return "no round had completed"
    rounds = "1 round" if reached.rounds == 1 else f"{reached.rounds} rounds"
    return f"the {reached.rows} rows of {rounds} stay changed, and the next run continues behind them"


def _statements(completed: int) -> str:
    if completed == 0:
        return "no statement had completed"
    return "statement 1 stays applied" if completed == 1 else f"statements 1-{completed} stay applied"


_SHOWN_NAMES = 5


def _names(names: Sequence[str]) -> str:
    if len(names) > _SHOWN_NAMES:
        return f"the {len(names)} migrations before it"
    quoted = [f"`{name}`" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"
