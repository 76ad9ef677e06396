"""The working connection as one call of a migration's code has it: an object of its own, over the same session.

What the code sets on it is gone with it. A thread that outlives the code has no part in what comes next through it,
while threads that several migrations share have each migration's own object.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import ref

from zmig.database.connection import WorkingConnection
from zmig.database.loan import Loan, LoanEnded
from zmig.database.streaming import UnhurriedCursor

if TYPE_CHECKING:
    from collections.abc import Generator


class LentConnection(WorkingConnection):
    """A connection that only the thread it was lent to may use behind the end of the loan: for the next loan."""

    _owner: WorkingConnection
    _thread = 0

    @classmethod
    def of(cls, owner: WorkingConnection, loan: Loan) -> LentConnection:
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
