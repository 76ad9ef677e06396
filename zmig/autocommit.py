"""Executes a step outside a transaction: statement by statement, with checkpoints between.

A statement that can run in a transaction commits together with its checkpoint. One that cannot stands between two:
a later run continues behind the last statement known to be done, and looks up the one that was sent.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg

from zmig import catalog, checkpoint, record, resume, role
from zmig.call import call
from zmig.checkpoint import Sent
from zmig.copying import copy_rows
from zmig.errors import Problem, ZmigError
from zmig.events import EventType
from zmig.progress import StatementFinished, StatementStarted
from zmig.transaction import open_sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from psycopg import sql

    from zmig.script import Statement
    from zmig.session import Attempt, Session


def run(session: Session, attempt: Attempt) -> None:
    """Execute a step made of SQL; returns once its `done` fact is committed."""
    statements, done = attempt.work.statements or (), attempt.step.resume_after
    attempt.sent = attempt.step.checkpoint.sent if attempt.step.checkpoint is not None else None
    with session.interrupts.deferred():
        session.send(*session.clean_sql)
        session.send(*record.started_sql(session, attempt))
    for one in statements[:done]:
        attempt.done.add(one)
        if resume.sets_session(one):
            _run(session, attempt, one)
    attempt.completed_statements = done
    for one in statements[done:]:
        if resume.runs_alone(one):
            _run_alone(session, attempt, one)
        else:
            _run_with_checkpoint(session, attempt, one)
    with session.interrupts.deferred():
        attempt.running = None
        _finish_outside(session, attempt)


def _run(session: Session, attempt: Attempt, one: Statement) -> None:
    attempt.running, attempt.shift = one, 0
    session.observer(StatementStarted(attempt.step, one.number, attempt.total, one.line, one.summary))
    began = time.monotonic()
    rows = _send_statement(session, one)
    session.observer(StatementFinished(attempt.step, one.number, attempt.total, rows, time.monotonic() - began))


def _send_statement(session: Session, one: Statement) -> int | None:
    if one.copy_data is not None:
        return copy_rows(session, one)
    reply = session.send_alone(one.text)
    return reply.rows[0] if reply.rows else None


def _become_sql(attempt: Attempt, *, local: bool) -> Iterable[sql.Composed]:
    """Return what makes the session the role that the migration runs as, if it declares one."""
    wanted = attempt.step.migration.settings.run_as
    return (role.become_sql(wanted, local=local),) if wanted is not None else ()


def own_role_sql(attempt: Attempt, *, local: bool) -> Iterable[str]:
    """Return what makes the session its own role again, so that zmig's statements run as that."""
    if attempt.step.migration.settings.run_as is None:
        return ()
    return ("set local role none",) if local else ("reset role",)


def _run_with_checkpoint(session: Session, attempt: Attempt, one: Statement) -> None:
    """Run a statement in one transaction with its checkpoint."""
    with session.interrupts.deferred():
        session.send(*open_sql(session, attempt))
    _run(session, attempt, one)
    with session.interrupts.deferred():
        checks = (*own_role_sql(attempt, local=True), record.check_sql(session, in_transaction=True))
        _reach(session, attempt, one, checks, "commit")


def _run_alone(session: Session, attempt: Attempt, one: Statement) -> None:
    """Run a statement without a transaction, between two checkpoints; not at all, if it took effect before."""
    attempt.running = one
    if attempt.sent is not None and resume.is_about(attempt.sent, one) and _settle(session, one, attempt.sent):
        with session.interrupts.deferred():
            _reach(session, attempt, one, (record.check_sql(session, in_transaction=False),))
        return
    before = catalog.look(session.connection, one)
    sending = Sent(one.number, resume.subject(one), before, checkpoint.digest([one]))
    with session.interrupts.deferred():
        session.send(_checkpoint_sql(session, attempt, one.number - 1, sending), *_become_sql(attempt, local=False))
        attempt.sent = sending
    try:
        _run(session, attempt, one)
    except psycopg.Error as error:
        attempt.sent = replace(sending, is_refused=error.sqlstate is not None)
        raise
    with session.interrupts.deferred():
        catalog.verify(session.connection, one)
        checks = (*own_role_sql(attempt, local=False), record.check_sql(session, in_transaction=False))
        _reach(session, attempt, one, checks)


def _settle(session: Session, one: Statement, sent: Sent) -> bool:
    if resume.is_undecided(sent, one):
        raise ZmigError(Problem("resume-undecided", "whether the statement took effect cannot be looked up"))
    return catalog.settle(session.connection, one, before=sent.before, is_refused=sent.is_refused)


def _reach(session: Session, attempt: Attempt, one: Statement, checks: Iterable[str], *following: str) -> None:
    """Append the checkpoint behind a statement, if `checks` hold."""
    attempt.done.add(one)
    session.send(*checks, _checkpoint_sql(session, attempt, one.number), *following)
    attempt.completed_statements, attempt.sent = one.number, None


def _checkpoint_sql(session: Session, attempt: Attempt, done: int, sent: Sent | None = None) -> sql.Composed:
    data: Mapping[str, object] = attempt.data(session) | {
        "statement": done,
        "statements": attempt.total,
        "digest": str(attempt.done),
        **(sent.data() if sent is not None else {}),
    }
    return session.store.append_sql(session.run, EventType.CHECKPOINT, attempt.step.migration.name, data)


def run_code(session: Session, attempt: Attempt) -> None:
    """Execute a step written in Python; returns once its `done` fact is committed."""
    with session.interrupts.deferred():
        session.send(*session.clean_sql)
        session.send(*record.started_sql(session, attempt), *_become_sql(attempt, local=False))
    call(session, attempt)
    if session.connection.info.transaction_status is not psycopg.pq.TransactionStatus.IDLE:
        raise ZmigError(Problem("transaction-left-open", "it left a transaction open, which is rolled back"))
    with session.interrupts.deferred():
        _finish_outside(session, attempt)


def _finish_outside(session: Session, attempt: Attempt) -> None:
    session.send(
        *session.clean_sql,
        "begin",
        record.check_sql(session, in_transaction=False),
        record.done_sql(session, attempt),
        "commit",
    )
    attempt.is_complete = True
