"""Calls the function of a step written in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from zmig.context import Context
from zmig.database.borrowed_connection import borrowed
from zmig.database.loan import TransactionEnded
from zmig.errors import Problem, ZmigError
from zmig.process.surroundings import surroundings_kept
from zmig.python import locations
from zmig.python.returned import LEFT_A_STREAM, LEFT_IN_USE, is_yet_to_run
from zmig.running.attempt import Swallowed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zmig.context import Round
    from zmig.project.prepare import Execute
    from zmig.running.attempt import Attempt
    from zmig.running.run_session import RunSession


def call(session: RunSession, attempt: Attempt, rounds: Callable[[], Iterator[Round]] | None = None) -> None:
    """Call the function of a step on the connection as it is; whatever it raises comes out.

    `rounds` is what `ctx.batches()` gives to a batched migration.

    Raises:
        ZmigError: the function returned work that has yet to run, so it is not done.
        Swallowed: it caught an error that the transaction has failed by.
    """
    migration, function = attempt.step.migration, attempt.prepared.function
    if function is None:
        raise AssertionError(f"{migration.name} was not loaded")
    context = Context(
        session.connection,
        version=migration.version,
        name=migration.name,
        run_id=session.run.id,
        step=attempt.step,
        observer=session.observer,
        rounds=rounds,
    )
    with session.interrupts.in_code(), surroundings_kept():
        returned = _returned(session, attempt, function, context)
    if is_yet_to_run(returned):
        name, kind = getattr(function, "__name__", "execute"), type(returned).__name__
        message = f"`{name}` returned a `{kind}`, which has yet to run"
        hint = f"write `{name}` without `async` and `yield`, and do its work before it returns"
        raise ZmigError(Problem("python-yet-to-run", message, hint=hint))


def _returned(session: RunSession, attempt: Attempt, function: Execute, context: Context) -> object:
    """Return what a function returns; raise again an error of SQL that it swallowed and the transaction failed by."""
    connection, raised = session.connection, None
    with borrowed(connection, in_transaction=attempt.prepared.mode.transactional) as (context.connection, loan):
        try:
            returned = function(context)
        except TransactionEnded as error:
            place = locations.code_location(error, attempt.prepared.path)
            message, hint = "it ended the transaction zmig runs it in", "remove what ends it: zmig commits"
            raise ZmigError(Problem("transaction-ended", message, place, hint=hint)) from error
        except psycopg.errors.InFailedSqlTransaction as error:
            returned, raised = None, error
        swallowed = loan.swallowed(connection.info.transaction_status, raised)
    if loan.is_left_in_use and raised is None:
        raise ZmigError(LEFT_IN_USE)
    if swallowed is not None and swallowed is loan.left:
        raise ZmigError(LEFT_A_STREAM) from swallowed
    if swallowed is not None:
        raise Swallowed(swallowed)
    if raised is not None:
        raise raised
    return returned
