"""Detects a connection pooler between zmig and the server, and refuses one that pools transactions.

Behind a transaction pooler a session-level lock stays with whichever server connection took it, so it neither
protects a run nor ends with it. libpq knows the process id its server end announced; a pooler announces its
own, so it differs from `pg_backend_pid()`.
"""

from __future__ import annotations

import contextlib
import selectors
import time
from typing import TYPE_CHECKING

import psycopg
from psycopg import pq

from zmig.database import connection as database
from zmig.errors import Problem, UsageError

if TYPE_CHECKING:
    from zmig.database.connection import Target
    from zmig.database.types import Connection

_PATIENCE_SECONDS = 2.0


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
                hint=f"use a direct connection: put the PostgreSQL server's own host and port into {target.written_in}",
            )
        )


def give_back(connection: Connection) -> None:
    """Leave the session as it began, with nothing set, prepared or locked: a pooler need not see to that itself.

    Raises:
        psycopg.Error: the server refuses, or is gone.
    """
    if connection.info.transaction_status is not pq.TransactionStatus.IDLE:
        connection.rollback()
    connection.execute(b"discard all")


def _moves(connection: Connection, target: Target, backend_pid: int) -> bool:
    """Whether another client gets the same server process while this session is idle, or this one's changes.

    A pooler that has no other server process to give does not answer: then this session has one for itself, or its
    own question would not be answered either.
    """
    with contextlib.closing(database.connect_unasked(target, application_name="zmig/pooler-check")) as other:
        try:
            theirs = _pid_in_transaction(other.pgconn)
        except psycopg.errors.ProtocolViolation:
            return True
        return theirs == backend_pid or database.backend_pid(connection) != backend_pid


def _pid_in_transaction(link: pq.abc.PGconn) -> int | None:
    """Open a transaction and return the server process it is in; None where there is no answer in time.

    Raises:
        psycopg.errors.ProtocolViolation: the pooler hands the server process over after every statement.
    """
    link.send_query(b"begin; select pg_catalog.pg_backend_pid()")
    deadline = time.monotonic() + _PATIENCE_SECONDS
    pid: int | None = None
    with selectors.DefaultSelector() as selector:
        selector.register(link.socket, selectors.EVENT_READ)
        while True:
            while link.is_busy():
                if not selector.select(max(deadline - time.monotonic(), 0)):
                    return None
                link.consume_input()
            result = link.get_result()
            if result is None:
                return pid
            if result.status == pq.ExecStatus.FATAL_ERROR:
                raise psycopg.errors.ProtocolViolation(result.error_message.decode("utf-8", "replace"))
            value = result.get_value(0, 0) if result.ntuples else None
            pid = int(value) if value is not None else pid
