"""The run's lock: a session-level advisory lock, polled for, on the connection that runs the migrations.

Held there, it ends exactly when the backend that works ends, so nobody can start on top of a backend whose
client has died. It is polled in autocommit because a waiter blocked in `pg_advisory_lock()` holds a snapshot
that CREATE INDEX CONCURRENTLY would wait for.
"""

from __future__ import annotations

import os
import time
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, cast

from zmig.sql.quoting import operator

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from zmig.database.invariants import Broken
    from zmig.database.lock_holder import LockHolder
    from zmig.database.types import Connection, Questioning

_EQUALS = operator("=")
_MARK_SETTING = "zmig.transaction"

_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 0.5
_SECONDS_BETWEEN_NOTES = 5.0

_HOLDER = """
select l.pid, a.application_name, a.usename::text, host(a.client_addr), b.since, a.query,
    extract(epoch from clock_timestamp() - b.since)::float8, a.xact_start is not null
from pg_catalog.pg_locks l left join pg_catalog.pg_stat_activity a on a.pid = l.pid,
    lateral (select coalesce(a.xact_start, a.query_start)) as b (since)
where {condition} and l.granted
limit 1
"""
"""A session that took the lock twice has one row still. Its backend may be one that this role may not see."""

_TERMINATE = """
select pg_catalog.pg_terminate_backend(l.pid) from pg_catalog.pg_locks l
where {condition} and l.granted and l.pid = {pid}
"""


def _key(text: str) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big", signed=True)


def _has_key(key: int) -> str:
    unsigned = key % (1 << 64)
    return (
        f"l.locktype {_EQUALS} 'advisory' and l.objsubid {_EQUALS} 1 "
        f"and l.classid {_EQUALS} {unsigned >> 32} and l.objid {_EQUALS} {unsigned & 0xFFFFFFFF}"
    )


def advisory(key: int) -> str:
    """Return what is true of a row `l` of pg_locks that is about an advisory lock in the current database, as SQL."""
    own = f"d.datname {_EQUALS} pg_catalog.current_database()"
    return f"{_has_key(key)} and l.database {_EQUALS} (select d.oid from pg_catalog.pg_database d where {own})"


def find_holder(connection: Questioning, condition: str) -> LockHolder | None:
    """Return a backend that holds a lock for which a condition on `l`, a row of pg_locks, is true; None for nobody."""
    row = connection.execute(_HOLDER.format(condition=condition).encode()).fetchone()
    if row is None:
        return None
    from zmig.database.lock_holder import LockHolder
    from zmig.sql import message

    return LockHolder(
        pid=cast("int", row[0]),
        application_name=cast("str | None", row[1]),
        database_user=cast("str | None", row[2]),
        host=cast("str | None", row[3]),
        since=cast("datetime | None", row[4]),
        query=message.query_of(cast("str | None", row[5])),
        seconds=cast("float | None", row[6]),
        in_transaction=row[7] is True,
    )


def poll(
    take: Callable[[], bool],
    *,
    limit_seconds: float | None,
    holder: Callable[[], LockHolder | None],
    report: Callable[[LockHolder | None, float], object],
    not_obtained: Callable[[LockHolder | None, float], Exception],
) -> float:
    """Try to take a lock until it is taken, for at most `limit_seconds` (None: for ever); return the seconds waited.

    `report` is called now and then with the holder and the seconds waited so far; what `not_obtained` makes of the two
    is raised when the time is over.
    """
    began = time.monotonic()
    pause, next_note = _FIRST_PAUSE_SECONDS, 0.0
    while not take():
        waited = time.monotonic() - began
        is_over = limit_seconds is not None and waited >= limit_seconds
        if waited >= next_note or is_over:
            found = holder()
            if is_over:
                raise not_obtained(found, waited)
            report(found, waited)
            next_note = waited + _SECONDS_BETWEEN_NOTES
        time.sleep(pause if limit_seconds is None else min(pause, max(limit_seconds - waited, 0.01)))
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
    return time.monotonic() - began


def _is_mine(key: int) -> str:
    own = f"l.granted and l.pid {_EQUALS} pg_catalog.pg_backend_pid()"
    return f"exists (select from pg_catalog.pg_locks l where {_has_key(key)} and {own})"


class RunLock:
    """The lock that makes runs on one tracking schema of one database exclusive.

    A session that holds it has taken it twice, so that it can prove at no cost that it holds it still: it gives it back
    once and takes it again. Reading `pg_locks` instead takes as long as a small migration.
    """

    def __init__(self, schema: str) -> None:
        self.key = _key(f"zmig run lock on {schema}")
        """The advisory lock's key: the first eight bytes of a hash of the schema's name, as a bigint."""
        self._mark = _key(f"zmig transaction on {schema}")
        self._token = os.urandom(8).hex()
        """The setting's value, which no role or database can have set before."""

    @property
    def _condition(self) -> str:
        return advisory(self.key)

    @property
    def is_held_sql(self) -> str:
        """SQL that is true where the asking session holds the lock; where it does not, the server warns of it, too."""
        give, take = (f"pg_catalog.{verb}({self.key})" for verb in ("pg_advisory_unlock", "pg_try_advisory_lock"))
        return f"case when {give} then {take} else false end"

    @property
    def mark_sql(self) -> str:
        """SQL that marks the open transaction until its end, and fails where the lock is not held.

        The setting is quick to read, and the advisory lock beyond the reach of `RESET ALL` and the like.
        """
        from zmig.database import invariants as promise

        return (
            f"select {promise.check_sql([self.promise])}, pg_catalog.pg_try_advisory_xact_lock({self._mark}), "
            f"pg_catalog.set_config('{_MARK_SETTING}', '{self._token}', true)"
        )

    @property
    def promise(self) -> tuple[str, Broken]:
        """What `promise.check_sql` needs to fail where the asking session does not hold the lock."""
        from zmig.database.invariants import Broken

        return f"not {self.is_held_sql}", Broken.LOCK

    @property
    def transaction_promise(self) -> tuple[str, Broken]:
        """The same for the transaction that was marked."""
        from zmig.database.invariants import Broken

        return f"not {self.is_marked_sql}", Broken.TRANSACTION

    @property
    def is_marked_sql(self) -> str:
        """SQL that is true in the transaction that was marked."""
        seen = f"pg_catalog.current_setting('{_MARK_SETTING}', true)"
        return f"case when {seen} {_EQUALS} '{self._token}' then true else {_is_mine(self._mark)} end"

    def try_acquire(self, connection: Connection) -> bool:
        """Take the lock if it is free; return whether it is now held."""
        take = f"pg_catalog.pg_try_advisory_lock({self.key})"
        row = connection.execute(f"select {take} and {take}".encode()).fetchone()
        return row is not None and row[0] is True

    def release(self, connection: Connection) -> None:
        """Give the lock back."""
        give = f"pg_catalog.pg_advisory_unlock({self.key})"
        connection.execute(f"select {give}, {give} where {_is_mine(self.key)}".encode())

    def holder(self, connection: Questioning) -> LockHolder | None:
        """Return the backend that holds the lock; None when nobody does."""
        return find_holder(connection, self._condition)

    def terminate(self, connection: Connection, holder: LockHolder) -> None:
        """Make the server end the backend that holds the lock, if it holds it still."""
        connection.execute(_TERMINATE.format(condition=self._condition, pid=holder.pid).encode())

    def wait(
        self,
        connection: Connection,
        *,
        limit_seconds: float | None,
        report: Callable[[LockHolder | None, float], object],
        known: Callable[[LockHolder], LockHolder],
        database: str,
    ) -> float:
        """Take the lock, waiting at most `limit_seconds` (None: for ever); return the seconds waited.

        `known` completes a holder with what the facts say of it; `report` is called now and then with the holder and
        the seconds waited so far.

        Raises:
            LockNotObtained: the time is over; the error names the holder.
        """
        from zmig.database import lock_holder as holders

        def holder() -> LockHolder | None:
            found = self.holder(connection)
            return known(found) if found is not None else None

        return poll(
            partial(self.try_acquire, connection),
            limit_seconds=limit_seconds,
            holder=holder,
            report=report,
            not_obtained=lambda holder, waited: holders.not_obtained(holder, database, waited),
        )
