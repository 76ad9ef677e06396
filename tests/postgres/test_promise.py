"""What must hold wherever a fact is written: it is there, it stands behind all others, and the run's lock is held."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.support.recorder import Recorder
from zmig import MigrationFailed, Migrator
from zmig.database import invariants
from zmig.database.invariants import Broken
from zmig.database.lock import RunLock
from zmig.database.store import Store
from zmig.facts import EventType, Run
from zmig.progress import RetryScheduled, RunStarted, StepFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder
    from zmig.progress import Progress

RUN = Run("abc123", "build-7", 4711, "zmig/abc123")
DATA: dict[str, Any] = {"version": 1, "name": "001_one", "checksum": "c"}


@pytest.fixture
def store(connection: psycopg.Connection) -> Store:
    """A store whose tables are there, in a session that holds the lock."""
    made = Store(connection, "zmig")
    made.create(made.inspect())
    assert RunLock("zmig").try_acquire(connection)
    return made


def _applied(store: Store) -> str:
    return store.applied_sql(RUN, EventType.DONE, "001_one", DATA, kind="sql")


WRITING: dict[str, Callable[[Store], str]] = {
    "append": lambda store: store.append_sql(RUN, EventType.STARTED, "001_one", DATA),
    "applied": _applied,
    "taken back": lambda store: store.taken_back_sql(RUN, EventType.ROLLED_BACK, "001_one", DATA),
    "prepared start": lambda store: f"{store.prepare_sql(RUN)[0]}; {store.short_started_sql('001_one', DATA)}",
    "prepared end": lambda store: f"{store.prepare_sql(RUN)[1]}; {store.short_done_sql('001_one', DATA, kind='sql')}",
}


def broken(connection: psycopg.Connection, statement: str) -> Broken | None:
    """Send statements as one transaction; return what they say that does not hold."""
    try:
        with connection.transaction():
            connection.execute(statement.encode())
    except psycopg.Error as error:
        return invariants.broken_by(error, schema="zmig", is_own=True)
    return None


def on(table: str, event: str, body: str) -> str:
    """Return what puts a trigger on one of the tables."""
    return (
        f"create function odd() returns trigger language plpgsql as $$ begin {body} end $$;"
        f"create trigger odd before {event} on zmig.{table} for each row execute function odd()"
    )


NOT_INSERTED = {
    "trigger": on("migration_events", "insert", "return null;"),
    "trigger that changes it": on("migration_events", "insert", "new.event_type = 'other'; return new;"),
    **{
        f"trigger that changes {what}": on("migration_events", "insert", f"{change} return new;")
        for what, change in {
            "the aggregate": "new.aggregate_type := 'audit';",
            "the name": "new.aggregate_id := 'other';",
            "the version": """new.event_data := new.event_data || '{"version": 99}';""",
            "what it says": "new.event_data := '{}';",
            "one key more": """new.event_data := new.event_data || '{"more": 1}';""",
            "the time": "new.created_at := '2000-01-01';",
            "the run": "new.run_id := null;",
            "the host": "new.host := '';",
            "the role": "new.database_user := 'nobody';",
        }.items()
    },
    "rule": "create rule odd as on insert to zmig.migration_events do instead nothing",
    "rule with a condition": "create rule odd as on insert to zmig.migration_events where new.host > '' do instead "
    "nothing",
}


@pytest.mark.parametrize("way", NOT_INSERTED.values(), ids=NOT_INSERTED)
@pytest.mark.parametrize("write", WRITING.values(), ids=WRITING)
def test_a_fact_that_is_not_there_fails_its_transaction(
    connection: psycopg.Connection, store: Store, write: Callable[[Store], str], way: str
) -> None:
    connection.execute(way.encode())
    assert broken(connection, write(store)) is Broken.FACT
    assert connection.execute("select count(*) from zmig.migration_events").fetchone() == (0,)


@pytest.mark.parametrize(
    ("write", "event", "is_there"),
    [
        ("applied", "insert", False),
        ("applied", "update", True),
        ("prepared end", "insert", False),
        ("taken back", "delete", True),
    ],
)
def test_a_row_that_is_not_changed_fails_its_transaction(
    connection: psycopg.Connection, store: Store, write: str, event: str, is_there: bool
) -> None:
    if is_there:
        connection.execute(_applied(store).encode())
    connection.execute(on("schema_migrations", event, "return null;").encode())
    assert broken(connection, WRITING[write](store)) is Broken.ROW
    assert connection.execute("select count(*) from zmig.migration_events").fetchone() == (int(is_there),)


@pytest.mark.parametrize(
    "change",
    [
        "new.version := new.version + 100;",
        "new.name := 'other';",
        "new.kind := 'python';",
        "new.checksum := null;",
        "new.applied_at := '2000-01-01';",
        "new.applied_by := 'nobody';",
        "new.duration_ms := -5;",
        "new.position := new.position + 1;",
    ],
)
@pytest.mark.parametrize("write", ["applied", "prepared end"])
@pytest.mark.parametrize("event", ["insert", "update"])
def test_a_row_that_is_there_otherwise_than_written_fails_its_transaction(
    connection: psycopg.Connection, store: Store, write: str, event: str, change: str
) -> None:
    if event == "update":
        connection.execute(_applied(store).encode())
        change = change.replace("new.checksum := null;", "new.checksum := 'd';")
    connection.execute(on("schema_migrations", event, f"{change} return new;").encode())
    assert broken(connection, WRITING[write](store)) is Broken.ROW
    assert connection.execute("select count(*) from zmig.migration_events").fetchone() == (int(event == "update"),)


@pytest.mark.parametrize("change", ["new.event_data := '{}';", "new.aggregate_type := 'audit';", "new.run_id := null;"])
def test_that_a_repeatable_is_due_again_is_told_as_written_or_its_transaction_fails(
    connection: psycopg.Connection, store: Store, change: str
) -> None:
    data = DATA | {"version": 2, "name": "002_view"}
    connection.execute(store.applied_sql(RUN, EventType.DONE, "002_view", data, kind="repeatable").encode())
    rolled_back = store.rolled_back_sql(RUN, "001_one", DATA)
    body = f"if new.event_type = 'migration.outdated' then {change} end if; return new;"
    with connection.transaction(force_rollback=True):
        connection.execute(rolled_back.encode())
    connection.execute(on("migration_events", "insert", body).encode())
    assert broken(connection, rolled_back) is Broken.FACT
    assert connection.execute("select count(*) from zmig.migration_events").fetchone() == (1,)


@pytest.mark.parametrize("write", WRITING.values(), ids=WRITING)
def test_nothing_is_written_without_the_lock(
    connection: psycopg.Connection, store: Store, write: Callable[[Store], str]
) -> None:
    assert broken(connection, f"select pg_advisory_unlock_all(); {write(store)}") is Broken.LOCK
    assert connection.execute("select count(*) from zmig.migration_events").fetchone() == (0,)


@pytest.mark.parametrize("restart", [2, 5])
@pytest.mark.parametrize("write", WRITING.values(), ids=WRITING)
def test_a_position_behind_another_one_fails_its_transaction(
    connection: psycopg.Connection, store: Store, write: Callable[[Store], str], restart: int
) -> None:
    connection.execute("alter table zmig.migration_events alter position restart with 5")
    connection.execute(_applied(store).encode())
    connection.execute(f"alter table zmig.migration_events alter position restart with {restart}".encode())
    assert broken(connection, write(store)) is Broken.POSITION
    assert connection.execute("select count(*) from zmig.migration_events").fetchone() == (1,)


@pytest.mark.parametrize("write", WRITING.values(), ids=WRITING)
def test_all_is_well_where_all_holds(
    connection: psycopg.Connection, store: Store, write: Callable[[Store], str]
) -> None:
    assert broken(connection, write(store)) is None
    assert connection.execute("select count(*) from zmig.migration_events").fetchone() == (1,)


EFFECT = "insert into effect values (2);"
ROUND = "update effect set n = 2 where ctid in (select ctid from effect where n = 1 limit :size);"
CODE = "def execute(ctx):\n    ctx.execute('insert into effect values (2)')\n"


def declare(project: ProjectFolder, form: str) -> None:
    """Declare a migration, version 2, that has an effect."""
    match form:
        case "python":
            project.python("002_two", CODE)
        case "outside a transaction":
            project.sql("002_two", EFFECT, transaction=False)
        case "batch":
            project.sql("002_two", ROUND, batch={"size": 5})
        case "several messages":
            project.sql("002_two", f"{EFFECT}\nselect 1;\nselect 2;")
        case "brief":
            project.sql("002_two", "create table two (x int);")
            project.sql("003_three", "create table three (x int);")
        case _:
            project.sql("002_two", EFFECT)


FORMS = ("one message", "several messages", "brief", "python", "outside a transaction", "batch", "atomic")


class _Odd:
    """An observer that puts a trigger on zmig's table once the run has begun, and looked at everything."""

    def __init__(self, connection: psycopg.Connection, type: str) -> None:
        self._connection = connection
        self._body = f"if new.event_type = 'migration.{type}' then return null; end if; return new;"

    def __call__(self, progress: Progress) -> None:
        if isinstance(progress, RunStarted):
            self._connection.execute(on("migration_events", "insert", self._body).encode())


@pytest.mark.parametrize("type", ["started", "done"])
@pytest.mark.parametrize("form", FORMS)
def test_a_migration_whose_fact_is_swallowed_is_never_called_done(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts, form: str, type: str
) -> None:
    connection.execute("create table effect (n int)")
    project.sql("001_one", "insert into effect values (1);")
    Migrator(project.manifest).migrate()
    declare(project, form)
    recorder = Recorder()
    observer = _Odd(connection, type)

    def observe(progress: Progress) -> None:
        observer(progress)
        recorder(progress)

    migrator = Migrator(project.manifest, observer=observe)
    with pytest.raises(MigrationFailed) as raised:
        migrator.migrate(atomic=form == "atomic")
    (problem,) = raised.value.problems
    assert problem.code == "fact-not-written"
    assert "`zmig.migration_events`" in problem.message
    assert recorder.one(StepFailed).will_retry is False
    assert facts.applied == [(1, "001_one")]
    connection.execute("drop trigger odd on zmig.migration_events; drop function odd()")
    Migrator(project.manifest).migrate()
    expected = {"batch": [(2,)], "brief": [(1,)]}.get(form, [(1,), (2,)])
    assert connection.execute("select n from effect order by n").fetchall() == expected
    assert facts.applied[:2] == [(1, "001_one"), (2, "002_two")]


CHANGES = {
    "a fact": on("migration_events", "insert", "new.event_data := new.event_data - 'checksum'; return new;"),
    "a row": on("schema_migrations", "insert", "new.version := new.version + 100; return new;"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("form", FORMS)
def test_a_migration_behind_which_facts_are_changed_is_never_called_done(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts, form: str, change: str
) -> None:
    connection.execute("create table effect (n int)")
    project.sql("001_one", change)
    declare(project, form)
    with pytest.raises(MigrationFailed) as raised:
        Migrator(project.manifest).migrate(atomic=form == "atomic")
    assert raised.value.problems[0].code == "fact-not-written"
    assert facts.applied == []
    assert connection.execute("select count(*) from effect").fetchone() == (0,)


@pytest.mark.parametrize("other", ["select 1", "select pg_catalog.set_config('zmig.recorded', 'guessed', true)"])
def test_what_was_prepared_is_not_believed_where_somebody_replaced_it(
    connection: psycopg.Connection, store: Store, other: str
) -> None:
    """No file that may use it can run code, as far as is known."""
    done = f"{store.short_done_sql('001_one', DATA, kind='sql')}; {store.short_done_check_sql}"
    for prepare in store.prepare_sql(RUN):
        connection.execute(prepare.encode())
    with connection.transaction(force_rollback=True):
        connection.execute(done.encode())
    connection.execute(f"deallocate zmig_done; prepare zmig_done (text, jsonb, bigint, text, text) as {other}".encode())
    assert broken(connection, done) is Broken.FACT
    assert connection.execute("select count(*) from zmig.migration_events").fetchone() == (0,)


RELEASING = """
create table effect (n int);
create function job() returns void language plpgsql as $$
begin
    raise exception 'busy' using errcode = 'lock_not_available';
exception when lock_not_available then perform pg_advisory_unlock_all(); raise;
end $$;
"""


def test_an_attempt_that_lost_the_lock_is_not_tried_again(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    connection.execute(RELEASING)
    project.sql("001_job", "insert into effect values (1);\nselect job();", retry={"attempts": 5, "backoff": "1ms"})
    project.sql("002_more", "insert into effect values (2);")
    recorder = Recorder()
    with pytest.raises(MigrationFailed) as raised:
        Migrator(project.manifest, observer=recorder).migrate()
    (problem,) = raised.value.problems
    assert problem.code == "lock-lost"
    assert problem.message == "migration `001_job` failed: busy"
    assert "that it failed is not recorded" in problem.facts
    assert recorder.all(RetryScheduled) == []
    assert facts.told == [("001_job", "started")]
    connection.execute("create or replace function job() returns void language sql as ''")
    Migrator(project.manifest).migrate()
    assert connection.execute("select n from effect order by n").fetchall() == [(1,), (2,)]
    assert [type for name, type in facts.told if name == "001_job"] == ["started", "failed", "started", "done"]


OTHER_RUN_INSIDE = """
import os

import zmig


def execute(ctx):
    ctx.execute("insert into effect values (1)")
    if manifest := os.environ.pop("ZMIG_TEST_MANIFEST", None):
        ctx.execute("{release}")
        zmig.Migrator(manifest).migrate()
        {end}
"""


@pytest.mark.parametrize("end", ["raise RuntimeError('no answer')", "pass"])
@pytest.mark.parametrize("way", ["alone", "atomic"])
def test_nothing_is_written_behind_the_end_that_another_run_recorded(
    project: ProjectFolder,
    connection: psycopg.Connection,
    facts: Facts,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    end: str,
) -> None:
    connection.execute("create table effect (n int)")
    code = OTHER_RUN_INSIDE.format(release="select pg_advisory_unlock_all()", end=end)
    project.python("001_one", code)
    monkeypatch.setenv("ZMIG_TEST_MANIFEST", str(project.manifest))
    with pytest.raises(MigrationFailed) as raised:
        Migrator(project.manifest).migrate(atomic=way == "atomic")
    assert raised.value.problems[0].code == "lock-lost"
    assert facts.told == [("001_one", type) for type in ("started", "failed", "started", "done")]
    assert Migrator(project.manifest).migrate().completed == ()
    assert connection.execute("select n from effect").fetchall() == [(1,)]


def test_discard_all_outside_a_transaction_ends_the_run(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    connection.execute("create table effect (n int)")
    project.sql("001_one", "discard all;\ninsert into effect values (1);", transaction=False)
    project.sql("002_two", "insert into effect values (2);")
    with pytest.raises(MigrationFailed) as raised:
        Migrator(project.manifest).migrate()
    assert raised.value.problems[0].code == "lock-lost"
    assert connection.execute("select n from effect").fetchall() == []
    assert facts.told == [("001_one", "started"), ("001_one", "checkpoint")]


def test_no_transaction_of_a_migration_begins_without_the_lock(connection: psycopg.Connection) -> None:
    lock = RunLock("zmig")
    assert broken(connection, lock.mark_sql) is Broken.LOCK
    assert lock.try_acquire(connection)
    assert broken(connection, lock.mark_sql) is None


SAID = {
    "a table of the same name": "create table migration_events (position int unique);\n"
    "insert into migration_events values (1), (1);",
    "a constraint of it that waits": "create table migration_events (n int unique deferrable initially deferred);\n"
    "insert into migration_events values (1), (1);",
    "zmig's table": "insert into zmig.migration_events (position, aggregate_id, event_type) "
    "overriding system value values (1, 'a', 'b');",
    "zmig's words": "do $$ begin raise exception 'zmig: lock lost'; end $$;",
    "zmig's words of an event trigger": "do $$ begin raise exception 'zmig: event trigger'; end $$;",
    "zmig's words in a cast": "select 'zmig: lock lost'::int;",
    "a view with a rule": "create view v as select 1 as n;\ncreate rule r as on insert to v do instead nothing;\n"
    "with one as (insert into v values (1) returning n) select from one;",
}


@pytest.mark.parametrize("form", ["sql", "outside a transaction", "python"])
@pytest.mark.parametrize("what", SAID.values(), ids=SAID)
def test_what_a_migrations_own_statement_violates_is_not_taken_for_zmigs(
    project: ProjectFolder, facts: Facts, what: str, form: str
) -> None:
    project.sql("001_one", "select 1;")
    if form == "python":
        project.python(
            "002_two", f"def execute(ctx):\n    for one in {what.split(';' + chr(10))!r}:\n        ctx.execute(one)\n"
        )
    else:
        project.sql("002_two", what, transaction=form == "sql")
    with pytest.raises(MigrationFailed) as raised:
        Migrator(project.manifest).migrate()
    (problem,) = raised.value.problems
    assert problem.code == "migration-failed"
    assert facts.told[-1] == ("002_two", "failed")
    (failed,) = facts.data("002_two", "failed")
    assert failed["error"]["sqlstate"] in ("23505", "P0001", "22P02", "0A000")
    assert "code" not in failed["error"]
    assert len(facts.data("002_two", "started")) == 1
