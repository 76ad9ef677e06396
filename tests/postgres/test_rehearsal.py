"""A rehearsal on a real server: what each statement would lock and rewrite, and that nothing of it stays."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from tests.support import backends
from tests.support.process import run
from zmig import Migrator
from zmig.errors import LockNotObtained, MigrationFailed, PlanRefused
from zmig.planning.plan import Action
from zmig.planning.request import Retry
from zmig.running.rehearsal import TableLock

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from tests.support.project import ProjectFolder


@pytest.fixture(autouse=True)
def users(connection: psycopg.Connection) -> None:
    connection.execute(
        "create table users as select id, 'n' || id as name from generate_series(1, 1000) id;"
        "alter table users add primary key (id); create table orders (id int primary key)"
    )


def shape(connection: psycopg.Connection) -> list[tuple[object, ...]]:
    return connection.execute(
        "select c.oid, c.relname, c.relfilenode, a.attname, a.atttypid from pg_class c join pg_attribute a "
        "on a.attrelid = c.oid where c.relnamespace in ('public'::regnamespace) order by 1, a.attnum"
    ).fetchall()


def test_each_statement_tells_its_locks_and_rewrites_and_leaves_nothing(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    project.sql(
        "001_widen",
        "alter table users alter id type bigint;\n"
        "create index on users (name);\n"
        "alter table orders add column user_id bigint references users (id);\n"
        "insert into orders (id) values (1), (2);\n"
        "create table notes (id int); insert into notes values (1);",
    )
    project.sql(
        "002_needs_the_first", "drop table notes; lock table users in share mode;\ncomment on table users is 'u'"
    )
    before = shape(connection)
    rehearsal = Migrator(project.manifest).rehearse()
    first, second = rehearsal.steps
    assert [(one.line, [(lock.table, lock.mode) for lock in one.locks], one.rewritten) for one in first.statements] == [
        (1, [("public.users", "AccessExclusive")], ("public.users",)),
        (2, [], ()),  # the statement before had it already, to build the primary key anew
        (3, [("public.orders", "AccessExclusive"), ("public.users", "ShareRowExclusive")], ()),
        (4, [("public.orders", "RowExclusive")], ()),
        (5, [], ()),
        (5, [], ()),
    ]
    assert first.statements[3].rows == 2
    assert [one.locks for one in second.statements] == [
        (),
        (),
        (TableLock("public.users", "ShareUpdateExclusive"),),
    ]
    assert rehearsal.problem is None
    assert shape(connection) == before
    assert connection.execute("select to_regnamespace('zmig'), count(*) from orders").fetchone() == (None, 0)
    assert [step.migration.version for step in Migrator(project.manifest).plan().steps] == [1, 2]


def test_a_dropped_table_and_one_that_is_truncated_are_told_too(project: ProjectFolder) -> None:
    project.sql("001_clear", "truncate users;\ndrop table orders;")
    (step,) = Migrator(project.manifest).rehearse().steps
    assert [(one.locks, one.rewritten) for one in step.statements] == [
        ((TableLock("public.users", "AccessExclusive"),), ("public.users",)),
        ((TableLock("public.orders", "AccessExclusive"),), ()),
    ]


def test_what_a_rollback_would_not_undo_is_skipped_and_said(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    project.sql("001_index", "create index concurrently on users (name)")
    project.python("002_code", "def execute(ctx):\n    raise SystemError\n")
    project.sql("003_batches", "delete from users where id in (select id from users limit :size)", batch={"size": 10})
    project.sql("004_column", "alter table users add column a int default 7")
    steps = Migrator(project.manifest).rehearse().steps
    assert [one.skipped for one in steps] == [
        "runs without a transaction of its own: `CREATE INDEX CONCURRENTLY` in line 1 cannot run inside a transaction",
        "Python code may act outside of the database",
        "runs without a transaction of its own: in rounds of 10 rows, each in a transaction",
        None,
    ]
    assert [(one.locks[0].blocks, one.rewritten) for one in steps[3].statements] == [("reads and writes", ())]
    assert connection.execute("select count(*) from users").fetchone() == (1000,)


def test_a_failure_has_its_place_ends_the_rehearsal_and_leaves_nothing(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    project.sql("001_good", "alter table users add column a int")
    project.sql("002_bad", "select 1;\nalter table users add column a int")
    project.sql("003_later", "select 1")
    before = shape(connection)
    rehearsal = Migrator(project.manifest).rehearse()
    problem = rehearsal.problem
    assert problem is not None
    assert problem.message == (
        'migration `002_bad` failed in its rehearsal: column "a" of relation "users" already exists'
    )
    assert str(problem.location).endswith("002_bad.sql:2:1")
    assert [len(one.statements) for one in rehearsal.steps] == [1, 1, 0]
    assert rehearsal.steps[2].skipped == "after a step that failed"
    assert shape(connection) == before


def test_each_step_finds_the_session_as_a_run_gives_it(project: ProjectFolder) -> None:
    asks = (
        "do $$ begin assert current_setting('search_path') like '%public%' and current_setting('row_security') = 'on' "
        "and current_user = session_user and current_setting('my.own', true) in ('', null) is not false; end $$;"
    )
    project.sql(
        "001_sets", f"{asks} set search_path = pg_catalog; set row_security = off; set my.own = 1; set role pg_monitor;"
    )
    project.sql("002_finds", f"{asks} create table t (x int);")
    assert Migrator(project.manifest).rehearse().problem is None


def test_a_deferred_constraint_is_checked_although_nothing_is_committed(project: ProjectFolder) -> None:
    project.sql(
        "001_orphan",
        "create table a (id int primary key, b int references a (id) deferrable initially deferred);\n"
        "insert into a values (1, 2);",
    )
    problem = Migrator(project.manifest).rehearse().problem
    assert problem is not None
    assert "violates foreign key constraint" in problem.message


def test_it_waits_for_no_lock_longer_than_a_second(
    project: ProjectFolder, connect: Callable[..., psycopg.Connection]
) -> None:
    project.sql("001_column", "alter table users add column a int", lock_timeout="60s")
    connect(autocommit=False).execute("select from users")
    problem = Migrator(project.manifest).rehearse().problem
    assert problem is not None
    assert problem.message.endswith("it would wait for a lock, and a rehearsal waits no longer than 1s")


@pytest.mark.parametrize("setting", ["set lock_timeout = 0", "set local lock_timeout = '1h'", "reset lock_timeout"])
def test_it_waits_no_longer_where_the_file_says_so(
    project: ProjectFolder, connect: Callable[..., psycopg.Connection], setting: str
) -> None:
    project.sql("001_column", f"{setting};\nalter table users add column a int")
    connect(autocommit=False).execute("select from users")
    problem = Migrator(project.manifest).rehearse().problem
    assert problem is not None
    assert problem.message.endswith("a rehearsal waits no longer than 1s")


def test_numbers_that_stay_drawn_are_told(project: ProjectFolder, connection: psycopg.Connection) -> None:
    connection.execute("create sequence bills; create table a (id serial)")
    project.sql(
        "001_rows", "insert into a default values;\ninsert into a default values;\nselect last_value from bills"
    )
    (step,) = Migrator(project.manifest).rehearse().steps
    assert [one.drawn for one in step.statements] == [("public.a_id_seq",), (), ()]
    ended = run("plan", project.manifest, "--rehearse")
    assert "drew numbers of public.a_id_seq, which stay drawn" in ended.stdout


@pytest.mark.parametrize(
    ("sql", "is_skipped"),
    [
        ("select setval('bills', 700)", True),
        ("select pg_catalog.setval('public.bills'::regclass, 700, false)", True),
        ("select 1;\nselect setval(pg_get_serial_sequence('users', 'id'), 700)", True),
        ("create sequence own; select setval('own', 700)", False),
        ("create function f() returns bigint language sql as $$ select setval('bills', 7) $$", False),
    ],
)
def test_what_sets_a_sequence_for_good_is_skipped_and_said(
    project: ProjectFolder, connection: psycopg.Connection, sql: str, is_skipped: bool
) -> None:
    connection.execute("create sequence bills")
    project.sql("001_numbers", sql)
    (step,) = Migrator(project.manifest).rehearse().steps
    assert (step.skipped is not None) == is_skipped
    assert not is_skipped or (step.skipped or "").endswith("would last, since no rollback undoes it")
    assert connection.execute("select last_value, is_called from bills").fetchone() == (1, False)


def test_it_takes_the_lock_of_a_run(project: ProjectFolder, connection: psycopg.Connection) -> None:
    project.sql("001_slow", "select pg_sleep(2)")
    thread = threading.Thread(target=Migrator(project.manifest).rehearse)
    thread.start()
    backends.wait_for(connection, 1, "state = 'active' and query like '%pg_sleep%'")
    with pytest.raises(LockNotObtained):
        Migrator(project.manifest, lock_wait_seconds=0).migrate()
    thread.join()


def test_a_refused_plan_is_not_rehearsed(project: ProjectFolder) -> None:
    file = project.sql("001_a", "select 1")
    Migrator(project.manifest).migrate()
    file.write_text("select 2")
    with pytest.raises(PlanRefused):
        Migrator(project.manifest).rehearse()


def test_the_command_prints_it_as_text_and_as_json_and_asks_first_in_production(project: ProjectFolder) -> None:
    project.sql("001_widen", "alter table users alter id type bigint;\nselect 1")
    ended = run("plan", project.manifest, "--rehearse")
    assert ended.code == 0, ended.stderr
    assert "rehearsed with a lock_timeout of 1s, and rolled back:\n  001_widen\n    line 1  " in ended.stdout
    assert "AccessExclusive on public.users, blocks reads and writes; REWROTE public.users" in ended.stdout
    document = json.loads(run("plan", project.manifest, "--rehearse", "--json").stdout)
    (step,) = document["rehearsal"]
    assert step["statements"][0]["locks"] == [
        {"table": "public.users", "mode": "AccessExclusive", "blocks": "reads and writes"}
    ]
    assert (step["statements"][0]["rewritten"], step["error"]) == (["public.users"], None)

    production = type(project)(project.folder, project.url, environment="production")
    production.sql("001_widen", "alter table users alter id type text;\nselect 1/0")
    asked = run("plan", production.manifest, "--rehearse")
    assert (asked.code, "hint: in a script, add `--yes`" in asked.stderr) == (2, True)
    failed = run("plan", production.manifest, "--rehearse", "--yes")
    assert (failed.code, "error: migration `001_widen` failed in its rehearsal: division by zero" in failed.stderr) == (
        1,
        True,
    )


def test_what_is_to_be_tried_again_is_rehearsed_too(project: ProjectFolder, connection: psycopg.Connection) -> None:
    project.sql("001_fails", "alter table users add column age int;\nselect * from nowhere;")
    migrator = Migrator(project.manifest)
    with pytest.raises(MigrationFailed):
        migrator.migrate()
    (step,) = migrator.rehearse_request(Retry()).steps
    assert (step.failed_in, step.step.action) == (2, Action.RETRY)
    project.sql("001_fails", "alter table users add column age int;")
    before = shape(connection)
    (step,) = migrator.rehearse_request(Retry(("001_fails",))).steps
    assert step.statements[0].locks == (TableLock("public.users", "AccessExclusive"),)
    assert shape(connection) == before
