"""Knows of a transaction that a script opens itself whether it may only read, and whether it had written before that.

PostgreSQL lets a transaction become read-only after its writes. The checkpoint that is to commit with those can then
no longer be written in it, and one after the COMMIT would come too late for a run that is killed in between.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg

from zmig.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zmig.running.run_session import RunSession
    from zmig.sql.statement import Statement

_READ_ONLY = re.compile(r"read[ \t\r\n_]{1,9}only", re.IGNORECASE)

AFTER_WRITES = Problem(
    "read-only-behind-writes",
    "it lets its transaction only read after its writes, with which the end of them is to be recorded",
    facts=("that transaction was rolled back",),
    hint="put `commit; begin read only` in the place of what lets the transaction only read",
)
"""A transaction that is to be committed has written before it became read-only."""


class ReadOnlyWatch:
    """Looks at each transaction that a script opens itself; the server is asked only where the script speaks of it."""

    def __init__(self, statements: Iterable[Statement]) -> None:
        self._is_spoken_of = any(one.spells("only") and _READ_ONLY.search(one.searchable) for one in statements)
        self.is_read_only = False
        """Whether the open transaction may only read."""
        self.culprit: Statement | None = None
        """The statement that made it so, where it had written something before: then it cannot be committed."""

    def look(self, session: RunSession, one: Statement, *, was_open: bool) -> None:
        """Look at the transaction after a statement; `was_open` says that it did not begin with that."""
        before, self.is_read_only = self.is_read_only and was_open, self._asks(session)
        if not self.is_read_only or not was_open or one.command.controls_transaction:
            self.culprit = None
        elif not before and _has_written(session):
            self.culprit = one

    def _asks(self, session: RunSession) -> bool:
        """Return what the server says; SHOW takes no snapshot, after which an isolation level could not be set."""
        if not self._is_spoken_of:
            return False
        if session.connection.info.transaction_status is not psycopg.pq.TransactionStatus.INTRANS:
            return False
        return session.send_alone("show transaction_read_only").last == ("on",)


def _has_written(session: RunSession) -> bool:
    """Whether the open transaction has a number, which the first write gives it."""
    reply = session.send_alone("select pg_catalog.pg_current_xact_id_if_assigned() is not null")
    return reply.last == ("t",)
