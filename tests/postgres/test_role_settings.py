"""What a role or a database sets for its sessions changes nothing about how zmig runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.support.project import ProjectFolder
from zmig import Migrator

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = {
    "application_name": "somebody else",
    "backslash_quote": "off",
    "bytea_output": "escape",
    "check_function_bodies": "off",
    "client_encoding": "LATIN1",
    "client_min_messages": "error",
    "datestyle": "German, DMY",
    "default_tablespace": "pg_default",
    "default_transaction_deferrable": "on",
    "default_transaction_isolation": "serializable",
    "extra_float_digits": "-15",
    "idle_in_transaction_session_timeout": "150ms",
    "intervalstyle": "sql_standard",
    "lock_timeout": "1ms",
    "plan_cache_mode": "force_generic_plan",
    "quote_all_identifiers": "on",
    "row_security": "off",
    "search_path": "",
    "standard_conforming_strings": "off",
    "statement_timeout": "150ms",
    "synchronous_commit": "off",
    "timezone": "Asia/Kathmandu",
    "transform_null_equals": "on",
}


@pytest.fixture
def role(admin: psycopg.Connection, role: str) -> str:
    """A role that owns a schema and may make others."""
    quoted, database = sql.Identifier(role), sql.Identifier(admin.info.dbname)
    admin.execute(sql.SQL("grant create on database {} to {}").format(database, quoted))
    admin.execute(sql.SQL("create schema app authorization {}").format(quoted))
    return role


@pytest.fixture
def project(tmp_path: Path, fresh_database: str, role: str) -> ProjectFolder:
    """One migration of each kind that there is, each longer than the timeouts above."""
    made = ProjectFolder(tmp_path, make_conninfo(fresh_database, user=role, password="pa55-word"))
    made.sql(
        "001_users",
        "create table app.users (id bigint primary key, name text, at timestamptz default now());\n"
        "insert into app.users select id, 'NAME ö' from generate_series(1, 30) id;\nselect pg_sleep(0.2);",
        rollback="drop table app.users;",
    )
    made.sql("002_index", "create index concurrently users_name on app.users (name);\nselect pg_sleep(0.2);")
    made.sql(
        "003_lower",
        "update app.users set name = lower(name) where id in"
        " (select id from app.users where id > :cursor order by id limit :size) returning id",
        batch={"size": 10, "start": 0},
    )
    made.python(
        "004_code",
        "import time\ndef execute(ctx):\n    ctx.execute('select 1')\n    time.sleep(0.2)\n    ctx.execute('select 2')",
    )
    made.repeatable("900_view", "create or replace view app.names as select name from app.users;")
    made.repeatable(
        "901_due",
        "select 1;",
        repeat={"condition": "select count(*) > 100 from app.users where pg_sleep(0) is not null"},
    )
    return made


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_of_the_role_changes_nothing(
    project: ProjectFolder, admin: psycopg.Connection, role: str, name: str
) -> None:
    value, setting = sql.Literal(SETTINGS[name]), sql.Identifier(name)
    admin.execute(sql.SQL("alter role {} set {} = {}").format(sql.Identifier(role), setting, value))
    _run_all(project, admin)


@pytest.mark.parametrize("name", ["lock_timeout", "statement_timeout", "default_transaction_isolation", "row_security"])
def test_a_setting_of_the_database_changes_nothing(
    project: ProjectFolder, admin: psycopg.Connection, name: str
) -> None:
    database, setting = sql.Identifier(admin.info.dbname), sql.Identifier(name)
    admin.execute(sql.SQL("alter database {} set {} = {}").format(database, setting, sql.Literal(SETTINGS[name])))
    _run_all(project, admin)


def _run_all(project: ProjectFolder, admin: psycopg.Connection) -> None:
    """Apply, ask, and undo; what was done is seen by somebody else."""
    migrator = Migrator(project.manifest)
    assert len(migrator.migrate().completed) == 6
    assert admin.execute("select count(*), min(name) from app.users").fetchone() == (30, "name ö")
    assert migrator.migrate().completed == ()
    status = migrator.status()
    assert (len(status.applied), status.pending) == (6, [])
    assert len(migrator.history()) >= 12
