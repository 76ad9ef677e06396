"""Rows that flow between the server and code that takes its time with each."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar, cast

import psycopg
from psycopg.pq import TransactionStatus

from zmig.database.loan import LoanEnded
from zmig.database.settings import USER_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from psycopg import Copy
    from psycopg.abc import Params, Query
    from psycopg.copy import Writer

    from zmig.database.connection import WorkingConnection

Row = TypeVar("Row")


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
