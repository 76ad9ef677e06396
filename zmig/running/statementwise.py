"""Executes a step outside a transaction: statement by statement, with checkpoints between.

A statement that can run in a transaction commits together with its checkpoint. One that cannot stands between two:
a later run continues behind the last statement known to be done, and looks up the one that was sent.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg

from zmig.database import catalog
from zmig.database.settings import READABLE, set_config
from zmig.errors import Problem, ZmigError
from zmig.facts import EventType
from zmig.planning import checkpoint
from zmig.planning.checkpoint import Sent
from zmig.progress import StatementFinished
from zmig.running import envelope, resume
from zmig.running.copy_rows import copy_rows
from zmig.running.python_call import call
from zmig.running.readonly import ReadOnlyWatch
from zmig.session import conditions
from zmig.sql import transaction_rules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zmig.running.session import Attempt, RunSession
    from zmig.sql.statement import Statement


def run(session: RunSession, attempt: Attempt) -> None:
    """Execute a step made of SQL; returns once its `done` fact is committed."""
    statements, done = attempt.prepared.statements or (), attempt.step.resume_after
    attempt.in_doubt = attempt.step.checkpoint.sent if attempt.step.checkpoint is not None else None
    with session.interrupts.deferred():
        session.send(*session.clean_sql)
        session.send(*envelope.started_sql(session, attempt))
    for one in statements[:done]:
        attempt.done.add(one)
        if resume.sets_session(one):
            _run(session, attempt, one)
    attempt.completed_statements = done
    watch = ReadOnlyWatch(statements)
    for one in statements[done:]:
        if session.is_in_transaction or transaction_rules.controls_transaction(one):
            _run_in_own_transaction(session, attempt, one, watch)
        elif resume.runs_alone(one):
            _run_alone(session, attempt, one)
        else:
            _run_with_checkpoint(session, attempt, one)
    _refuse_open_transaction(session)
    attempt.running = None
    _check_condition(session, attempt)
    with session.interrupts.deferred():
        _finish_outside(session, attempt)


def _refuse_open_transaction(session: RunSession) -> None:
    if session.is_in_transaction:
        raise ZmigError(Problem("transaction-left-open", "it left a transaction open, which is rolled back"))


def _run(session: RunSession, attempt: Attempt, one: Statement) -> None:
    attempt.running, attempt.position_offset = one, 0
    session.observer(attempt.starting(one))
    began = time.monotonic()
    rows = _send_statement(session, one)
    session.observer(StatementFinished(attempt.step, one.number, attempt.total, rows, time.monotonic() - began))


def _send_statement(session: RunSession, one: Statement) -> int | None:
    if one.copy_data is not None:
        return copy_rows(session, one)
    session.check_reading(one)
    reply = session.send_alone(one.text)
    return next(iter(reply.rows()), None)


def _run_with_checkpoint(session: RunSession, attempt: Attempt, one: Statement) -> None:
    """Run a statement in one transaction with its checkpoint."""
    with session.interrupts.deferred():
        session.send(*envelope.open_sql(session, attempt, first=one))
    _run(session, attempt, one)
    attempt.done.add(one)
    with session.interrupts.deferred():
        checks = (*envelope.own_role_sql(session), envelope.check_sql(session))
        _reach(session, attempt, one, *checks)


def _run_in_own_transaction(session: RunSession, attempt: Attempt, one: Statement, watch: ReadOnlyWatch) -> None:
    """Run a statement of a transaction that the script itself opens and ends.

    The checkpoint stands in front of the COMMIT, so that it commits with what it tells of; a later run begins again
    at the BEGIN of a transaction that did not commit. Behind one that only reads it stands in one of its own.
    """
    ends = session.is_in_transaction and transaction_rules.controls_transaction(one) in ("COMMIT", "END")
    if ends:
        watch.check(attempt)
        ends = not watch.is_read_only
    attempt.done.add(one)
    if ends:
        with session.interrupts.deferred():
            session.send(*envelope.own_role_sql(session), _checkpoint_sql(session, attempt, one.number))
    was_open = session.is_in_transaction
    _run(session, attempt, one)
    watch.look(session, one, was_open=was_open)
    if ends:
        attempt.completed_statements = one.number
    elif session.is_in_transaction and not was_open:
        session.send(*envelope.limits_sql(attempt))
    elif not session.is_in_transaction:
        with session.interrupts.deferred():
            _reach(session, attempt, one, *_alone_sql(session, attempt))


def _alone_sql(session: RunSession, attempt: Attempt) -> tuple[str, ...]:
    """Return what opens a transaction of zmig's own behind a statement that ran without one."""
    reset = ("reset role",) if attempt.step.migration.settings.run_as is not None else ()
    return (*reset, "begin", *envelope.own_role_sql(session))


def _run_alone(session: RunSession, attempt: Attempt, one: Statement) -> None:
    """Run a statement without a transaction, between two checkpoints; not at all, if it took effect before."""
    attempt.running = one
    if (
        attempt.in_doubt is not None
        and resume.is_about(attempt.in_doubt, one)
        and _settle(session, one, attempt.in_doubt)
    ):
        attempt.done.add(one)
        with session.interrupts.deferred():
            _reach(session, attempt, one, *_alone_sql(session, attempt))
        return
    before = catalog.inspect(session.connection, one)
    sending = Sent(one.number, resume.subject(one), before, checkpoint.digest([one]))
    with session.interrupts.deferred():
        telling = _checkpoint_sql(session, attempt, one.number - 1, sending)
        session.send(
            "begin", *envelope.own_role_sql(session), telling, "commit", *envelope.become_sql(attempt, local=False)
        )
        attempt.in_doubt = sending
    try:
        _run(session, attempt, one)
    except psycopg.Error as error:
        attempt.in_doubt = replace(sending, is_refused=error.sqlstate is not None)
        raise
    attempt.done.add(one)
    with session.interrupts.deferred():
        catalog.verify(session.connection, one)
        _reach(session, attempt, one, *_alone_sql(session, attempt))


def _settle(session: RunSession, one: Statement, sent: Sent) -> bool:
    if resume.is_undecided(sent, one):
        raise ZmigError(Problem("resume-undecided", "whether the statement took effect cannot be looked up"))
    return catalog.settle(session.connection, one, before=sent.before, is_refused=sent.is_refused)


def _reach(session: RunSession, attempt: Attempt, one: Statement, *before: str) -> None:
    """Append the checkpoint behind a statement to a transaction, and commit that."""
    session.send(*before, _checkpoint_sql(session, attempt, one.number), "commit")
    attempt.completed_statements, attempt.in_doubt = one.number, None


def _checkpoint_sql(session: RunSession, attempt: Attempt, done: int, sent: Sent | None = None) -> str:
    data: Mapping[str, object] = attempt.data(session) | {
        "statement": done,
        "statements": attempt.total,
        "digest": str(attempt.done),
        **(sent.data() if sent is not None else {}),
    }
    return session.store.append_sql(session.run, EventType.CHECKPOINT, attempt.step.migration.name, data)


def run_code(session: RunSession, attempt: Attempt) -> None:
    """Execute a step written in Python; returns once its `done` fact is committed."""
    with session.interrupts.deferred():
        session.send(*session.clean_sql)
        readable = f"select {set_config(READABLE, local=False)}"
        session.send(*envelope.started_sql(session, attempt), readable, *envelope.become_sql(attempt, local=False))
    call(session, attempt)
    _refuse_open_transaction(session)
    _check_condition(session, attempt)
    with session.interrupts.deferred():
        _finish_outside(session, attempt)


def _check_condition(session: RunSession, attempt: Attempt) -> None:
    """Ask behind a repeatable's first run whether the server understands its condition."""
    if conditions.needs_check(attempt.step):
        with session.interrupts.deferred():
            session.send(*session.clean_sql)
        conditions.check_condition(session.connection, attempt.step)


def _finish_outside(session: RunSession, attempt: Attempt) -> None:
    session.send(
        *session.clean_sql,
        "begin",
        envelope.done_sql(session, attempt),
        "commit",
    )
    attempt.is_complete = True
