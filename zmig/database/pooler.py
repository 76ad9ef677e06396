"""Detects a connection pooler between zmig and the server, and refuses one that pools transactions.

Behind a transaction pooler a session-level lock stays with whichever server connection took it, so it neither
protects a run nor ends with it. libpq knows the process id its server end announced; a pooler announces its
own, so it differs from `pg_backend_pid()`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from zmig.database import connection as database
from zmig.errors import Problem, UsageError

if TYPE_CHECKING:
    from zmig.database.connection import Connection, Target


def refuse_transaction_pooling(connection: Connection, target: Target, *, backend_pid: int) -> None:
    """Make sure that statements of this session stay on one server process.

    Raises:
        UsageError: a pooler hands the server process to others between transactions.
    """
    if connection.info.backend_pid == backend_pid:
        return
    if _moves(connection, target, backend_pid):
        raise UsageError(
            Problem(
                "transaction-pooler",
                f"the server at `{target.host}` is behind a pooler that pools transactions, not sessions",
                facts=("a session lock taken through it would protect nothing and might never be released",),
                effect="nothing was run",
                hint="use a direct connection: put the PostgreSQL server's own host and port into `database.url`",
            )
        )


def _moves(connection: Connection, target: Target, backend_pid: int) -> bool:
    """Whether another client gets the same server process while this session is idle, or this one's changes."""
    with database.connect(target, application_name="zmig/pooler-check") as other:
        try:
            other.execute("begin")
            theirs = database.backend_pid(other)
            mine = database.backend_pid(connection)
        except psycopg.errors.ProtocolViolation:
            return True
        other.execute("rollback")
    return theirs == mine or mine != backend_pid
