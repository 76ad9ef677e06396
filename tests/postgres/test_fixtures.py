"""The databases that tests are given are empty, whatever the test before has left; and how tests wait."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.support import backends
from tests.support import database as databases
from tests.support.process import Process

if TYPE_CHECKING:
    from collections.abc import Callable

LEFTOVERS = [
    "create schema other; create table other.t (id integer); create view other.v as select * from other.t",
    "drop schema public cascade",
    "create extension if not exists citext",
    "create publication left_publication",
    "create foreign data wrapper left_wrapper",
    "create function left_f() returns event_trigger language plpgsql as 'begin end';"
    "create event trigger left_trigger on ddl_command_end execute function left_f()",
    "select lo_create(0)",
    "comment on schema public is 'left'; revoke all on schema public from public",
]

CONTENTS = """
    select
        (
            select array_agg(concat_ws(' ', nspname, nspowner, nspacl, obj_description(oid)) order by nspname)
            from pg_namespace
            where nspname !~ '^pg_'
        ),
        (select count(*) from pg_class where oid >= 16384),
        (select count(*) from pg_proc where oid >= 16384),
        (select array_agg(extname) from pg_extension),
        (select count(*) from pg_publication),
        (select count(*) from pg_foreign_data_wrapper),
        (select count(*) from pg_event_trigger),
        (select count(*) from pg_largeobject_metadata),
        (select count(*) from pg_prepared_xacts where database = current_database()),
        current_setting('work_mem')
"""


def contents(url: str) -> tuple[object, ...] | None:
    with psycopg.connect(url) as connection:
        return connection.execute(CONTENTS.encode()).fetchone()


@pytest.mark.parametrize("leftover", LEFTOVERS, ids=[leftover.split()[1] for leftover in LEFTOVERS])
def test_whatever_was_left_is_gone(fresh_database: str, leftover: str) -> None:
    new = contents(fresh_database)
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        connection.execute(leftover.encode())
    databases.empty(fresh_database)
    assert contents(fresh_database) == new


def test_a_session_that_empties_again_and_again_may_be_ended_meanwhile(fresh_database: str) -> None:
    new = contents(fresh_database)
    with contextlib.closing(databases.Emptied(fresh_database)) as emptied:
        for is_ended in (False, True, False):
            with psycopg.connect(fresh_database, autocommit=True) as connection:
                connection.execute("create table t ()")
                if is_ended:
                    databases.end_sessions(connection, connection.info.dbname)
            emptied.empty()
            assert contents(fresh_database) == new


def test_settings_of_the_database_are_reset(fresh_database: str) -> None:
    new = contents(fresh_database)
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        connection.execute(f"alter database {connection.info.dbname} set work_mem = '7MB'".encode())
    assert contents(fresh_database) != new
    databases.empty(fresh_database)
    assert contents(fresh_database) == new


def test_sessions_are_ended(database: str, connect: Callable[..., psycopg.Connection]) -> None:
    blocking = connect(autocommit=False)
    blocking.execute("create table locked (id integer)")
    databases.empty(database)
    with pytest.raises(psycopg.OperationalError):
        blocking.execute("select 1")


def test_prepared_transactions_are_rolled_back(database: str, connect: Callable[..., psycopg.Connection]) -> None:
    new = contents(database)
    connection = connect(autocommit=False)
    if connection.execute("show max_prepared_transactions").fetchone() == ("0",):
        pytest.skip("the server that ZMIG_TEST_DSN names allows no prepared transactions")
    connection.execute("create table prepared (id integer)")
    connection.execute(f"prepare transaction '{connection.info.dbname}'".encode())
    assert contents(database) != new
    databases.empty(database)
    assert contents(database) == new


def test_databases_of_two_fixtures_are_not_the_same(database: str, fresh_database: str) -> None:
    with psycopg.connect(database) as one, psycopg.connect(fresh_database) as other:
        assert one.info.dbname != other.info.dbname


def test_who_waits_is_in_nobodys_way(connect: Callable[..., psycopg.Connection]) -> None:
    """An index that is built concurrently waits for every transaction that has a snapshot."""
    waiting, other = connect(), connect()
    waiting.execute("create table t (x int)")
    with ThreadPoolExecutor(1) as threads:
        is_built = "exists (select from pg_index where indrelid = 't'::regclass and indisvalid)"
        reached = threads.submit(backends.wait_until, waiting, is_built)
        query = f"(select query from pg_stat_activity where pid = {waiting.info.backend_pid})"
        backends.wait_until(other, f"{query} like '%indisvalid%'")
        other.execute("create index concurrently t_x on t (x)")
        reached.result()


def test_who_waits_in_vain_tells_what_the_process_said_and_what_the_sessions_do(connection: psycopg.Connection) -> None:
    vain = pytest.raises(AssertionError, match="the process ended before this was true: false")
    with vain as failure, Process("nonsense") as process:
        backends.wait_until(connection, "false", of=process)
    assert f"{connection.info.backend_pid} | {connection.info.dbname}" in str(failure.value)
    (note,) = failure.value.__notes__
    assert note.startswith("`python -m zmig nonsense` had ended with code 2; its stderr:\nerror: ")


def test_a_wait_in_a_transaction_sees_what_changes_outside_of_it(connect: Callable[..., psycopg.Connection]) -> None:
    waiting, other = connect(autocommit=False), connect()
    gone = f"not exists (select from pg_stat_activity where pid = {other.info.backend_pid})"
    assert waiting.execute(f"select {gone}".encode()).fetchone() == (False,)
    other.close()
    backends.wait_until(waiting, gone)
