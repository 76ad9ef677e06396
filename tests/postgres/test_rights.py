from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.support.process import ROOT
from tests.support.project import ProjectFolder
from zmig import MigrationFailed, Migrator, TrackingError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path, fresh_database: str, role: str) -> ProjectFolder:
    """A project whose database is reached as `role`."""
    made = ProjectFolder(tmp_path, make_conninfo(fresh_database, user=role, password="pa55-word"))
    made.sql("001_one", "select 1;")
    return made


def _refusal(project: ProjectFolder) -> tuple[str, str]:
    """Return what the migration is refused with, once it is sure that it was."""
    with pytest.raises(TrackingError) as caught:
        Migrator(project.manifest).migrate()
    (problem,) = caught.value.problems
    assert problem.effect == "nothing was run"
    return problem.message, problem.hint or ""


def _database(project: ProjectFolder) -> str:
    name = conninfo_to_dict(str(project.url))["dbname"]
    assert isinstance(name, str)
    return name


def test_create_on_the_database_is_named(project: ProjectFolder, admin: psycopg.Connection, role: str) -> None:
    message, hint = _refusal(project)
    assert message == f'role `"{role}"` lacks the right create on database {_database(project)}'
    admin.execute(_command(hint))
    assert list(Migrator(project.manifest).migrate().completed) == ["001_one"]


def _command(hint: str) -> bytes:
    """Return the command in a hint, which must run as it is printed."""
    return hint.partition("`")[2].rpartition("`")[0].encode()


def test_what_the_hints_say_is_all_that_is_needed_in_a_schema_of_ones_own(
    project: ProjectFolder, admin: psycopg.Connection, role: str
) -> None:
    admin.execute("create schema zmig")
    message, hint = _refusal(project)
    assert message == f'role `"{role}"` lacks the rights usage on schema zmig, create on schema zmig'
    admin.execute(_command(hint))
    Migrator(project.manifest).migrate()


def test_the_rights_on_tables_of_another_owner_are_named_all_at_once(
    project: ProjectFolder, admin: psycopg.Connection, fresh_database: str, role: str
) -> None:
    Migrator(project.manifest, database_url=fresh_database).migrate_to_version(1)
    project.sql("002_two", "select 2;")
    with pytest.raises(TrackingError) as caught:
        Migrator(project.manifest).status()
    reading = caught.value.problems[0].message
    assert reading == f'role `"{role}"` lacks the rights usage on schema zmig, select on zmig.migration_events'
    message, _ = _refusal(project)
    wanted = {
        "usage on schema zmig",
        "select on zmig.migration_events",
        "insert on zmig.migration_events",
        "delete, insert, select, update on zmig.schema_migrations",
    }
    assert all(right in message for right in wanted)
    admin.execute(
        sql.SQL("grant usage on schema zmig to {0}; grant select on zmig.migration_events to {0}").format(
            sql.Identifier(role)
        )
    )
    assert Migrator(project.manifest).status().applied == ["001_one"]
    message, hint = _refusal(project)
    assert "insert on zmig.migration_events, " in message
    assert "delete, insert, select, update on zmig.schema_migrations" in message
    admin.execute(_command(hint))
    assert list(Migrator(project.manifest).migrate().completed) == ["002_two"]


def _rights_in_the_readme() -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(r"^(grant .+) to deploy;$", text, re.MULTILINE)


def test_the_rights_that_the_readme_lists_are_enough_and_each_is_needed(
    project: ProjectFolder, admin: psycopg.Connection, fresh_database: str, role: str
) -> None:
    admin.execute(sql.SQL("create schema app authorization {}").format(sql.Identifier(role)))
    Migrator(project.manifest, database_url=fresh_database).migrate_to_version(1)
    project.sql("002_two", "create table app.t ();", rollback="drop table app.t;")
    project.sql("003_three", "create index concurrently t_i on app.t ((1));", rollback="drop index app.t_i;")
    project.sql("004_wrong", "select 1 / 0;")
    rights = _rights_in_the_readme()
    assert len(rights) == 3
    for right in rights:
        _refusal(project)
        admin.execute(f'{right} to "{role}"'.encode())
    with pytest.raises(MigrationFailed, match="division by zero"):
        Migrator(project.manifest).migrate()
    migrator = Migrator(project.manifest)
    migrator.resolve("004_wrong", "pending", reason="tried")
    assert list(migrator.rollback(steps=1).completed) == ["003_three"]
    assert migrator.current_version() == 2


def test_the_role_that_acts_is_named_where_it_is_not_the_one_that_logged_in(
    project: ProjectFolder, admin: psycopg.Connection, role: str
) -> None:
    admin.execute(sql.SQL("create role {}").format(sql.Identifier(f"{role} owner")))
    try:
        admin.execute(sql.SQL("grant {} to {}").format(sql.Identifier(f"{role} owner"), sql.Identifier(role)))
        admin.execute(
            sql.SQL("alter role {} set role = {}").format(sql.Identifier(role), sql.Identifier(f"{role} owner"))
        )
        admin.execute(
            sql.SQL("grant create on database {} to {}").format(
                sql.Identifier(admin.info.dbname), sql.Identifier(f"{role} owner")
            )
        )
        project.sql("001_one", "create schema app; set role none;")
        project.sql("002_two", "create table app.t (x int);")
        project.sql("003_three", "set role none;\ncreate index concurrently t_x on app.t (x);", transaction=False)
        project.sql("004_four", "create table app.u ();", transaction=False)
        Migrator(project.manifest).migrate()
        owners = admin.execute(
            "select distinct relowner::regrole::text from pg_class c join pg_namespace n on n.oid = relnamespace "
            "where nspname in ('zmig', 'app')"
        ).fetchall()
        assert owners == [(f'"{role} owner"',)]
    finally:
        admin.execute(sql.SQL("drop owned by {0} cascade; drop role {0}").format(sql.Identifier(f"{role} owner")))


def test_a_database_that_is_read_only_by_default_is_refused(project: ProjectFolder, admin: psycopg.Connection) -> None:
    database = sql.Identifier(admin.info.dbname)
    admin.execute(sql.SQL("grant create on database {} to public").format(database))
    admin.execute(sql.SQL("alter database {} set default_transaction_read_only = on").format(database))
    message, _ = _refusal(project)
    assert message == f"database `{admin.info.dbname}` is read-only: its transactions are read-only by default"
    assert Migrator(project.manifest).status().pending == ["001_one"]
    assert admin.execute("select to_regnamespace('zmig')").fetchone() == (None,)


def test_a_schema_that_a_role_owns_is_all_it_needs(
    project: ProjectFolder, admin: psycopg.Connection, role: str
) -> None:
    admin.execute(
        sql.SQL("create schema zmig authorization {0}; create schema app authorization {0}").format(
            sql.Identifier(role)
        )
    )
    project.sql("001_one", "create table app.t ();", rollback="drop table app.t;")
    project.sql("002_two", "create index concurrently t_i on app.t ((1));")
    migrator = Migrator(project.manifest)
    migrator.migrate()
    assert migrator.current_version() == 2
