"""Calls the function of a step written in Python."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterator
from types import CoroutineType, GeneratorType
from typing import TYPE_CHECKING

import psycopg

from zmig.database.lent import lent
from zmig.database.loan import TransactionEnded
from zmig.errors import Problem, ZmigError
from zmig.running.context import Context
from zmig.running.surroundings import surroundings_kept

if TYPE_CHECKING:
    from collections.abc import Callable

    from zmig.running.context import Round
    from zmig.running.prepare import Execute
    from zmig.running.session import Attempt, Session


LEFT_IN_USE = Problem(
    "connection-left-in-use",
    "it returned while its connection was still in use",
    hint="end each COPY, stream and pipeline, by `with` for example, and each thread, by `join()`, before it returns",
)
LEFT_A_STREAM = Problem(
    "connection-left-in-use",
    "it left a `stream()` before its last row: psycopg cancels such a query, and the transaction fails by that",
    hint="read each `stream()` to its end, or use a cursor with a name, as in `ctx.connection.cursor('rows')`",
)


def call(session: Session, attempt: Attempt, rounds: Callable[[], Iterator[Round]] | None = None) -> None:
    """Call the function of a step on the connection as it stands; whatever it raises comes out.

    `rounds` is what `ctx.batches()` gives to a batched migration.

    Raises:
        ZmigError: the function returned work that has yet to run, so it is not done.
    """
    migration, function = attempt.step.migration, attempt.work.function
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


def _returned(session: Session, attempt: Attempt, function: Execute, context: Context) -> object:
    """Return what a function returns; raise again an error of SQL that it swallowed and the transaction failed by."""
    connection, raised = session.connection, None
    with lent(connection, in_transaction=attempt.work.mode.transactional) as (context.connection, loan):
        try:
            returned = function(context)
        except TransactionEnded as error:
            from zmig.running import failure

            place = failure.code_location(error, attempt.work.path)
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
        attempt.has_swallowed = True
        raise swallowed
    if raised is not None:
        raise raised
    return returned


def is_yet_to_run(returned: object) -> bool:
    """Whether what a function returned is work that it only began: it was written with `async` or `yield`, say.

    Such work is ended here, so that Python does not warn of it. A cursor is none, though it can be iterated over.
    """
    if isinstance(returned, GeneratorType | CoroutineType):
        returned.close()
        return True
    is_cursor = isinstance(returned, psycopg.Cursor)
    return not is_cursor and (callable(returned) or isinstance(returned, Awaitable | AsyncIterator | Iterator))
