"""`run_as`: whose rights a migration has, who owns what it makes, and who appends the facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from zmig import MigrationFailed, Migrator
from zmig.errors import PlanRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder


@pytest.fixture
def owner(server: str, worker_name: str, connection: psycopg.Connection) -> Iterator[str]:
    """A role without rights on zmig's tables, that may create tables in the schema `owned`."""
    name = f"{worker_name}_owner"
    role = sql.Identifier(name)
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL("create role {}").format(role))
    connection.execute(sql.SQL("create schema owned authorization {}").format(role))
    yield name
    connection.execute(sql.SQL("drop owned by {} cascade").format(role))
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL("drop role {}").format(role))


@pytest.fixture
def outsider(server: str, worker_name: str, database: str, connection: psycopg.Connection) -> Iterator[str]:
    """The URL of `database` for a role that is a member of nothing."""
    name = f"{worker_name}_outsider"
    role = sql.Identifier(name)
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL("create role {} login").format(role))
    connection.execute(
        sql.SQL("grant create on database {} to {}").format(sql.Identifier(connection.info.dbname), role)
    )
    yield make_conninfo(database, user=name)
    connection.execute(sql.SQL("drop owned by {} cascade").format(role))
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL("drop role {}").format(role))


def owners(connection: psycopg.Connection) -> set[tuple[str, str]]:
    rows = connection.execute("select tablename::text, tableowner::text from pg_tables where schemaname = 'owned'")
    return {(str(table), str(role)) for table, role in rows}


def test_a_migration_runs_as_its_role_and_the_next_one_does_not(
    project: ProjectFolder, connection: psycopg.Connection, owner: str, facts: Facts
) -> None:
    project.sql("001_a", "create table owned.a (); select set_config('zmig.who', current_user, false);", run_as=owner)
    project.sql("002_b", "create table owned.b ();")
    project.python("003_c", "def execute(ctx):\n    ctx.execute('create table owned.c ()')\n", run_as=owner)
    Migrator(project.manifest).migrate()
    me = connection.info.user
    assert owners(connection) == {("a", owner), ("b", me), ("c", owner)}
    assert facts.data("001_a", "started")[0]["run_as"] == owner
    assert "run_as" not in facts.data("002_b", "started")[0]
    users = connection.execute("select distinct database_user from zmig.migration_events").fetchall()
    assert users == [(me,)]


def test_outside_a_transaction_the_role_holds_for_every_statement_and_for_none_of_the_facts(
    project: ProjectFolder, connection: psycopg.Connection, owner: str
) -> None:
    project.sql(
        "001_a",
        "create table owned.a (id int); create index concurrently a_id on owned.a (id); create table owned.b ();",
        run_as=owner,
    )
    project.python(
        "002_c", "def execute(ctx):\n    ctx.execute('create table owned.c ()')\n", transaction=False, run_as=owner
    )
    Migrator(project.manifest).migrate()
    assert owners(connection) == {("a", owner), ("b", owner), ("c", owner)}
    users = connection.execute("select distinct database_user from zmig.migration_events").fetchall()
    assert users == [(connection.info.user,)]


def test_the_role_has_no_more_rights_than_its_own(project: ProjectFolder, owner: str, facts: Facts) -> None:
    project.sql("001_a", "drop table zmig.migration_events;", run_as=owner)
    with pytest.raises(MigrationFailed, match="permission denied for schema zmig"):
        Migrator(project.manifest).migrate()
    assert facts.told == [("001_a", "started"), ("001_a", "failed")]


def test_a_default_role_holds_unless_an_entry_names_another(
    project: ProjectFolder, connection: psycopg.Connection, owner: str
) -> None:
    folder = type(project)(project.folder, project.url, defaults={"run_as": owner})
    folder.sql("001_a", "create table owned.a ();")
    folder.sql("002_b", "create table owned.b ();", run_as=connection.info.user)
    Migrator(folder.manifest).migrate()
    assert owners(connection) == {("a", owner), ("b", connection.info.user)}


def test_a_role_that_is_missing_or_not_granted_is_refused_before_anything_runs(
    project: ProjectFolder, connection: psycopg.Connection, owner: str, outsider: str
) -> None:
    project.sql("001_a", "create table a ();")
    project.sql("002_b", "create table owned.b ();", run_as=owner)
    project.sql("003_c", "create table owned.c ();", run_as=owner + "s")
    with pytest.raises(PlanRefused) as caught:
        Migrator(project.manifest, database_url=outsider).migrate()
    (granted, missing) = caught.value.problems
    assert granted.code == "role-not-granted"
    assert granted.message.startswith(f"migration `002_b` cannot run as `{owner}`: role `")
    assert granted.hint is not None
    assert granted.hint.startswith(f'run `grant "{owner}" to ')
    assert (missing.code, missing.hint) == ("role-missing", f"write `run_as: {owner}`")
    assert connection.execute("select to_regclass('a'), to_regnamespace('zmig')").fetchone() == (None, None)
