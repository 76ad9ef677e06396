"""The locks by which another migration tool is kept from running: its advisory locks, or its tables."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import psycopg

from zmig.database import lock
from zmig.sql.quoting import literal, operator

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from zmig.database.lock_holder import LockHolder
    from zmig.database.types import Connection

    Report = Callable[[LockHolder | None, float], object]
    Refuse = Callable[[LockHolder | None, float], Exception]

_EQUALS = operator("=")


class MayNotLock(Exception):
    """The role lacks the right to lock a tool's tables."""

    def __init__(self, cause: psycopg.Error) -> None:
        super().__init__(str(cause))
        self.cause = cause


@contextmanager
def advisory_locks(
    connection: Connection, keys: Sequence[int], *, limit_seconds: float | None, report: Report, not_obtained: Refuse
) -> Generator[None]:
    """Hold a tool's advisory locks inside the block."""

    def take(key: int) -> bool:
        row = connection.execute(f"select pg_catalog.pg_try_advisory_lock({key})".encode()).fetchone()
        return row is not None and row[0] is True

    def release(key: int) -> None:
        # Whatever keeps it from being released ends with the session, and so does the lock.
        with suppress(psycopg.Error):
            connection.execute(f"select pg_catalog.pg_advisory_unlock({key})".encode())

    with ExitStack() as held:
        for key in keys:
            lock.poll(
                partial(take, key),
                limit_seconds=limit_seconds,
                holder=partial(lock.find_holder, connection, lock.advisory(key)),
                report=report,
                not_obtained=not_obtained,
            )
            held.callback(release, key)
        yield


@contextmanager
def transaction(
    connection: Connection,
    locked: Sequence[str],
    *,
    limit_seconds: float | None,
    report: Report,
    not_obtained: Refuse,
) -> Generator[None]:
    """Run the block in one transaction with one snapshot; nobody else is at these tables, given as SQL, meanwhile.

    The transaction begins anew for each attempt, so that nobody has to wait for one that itself only waits. Raises
    MayNotLock.
    """
    begun = ExitStack()

    def begin() -> bool:
        begun.enter_context(connection.transaction())
        # All before the first snapshot, which then has everything that was committed by whoever had the locks.
        connection.execute(b"set transaction isolation level repeatable read")
        if not locked:
            return True
        try:
            connection.execute(f"lock table {', '.join(locked)} in access exclusive mode nowait".encode())
        except psycopg.errors.LockNotAvailable as error:
            begun.__exit__(type(error), error, error.__traceback__)
            return False
        except psycopg.errors.InsufficientPrivilege as error:
            raise MayNotLock(error) from error
        return True

    with begun:
        lock.poll(
            begin,
            limit_seconds=limit_seconds,
            holder=partial(lock.find_holder, connection, _on_tables(locked)),
            report=report,
            not_obtained=not_obtained,
        )
        yield


def _on_tables(names: Sequence[str]) -> str:
    """Return what is true of a row `l` of pg_locks that is about one of these tables, given as SQL."""
    listed = ", ".join(f"{literal(name)}::pg_catalog.regclass" for name in names)
    others = f"l.pid {operator('<>')} pg_catalog.pg_backend_pid()"
    return f"l.locktype {_EQUALS} 'relation' and l.relation {_EQUALS} any (array[{listed}]) and {others}"
