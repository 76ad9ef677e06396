"""The run's lock: a session-level advisory lock, polled for, on the connection that runs the migrations.

Held there, it ends exactly when the backend that works ends, so nobody can start on top of a backend whose
client has died. It is polled in autocommit because a waiter blocked in `pg_advisory_lock()` holds a snapshot
that CREATE INDEX CONCURRENTLY would wait for.
"""

from __future__ import annotations

import time
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, cast

from zmig.errors import LockNotObtained, Problem
from zmig.progress import LockHolder, LockWaiting

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from zmig.database import Connection
    from zmig.invocation import Invocation
    from zmig.progress import Observer

_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 0.5
_SECONDS_BETWEEN_NOTES = 5.0

_HOLDER = """
select l.pid, a.application_name, a.usename::text, a.client_addr::text, coalesce(a.xact_start, a.query_start), a.query
from pg_catalog.pg_locks l left join pg_catalog.pg_stat_activity a on a.pid = l.pid
where {condition} and l.granted
limit 1
"""


def _key(text: str) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big", signed=True)


def _is_lock(key: int) -> str:
    unsigned = key % (1 << 64)
    return (
        "l.locktype = 'advisory' and l.objsubid = 1 "
        "and l.database = (select oid from pg_catalog.pg_database where datname = current_database()) "
        f"and l.classid = {unsigned >> 32} and l.objid = {unsigned & 0xFFFFFFFF}"
    )


def _is_mine(key: int) -> str:
    return (
        f"exists (select from pg_catalog.pg_locks l where {_is_lock(key)} and l.granted and l.pid = pg_backend_pid())"
    )


class RunLock:
    """The lock that makes runs on one tracking schema of one database exclusive."""

    def __init__(self, schema: str) -> None:
        self.key = _key(f"zmig run lock on {schema}")
        """The advisory lock's key: the first eight bytes of a hash of the schema's name, as a bigint."""
        self._mark = _key(f"zmig transaction on {schema}")

    @property
    def _condition(self) -> str:
        return _is_lock(self.key)

    @property
    def is_held_sql(self) -> str:
        """SQL that is true where the asking session holds the lock."""
        return _is_mine(self.key)

    @property
    def mark_sql(self) -> str:
        """SQL that marks the open transaction until its end, beyond the reach of `RESET ALL` and the like."""
        return f"select pg_catalog.pg_try_advisory_xact_lock({self._mark})"

    @property
    def is_marked_sql(self) -> str:
        """SQL that is true in the transaction that was marked."""
        return _is_mine(self._mark)

    def try_acquire(self, connection: Connection) -> bool:
        """Take the lock if it is free; return whether it is now held."""
        row = connection.execute(f"select pg_try_advisory_lock({self.key})".encode()).fetchone()
        return row is not None and row[0] is True

    def release(self, connection: Connection) -> None:
        """Give the lock back."""
        connection.execute(f"select pg_advisory_unlock({self.key})".encode())

    def holder(self, connection: Connection) -> LockHolder | None:
        """Return the backend that holds the lock; None when nobody does."""
        row = connection.execute(_HOLDER.format(condition=self._condition).encode()).fetchone()
        if row is None:
            return None
        return LockHolder(
            pid=cast("int", row[0]),
            application_name=cast("str | None", row[1]),
            database_user=cast("str | None", row[2]),
            host=cast("str | None", row[3]),
            since=cast("datetime | None", row[4]),
            query=cast("str | None", row[5]),
        )

    def wait(
        self,
        connection: Connection,
        *,
        limit_seconds: float | None,
        observer: Observer,
        migration_of: Callable[[LockHolder], str | None],
        database: str,
        invocation: Invocation,
    ) -> float:
        """Take the lock, waiting at most `limit_seconds` (None: for ever); return the seconds waited.

        Raises:
            LockNotObtained: the time is over; the error names the holder.
        """
        began = time.monotonic()
        pause, next_note = _FIRST_PAUSE_SECONDS, 0.0
        while not self.try_acquire(connection):
            waited = time.monotonic() - began
            if waited >= next_note or (limit_seconds is not None and waited >= limit_seconds):
                holder = self._described_holder(connection, migration_of)
                if limit_seconds is not None and waited >= limit_seconds:
                    raise _not_obtained(holder, database, waited, invocation)
                observer(LockWaiting(holder, waited))
                next_note = waited + _SECONDS_BETWEEN_NOTES
            time.sleep(pause if limit_seconds is None else min(pause, max(limit_seconds - waited, 0.01)))
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
        return time.monotonic() - began

    def _described_holder(
        self, connection: Connection, migration_of: Callable[[LockHolder], str | None]
    ) -> LockHolder | None:
        holder = self.holder(connection)
        return replace(holder, migration=migration_of(holder)) if holder is not None else None


def describe(holder: LockHolder | None) -> str:
    """Return who holds the lock, in one line."""
    if holder is None:
        return "the holder has just released it"
    parts = [f"backend {holder.pid}"]
    if holder.application_name:
        parts.append(f"application `{holder.application_name}`")
    if holder.host:
        parts.append(f"from {holder.host}")
    if holder.since is not None:
        parts.append(f"since {holder.since:%H:%M:%S %Z}".rstrip())
    if holder.migration:
        parts.append(f"running `{holder.migration}`")
    return ", ".join(parts)


def _not_obtained(holder: LockHolder | None, database: str, waited: float, invocation: Invocation) -> LockNotObtained:
    return LockNotObtained(
        Problem(
            "lock-held",
            f"another zmig run holds the lock on database `{database}`",
            facts=(f"held by {describe(holder)}", f"waited {waited:.1f} s"),
            effect="nothing was run",
            hint=f"wait longer for it with `{invocation.command('apply', '--lock-wait', '10min')}`",
        )
    )
