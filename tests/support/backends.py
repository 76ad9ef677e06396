"""What the server says of zmig's backends."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from psycopg.pq import TransactionStatus

if TYPE_CHECKING:
    import psycopg


class Running(Protocol):
    """What is waited for, as long as it has not ended."""

    @property
    def is_running(self) -> bool: ...


_OURS = "datname = current_database() and application_name like 'zmig/%'"
_PATIENCE_SECONDS = 120
_SHORTEST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.002, 0.02
NOTICES_GONE_CLIENTS_SINCE = 140000
"""Before this version a server does not notice, while a statement runs, that its client is gone."""


def count(connection: psycopg.Connection, condition: str = "true") -> int:
    """Return how many backends of zmig work on the database; `condition` chooses among them."""
    row = connection.execute(
        f"select count(*) from pg_stat_activity where {_OURS} and ({condition})".encode()
    ).fetchone()
    assert row is not None
    return row[0]


def pid(connection: psycopg.Connection, condition: str) -> int:
    """Return the process id of the one backend of zmig that fulfils `condition`."""
    found = connection.execute(f"select pid from pg_stat_activity where {_OURS} and ({condition})".encode()).fetchall()
    assert len(found) == 1
    return found[0][0]


def advisory_locks(connection: psycopg.Connection) -> int:
    """Return how many advisory locks are held in the database, by whomever."""
    row = connection.execute(
        "select count(*) from pg_locks where locktype = 'advisory' "
        "and database = (select oid from pg_database where datname = current_database())"
    ).fetchone()
    assert row is not None
    return row[0]


def wait_for(
    connection: psycopg.Connection, number: int, condition: str = "true", *, of: Running | None = None
) -> None:
    """Wait until exactly `number` backends of zmig fulfil `condition`: those of the process `of`, if that is given."""
    wait_until(
        connection,
        f"(select count(*) from pg_stat_activity where {_OURS} and ({condition})) = {number}",
        of=of,
    )


def wait_for_end(connection: psycopg.Connection) -> None:
    """Wait until zmig's backends are gone whose client was killed; a server that does not notice it is told so."""
    if connection.info.server_version < NOTICES_GONE_CLIENTS_SINCE:
        connection.execute(f"select pg_terminate_backend(pid) from pg_stat_activity where {_OURS}".encode())
    wait_for(connection, 0)


def wait_until(connection: psycopg.Connection, condition: str, *, of: Running | None = None) -> None:
    """Wait until a condition over what changes outside of the transaction is true; in vain once `of` has ended.

    Each look is a transaction of its own: a single one would be in the way of what is waited for. An index that is
    built concurrently waits for its end; so does a `vacuum full` of what all databases share, and with it whoever
    connects.
    """
    end, pause = time.monotonic() + _PATIENCE_SECONDS, _SHORTEST_PAUSE_SECONDS
    while True:
        has_ended = of is not None and not of.is_running
        if _is_true(connection, condition):
            return
        if has_ended or time.monotonic() > end:
            why = "the process ended before this was true" if has_ended else "never became true"
            raise AssertionError(f"{why}: {condition}; the server's sessions:\n{_sessions(connection)}")
        time.sleep(pause)
        pause = min(pause * 1.1, _LONGEST_PAUSE_SECONDS)


def _is_true(connection: psycopg.Connection, condition: str) -> bool:
    row = connection.execute(f"select {condition}".encode()).fetchone()
    if connection.info.transaction_status is not TransactionStatus.IDLE:
        connection.execute("select pg_stat_clear_snapshot()")
    return row is not None and bool(row[0])


def _sessions(connection: psycopg.Connection) -> str:
    """Return what each session does, one a line, and which others it waits for."""
    rows = connection.execute(
        "select concat_ws(' | ', pid, datname, application_name, state, wait_event_type, wait_event, "
        "'blocked by ' || nullif(pg_blocking_pids(pid), '{}')::text, clock_timestamp() - xact_start, "
        r"regexp_replace(left(query, 200), '\s+', ' ', 'g')) "
        "from pg_stat_activity where backend_type = 'client backend' order by datname, pid"
    ).fetchall()
    return "\n".join(row for (row,) in rows)
