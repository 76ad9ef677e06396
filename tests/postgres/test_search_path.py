"""Whatever others put where the search path leads, zmig's own statements mean what they say (CVE-2018-1058)."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from tests.support import everything, pgbouncer
from tests.support.process import ROOT
from tests.support.project import ProjectFolder
from tests.support.proxy import Proxy
from tests.support.qualified import Heard, statements
from zmig import Migrator
from zmig.database.activity import Backend, Blocker
from zmig.database.lock import RunLock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


def _own(session: Iterable[str]) -> Iterator[tuple[Heard, bool]]:
    """Yield each statement of zmig's own, and whether the session looked in `pg_catalog` alone when it came."""
    own_path = was_own = False
    for message in session:
        for one in statements(message):
            if "theirs" in one.text and '"zmig"' not in one.text:
                continue
            yield one, own_path
            match " ".join(one.text.split()):
                case "set local search_path to default":
                    own_path, was_own = False, own_path
                case "rollback" | "rollback to asked":
                    own_path = own_path or was_own
                case "reset all":
                    own_path = was_own = False
                case text if "search_path" in text.replace("current_setting('search_path')", ""):
                    assert "pg_catalog, pg_temp" in text
                    own_path = True
                case _:
                    pass


def test_every_name_and_operator_is_qualified_or_looked_up_in_pg_catalog_alone(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    everything.declare(project)
    with Proxy(project.url) as proxy:
        everything.do(project, proxy.url, connection)
    heard = [each for session in proxy.sessions for each in _own(session)]
    loose = {(one.text, name) for one, own_path in heard if not own_path for name in one.unqualified()}
    assert loose == set()
    kinds = {kind for one, _ in heard for kind in one.kinds}
    assert {"InsertStmt", "DeleteStmt", "SelectStmt", "PrepareStmt", "ExecuteStmt", "CreateStmt", "DoStmt"} <= kinds


_PLANTS = """
create schema {schema};
do $do$
declare
    one record;
    body constant text := $$ begin raise exception 'planted code runs'; end $$;
begin
    for one in
        select p.proname, p.prorettype::regtype as type, p.proretset, oidvectortypes(p.proargtypes) as taken
        from pg_proc p
        where p.pronamespace = 'pg_catalog'::regnamespace and p.prokind = 'f' and p.proname = any (%(words)s)
            and not exists (
                select from pg_type t where t.oid = any (p.proargtypes::oid[] || p.prorettype) and t.typtype = 'p')
    loop
        execute format('create function {schema}.%%I(%%s) returns %%s %%s language plpgsql as %%L',
            one.proname, one.taken, case when one.proretset then 'setof' end, one.type, body);
    end loop;
    for one in
        select o.oid, o.oprname, o.oprleft::regtype as left, o.oprright::regtype as right, o.oprresult::regtype as type
        from pg_operator o
        where o.oprkind = 'b' and o.oprleft = any (%(types)s::regtype[]) and o.oprright = any (%(types)s::regtype[])
    loop
        execute format('create function public.planted_%%s(%%s, %%s) returns %%s language plpgsql as %%L',
            one.oid, one.left, one.right, one.type, body);
        execute format('create operator public.%%s (leftarg = %%s, rightarg = %%s, function = public.planted_%%s)',
            one.oprname, one.left, one.right, one.oid);
    end loop;
end
$do$;
create function {schema}.quote_ident(name) returns pg_catalog.text language plpgsql as
    $$ begin raise exception 'planted code runs'; end $$;
create function {schema}.jsonb_build_object(text, timestamptz) returns pg_catalog.jsonb language plpgsql as
    $$ begin raise exception 'planted code runs'; end $$;
create domain public.text as int;
create domain public.jsonb as int;
create domain public.oid as text;
create domain public.name as int;
create domain public.regclass as int;
"""
_TYPES = [
    "text",
    "name",
    "jsonb",
    "oid",
    "int2",
    "int4",
    "int8",
    "numeric",
    "float8",
    "bool",
    "timestamptz",
    "char",
    "pg_lsn",
]


def _words() -> list[str]:
    """Return every word in which zmig's statements may name a function."""
    sources = [path for folder in ("database", "running", "session") for path in (ROOT / "zmig" / folder).iterdir()]
    texts = [path.read_text(encoding="utf-8") for path in sources if path.suffix in (".py", ".sql")]
    return sorted({word for text in texts for word in re.findall(r"[a-z_]+", text)})


def _plant(url: str) -> None:
    """Put code of others under the names of functions, operators and types, before `pg_catalog` in the search path."""
    with psycopg.connect(url, autocommit=True) as connection:
        user, database = sql.Identifier(connection.info.user), sql.Identifier(connection.info.dbname)
        plants = sql.SQL(_PLANTS).format(schema=user)
        psycopg.ClientCursor(connection).execute(plants, {"words": _words(), "types": _TYPES})
        path = sql.SQL('alter database {} set search_path = "$user", public, pg_catalog')
        connection.execute(path.format(database))


def test_functions_operators_and_types_planted_before_pg_catalog_are_never_taken(
    tmp_path: Path, fresh_database: str
) -> None:
    """In `public`, and in the schema that has the role's name."""
    project = ProjectFolder(tmp_path, fresh_database)
    everything.declare(project)
    project.sql(
        "001_schema", "create schema theirs; create domain pg_temp.text as int; create domain pg_temp.jsonb as int;"
    )
    _plant(fresh_database)
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.RaiseException, match="planted code runs"):
            connection.execute("select 1 = 1")
        with pytest.raises(psycopg.errors.RaiseException, match="planted code runs"):
            connection.execute("select quote_ident(current_user)")
        everything.do(project, project.url, connection)


@pytest.mark.skipif(pgbouncer.find() is None, reason="PgBouncer is not installed")
@pytest.mark.parametrize("mode", ["transaction", "statement", "session"])
def test_behind_a_pooler_nothing_that_was_planted_is_taken_either(
    tmp_path: Path, fresh_database: str, pooler_folder: Path, mode: str
) -> None:
    """By what only reads, in all modes, and by everything, where the pooler keeps sessions."""
    project = ProjectFolder(tmp_path, fresh_database)
    everything.declare(project)
    Migrator(project.manifest).migrate(to=3)
    _plant(fresh_database)
    with (
        pgbouncer.pooled(pooler_folder, fresh_database, mode=mode) as url,
        psycopg.connect(fresh_database, autocommit=True) as connection,
    ):
        with (
            psycopg.connect(url, autocommit=True) as other,
            pytest.raises(psycopg.errors.RaiseException, match="planted code runs"),
        ):
            other.execute("select 1 = 1")
        migrator = Migrator(project.manifest, database_url=url)
        connection.execute("select pg_catalog.pg_advisory_lock(%s)", [RunLock("zmig").key])
        _begin_by_hand(connection)
        assert migrator.status().running == ["004_rows"]
        _look(migrator, connection)
        connection.execute("select pg_catalog.pg_advisory_unlock_all()")
        assert migrator.status().stuck == ["004_rows"]
        if mode == "session":
            everything.do(project, url, connection)


def _begin_by_hand(connection: psycopg.Connection) -> None:
    """Append the fact of a run that this connection's session stands for."""
    connection.execute(
        "insert into zmig.migration_events (aggregate_id, event_type, event_data) values ('004_rows', "
        "'migration.started', pg_catalog.jsonb_build_object('version', 4, 'backend_pid', pg_catalog.pg_backend_pid()))"
    )


def _look(migrator: Migrator, connection: psycopg.Connection) -> None:
    """Do all that reads."""
    migrator.plan()
    migrator.plan_rollback(steps=1)
    migrator.history()
    migrator.history(["003_b"])
    migrator.current_version()
    with contextlib.closing(migrator.watcher()) as watcher:
        watcher.poll(ask_repeatables=True)
        _begin_by_hand(connection)
        watcher.poll()
        watcher.facts("003_b", most=2)
        pid = connection.info.backend_pid
        watcher.blocking([Blocker(0, pid, pid + 1, replace(_NOBODY, pid=pid + 1))])
        assert watcher.cancel(replace(_NOBODY, pid=pid)) is False
        assert watcher.terminate(replace(_NOBODY, pid=pid)) is False


_NOBODY = Backend(
    0,
    started_at=None,
    application_name=None,
    database_user=None,
    host=None,
    state=None,
    since=None,
    query=None,
    query_since=None,
    wait=None,
)


_AS_CONFIGURED = """
do $do$ begin
    assert current_setting('search_path') = 'app, public', current_setting('search_path');
    set search_path = x;
    reset search_path;
    assert current_setting('search_path') = 'app, public', current_setting('search_path');
end $do$;
"""


def test_migrations_conditions_and_code_look_where_the_database_says(
    tmp_path: Path, fresh_database: str, admin: psycopg.Connection
) -> None:
    database = sql.Identifier(admin.info.dbname)
    admin.execute(sql.SQL("create schema app; alter database {} set search_path = app, public").format(database))
    project = ProjectFolder(tmp_path, fresh_database)
    project.sql("001_brief", "create table brief ();")
    project.sql("002_sql", _AS_CONFIGURED)
    project.sql("003_outside", f"{_AS_CONFIGURED} vacuum brief;\n{_AS_CONFIGURED}", transaction=False)
    code = f"def execute(ctx):\n    ctx.execute({_AS_CONFIGURED!r})\n"
    project.python("004_code", code)
    project.python("005_code_outside", code, transaction=False)
    condition = "select current_setting('search_path') <> 'app, public'"
    project.repeatable("090_asked", _AS_CONFIGURED, repeat={"condition": condition})
    asking = f'def should_repeat(ctx, last_run):\n    return ctx.execute("{condition}").fetchone()[0]\n'
    project.python("091_code_asked", code + asking, kind="repeatable")
    migrator = Migrator(project.manifest)
    assert migrator.rehearse().problem is None
    migrator.migrate(to=2, atomic=True)
    migrator.migrate()
    assert admin.execute("select to_regclass('app.brief') is not null").fetchone() == (True,)
    assert migrator.status().due == []
    watcher = migrator.watcher()
    assert watcher.poll(ask_repeatables=True).status.due == []
    watcher.close()
