"""The state of the catalogs is another one after each change of a schema: where it is the same, nothing has changed."""

from __future__ import annotations

from fnmatch import fnmatchcase

import psycopg
import pytest
from psycopg import sql

from tests.proof.mutations import make_role
from tests.support.schema_parts import ROLE, Part
from zmig.catalog.difference import differences
from zmig.catalog.scope import Scope
from zmig.database import catalog_state, schema_reader


def state(connection: psycopg.Connection, scope: Scope | None = None) -> object:
    """Return the state in the transaction that is open, if one is."""
    query = catalog_state.state_sql(connection.info.server_version, scope or Scope("zmig"))
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


@pytest.fixture
def part(connection: psycopg.Connection) -> Part:
    """A random schema that is there, with everything that a schema may hold."""
    made = Part(1)
    make_role(connection)
    connection.execute(made.make.encode())
    connection.execute("set search_path = pg_catalog")
    return made


def test_every_change_of_a_schema_is_seen(connection: psycopg.Connection, part: Part) -> None:
    major = connection.info.server_version // 10000
    before = state(connection)
    assert state(connection) == before
    unseen: list[str] = []
    for one in (one for one in part.mutations if one.since <= major):
        with connection.transaction(force_rollback=True):
            connection.execute("set local search_path = public")
            connection.execute(one.sql.encode())
            connection.execute("set local search_path = pg_catalog")
            unseen += [one.name] if state(connection) == before else []
    assert not unseen, "\n".join(unseen)
    assert state(connection) == before


def test_every_change_of_a_subscription_is_seen(connection: psycopg.Connection) -> None:
    make_role(connection)
    connection.execute("create subscription s connection 'dbname=none' publication p with (connect = false)")
    try:
        connection.execute("alter subscription s set (slot_name = none)")
        connection.execute("set search_path = pg_catalog")
        for change, expected in (
            ("alter subscription s set publication q with (refresh = false)", "subscription s"),
            (f"alter role {ROLE} superuser; alter subscription s owner to {ROLE}", "owner subscription s"),
        ):
            before, known = schema_reader.read(connection, Scope("zmig")), state(connection)
            for statement in change.split("; "):
                connection.execute(statement.encode())
            after = schema_reader.read(connection, Scope("zmig"))
            assert [f"{one.kind} {one.identity}" for one in differences(before, after)] == [expected]
            assert state(connection) != known
    finally:
        connection.execute("alter subscription s owner to current_user; drop subscription s")
        connection.execute(f"alter role {ROLE} nosuperuser".encode())


def test_a_role_with_another_name_is_seen(connection: psycopg.Connection, worker_name: str) -> None:
    connection.execute("set search_path = pg_catalog")
    name = sql.Identifier(f"{worker_name} grantee")
    connection.execute(sql.SQL("create role {}").format(name))
    try:
        connection.execute("create table public.t ()")
        alone = state(connection)
        connection.execute(sql.SQL("grant select on public.t to {}").format(name))
        granted = state(connection)
        with connection.transaction(force_rollback=True):
            connection.execute(sql.SQL("alter role {} rename to {}").format(name, sql.Identifier("x")))
            renamed = state(connection)
        assert len({alone, granted, renamed}) == 3
    finally:
        connection.execute(sql.SQL("drop owned by {0}; drop role {0}").format(name))


@pytest.mark.parametrize(
    ("scope", "statement"),
    [
        (Scope("zmig", schemas=("app*",)), "create table other.t (id int primary key, note text default 'x')"),
        (Scope("zmig", ignore=("other",)), "create table other.t (id int primary key, note text default 'x')"),
        (
            Scope("zmig", ignore=("app.log_*",)),
            "create table app.log_1 (id int); create index log_1_x on app.log_1 (id)",
        ),
        (Scope("zmig", ignore=("app.l?g",)), "create table app.log (id int); alter table app.log add check (id > 0)"),
        (Scope("zmig", ignore=("app.a+b",)), 'create table app."a+b" (id int)'),
    ],
)
def test_what_is_out_of_scope_makes_no_difference(connection: psycopg.Connection, scope: Scope, statement: str) -> None:
    connection.execute("create schema app; create schema other; set search_path = pg_catalog")
    before = state(connection, scope)
    connection.execute(statement.encode())
    assert state(connection, scope) == before
    assert state(connection) != before


@pytest.mark.parametrize("glob", ["*", "a*", "*b", "a?b", "a.b", "a+b", "(a|b)", "a\\b", "ä*", "a$"])
def test_patterns_mean_what_they_do_in_file_names(connection: psycopg.Connection, glob: str) -> None:
    names = ["a", "ab", "axb", "a.b", "a+b", "(a|b)", "a\\b", "äb", "b", "a$", ""]
    pattern = catalog_state._pattern([glob])  # pyright: ignore[reportPrivateUsage] - the whole of it in one line
    for name in names:
        row = connection.execute(f"select %s ~ {pattern.replace('%', '%%')}".encode(), [name]).fetchone()
        assert row is not None
        if "[" not in glob:
            assert row[0] is fnmatchcase(name, glob), name


def test_a_sample_of_changes_is_seen_by_both(connection: psycopg.Connection, part: Part) -> None:
    before, was = schema_reader.read(connection, Scope("zmig")), state(connection)
    connection.execute("analyze")
    assert (state(connection), differences(before, schema_reader.read(connection, Scope("zmig")))) == (was, [])
    assert part.number == 1
