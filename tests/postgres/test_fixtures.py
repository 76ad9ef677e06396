"""The databases that tests are given: empty, whatever the test before has left."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.support import database as databases

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
