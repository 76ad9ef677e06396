"""Executes a step outside a transaction: statement by statement, with checkpoints between.

A statement that can run in a transaction commits together with its checkpoint. One that cannot is between two of them:
a later run continues after the last statement known to be done, and looks up the one that was sent.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import psycopg

from zmig.database import catalog
from zmig.database.settings import READABLE, set_config
from zmig.errors import Problem, ZmigError
from zmig.facts import EventType
from zmig.planning import checkpoint
from zmig.planning.checkpoint import Checkpoint, Digest, Sent
from zmig.progress import StatementFinished
from zmig.running import envelope, read_only, resume
from zmig.running.attempt import Fate, failed
from zmig.running.copy_rows import copy_rows
from zmig.running.python_call import call
from zmig.running.read_only import ReadOnlyWatch
from zmig.session import conditions
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zmig.running.attempt import Attempt, Failed
    from zmig.running.run_session import RunSession
    from zmig.sql.statement import Statement


class Statementwise:
    """One attempt at a step made of SQL."""

    def __init__(self, session: RunSession, attempt: Attempt) -> None:
        start = attempt.step.checkpoint
        self._session = session
        self._attempt = attempt
        self._statements = attempt.prepared.statements or ()
        self._watch = ReadOnlyWatch(self._statements)
        self._completed = attempt.step.resume_after
        """How many statements are known to be done."""
        self._digest = Digest()
        """Of those."""
        self._in_doubt = start.sent if start is not None else None
        """The statement that was sent alone and whose checkpoint is not written yet."""
        self._running: Statement | None = None
        self.is_complete = False

    def run(self) -> None:
        """Execute what is not done yet; return once the `done` fact is committed."""
        session, attempt, before = self._session, self._attempt, self._completed
        with session.interrupts.deferred():
            session.send(*session.clean_sql)
            session.send(*envelope.started_sql(session, attempt))
        for one in self._statements[:before]:
            self._digest.add(one)
            if one.command.sets_session:
                self._run(one)
        for one in self._statements[before:]:
            if session.is_in_transaction or one.command.controls_transaction:
                self._run_in_own_transaction(one)
            elif one.command.runs_alone:
                self._run_alone(one)
            else:
                self._run_with_checkpoint(one)
        _refuse_open_transaction(session)
        self._running = None
        _check_condition(session, attempt)
        _verify(session, attempt)
        with session.interrupts.deferred():
            _finish_outside(session, attempt)
            self.is_complete = True

    def failed(self, error: BaseException) -> Failed:
        """Return what an error left of it: what is done stays, and so may what the running statement committed."""
        return failed(
            self._session,
            self._attempt,
            error,
            at=self._attempt.place(self._running),
            fate=self._fate,
            fate_if_lost=Fate.UNKNOWN,
            reached=Checkpoint(self._completed, sent=self._in_doubt),
            left_behind=self._left_behind(),
        )

    @property
    def _is_refused(self) -> bool:
        return self._in_doubt is not None and self._in_doubt.is_refused

    @property
    def _fate(self) -> Fate:
        if self._running is None or not self._running.command.may_commit:
            return Fate.KEPT
        # Of a statement that was not refused, and may have taken effect, the checkpoint before it says more.
        return Fate.MAY_BE_PARTIAL if self._is_refused else Fate.UNKNOWN

    def _left_behind(self) -> str | None:
        """Return what the statement that failed left half done, as far as the server can still be asked."""
        session, running = self._session, self._running
        status = session.connection.info.transaction_status
        if running is None or not self._is_refused or status is not psycopg.pq.TransactionStatus.IDLE:
            return None
        with contextlib.suppress(psycopg.Error):
            return catalog.left_behind(session.connection, running, before=self._in_doubt and self._in_doubt.before)
        return None

    def _run(self, one: Statement) -> None:
        attempt, self._running = self._attempt, one
        self._session.observer(attempt.starting(one))
        began = attempt.seconds
        rows = _send_statement(self._session, one)
        took = attempt.seconds - began
        self._session.observer(StatementFinished(attempt.step, one.number, attempt.total, rows, took))

    def _run_with_checkpoint(self, one: Statement) -> None:
        """Run a statement in one transaction with its checkpoint."""
        session = self._session
        with session.interrupts.deferred():
            session.send(*envelope.open_sql(session, self._attempt, first=one))
        self._run(one)
        self._digest.add(one)
        with session.interrupts.deferred():
            self._reach(one, *envelope.own_role_sql(session), envelope.check_sql(session))

    def _run_in_own_transaction(self, one: Statement) -> None:
        """Run a statement of a transaction that the script itself opens and ends.

        The checkpoint is before the COMMIT, so that it commits with what it records; a later run begins again at the
        BEGIN of a transaction that did not commit. After one that only reads it has a transaction of its own.
        """
        session, watch = self._session, self._watch
        was_open = session.is_in_transaction
        ends = was_open and one.command.controls_transaction in ("COMMIT", "END")
        if ends:
            self._refuse_read_only_after_writes()
            ends = not watch.is_read_only
        self._digest.add(one)
        if ends:
            with session.interrupts.deferred():
                session.send(*envelope.own_role_sql(session), self._checkpoint_sql(one.number))
        self._run(one)
        watch.look(session, one, was_open=was_open)
        if ends:
            self._completed = one.number
        # It opened a transaction: the migration's limits are local to each, and the script's own BEGIN has none.
        elif session.is_in_transaction and not was_open:
            session.send(*envelope.limits_sql(self._attempt))
        elif not session.is_in_transaction:
            with session.interrupts.deferred():
                self._reach(one, *self._alone_sql())

    def _refuse_read_only_after_writes(self) -> None:
        """Make sure that a transaction which is to be committed has not written before it became read-only."""
        if self._watch.culprit is not None:
            self._running = self._watch.culprit
            raise ZmigError(read_only.AFTER_WRITES)

    def _alone_sql(self) -> tuple[str, ...]:
        """Return what opens a transaction of zmig's own after a statement that ran without one."""
        reset = ("reset role",) if self._attempt.step.migration.settings.run_as is not None else ()
        return (*reset, "begin", *envelope.own_role_sql(self._session))

    def _run_alone(self, one: Statement) -> None:
        """Run a statement without a transaction, between two checkpoints; not at all, if it took effect before."""
        session, self._running = self._session, one
        if self._has_taken_effect(one):
            self._digest.add(one)
            with session.interrupts.deferred():
                self._reach(one, *self._alone_sql())
            return
        self._send_alone(one)
        self._digest.add(one)
        with session.interrupts.deferred():
            catalog.verify(session.connection, one)
            self._reach(one, *self._alone_sql())

    def _send_alone(self, one: Statement) -> None:
        """Record what is about to be sent, and send it."""
        session = self._session
        before = catalog.inspect(session.connection, one)
        sending = Sent(one.number, subject=resume.subject(one), before=before, digest=checkpoint.digest([one]))
        with session.interrupts.deferred():
            own, become = envelope.own_role_sql(session), envelope.become_sql(self._attempt, local=False)
            # Committed before the statement is sent: should this process die now, the next run knows what to look up.
            session.send("begin", *own, self._checkpoint_sql(one.number - 1, sending), "commit", *become)
            self._in_doubt = sending
        try:
            self._run(one)
        except psycopg.Error as error:
            # Without a SQLSTATE it was not the server that refused: the connection is gone, and nobody knows.
            self._in_doubt = replace(sending, is_refused=error.sqlstate is not None)
            raise

    def _has_taken_effect(self, one: Statement) -> bool:
        """Whether a statement was sent before and took effect, as the catalog shows."""
        sent = self._in_doubt
        if sent is None or not resume.is_about(sent, one):
            return False
        if resume.is_undecided(sent, one):
            raise ZmigError(Problem("resume-undecided", "whether the statement took effect cannot be looked up"))
        return catalog.finish(self._session.connection, one, before=sent.before, is_refused=sent.is_refused)

    def _reach(self, one: Statement, *before: str) -> None:
        """Append the checkpoint after a statement to a transaction, and commit that."""
        self._session.send(*before, self._checkpoint_sql(one.number), "commit")
        self._completed, self._in_doubt = one.number, None

    def _checkpoint_sql(self, done: int, sent: Sent | None = None) -> str:
        session, attempt = self._session, self._attempt
        data: Mapping[str, object] = attempt.data(session) | {
            "statement": done,
            "statements": attempt.total,
            "digest": str(self._digest),
            **(sent.data() if sent is not None else {}),
        }
        return session.store.append_sql(session.run, EventType.CHECKPOINT, attempt.name, data)


class CodeOutside:
    """One attempt at a step written in Python that runs without a transaction of zmig's."""

    def __init__(self, session: RunSession, attempt: Attempt) -> None:
        self._session = session
        self._attempt = attempt
        self.is_complete = False

    def run(self) -> None:
        """Call the function; return once the `done` fact is committed."""
        session, attempt = self._session, self._attempt
        with session.interrupts.deferred():
            session.send(*session.clean_sql)
            readable = f"select {set_config(READABLE, local=False)}"
            become = envelope.become_sql(attempt, local=False)
            session.send(*envelope.started_sql(session, attempt), readable, *become)
        call(session, attempt)
        _refuse_open_transaction(session)
        _check_condition(session, attempt)
        _verify(session, attempt)
        with session.interrupts.deferred():
            _finish_outside(session, attempt)
            self.is_complete = True

    def failed(self, error: BaseException) -> Failed:
        """Return what an error left of it, which only a person can find out."""
        place, fate = self._attempt.place(), Fate.MAY_BE_PARTIAL
        return failed(self._session, self._attempt, error, at=place, fate=fate, fate_if_lost=Fate.UNKNOWN)


def _refuse_open_transaction(session: RunSession) -> None:
    if session.is_in_transaction:
        raise ZmigError(Problem("transaction-left-open", "it left a transaction open, which is rolled back"))


def _send_statement(session: RunSession, one: Statement) -> int | None:
    if one.copy_data is not None:
        return copy_rows(session, one)
    session.check_reading(one)
    reply = session.send_alone(one.source)
    return next(iter(reply.rows()), None)


def _check_condition(session: RunSession, attempt: Attempt) -> None:
    """Ask after a repeatable's first run whether the server understands its condition."""
    if conditions.needs_check(attempt.step):
        with session.interrupts.deferred():
            session.send(*session.clean_sql)
        conditions.check_condition(session.connection, attempt.step)


def _verify(session: RunSession, attempt: Attempt) -> None:
    """Ask whether it did what it is for, if it declares a query."""
    if attempt.prepared.verify is not None:
        from zmig.running import verifying

        verifying.ask_outside(session, attempt, attempt.prepared.verify)


def _finish_outside(session: RunSession, attempt: Attempt) -> None:
    session.send(
        *session.clean_sql,
        "begin",
        envelope.done_sql(session, attempt, seconds=attempt.seconds),
        "commit",
    )
