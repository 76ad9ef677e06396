"""Everything zmig does to a database, one thing after the other; the migrations' own statements all say `theirs`.

Their names and operators are qualified, so whatever else is not stands in a statement of zmig's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.recorder import Recorder
from zmig import MigrationFailed, Migrator
from zmig.database.lock import RunLock
from zmig.errors import LockNotObtained
from zmig.progress import Blocked

if TYPE_CHECKING:
    import psycopg

    from tests.support.project import ProjectFolder
    from zmig.progress import Progress

_EQUALS = "operator(pg_catalog.=)"
_KEYS = "select id from theirs.a where id operator(pg_catalog.>) {} order by id limit {}"
_BATCH = f"update theirs.a set x = 2 where id {_EQUALS} any (array({_KEYS.format(':cursor', ':size')})) returning id;"
_CODE_IN_BATCHES = f"""
def execute(ctx):
    for batch in ctx.batches():
        keys = ctx.execute("{_KEYS.format("%s", "%s")}", (batch.cursor, batch.size)).fetchall()
        batch.done(len(keys), cursor=max((key for key, in keys), default=None))

def rollback(ctx):
    ctx.execute("delete from theirs.b")
"""
_CODE = """
def execute(ctx):
    ctx.execute("insert into theirs.b values (2)")

def rollback(ctx):
    ctx.execute("delete from theirs.b")
"""
_ASKING = (
    _CODE
    + """
def should_repeat(ctx, last_run):
    return ctx.execute("select true /* theirs */").fetchone()[0]
"""
)
_OUTSIDE = f"""
create index concurrently a_x on theirs.a (x);
drop index concurrently theirs.a_x;
create index concurrently on theirs.a (x);
reindex table concurrently theirs.a;
begin; insert into theirs.b values (1); commit;
drop database if exists theirs_none;
drop tablespace if exists theirs_none;
vacuum theirs.a;
set search_path = theirs;
update theirs.a set x = 3 where id {_EQUALS} 1;
"""
_ALTER = "alter table theirs.a add column y int;"
_WAITING = f"datname {_EQUALS} pg_catalog.current_database() and wait_event_type {_EQUALS} 'Lock'"
_CANCEL = f"select pg_catalog.pg_cancel_backend(pid) from pg_catalog.pg_stat_activity where {_WAITING}"
_AGAIN = "do $theirs$ begin raise exception using errcode = '40001'; end $theirs$;"


def declare(project: ProjectFolder) -> None:
    """Declare one migration of each kind; all of them succeed."""
    project.sql("001_schema", "create schema theirs;")
    project.sql("002_a", "create table theirs.a (id bigint primary key, x int);")
    project.sql("003_b", "create table theirs.b (id int);", rollback="drop table theirs.b;")
    project.sql("004_rows", "insert into theirs.a values (1, 1), (2, 1), (3, 1);")
    project.sql("005_outside", _OUTSIDE, transaction=False)
    project.python("006_code", _CODE)
    project.python("007_code_outside", _CODE, transaction=False)
    batch = {"size": 2, "start": 0, "total": "select 3 /* theirs */"}
    project.sql("008_batch", _BATCH, batch=batch)
    project.python("009_code_in_batches", _CODE_IN_BATCHES, batch=batch)
    condition = {"condition": f"select x {_EQUALS} 7 from theirs.a limit 1"}
    project.repeatable("090_asked", "insert into theirs.b values (3);", repeat=condition)
    project.python("091_code_asked", _ASKING, kind="repeatable")


def do(project: ProjectFolder, url: str, connection: psycopg.Connection) -> None:
    """Do everything over the database's `url`, for a project that `declare` filled; `connection` is another one."""
    migrator = Migrator(project.manifest, database_url=url, lock_wait_seconds=0)
    migrator.plan()
    migrator.rehearse(to=4)
    _wait_in_vain(migrator, connection)
    migrator.migrate(to=2)
    migrator.migrate(to=3, atomic=True)
    migrator.migrate()
    _watch(migrator, connection)
    migrator.rollback(steps=1)
    _fail(project, url, connection)
    _decide(project, migrator)
    migrator.migrate()
    migrator.reset()


def _wait_in_vain(migrator: Migrator, connection: psycopg.Connection) -> None:
    key = RunLock("zmig").key
    connection.execute("select pg_catalog.pg_advisory_lock(%s)", [key])
    with pytest.raises(LockNotObtained):
        migrator.migrate()
    connection.execute("select pg_catalog.pg_advisory_unlock(%s)", [key])


def _watch(migrator: Migrator, connection: psycopg.Connection) -> None:
    connection.execute("select pg_catalog.nextval('zmig.migration_events_position_seq')")
    migrator.status()
    migrator.history()
    migrator.history(["003_b"])
    migrator.current_version()
    watcher = migrator.watcher()
    for _ in range(3):
        watcher.poll(ask_repeatables=True)
        migrator.migrate()
    watcher.facts("003_b", most=2)
    watcher.close()


def _fail(project: ProjectFolder, url: str, connection: psycopg.Connection) -> None:
    """Fail in SQL, in SQL outside a transaction, in Python, in a row of attempts, and for want of a lock."""
    wrong = "insert into theirs.missing values (1);"
    migrator = Migrator(project.manifest, database_url=url)
    project.sql("010_wrong", wrong)
    with pytest.raises(MigrationFailed):
        migrator.migrate()
    project.sql("010_wrong", wrong, transaction=False)
    with pytest.raises(MigrationFailed):
        migrator.retry(["010_wrong"])
    project.sql("010_wrong", _AGAIN, retry={"attempts": 2, "backoff": "1ms"})
    with pytest.raises(MigrationFailed):
        migrator.retry(["010_wrong"])
    _fail_for_want_of_a_lock(project, url, connection)


def _fail_for_want_of_a_lock(project: ProjectFolder, url: str, connection: psycopg.Connection) -> None:
    """Fail once the wait was seen and somebody has ended it, and once because it lasted too long."""
    recorder = Recorder()

    def observe(progress: Progress) -> None:
        recorder(progress)
        if isinstance(progress, Blocked):
            connection.execute(_CANCEL)

    for lock_timeout, observer in (("10min", observe), ("50ms", recorder)):
        project.sql("010_wrong", _ALTER, lock_timeout=lock_timeout, retry={"attempts": 1})
        connection.execute("begin; lock table theirs.a")
        with pytest.raises(MigrationFailed):
            Migrator(project.manifest, database_url=url, observer=observer).retry(["010_wrong"])
        connection.execute("rollback")
    assert recorder.all(Blocked)


def _decide(project: ProjectFolder, migrator: Migrator) -> None:
    project.sql("002_a", "create table theirs.a (id bigint primary key, x int); -- theirs, edited")
    migrator.accept("002_a", reason="a comment")
    migrator.resolve("010_wrong", "done", reason="looked")
    project.sql("011_more", "select 1 /* theirs */;")
    migrator.baseline(to=11, reason="there")
    project.sql("012_more", "select 1 /* theirs */;")
    migrator.migrate(atomic=True, to=12)
    migrator.pause("008_batch", reason="night")
    migrator.resume("008_batch")
