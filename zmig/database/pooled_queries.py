"""Questions through a pooler: nothing may be set for the session, since others may get the server process next.

Each question travels in one message with the settings for zmig's own reading, which end with that message: it is a
transaction of its own (PostgreSQL documentation, "Multiple Statements in a Simple Query"). So names and operators in it
mean what they say, whatever others put where the search path leads, behind poolers of transactions and statements, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

if TYPE_CHECKING:
    from typing import Self

    from psycopg.abc import Params, Query

Row = TypeVar("Row")


class PooledCursor(psycopg.ClientCursor[Row]):
    """A cursor whose statements bring the settings of their own, unless they are in a transaction that is open.

    Values are put into the text here, since a message with several statements takes no parameters.
    """

    settings: str
    """The statement in front."""

    def execute(
        self, query: Query, params: Params | None = None, *, prepare: bool | None = None, binary: bool | None = None
    ) -> Self:
        """Execute a query; its result can be read then."""
        text = self.mogrify(query, params)
        if self.connection.info.transaction_status is not TransactionStatus.IDLE:
            return super().execute(text.encode(), prepare=prepare, binary=binary)
        super().execute(f"{self.settings}; {text}".encode())
        self.nextset()
        return self


def bringing(settings: str) -> type[psycopg.Cursor[Any]]:
    """Return the kind of cursor that puts a statement in front of its own."""
    return type("BringingCursor", (PooledCursor,), {"settings": settings})
