"""What the server says of zmig's backends."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg

_OURS = "datname = current_database() and application_name like 'zmig/%'"
_PATIENCE_SECONDS = 120
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


def wait_for(connection: psycopg.Connection, number: int, condition: str = "true") -> None:
    """Wait until exactly `number` backends of zmig fulfil `condition`."""
    wait_until(
        connection,
        f"(select count(*) from pg_stat_activity where {_OURS} and ({condition})) = {number}",
    )


def wait_for_end(connection: psycopg.Connection) -> None:
    """Wait until zmig's backends are gone whose client was killed; a server that does not notice it is told so."""
    if connection.info.server_version < NOTICES_GONE_CLIENTS_SINCE:
        connection.execute(f"select pg_terminate_backend(pid) from pg_stat_activity where {_OURS}".encode())
    wait_for(connection, 0)


def wait_until(connection: psycopg.Connection, condition: str) -> None:
    """Wait on the server until a condition over what changes outside of the transaction is true."""
    connection.execute(
        f"""do $$
        declare
            began timestamptz := clock_timestamp();
        begin
            while not ({condition}) loop
                if clock_timestamp() - began > interval '{_PATIENCE_SECONDS} s' then
                    raise 'never became true: %', $condition${condition}$condition$;
                end if;
                perform pg_stat_clear_snapshot(), pg_sleep(0.002);
            end loop;
        end
        $$""".encode()
    )
