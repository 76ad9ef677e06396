"""The working connection while a migration's code has it: what ends the transaction there, and what code swallows."""

from __future__ import annotations

import psycopg
from psycopg.pq import TransactionStatus


class TransactionEnded(psycopg.ProgrammingError):
    """A statement of a migration's code ended the transaction that zmig runs it in."""

    def __init__(self) -> None:
        super().__init__("the statement ended the transaction zmig runs the migration in")


class LoanEnded(psycopg.ProgrammingError):
    """What a migration's code began with the connection went on after the code's end."""

    def __init__(self) -> None:
        super().__init__("the migration that used the connection has ended")


class Loan:
    """One call of a migration's code."""

    def __init__(self, *, in_transaction: bool) -> None:
        self.in_transaction = in_transaction
        """Whether a transaction of zmig's is open meanwhile."""
        self.error: psycopg.Error | None = None
        """The latest error of a statement, but for those that only say that one was before."""
        self.left: psycopg.Error | None = None
        """The error by which psycopg ended a query that the code left before its last row."""
        self.is_left_in_use = False
        """Whether the code came to its end with something of it still under way on the connection."""

    def note(self, error: psycopg.Error) -> None:
        """Take note of an error that goes to the code, which may swallow it."""
        if not isinstance(error, psycopg.errors.InFailedSqlTransaction):
            self.error = error

    def leave(self) -> None:
        """Take note that the latest error came of a query that the code left, which psycopg cancelled for that."""
        if isinstance(self.error, psycopg.errors.QueryCanceled):
            self.left = self.error

    def check(self, status: TransactionStatus) -> None:
        """Make sure that the transaction is open still. Raises TransactionEnded, which names the statement's line."""
        if self.in_transaction and status is TransactionStatus.IDLE:
            raise TransactionEnded

    def swallowed(self, status: TransactionStatus, raised: BaseException | None) -> psycopg.Error | None:
        """Return the error by which the transaction failed, where the code went on after it.

        `raised` is what came out of the code; one of its own says more.
        """
        went_on = raised is None or isinstance(raised, psycopg.errors.InFailedSqlTransaction)
        return self.error if went_on and status is TransactionStatus.INERROR else None
