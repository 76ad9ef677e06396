"""The working connection as one call of a migration's code has it: an object of its own, over the same session.

What the code sets on it is gone with it. A thread that outlives the code has no part in what comes next through it,
while threads that several migrations share have each migration's own object.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast
from weakref import ref

import psycopg
from psycopg.pq import TransactionStatus

from zmig.database.connection import WorkingConnection
from zmig.database.loan import Loan, LoanEnded
from zmig.database.settings import USER_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from psycopg import Copy
    from psycopg.abc import Params, Query
    from psycopg.copy import Writer

Row = TypeVar("Row")


@contextmanager
def borrowed(connection: WorkingConnection, *, in_transaction: bool) -> Generator[tuple[BorrowedConnection, Loan]]:
    """Let a migration's code use the session of a connection inside the block, through an object of its own."""
    threshold, others = connection.prepare_threshold, frozenset(threading.enumerate())
    loan = Loan(in_transaction=in_transaction)
    connection.lend(loan)
    borrowed = BorrowedConnection.of(connection, loan)
    try:
        with borrowed.notified():
            yield borrowed, loan
    finally:
        connection.has_threads |= not others.issuperset(threading.enumerate())
        with connection.interrupts.deferred():
            loan.is_left_in_use = connection.take_back()
            connection.prepare_threshold = threshold
            if not connection.closed and connection.info.transaction_status is TransactionStatus.IDLE:
                connection.autocommit = True
                connection.isolation_level = connection.read_only = connection.deferrable = None


class BorrowedConnection(WorkingConnection):
    """A connection that only the thread it was lent to may use after the end of the loan: for the next loan."""

    _owner: WorkingConnection
    _thread = 0

    @classmethod
    def of(cls, owner: WorkingConnection, loan: Loan) -> BorrowedConnection:
        """Return an object over the session of `owner`."""
        lent = cls.__new__(cls)
        lent.__dict__.update(owner.__dict__)
        lent._owner, lent._loan, lent._thread = owner, loan, threading.get_ident()
        lent.cursor_factory = UnhurriedCursor
        return lent

    def current_loan(self) -> Loan:
        """Return the loan that the session is under now. Raises LoanEnded in a thread that has no part in it."""
        current = self._owner.current_loan()
        if current is not self._loan and threading.get_ident() != self._thread:
            raise LoanEnded
        return current

    @contextmanager
    def notified(self) -> Generator[None]:
        """Keep for this object what the server notifies of inside the block."""
        before = self.pgconn.notify_handler
        self.pgconn.notify_handler = partial(type(self)._notify_handler, ref(self))
        try:
            yield
        finally:
            self.pgconn.notify_handler = before

    def __del__(self, *_: Any) -> None:
        """Do nothing: the session is its owner's."""


class UnhurriedCursor(psycopg.Cursor[Row]):
    """A cursor that lets code read or write a stream of rows as slowly as it wants to.

    The server would take a client for gone that lets rows wait for longer than `tcp_user_timeout`, however alive it is
    (see `zmig.database.tcp`). So it is not asked for that from the first stream on, until the migration has ended.
    """

    def stream(
        self, query: Query, params: Params | None = None, *, binary: bool | None = None, size: int = 1
    ) -> Iterator[Row]:
        """Yield the rows of a query as they come."""
        self._take_time()
        try:
            yield from super().stream(query, params, binary=binary, size=size)
        except GeneratorExit:
            with suppress(LoanEnded):
                if self.connection.info.transaction_status is TransactionStatus.INERROR:
                    cast("WorkingConnection", self.connection).current_loan().leave()
            raise

    @contextmanager
    def copy(self, statement: Query, params: Params | None = None, *, writer: Writer | None = None) -> Generator[Copy]:
        """Run a COPY from or to the client."""
        self._take_time()
        with super().copy(statement, params, writer=writer) as copy:
            yield copy

    def _take_time(self) -> None:
        if not self.connection.info.host.startswith(("/", "@")):
            super().execute(f"set {USER_TIMEOUT} = 0".encode())
