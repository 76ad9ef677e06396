"""Asks whether a repeatable that has run is due again; reads only, in a transaction that is rolled back.

The first run asks nothing, for what a condition reads may exist only after it. There the server is asked whether it
understands the condition, so that one that can never give an answer is reported while nothing depends on it.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from zmig.context import Context
from zmig.database import connection as database
from zmig.database import connection_hints, settings, wire
from zmig.database.borrowed_connection import borrowed
from zmig.database.loan import TransactionEnded
from zmig.database.settings import IDLE_IN_TRANSACTION, READABLE, set_config
from zmig.errors import Location, MigrationFailed, Problem, ZmigError
from zmig.model import Language, RepeatRule
from zmig.planning.plan import Action, Direction, Step
from zmig.process.surroundings import surroundings_kept
from zmig.python import loader, locations
from zmig.python.returned import LEFT_A_STREAM, LEFT_IN_USE, is_yet_to_run
from zmig.sql.token_reader import is_query

if TYPE_CHECKING:
    from collections.abc import Generator

    from zmig.database.connection import WorkingConnection
    from zmig.model import LastRun, Migration

_PATIENCE = "30s"
"""How long an answer may take: it is asked for on every apply and every status."""
_STATUS_PATIENCE = "1s"
"""How long `answer` waits for a lock, which a running migration may keep for hours."""


def is_due(
    connection: WorkingConnection,
    migration: Migration,
    last_run: LastRun | None,
    *,
    run_id: str,
    lock_timeout: str = _PATIENCE,
) -> bool:
    """Return what a repeatable's condition or `should_repeat` says now.

    Raises:
        MigrationFailed: the question could not be answered; the cause is chained.
    """
    try:
        has_condition = migration.repeat is not None and migration.repeat.rule is RepeatRule.CONDITION
        with read_only(connection, lock_timeout, in_code=not has_condition):
            if migration.repeat is not None and has_condition:
                answer = of_query(connection, migration.repeat.condition or "")
            else:
                answer = _of_code(connection, migration, last_run, run_id)
    except ZmigError:
        raise
    except (Exception, SystemExit) as error:
        raise _failed(migration, error) from error
    if not isinstance(answer, bool):
        raise _unanswered(migration, answer if isinstance(answer, Misfit) else f"it returned {answer!r}, not a boolean")
    return answer


def answer(connection: WorkingConnection, migration: Migration, last_run: LastRun | None) -> bool | None:
    """Return the same as `is_due`, or None where the question cannot be answered yet.

    Raises:
        psycopg.Error: the connection broke.
    """
    try:
        return is_due(connection, migration, last_run, run_id="", lock_timeout=_STATUS_PATIENCE)
    except ZmigError as error:
        if isinstance(error.__cause__, psycopg.Error) and database.is_lost(connection, error.__cause__):
            raise error.__cause__ from None
        return None


def needs_check(step: Step) -> bool:
    """Whether a step runs a repeatable whose condition was not asked before."""
    repeat = step.migration.repeat
    has_condition = repeat is not None and repeat.rule is RepeatRule.CONDITION
    return has_condition and step.direction is Direction.FORWARD and step.action is not Action.CHECK


def check_condition(connection: WorkingConnection, step: Step) -> None:
    """Make sure, after a repeatable's statements, that the server understands its condition; it is not evaluated.

    Raises:
        MigrationFailed: it does not; the cause is chained.
    """
    if not needs_check(step):
        return
    migration = step.migration
    try:
        with read_only(connection, _PATIENCE):
            misfit = _understood(connection, (migration.repeat and migration.repeat.condition) or "")
    except psycopg.Error as error:
        if database.is_lost(connection, error):
            raise
        raise _failed(migration, error) from error
    if misfit is not None:
        raise _unanswered(migration, misfit)


_PREPARED = "zmig_condition"
_BOOLEAN = psycopg.adapters.types["bool"].oid


def _understood(connection: WorkingConnection, condition: str) -> str | None:
    """Return why a query that the server understands can be no condition."""
    if not is_query(condition):
        return _NO_QUERY
    connection.execute(f"prepare {_PREPARED} as {condition}".encode(), binary=True)
    try:
        described = wire.describe(connection, _PREPARED)
    finally:
        connection.execute(f"deallocate {_PREPARED}".encode())
    if described.nfields != 1:
        return f"it returns {described.nfields} columns"
    return None if described.ftype(0) == _BOOLEAN else "what it returns is not a boolean"


_WRITABLE = "reset default_transaction_read_only"


@contextmanager
def read_only(
    connection: WorkingConnection, lock_timeout: str, *, patience: str = _PATIENCE, in_code: bool = False
) -> Generator[None]:
    """Let nothing inside the block write; what it sets is undone, in whatever transaction it is, which may write again.

    The question is the project's own, so it finds what psql would give it; but Python, `in_code`, what it can read.
    """
    nested = connection.info.transaction_status is not psycopg.pq.TransactionStatus.IDLE
    begin, end = (
        ("savepoint asked", "rollback to asked; release asked") if nested else ("begin", f"rollback; {_WRITABLE}")
    )
    as_given = "; ".join(settings.as_given_sql(connection.info.server_version))
    values = {IDLE_IN_TRANSACTION: "'0'", **(READABLE if in_code else {})}
    connection.execute(
        f"{begin}; set transaction read only; {as_given}; set local statement_timeout = '{patience}'; "
        f"set local lock_timeout = '{lock_timeout}'; set default_transaction_read_only = on; "
        f"select {set_config(values, local=True)}".encode()
    )
    try:
        yield
    finally:
        match connection.info.transaction_status:
            case psycopg.pq.TransactionStatus.INTRANS | psycopg.pq.TransactionStatus.INERROR:
                connection.execute(end.encode())
            case psycopg.pq.TransactionStatus.IDLE:
                # Code ended the transaction; this setting, which refused what it wrote then, is now the session's.
                connection.execute(_WRITABLE.encode())
            case _:
                pass  # an interruption came in the middle, or the connection is gone


class Misfit(str):
    """Why what came back is no answer."""

    __slots__ = ()


_NO_QUERY = "it is not a query"


def of_query(connection: WorkingConnection, condition: str) -> object:
    """Return the one value that a query returns; a `Misfit` where it does not return one."""
    if not is_query(condition):
        return Misfit(_NO_QUERY)
    # The extended protocol, which psycopg takes for binary results, refuses a second statement.
    cursor = connection.execute(condition.encode(), binary=True)
    columns = len(cursor.description or ())
    rows = cursor.fetchmany(2)
    if columns != 1:
        return Misfit(f"it returned {columns} columns")
    return rows[0][0] if len(rows) == 1 else Misfit(f"it returned {cursor.rowcount} rows")


def _of_code(connection: WorkingConnection, migration: Migration, last_run: LastRun | None, run_id: str) -> object:
    ask = loader.functions(Step(migration, Action.CHECK, "")).should_repeat
    with (
        connection.interrupts.in_code(),
        borrowed(connection, in_transaction=True) as (lent, loan),
        surroundings_kept(),
    ):
        context = Context(lent, version=migration.version, name=migration.name, run_id=run_id)
        answer = ask(context, last_run)
    if is_yet_to_run(answer):
        return Misfit(f"it returned a `{type(answer).__name__}`, which has yet to run")
    if loan.is_left_in_use:
        return Misfit(LEFT_IN_USE.message)
    if loan.left is not None and loan.left is loan.swallowed(connection.info.transaction_status, None):
        return Misfit(LEFT_A_STREAM.message)
    if connection.info.transaction_status is not psycopg.pq.TransactionStatus.INTRANS:
        return Misfit("it ended the transaction it was asked in")
    return answer


def _failed(migration: Migration, error: BaseException) -> MigrationFailed:
    """Return the error of a question that raised one: with the line of the code, and what kind it is."""
    if isinstance(error, TransactionEnded):
        return _unanswered(migration, "it ended the transaction it was asked in", _line(migration, error))
    words = str(error).partition("\n")[0]
    if isinstance(error, psycopg.Error):
        return _unanswered(migration, words or type(error).__name__, _line(migration, error), _of_server(error))
    kind = type(error).__name__
    return _unanswered(migration, f"{kind}: {words}" if words else kind, _line(migration, error), "correct the code")


def _of_server(error: psycopg.Error) -> str | None:
    """Return what helps where a question is right and the server could not answer it."""
    if connection_hints.is_cancelled(error.sqlstate, error.diag.message_primary or ""):
        return f"{connection_hints.AGAIN}: somebody cancelled the question"
    if error.sqlstate in ("57014", "55P03"):
        return f"let it answer within {_PATIENCE}: it is asked on every apply and every status"
    return None


def _line(migration: Migration, error: BaseException) -> Location | None:
    """Return the line of a repeatable's Python file that an error came from."""
    if migration.file is None or migration.language is not Language.PYTHON:
        return None
    return locations.code_location(error, str(migration.file))


def _unanswered(
    migration: Migration, why: str, location: Location | None = None, hint: str | None = None
) -> MigrationFailed:
    condition = migration.repeat is not None and migration.repeat.rule is RepeatRule.CONDITION
    what = "condition" if condition else "`should_repeat`"
    return MigrationFailed(
        Problem(
            "repeat-undecided",
            f"the {what} of repeatable `{migration.name}` gave no answer: {why}",
            location=location or migration.declared_at,
            effect="it was not run",
            hint=hint
            or (
                "write a query that returns one row with one boolean"
                if condition
                else "return True or False from `should_repeat(ctx, last_run)`"
            ),
        )
    )
