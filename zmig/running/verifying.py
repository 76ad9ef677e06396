"""Asks, once a migration has run and before that is recorded, whether it did what it is for; reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from zmig.database import connection as database
from zmig.errors import Location, Problem, ZmigError
from zmig.project import outside
from zmig.running import envelope
from zmig.session import conditions

if TYPE_CHECKING:
    from zmig.project.verify_query import PreparedVerify
    from zmig.running.attempt import Attempt
    from zmig.running.run_session import RunSession

_STATEMENTS_ARE_DONE = "its statements are done: another attempt runs none of them, and asks the query again"


def ask_inside(session: RunSession, attempt: Attempt, query: PreparedVerify) -> None:
    """Ask in the transaction that is open, which becomes zmig's own.

    Raises:
        ZmigError: the answer is not true.
    """
    with session.interrupts.deferred():
        session.send(*envelope.own_again_sql(session))
    ask(session, attempt, query)


def ask_outside(session: RunSession, attempt: Attempt, query: PreparedVerify) -> None:
    """Ask in a transaction of its own, after a migration that has none. Raises like `ask_inside`."""
    with session.interrupts.deferred():
        session.send(*session.clean_sql)
    ask(session, attempt, query)


def ask(session: RunSession, attempt: Attempt, query: PreparedVerify, *, lock_timeout: str | None = None) -> None:
    """Ask with zmig's own rights, under the migration's limits. Raises like `ask_inside`."""
    connection, settings = session.connection, attempt.step.migration.settings
    locks, patience = (
        f"{round(seconds * 1000)}ms" for seconds in (settings.lock_timeout_seconds, settings.statement_timeout_seconds)
    )
    try:
        with conditions.read_only(connection, lock_timeout or locks, patience=patience):
            answer = conditions.of_query(connection, query.text)
    except psycopg.Error as error:
        if database.is_lost(connection, error):
            raise
        position = error.diag.statement_position
        place = query.location(int(position) if position is not None else None)
        words = error.diag.message_primary or str(error).partition("\n")[0]
        raise ZmigError(
            _failed(attempt, f"its verify query gave no answer: {words}", place, f"PostgreSQL {error.sqlstate}")
        ) from error
    if answer is not True:
        raise ZmigError(_failed(attempt, _against(answer), query.location()))


def _against(answer: object) -> str:
    """Say what is wrong with an answer."""
    if isinstance(answer, conditions.Misfit):
        return f"its verify query gave no answer: {answer}"
    if answer is False or answer is None:
        return f"its verify query returned {'false' if answer is False else 'null'}"
    return "its verify query gave no answer: what it returned is not a boolean"


def _failed(attempt: Attempt, message: str, location: Location | None, *facts: str) -> Problem:
    prepared = attempt.prepared
    if prepared.batch is not None or (prepared.is_sql and not prepared.mode.transactional):
        facts = (*facts, _STATEMENTS_ARE_DONE)
    return outside.redacted(Problem("verify-failed", message, location, facts=facts))
