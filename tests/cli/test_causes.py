"""Failures whose cause is not the file: whose timeout it was, which right is missing, what status says afterwards."""

from __future__ import annotations

import os
import re
import signal
from textwrap import dedent
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.support import backends
from tests.support.process import Process
from tests.support.steady import steady

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Run
    from tests.support.process import Ended
    from tests.support.shop import Shop

ONCE = "{attempts: 1}"


def error_of(ended: Ended) -> str:
    """Return the error, which stands behind the narration."""
    text = steady(ended.stderr)
    return text[text.index("error: ") :]


def hint_of(text: str) -> str:
    """Return the last hint in what a command said."""
    return text.rpartition("hint: ")[2].rstrip("\n")


@pytest.fixture
def locked(database: str) -> Iterator[None]:
    """A table that another session has locked."""
    with psycopg.connect(database) as other:
        other.execute("create table busy ()")
        other.commit()
        other.execute("lock table busy")
        yield


def test_a_statement_that_takes_too_long_names_zmigs_own_timeout(shop: Shop, run: Run) -> None:
    shop.add(1, "001_long", "select 1;\nselect pg_sleep(60);", statement_timeout="200ms")
    ended = run("apply", "shop.yaml")
    assert ended.code == 1
    assert error_of(ended) == dedent(
        """\
        error: migration `001_long` failed: canceling statement due to statement timeout
          --> 001_long.sql:2:1
           |
         2 | select pg_sleep(60);
           | ^
           = PostgreSQL 57014, statement 2 of 2, after <duration>
           = `statement_timeout` is 200ms, as the manifest has it
           = rolled back: `001_long` left nothing behind
        hint: write `statement_timeout: 800ms` in the manifest entry of `001_long`, """
        """then run `zmig retry shop.yaml 001_long`
        """
    )
    assert hint_of(run("status", "shop.yaml").stdout) == hint_of(ended.stderr)


@pytest.mark.usefixtures("locked")
def test_a_lock_that_is_waited_for_too_long_names_zmigs_own_timeout(shop: Shop, run: Run) -> None:
    shop.add(1, "001_busy", "alter table busy add x int;", lock_timeout="300ms", retry=ONCE)
    ended = run("apply", "shop.yaml")
    assert ended.code == 1
    # Who holds the lock is said, too, unless the busy machine let nobody look within these 300 ms.
    assert re.sub("   = blocked by pid .*: lock table busy\n", "", error_of(ended)) == dedent(
        """\
        error: migration `001_busy` failed: canceling statement due to lock timeout
          --> 001_busy.sql:1:1
           |
         1 | alter table busy add x int;
           | ^
           = PostgreSQL 55P03, statement 1 of 1, after <duration>
           = `lock_timeout` is 300ms, as the manifest has it
           = rolled back: `001_busy` left nothing behind
        hint: end what holds the lock, or write `lock_timeout: 3s` in the manifest entry of `001_busy`, """
        """then run `zmig retry shop.yaml 001_busy`
        """
    )
    assert hint_of(run("status", "shop.yaml").stdout) == hint_of(ended.stderr)


@pytest.mark.usefixtures("locked")
def test_a_timeout_of_the_file_is_told_apart_from_zmigs(shop: Shop, run: Run) -> None:
    shop.add(1, "001_busy", "set local lock_timeout = '50ms';\nalter table busy add x int;", retry=ONCE)
    ended = run("apply", "shop.yaml")
    assert "   = `lock_timeout` of zmig, 3s, is not the one that ended it: the file sets it\n" in ended.stderr
    hint = "raise the `lock_timeout` that the file sets, then run `zmig retry shop.yaml 001_busy`"
    assert hint_of(ended.stderr) == hint_of(run("status", "shop.yaml").stdout) == hint


@pytest.mark.usefixtures("locked")
def test_a_timeout_of_a_function_is_told_apart_from_zmigs(shop: Shop, run: Run, connection: psycopg.Connection) -> None:
    connection.execute("create function f() returns void set lock_timeout = '50ms' as 'lock table busy' language sql")
    shop.add(1, "001_busy", "select f(); -- not a lock_timeout of this file", retry=ONCE)
    ended = run("apply", "shop.yaml")
    assert "is not the one that ended it: a function that it calls sets it, or another role\n" in ended.stderr
    assert hint_of(ended.stderr).startswith("raise the `lock_timeout` that a function in it sets, then run ")


def test_a_statement_that_somebody_cancels_is_no_fault_of_the_file(
    shop: Shop, run: Run, connection: psycopg.Connection
) -> None:
    shop.add(1, "001_long", "select pg_sleep(600);")
    with Process("apply", "shop.yaml", cwd=shop.folder) as process:
        backends.wait_for(connection, 1, "wait_event = 'PgSleep'", of=process)
        connection.execute(
            "select pg_cancel_backend(pid) from pg_stat_activity "
            "where wait_event = 'PgSleep' and datname = current_database() and application_name like 'zmig/%'"
        )
        ended = process.wait()
    assert hint_of(ended.stderr) == "run `zmig retry shop.yaml 001_long` once nobody cancels it"
    assert hint_of(run("status", "shop.yaml").stdout) == hint_of(ended.stderr)


def test_status_after_a_signal_says_that_apply_starts_it_again(
    shop: Shop, run: Run, connection: psycopg.Connection
) -> None:
    shop.add(1, "001_long", "select pg_sleep(600);")
    with Process("apply", "shop.yaml", cwd=shop.folder) as process:
        backends.wait_for(connection, 1, "wait_event = 'PgSleep'", of=process)
        os.kill(process.pid, signal.SIGTERM)
        ended = process.wait()
    assert hint_of(ended.stderr) == "run `zmig apply shop.yaml`, which starts it again"
    assert hint_of(run("status", "shop.yaml").stdout) == hint_of(ended.stderr)


@pytest.fixture
def app(fresh_database: str) -> Iterator[str]:
    """A role without rights, whose name needs quotes."""
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        name = f"App of {connection.info.dbname}"
        connection.execute(f'create role "{name}"'.encode())
        try:
            yield name
        finally:
            connection.execute(f'drop owned by "{name}"; drop role "{name}"'.encode())


def test_a_missing_right_is_granted_by_the_command_in_the_hint(
    shop: Shop, run: Run, fresh_database: str, app: str
) -> None:
    shop.url = fresh_database
    shop.add(1, "001_users", "create table public.users ();", run_as=f'"{app}"')
    with psycopg.connect(fresh_database, autocommit=True) as admin:
        admin.execute("revoke create on schema public from public")
        ended = run("apply", "shop.yaml")
        assert ended.code == 1
        grant = f'grant create on schema public to "{app}"'
        hint = f"let its owner run `{grant}`, then run `zmig retry shop.yaml 001_users`"
        assert hint_of(ended.stderr) == hint_of(run("status", "shop.yaml").stdout) == hint
        since = "   = since PostgreSQL 15, only the owner of a database may create in its schema `public`\n"
        assert (since in ended.stderr) == (admin.info.server_version >= 150_000)
        admin.execute(grant.encode())
        assert run("retry", "shop.yaml", "001_users").code == 0


def test_another_roles_table_is_changed_as_its_owner(shop: Shop, run: Run, fresh_database: str, app: str) -> None:
    shop.url = fresh_database
    shop.add(1, "001_users", "create table users (); grant all on schema public to public;")
    shop.add(2, "002_more", "alter table users add x int;", run_as=f'"{app}"')
    hint = hint_of(run("apply", "shop.yaml").stderr)
    assert hint.startswith("write `run_as` with the owner of table `users` in the manifest entry of `002_more`, then ")


def test_what_needs_the_top_level_is_not_told_to_leave_the_transaction(shop: Shop, run: Run) -> None:
    shop.add(1, "001_users", "create table users (id int);")
    body = "do $$ begin create index concurrently i on users (id); end $$;"
    shop.add(2, "002_index", body)
    hint = "write the statement by itself, outside of `do` and of functions, then run `zmig retry shop.yaml 002_index`"
    assert hint_of(run("apply", "shop.yaml").stderr) == hint_of(run("status", "shop.yaml").stdout) == hint
