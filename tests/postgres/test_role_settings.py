"""What a role or a database sets for its sessions changes nothing about how zmig runs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.support.project import ProjectFolder
from zmig import MigrationFailed, Migrator
from zmig.database import settings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

HOSTILE = {
    "array_nulls": "off",
    "backslash_quote": "off",
    "bytea_output": "escape",
    "check_function_bodies": "off",
    "client_connection_check_interval": "0",
    "client_encoding": "LATIN1",
    "client_min_messages": "error",
    "createrole_self_grant": "set, inherit",
    "datestyle": "German, DMY",
    "deadlock_timeout": "1ms",
    "default_table_access_method": "heap",
    "default_tablespace": "pg_default",
    "default_text_search_config": "pg_catalog.german",
    "default_toast_compression": "pglz",
    "default_transaction_deferrable": "on",
    "default_transaction_isolation": "serializable",
    "escape_string_warning": "off",
    "event_triggers": "off",
    "exit_on_error": "on",
    "extra_float_digits": "-15",
    "icu_validation_level": "error",
    "idle_in_transaction_session_timeout": "1h",
    "idle_session_timeout": "1h",
    "intervalstyle": "sql_standard",
    "jit": "on",
    "lc_messages": "C",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "lc_time": "C",
    "lo_compat_privileges": "on",
    "lock_timeout": "1ms",
    "password_encryption": "md5",
    "plan_cache_mode": "force_generic_plan",
    "quote_all_identifiers": "on",
    "restrict_nonsystem_relation_kind": "view, foreign-table",
    "row_security": "off",
    "search_path": "",
    "session_replication_role": "replica",
    "standard_conforming_strings": "off",
    "statement_timeout": "1h",
    "synchronize_seqscans": "off",
    "synchronous_commit": "off",
    "tcp_keepalives_count": "1",
    "tcp_keepalives_idle": "1",
    "tcp_keepalives_interval": "1",
    "tcp_user_timeout": "1000",
    "temp_tablespaces": "",
    "timezone": "Asia/Kathmandu",
    "timezone_abbreviations": "India",
    "transaction_timeout": "1h",
    "transform_null_equals": "on",
    "xmlbinary": "hex",
    "xmloption": "document",
}
"""For each setting of the table, a value that would hurt, or is to be seen, if nothing were done about it."""

_TIMEOUTS = tuple(name for name, value in HOSTILE.items() if value == "1h")
_SEE = f"insert into app.seen select '{{}}', name, setting from pg_settings where name in {_TIMEOUTS}"
"""SQL by which a migration records the timeouts that it runs under."""

_NOT_INHERITED = {"transaction_deferrable", "transaction_isolation", "transaction_read_only"}
_REFUSED = {"default_transaction_read_only"}
"""Has a test of its own, in `test_refused`."""
_ALONE = {name.lower() for name in settings.own(990000) if name not in settings.running(990000)} | {
    "client_encoding",
    "exit_on_error",
    "search_path",
    "standard_conforming_strings",
    "synchronous_commit",
}

_DECIDED = (
    "Client Connection Defaults / Locale and Formatting",
    "Client Connection Defaults / Statement Behavior",
    "Connections and Authentication / TCP Settings",
    "Error Handling",
    "Lock Management",
    "Version and Platform Compatibility / %",
)
_HARMLESS = re.compile("gin_|vacuum_|operator_precedence_warning")
"""How indexes and tables are kept, and a warning."""


@pytest.fixture
def role(admin: psycopg.Connection, role: str) -> str:
    """A role that owns a schema and may make others."""
    quoted, database = sql.Identifier(role), sql.Identifier(admin.info.dbname)
    admin.execute(sql.SQL("grant create on database {} to {}").format(database, quoted))
    admin.execute(sql.SQL("create schema app authorization {}").format(quoted))
    return role


@pytest.fixture
def project(tmp_path: Path, fresh_database: str, role: str) -> ProjectFolder:
    """One migration of each kind that there is; those that may write what they like record their timeouts."""
    made = ProjectFolder(tmp_path, make_conninfo(fresh_database, user=role, password="pa55-word"))
    made.sql(
        "001_users",
        "create table app.users (id bigint primary key, name text, at timestamptz default now());\n"
        "insert into app.users select id, 'NAME ö' from generate_series(1, 30) id;\n"
        f"create table app.seen (migration text, name text, setting text);\n{_SEE.format('001_users')}",
        rollback="drop table app.users, app.seen;",
    )
    made.sql("002_index", f"create index concurrently users_name on app.users (name);\n{_SEE.format('002_index')}")
    made.sql(
        "003_lower",
        "update app.users set name = lower(name) where id in"
        " (select id from app.users where id > :cursor order by id limit :size) returning id",
        batch={"size": 10, "start": 0},
    )
    made.python("004_code", f'def execute(ctx):\n    ctx.execute("{_SEE.format("004_code")}")')
    made.repeatable("900_view", "create or replace view app.names as select name from app.users;")
    made.repeatable(
        "901_due",
        "select 1;",
        repeat={"condition": "select count(*) > 100 from app.users where pg_sleep(0) is not null"},
    )
    return made


def test_something_is_decided_about_each_setting_of_the_server(admin: psycopg.Connection) -> None:
    rows = admin.execute(
        "select name from pg_settings where category like any(%s) and context in ('user', 'superuser')",
        [list(_DECIDED)],
    )
    found = {str(name).lower() for (name,) in rows if not _HARMLESS.match(name)}
    known = {one.name.lower() for one in settings.TABLE}
    assert found - known == set()
    assert known == set(HOSTILE) | _NOT_INHERITED | _REFUSED


def _make_hostile(admin: psycopg.Connection, of: sql.Composable, names: Iterable[str]) -> list[str]:
    """Set them, as far as the server knows them; return which it does."""
    known = {str(name).lower() for (name,) in admin.execute("select name from pg_settings")}
    for name in (present := [name for name in names if name in known]):
        assignment = sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(HOSTILE[name]))
        admin.execute(sql.SQL("alter {} set {}").format(of, assignment))
    return present


def test_all_settings_of_the_table_together_change_nothing(
    project: ProjectFolder, admin: psycopg.Connection, role: str
) -> None:
    _make_hostile(admin, sql.SQL("role {}").format(sql.Identifier(role)), HOSTILE)
    _run_all(project, admin)


@pytest.mark.parametrize("name", sorted(_ALONE))
def test_a_setting_of_the_role_changes_nothing(
    project: ProjectFolder, admin: psycopg.Connection, role: str, name: str
) -> None:
    if _make_hostile(admin, sql.SQL("role {}").format(sql.Identifier(role)), [name]):
        _run_all(project, admin)


@pytest.mark.parametrize("names", [("lock_timeout", "row_security"), ("default_transaction_isolation",)])
def test_a_setting_of_the_database_changes_nothing(
    project: ProjectFolder, admin: psycopg.Connection, names: tuple[str, ...]
) -> None:
    _make_hostile(admin, sql.SQL("database {}").format(sql.Identifier(admin.info.dbname)), names)
    _run_all(project, admin)


def _run_all(project: ProjectFolder, admin: psycopg.Connection) -> None:
    """Apply, ask, and undo; what was done is seen by somebody else."""
    migrator = Migrator(project.manifest)
    assert len(migrator.migrate().completed) == 6
    assert admin.execute("select count(*), min(name) from app.users").fetchone() == (30, "name ö")
    seen = admin.execute("select migration, name, setting from app.seen").fetchall()
    assert {migration for migration, _, _ in seen} == {"001_users", "002_index", "004_code"}
    assert [one for one in seen if one[2] == "3600000"] == []
    assert migrator.migrate().completed == ()
    status = migrator.status()
    assert (len(status.applied), status.pending) == (6, [])
    assert len(migrator.history()) >= 12


def test_sql_finds_the_styles_of_its_role_and_python_what_it_can_read(
    project: ProjectFolder, admin: psycopg.Connection, role: str
) -> None:
    _make_hostile(admin, sql.SQL("role {}").format(sql.Identifier(role)), ["datestyle", "intervalstyle"])
    project.sql("005_styles", "create table app.styles as select date '2026-02-01'::text d, interval '1 day'::text i;")
    project.python(
        "006_read",
        "def execute(ctx):\n    ((at, gap),) = ctx.execute(\"select now(), interval '1 day'\").fetchall()\n"
        "    assert at.tzinfo and gap.days == 1\n",
    )
    Migrator(project.manifest).migrate()
    assert admin.execute("select d, i from app.styles").fetchone() == ("01.02.2026", "1 0:00:00")


def test_a_setting_of_the_database_does_not_stand_for_the_transaction(
    project: ProjectFolder, admin: psycopg.Connection
) -> None:
    admin.execute(sql.SQL("alter database {} set zmig.transaction = 'open'").format(sql.Identifier(admin.info.dbname)))
    project.python(
        "000001_ends", "def execute(ctx):\n    ctx.execute('create table app.x ()')\n    ctx.execute('commit; begin')\n"
    )
    with pytest.raises(MigrationFailed) as caught:
        Migrator(project.manifest).migrate()
    assert caught.value.problems[0].code == "transaction-ended"


PINNED = sorted(name for name in settings.own(990000) if name not in settings.running(990000))
_NOT_AS_FOUND = "exists (select from app.found where value is distinct from current_setting(name){})"
_ASKS = """
def execute(ctx):
    pass


def should_repeat(ctx, last_run):
    return ctx.execute("select {}").fetchone()[0]
"""


@pytest.fixture
def asking(project: ProjectFolder, admin: psycopg.Connection, role: str) -> ProjectFolder:
    """Repeatables that ask what their role finds in a session of its own, and read a table with policies."""
    names = [name for name in PINNED if name != "row_security"]
    _make_hostile(admin, sql.SQL("role {}").format(sql.Identifier(role)), names)
    readable = ", ".join(f"'{name}'" for name in settings.READABLE)
    admin.execute("create table app.found (name text, value text); alter table app.found enable row level security")
    admin.execute("create policy all_of_them on app.found using (true); grant all on app.found to public")
    with psycopg.connect(project.url) as connection:
        for name in PINNED:
            connection.execute("insert into app.found values (%s, current_setting(%s))", [name, name])
    made = ProjectFolder(project.folder, project.url)
    made.repeatable("900_condition", "select 1;", repeat={"condition": f"select {_NOT_AS_FOUND.format('')}"})
    question = _NOT_AS_FOUND.format(f" and name not in ({readable})")
    made.python("901_code", _ASKS.format(question), kind="repeatable")
    return made


def test_the_questions_of_repeatables_find_what_psql_would_give_them_whoever_asks(asking: ProjectFolder) -> None:
    migrator = Migrator(asking.manifest)
    assert len(migrator.migrate().completed) == 2
    status = migrator.status()
    assert [one.due for one in status.migrations] == [False, False]
    assert migrator.plan().steps == ()
    watcher = migrator.watcher()
    try:
        assert [one.due for one in watcher.poll().status.migrations] == [False, False]
    finally:
        watcher.close()
    assert migrator.migrate().completed == ()
