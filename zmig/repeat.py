"""Asks whether a repeatable that has run is due again; reads only, in a transaction that is rolled back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from zmig import prepare
from zmig.context import Context
from zmig.errors import MigrationFailed, Problem, ZmigError
from zmig.model import RepeatRule
from zmig.plan import Action, Step

if TYPE_CHECKING:
    from zmig.database import Connection
    from zmig.model import LastRun, Migration

_PATIENCE = "30s"
"""How long a condition may take: it is asked on every apply and every status."""


def is_due(connection: Connection, migration: Migration, last_run: LastRun | None, *, run_id: str) -> bool:
    """Return what a repeatable's condition or `should_repeat` says now.

    Raises:
        MigrationFailed: the question could not be answered; the cause is chained.
    """
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(f"set transaction read only; set local statement_timeout = '{_PATIENCE}'".encode())
            answer = _ask(connection, migration, last_run, run_id)
    except ZmigError:
        raise
    except (Exception, SystemExit) as error:
        raise _unanswered(migration, str(error).splitlines()[0] if str(error) else type(error).__name__) from error
    if not isinstance(answer, bool):
        raise _unanswered(migration, f"it returned {answer!r}, not a boolean")
    return answer


def _ask(connection: Connection, migration: Migration, last_run: LastRun | None, run_id: str) -> object:
    if migration.repeat is not None and migration.repeat.rule is RepeatRule.CONDITION:
        row = connection.execute((migration.repeat.condition or "").encode()).fetchone()
        return row[0] if row is not None and len(row) == 1 else row
    ask = prepare.functions(Step(migration, Action.CHECK, "")).should_repeat
    context = Context(connection, version=migration.version, name=migration.name, run_id=run_id)
    return ask(context, last_run)


def answer(connection: Connection, migration: Migration, last_run: LastRun | None, *, run_id: str) -> bool | None:
    """Return the same as `is_due`, or None where the question cannot be answered yet."""
    try:
        return is_due(connection, migration, last_run, run_id=run_id)
    except MigrationFailed as error:
        if isinstance(error.__cause__, psycopg.OperationalError) and connection.closed:
            raise
        return None


def _unanswered(migration: Migration, why: str) -> MigrationFailed:
    condition = migration.repeat is not None and migration.repeat.rule is RepeatRule.CONDITION
    what = "condition" if condition else "`should_repeat`"
    return MigrationFailed(
        Problem(
            "repeat-undecided",
            f"the {what} of repeatable `{migration.name}` gave no answer: {why}",
            location=migration.declared_at,
            effect="it was not run",
            hint="write a query that returns one row with one boolean"
            if condition
            else "return True or False from `should_repeat(ctx, last_run)`",
        )
    )
