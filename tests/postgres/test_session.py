"""What a migration does to the session stays with it: neither the bookkeeping nor the next migration notices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.recorder import Recorder
from zmig import Migrator
from zmig.progress import Notice

if TYPE_CHECKING:
    import psycopg

    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder

LEAKS = {
    "empty search_path, as pg_dump sets it": "select pg_catalog.set_config('search_path', '', false);",
    "search_path that hides what zmig calls": "set search_path = pg_temp, information_schema;",
    "role": "set role zmig_probe_role;",
    "local role": "set local role zmig_probe_role;",
    "session authorization": "set session authorization zmig_probe_role;",
    "reset all": "reset all;",
    "timeouts": "set statement_timeout = '2s'; set lock_timeout = '2s';",
    "idle timeout": "set idle_in_transaction_session_timeout = '9s';",
    "read only by default": "set default_transaction_read_only = on;",
    "isolation": "set default_transaction_isolation = 'serializable'; set default_transaction_deferrable = on;",
    "client encoding": "set client_encoding = latin1;",
    "no client encoding": "set client_encoding = sql_ascii;",
    "escapes": "set standard_conforming_strings = off;",
    "escapes and warnings": "set standard_conforming_strings = off; set backslash_quote = off;",
    "quiet": "set client_min_messages = error;",
    "dates": "set datestyle = 'sql, dmy'; set timezone = 'Asia/Kathmandu'; set intervalstyle = 'sql_standard';",
    "temporary table": "create temporary table two (x int);",
    "prepared statement": "prepare p as select 1;",
    "listen": "listen channel_of_one;",
    "cursor with hold": "declare c cursor with hold for select 1;",
    "application name": "set application_name = 'mine';",
    "sequence": "create sequence s; select nextval('s');",
    "null as false": "set transform_null_equals = on;",
    "row security": "set row_security = off;",
    "no triggers": "set session_replication_role = replica;",
    "synchronous commit": "set synchronous_commit = off;",
    "custom setting": "set app.tenant = '7';",
    "deferred constraints": "set constraints all deferred;",
    "advisory lock of its own": "select pg_advisory_lock(1);",
    "savepoint left open": "savepoint s;",
}

CLEAN = """
do $$
begin
    assert current_user = session_user, 'role';
    assert current_schemas(false) = '{public}', 'search_path';
    assert current_setting('statement_timeout') = '15min', 'statement_timeout';
    assert current_setting('lock_timeout') = '3s', 'lock_timeout';
    assert current_setting('idle_in_transaction_session_timeout') = '1min', 'idle_in_transaction_session_timeout';
    assert current_setting('transaction_read_only') = 'off', 'read only';
    assert current_setting('transaction_isolation') = 'read committed', 'isolation';
    assert current_setting('client_encoding') = 'UTF8', 'client_encoding';
    assert current_setting('standard_conforming_strings') = 'on', 'escapes';
    assert current_setting('client_min_messages') = 'notice', 'client_min_messages';
    assert current_setting('datestyle') = 'ISO, MDY', 'datestyle';
    assert current_setting('session_replication_role') = 'origin', 'session_replication_role';
    assert current_setting('synchronous_commit') =
        replace(current_setting('zmig_test.synchronous_commit'), 'off', 'local'), 'synchronous';
    assert current_setting('row_security') = 'on', 'row_security';
    assert coalesce(current_setting('app.tenant', true), '') = '', 'custom setting';
    assert current_setting('application_name') like 'zmig/%', 'application_name';
    assert not exists (select from pg_prepared_statements), 'prepared statements';
    assert not exists (select from pg_cursors), 'cursors';
    assert not exists (select from pg_listening_channels()), 'channels';
    assert to_regclass('two') is null, 'temporary table';
end
$$;
create table two (name text default 'Zwö');
insert into two values ('ж'), (default);
"""


@pytest.fixture
def role(connection: psycopg.Connection) -> None:
    connection.execute(
        "do $$ begin create role zmig_probe_role; exception when duplicate_object or unique_violation then end $$"
    )
    connection.execute("grant create on schema public to zmig_probe_role")
    name = f'"{connection.info.dbname}"'
    synchronous = connection.execute("show synchronous_commit").fetchone()
    assert synchronous is not None
    connection.execute(f"alter database {name} set zmig_test.synchronous_commit = {synchronous[0]}".encode())


ENDS_WITH_ITS_STATEMENT = {"savepoint left open", "cursor with hold"}


@pytest.mark.usefixtures("role")
@pytest.mark.parametrize(
    ("leak", "transaction"),
    [
        pytest.param(leak, transaction, id=f"{name}, {'in a transaction' if transaction else 'outside'}")
        for name, leak in LEAKS.items()
        for transaction in (True, False)
        if transaction or name not in ENDS_WITH_ITS_STATEMENT
    ],
)
def test_nothing_leaks(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts, leak: str, transaction: bool
) -> None:
    """The names are not ASCII, so that a wrong encoding is noticed."""
    project.sql("001_öne_ж", f"create table one ();\n{leak}\n", transaction=transaction, lock_timeout="5s")
    project.sql("002_twö", CLEAN, rollback="drop table two;")
    recorder = Recorder()
    migrator = Migrator(project.manifest, observer=recorder)
    migrator.migrate()
    assert facts.applied == [(1, "001_öne_ж"), (2, "002_twö")]
    assert [told for told in facts.told if told[1] != "checkpoint"] == [
        ("001_öne_ж", "started"),
        ("001_öne_ж", "done"),
        ("002_twö", "started"),
        ("002_twö", "done"),
    ]
    assert connection.execute("select name from public.two order by 1").fetchall() == [("Zwö",), ("ж",)]
    assert [notice.message for notice in recorder.all(Notice)] == []
