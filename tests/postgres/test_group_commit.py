"""Small migrations in a row share a session, the client's waiting and the flush of WAL; each stands by itself still."""

from __future__ import annotations

import sys
import threading
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.support import backends
from tests.support.facts import Facts
from tests.support.project import ProjectFolder
from tests.support.proxy import Proxy
from tests.support.recorder import Recorder
from zmig import Migrator
from zmig.database import wire
from zmig.errors import ConnectionFailed, MigrationFailed
from zmig.progress import RunFinished, StatementFinished, StepFailed, StepFinished, StepStarted
from zmig.running.cancellation import Cancellation
from zmig.sql.command import Command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tests.support.crash import CrashServer
    from zmig.database.types import Connection
    from zmig.database.wire import Reply
    from zmig.progress import Progress

MANY = 60


def declare_many(project: ProjectFolder, numbers: Iterable[int] = range(1, MANY + 1)) -> None:
    for number in numbers:
        project.sql(f"{number:03}_m", f"create table t{number} (x int);\ncomment on table t{number} is '{number}';")


def tables(connection: psycopg.Connection) -> list[int]:
    """Return the numbers of the migrations whose table and comment are there."""
    rows = connection.execute(
        "select substr(relname, 2)::int, obj_description(oid, 'pg_class') from pg_class "
        "where relname ~ '^t[0-9]+$' and relkind = 'r' order by 1"
    ).fetchall()
    assert all(comment == str(number) for number, comment in rows)
    return [number for number, _ in rows]


class At:
    """An observer that does something once, when a step has finished."""

    def __init__(self, step: int, act: Callable[[], None]) -> None:
        self.finished: list[int] = []
        self._step = step
        self._act = act

    def __call__(self, progress: Progress) -> None:
        if isinstance(progress, StepFinished):
            self.finished.append(progress.number)
            if progress.number == self._step:
                self._act()


def test_each_is_told_in_order_and_recorded_as_if_it_were_alone(project: ProjectFolder, facts: Facts) -> None:
    declare_many(project)
    recorder = Recorder()
    Migrator(project.manifest, observer=recorder).migrate()
    each = ["StepStarted", *["StatementStarted"] * 2, *["StatementFinished"] * 2, "StepFinished"]
    assert recorder.words == ["RunStarted", *each * MANY, "RunFinished"]
    assert [one.number for one in recorder.all(StepStarted)] == list(range(1, MANY + 1))
    names = [f"{number:03}_m" for number in range(1, MANY + 1)]
    assert facts.told == [(name, type) for name in names for type in ("started", "done")]
    assert facts.applied == list(enumerate(names, start=1))
    for name in names:
        (started,), (done,) = facts.data(name, "started"), facts.data(name, "done")
        assert started["started_at"] <= done["completed_at"]
        assert done["statements"] == 2
        assert 0 <= done["duration_ms"] < 10_000
    ends = [facts.data(name, "done")[0]["completed_at"] for name in names]
    assert all(one <= other for one, other in pairwise(ends))


@pytest.mark.parametrize("group_commit", [True, False])
def test_where_it_is_switched_off_nothing_is_prepared_and_every_commit_is_waited_for(
    tmp_path: Path, database: str, facts: Facts, group_commit: bool
) -> None:
    with Proxy(database) as proxy:
        project = ProjectFolder(tmp_path, proxy.url, tracking={"group_commit": group_commit})
        declare_many(project, range(1, 6))
        Migrator(project.manifest).migrate()
    sent = [text for texts in proxy.sessions for text in texts]
    assert any("zmig_begin" in text for text in sent) is group_commit
    steps = [text for text in sent if "create table t" in text]
    assert len(steps) == 5
    unflushed = ["set local synchronous_commit = off" in text.rpartition("begin; ")[2] for text in steps]
    assert unflushed == ([True] * 4 + [False] if group_commit else [False] * 5)
    assert [text.rpartition("; ")[2] for text in steps] == ["commit"] * 5
    assert facts.applied == [(number, f"{number:03}_m") for number in range(1, 6)]


def test_one_that_fails_ends_the_run_and_leaves_those_before_it(
    project: ProjectFolder, facts: Facts, connection: psycopg.Connection
) -> None:
    declare_many(project)
    project.sql("030_m", "create table t30 (x int);\ncreate table nö (x nothing);")
    recorder = Recorder()
    with pytest.raises(MigrationFailed) as raised:
        Migrator(project.manifest, observer=recorder).migrate()
    assert str(raised.value.problems[0].location).endswith("030_m.sql:2:20")
    assert tables(connection) == list(range(1, 30))
    assert facts.told[-2:] == [("030_m", "started"), ("030_m", "failed")]
    assert [one.number for one in recorder.all(StepFailed)] == [30]
    project.sql("030_m", "create table t30 (x int);\ncomment on table t30 is '30';")
    Migrator(project.manifest).migrate()
    assert tables(connection) == list(range(1, MANY + 1))


def test_what_a_run_has_completed_survives_a_crash_right_behind_it(tmp_path: Path, crash_server: CrashServer) -> None:
    project = ProjectFolder(tmp_path, crash_server.url())
    declare_many(project)
    Migrator(project.manifest).migrate()
    crash_server.crash()
    crash_server.start()
    with psycopg.connect(crash_server.url(), autocommit=True) as connection:
        assert tables(connection) == list(range(1, MANY + 1))
        assert len(Facts(connection).applied) == MANY


@pytest.mark.parametrize("step", [1, 7, 40])
def test_what_a_run_has_completed_survives_a_crash_behind_its_cancellation(
    tmp_path: Path, crash_server: CrashServer, step: int
) -> None:
    project = ProjectFolder(tmp_path, crash_server.url())
    declare_many(project)
    interrupts = Cancellation()
    observer = At(step, interrupts.request)
    migrator = Migrator(project.manifest, observer=observer, interrupts=interrupts)
    with pytest.raises(KeyboardInterrupt):
        migrator.migrate()
    assert step <= observer.finished[-1] < MANY
    crash_server.crash()
    crash_server.start()
    with psycopg.connect(crash_server.url(), autocommit=True) as connection:
        assert tables(connection) == observer.finished


@pytest.mark.parametrize("step", [1, 7, 40])
def test_a_crash_in_the_middle_takes_the_last_ones_whole(tmp_path: Path, crash_server: CrashServer, step: int) -> None:
    project = ProjectFolder(tmp_path, crash_server.url())
    declare_many(project)
    observer = At(step, crash_server.crash)
    with pytest.raises(ConnectionFailed):
        Migrator(project.manifest, observer=observer).migrate()
    crash_server.start()
    with psycopg.connect(crash_server.url(), autocommit=True) as connection:
        left = tables(connection)
        facts = Facts(connection)
        assert left == list(range(1, len(left) + 1))
        assert facts.applied == [(number, f"{number:03}_m") for number in left]
        assert [name for name, type in facts.told if type == "done"] == [f"{number:03}_m" for number in left]
        Migrator(project.manifest).migrate()
        assert tables(connection) == list(range(1, MANY + 1))


FROM_FUNCTIONS = {
    "setting": "set app.tenant = '7'",
    "search_path": "set search_path = ''",
    "limits": "set statement_timeout = '2s'",
    "no limits": "set local statement_timeout = 0",
    "reset all": "reset all",
    "role": "set role zmig_probe_role",
    "read only": "set default_transaction_read_only = on",
    "asynchronous": "set synchronous_commit = off",
    "strings": "set standard_conforming_strings = off",
    "application name": "set application_name = 'mine'",
    "temporary table": "create temporary table two (x int)",
    "channel": "listen channel_of_one",
    "prepared": "prepare zmig_theirs as select 1",
    "nothing prepared": "deallocate all",
    "not its own": "do $d$ begin deallocate zmig_done; exception when others then end $d$",
}

LOOK = """
create function look() returns int language plpgsql as $$
begin
    assert current_user = session_user, 'role';
    assert current_schemas(false) = '{public}', 'search_path';
    assert current_setting('statement_timeout') = '15min', 'statement_timeout';
    assert current_setting('transaction_read_only') = 'off', 'read only';
    assert coalesce(current_setting('app.tenant', true), '') = '', 'custom setting';
    assert current_setting('application_name') like 'zmig/%', 'application_name';
    assert not exists (select from pg_prepared_statements), 'prepared statements';
    assert not exists (select from pg_listening_channels()), 'channels';
    assert to_regclass('pg_temp.two') is null, 'temporary table';
    return 3;
end
$$;
"""


@pytest.mark.parametrize("leak", FROM_FUNCTIONS.values(), ids=FROM_FUNCTIONS)
@pytest.mark.parametrize("way", ["called", "by a trigger", "at commit"])
def test_what_a_function_does_to_the_session_ends_with_its_migration(
    project: ProjectFolder, facts: Facts, connection: psycopg.Connection, leak: str, way: str
) -> None:
    connection.execute(
        "do $$ begin create role zmig_probe_role; exception when duplicate_object or unique_violation then end $$"
    )
    connection.execute("grant usage on schema public to zmig_probe_role")
    result, end = ("int", "2") if way == "called" else ("trigger", "null")
    quoted = leak.replace("'", "''")
    body = f"begin execute '{quoted}'; return {end}; end"
    leaking = f"create function leak() returns {result} language plpgsql as $$ {body} $$;"
    project.sql("001_functions", f"{LOOK}\n{leaking}\ncreate table seen (x int, s text);")
    if way == "by a trigger":
        project.sql("002_trigger", "create trigger t after insert on seen for each row execute function leak();")
    elif way == "at commit":
        deferred = "after insert on seen deferrable initially deferred for each row execute function leak();"
        project.sql("002_trigger", f"create constraint trigger t {deferred}")
    project.sql("003_table", "create table third (x int);")
    project.sql("004_leak", f"insert into public.seen values ({'public.leak()' if way == 'called' else 2});")
    project.sql("005_comment", r"comment on table public.third is 'a\nb';")
    project.sql("006_drop", "drop trigger if exists t on public.seen;")
    project.sql("007_look", r"insert into public.seen values (public.look(), 'a\nb');")
    project.sql("008_table", "create table last (x int);")
    Migrator(project.manifest).migrate()
    assert connection.execute("select x, s from public.seen order by x").fetchall() == [(2, None), (3, r"a\nb")]
    assert connection.execute("select obj_description('third'::regclass)").fetchone() == (r"a\nb",)
    names = [name for _, name in facts.applied]
    assert facts.told == [(name, type) for name in names for type in ("started", "done")]
    assert names[-1] == "008_table"


def test_a_lock_that_a_function_gives_back_is_missed(project: ProjectFolder) -> None:
    project.sql(
        "001_function",
        "create function leak() returns int language plpgsql as "
        "$$ begin perform pg_advisory_unlock_all(); return 2; end $$;\ncreate table seen (x int);",
    )
    project.sql("002_leak", "insert into seen values (leak());")
    project.sql("003_table", "create table last (x int);")
    with pytest.raises(MigrationFailed) as raised:
        Migrator(project.manifest).migrate()
    assert raised.value.problems[0].code == "lock-lost"


def test_others_stand_between_them(project: ProjectFolder, facts: Facts, connection: psycopg.Connection) -> None:
    """Each kind leaves the session as the next one needs it."""

    def declare_other(kind: str, number: int) -> None:
        name, before = f"{number:03}_{kind}", number - 1
        match kind:
            case "python":
                project.python(name, "def execute(ctx):\n    ctx.execute('deallocate all')\n")
            case "session":
                project.sql(name, "set search_path = ''; select 1;")
            case "outside":
                project.sql(name, f"create index concurrently on t{before} (x);")
            case "long":
                project.sql(name, f"create table l (x int);\ncreate index on t{before} (x);\ndrop table l;")
            case _:
                rows = "x > :cursor and x < :cursor + :size and x is not null"
                update = f"update t{before} set x = x where {rows} returning x + 0;"
                project.sql(name, update, batch={"size": 10, "start": 0})

    number = 1
    for kind in ("python", "session", "outside", "long", "batch"):
        declare_many(project, (number, number + 1))
        declare_other(kind, number + 2)
        number += 3
    declare_many(project, (number,))
    assert len(Migrator(project.manifest).migrate().completed) == number
    assert len(facts.applied) == number
    assert len(tables(connection)) == 11


def test_an_observer_that_ends_the_program_ends_it_between_two_facts(
    project: ProjectFolder, facts: Facts, connection: psycopg.Connection
) -> None:
    connection.execute("create table seen (x int)")
    for number in range(1, 5):
        project.sql(f"{number:03}_d", f"create table d{number} (x int);")
    project.sql("005_i", "insert into seen values (5);")
    stopped = At(2, sys.exit)
    with pytest.raises(SystemExit):
        Migrator(project.manifest, observer=stopped).migrate()
    told = facts.told
    assert len(set(told)) == len(told)
    for name, type in told:
        assert (name, "done" if type == "started" else "started") in told or (name, "failed") in told
    Migrator(project.manifest).migrate()
    assert [name for name, type in facts.told if type == "done"] == [
        f"{n:03}_{'i' if n == 5 else 'd'}" for n in range(1, 6)
    ]
    assert connection.execute("select x from seen").fetchall() == [(5,)]


def test_what_is_committed_when_an_interruption_comes_before_that_is_noted_is_flushed(
    tmp_path: Path, crash_server: CrashServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = ProjectFolder(tmp_path, crash_server.url())
    declare_many(project)
    send = wire.send

    def interrupted(connection: Connection, text: str, **how: Any) -> Reply:
        reply = send(connection, text, **how)
        if "007_m, statement" in text.partition("\n")[0]:
            raise KeyboardInterrupt
        return reply

    monkeypatch.setattr(wire, "send", interrupted)
    recorder = Recorder()
    with pytest.raises(KeyboardInterrupt):
        Migrator(project.manifest, observer=recorder).migrate()
    crash_server.crash()
    crash_server.start()
    with psycopg.connect(crash_server.url(), autocommit=True) as connection:
        assert tables(connection) == [one.number for one in recorder.all(StepFinished)] == list(range(1, 8))


@pytest.mark.parametrize("ends", ["failed", "cancelled"])
def test_a_run_that_ends_waits_for_no_lock_on_the_simple_table(
    project: ProjectFolder, connect: Callable[..., psycopg.Connection], ends: str
) -> None:
    declare_many(project, (1, 2))
    Migrator(project.manifest).migrate()
    connect(autocommit=False).execute("select * from zmig.schema_migrations for update")
    declare_many(project, range(3, 20))
    interrupts, recorder = Cancellation(), Recorder()
    if ends == "failed":
        project.sql("010_m", "create table x (y nothing);")

    def observe(progress: Progress) -> None:
        recorder(progress)
        if ends == "cancelled" and isinstance(progress, StepFinished) and progress.number == 4:
            interrupts.request()

    with pytest.raises((MigrationFailed, KeyboardInterrupt)):
        Migrator(project.manifest, observer=observe, interrupts=interrupts).migrate()
    assert recorder.words[-1] == "RunFinished"


def test_a_request_behind_the_last_one_takes_nothing_from_what_is_told(project: ProjectFolder) -> None:
    declare_many(project, range(1, 6))
    interrupts, recorder = Cancellation(), Recorder()

    def observe(progress: Progress) -> None:
        recorder(progress)
        if isinstance(progress, StepFinished) and progress.number == 5:
            interrupts.request()

    Migrator(project.manifest, observer=observe, interrupts=interrupts).migrate()
    assert recorder.words[-2:] == ["StepFinished", "RunFinished"]


def test_the_time_an_observer_takes_is_not_the_next_ones(project: ProjectFolder) -> None:
    for number in range(1, 6):
        project.sql(f"{number:03}_d", f"create table d{number} (x int);")
    recorder = Recorder()

    def observe(progress: Progress) -> None:
        recorder(progress)
        if isinstance(progress, StepFinished):
            time.sleep(0.2)

    Migrator(project.manifest, observer=observe).migrate()
    (run,) = recorder.all(RunFinished)
    without_observer = run.duration_seconds - 5 * 0.2
    for kind in (StatementFinished, StepFinished):
        durations = [one.duration_seconds for one in recorder.all(kind)]
        assert len(durations) == 5
        assert sum(durations) < without_observer


def test_a_setting_that_is_taken_over_is_the_sessions_own(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    body = "returns int language sql set synchronous_commit\n  from  current as 'select 1'"
    project.sql("001_f", f"create function f() {body};")
    project.sql("002_t", "create table t (x int);")
    Migrator(project.manifest).migrate()
    synchronous = connection.execute("show synchronous_commit").fetchone()
    assert synchronous is not None
    config = connection.execute("select proconfig from pg_proc where proname = 'f'").fetchone()
    assert config == ([f"synchronous_commit={str(synchronous[0]).replace('off', 'local')}"],)


NOTED = """
create table noted (version text, synchronous_commit text, prepared bigint);
create function note() returns event_trigger language plpgsql as $$
begin
    insert into public.noted select object_identity, current_setting('synchronous_commit'),
        (select count(*) from pg_catalog.pg_prepared_statements)
    from pg_catalog.pg_event_trigger_ddl_commands() where object_identity ~ '^public.t[0-9]';
    set standard_conforming_strings = off;
    set search_path = '';
    deallocate all;
end $$;
create event trigger note on ddl_command_end execute function note();
"""


@pytest.mark.parametrize("when", ["before the run", "by a migration", "by somebody else"])
def test_nothing_is_shared_where_an_event_trigger_runs(
    project: ProjectFolder, facts: Facts, connection: psycopg.Connection, when: str
) -> None:
    for number in range(1, 13):
        project.sql(f"{number:03}_t", f"create table public.t{number} (x int);")
    observer = At(5, lambda: connection.execute(NOTED) and None)
    if when == "before the run":
        connection.execute(NOTED)
    elif when == "by a migration":
        project.sql("006_t", f"{NOTED}\ncreate table public.t6 (x int);")
    recorder = Recorder()
    Migrator(project.manifest, observer=observer if when == "by somebody else" else recorder).migrate()
    noted = connection.execute("select version, synchronous_commit, prepared from public.noted").fetchall()
    first = {"before the run": 1, "by a migration": 7, "by somebody else": 8}[when]
    usual = connection.execute("show synchronous_commit").fetchone() or ("",)
    assert [row for row in noted if int(row[0].removeprefix("public.t")) >= first] == [
        (f"public.t{number}", usual[0].replace("off", "local"), 0) for number in range(first, 13)
    ]
    names = [f"{number:03}_t" for number in range(1, 13)]
    assert facts.told == [(name, type) for name in names for type in ("started", "done")]


def test_an_event_trigger_that_is_made_while_a_file_runs_takes_nothing_from_it(
    project: ProjectFolder, facts: Facts, connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
) -> None:
    """What zmig has prepared is gone in the middle of its own transaction, which is done again without."""
    connection.execute("create table public.gate (x int)")
    holder = connect(autocommit=False)
    holder.execute("select from public.gate")
    project.sql("001_t", "create table public.t1 (x int);")
    project.sql("002_t", "alter table public.gate add column y int;\ncreate table public.t2 (x int);", lock_timeout=0)
    project.sql("003_t", "create table public.t3 (x int);")
    run = threading.Thread(target=Migrator(project.manifest).migrate)
    run.start()
    backends.wait_for(connection, 1, "wait_event_type = 'Lock'")
    connection.execute(NOTED)
    holder.rollback()
    run.join()
    noted = connection.execute("select version, prepared from public.noted order by version").fetchall()
    assert noted == [("public.t2", 0), ("public.t3", 0)]
    assert facts.told == [(name, type) for name in ("001_t", "002_t", "003_t") for type in ("started", "done")]


def test_an_event_trigger_that_is_made_before_a_file_with_code_takes_nothing_from_it(
    tmp_path: Path,
    database: str,
    facts: Facts,
    connection: psycopg.Connection,
    connect: Callable[..., psycopg.Connection],
) -> None:
    """Its beginning would have been executed as it is prepared; it is sent again in the plain form."""
    connection.execute("create table public.gate (x int)")
    connection.execute("create function quiet() returns event_trigger language plpgsql as 'begin end'")
    holder = connect(autocommit=False)
    holder.execute("select from public.gate")
    with Proxy(database) as proxy:
        project = ProjectFolder(tmp_path, proxy.url)
        project.sql("001_t", "create table public.t1 (x int);")
        project.sql("002_t", "alter table public.gate add column y int;", lock_timeout=0)
        project.sql("003_t", "insert into public.gate select 1, 2;", lock_timeout=0)
        run = threading.Thread(target=Migrator(project.manifest).migrate)
        run.start()
        backends.wait_for(connection, 1, "wait_event_type = 'Lock'")
        connection.execute("create event trigger quiet on ddl_command_end execute function quiet()")
        holder.rollback()
        run.join()
    sent = [text for texts in proxy.sessions for text in texts if "insert into public.gate" in text]
    assert ["execute zmig_open" in text for text in sent] == [True, False]
    assert connection.execute("select * from public.gate").fetchall() == [(1, 2)]
    assert facts.told == [(name, type) for name in ("001_t", "002_t", "003_t") for type in ("started", "done")]


def test_what_is_prepared_is_planned_once(tmp_path: Path, database: str, connection: psycopg.Connection) -> None:
    if connection.info.server_version < 140000:
        pytest.skip("the server does not tell how it planned what is prepared")
    connection.execute("create table public.one as select 1 as x")
    connection.execute(
        "create function public.planned_once(int) returns int language plpgsql immutable as $$ begin "
        "assert exists (select from pg_catalog.pg_prepared_statements) = ($1 <> 0), 'prepared'; "
        "assert not exists (select from pg_catalog.pg_prepared_statements where custom_plans > 0), 'planned anew'; "
        "return $1; end $$"
    )
    project = ProjectFolder(tmp_path, database)
    for number in range(1, 4):
        project.sql(f"{number:03}_m", f"create index on public.one (public.planned_once(x + {number}));")
    project.sql("004_m", "select public.planned_once(0);")
    assert len(Migrator(project.manifest).migrate().completed) == 4


def test_each_has_its_own_limits(project: ProjectFolder, connection: psycopg.Connection) -> None:
    connection.execute("create table public.one as select 1 as x")
    connection.execute(
        "create function public.limited(int, text) returns int language plpgsql immutable as "
        "$$ begin assert current_setting('lock_timeout') = $2, current_setting('lock_timeout'); return $1; end $$"
    )
    limits = ("7s", "7s", "8s", "7s", "9s")
    for number, limit in enumerate(limits, start=1):
        project.sql(f"{number:03}_m", f"create index on public.one (public.limited(x, '{limit}'));", lock_timeout=limit)
    for number, limit in enumerate(limits, start=3):
        # After one that leaves what is prepared, and has the same limits or others.
        comment = f"comment on table public.one is '{limit}';"
        project.sql(f"{2 * number:03}_comment", comment, lock_timeout=limits[-1])
        project.sql(f"{2 * number + 1:03}_call", f"select public.limited(1, '{limit}');", lock_timeout=limit)
    assert len(Migrator(project.manifest).migrate().completed) == 15


FIXED = "create function fixed(int) returns int language plpgsql immutable as $$ begin perform job(); return 0; end $$"
EVALUATED = {
    "check of a domain": ("create domain d as int check (job())", "alter table whole add column c{n} d;"),
    "default of a domain": ("create domain d as bool default job()", "alter table whole add c{n} d;"),
    "check of an element": ("create domain d as int check (job())", "create table c{n} (x d[] default '{{1}}');"),
    "start of an aggregate": (
        "create domain d as int check (job());\ncreate function add(d, int) returns d language sql as 'select $1'",
        "create aggregate c{n} (int) (sfunc = add, stype = d, initcond = '1');",
    ),
    "condition on constants": (
        f"{FIXED};\nalter table whole add column i int default 2;\nalter table whole add check (i > fixed(1))",
        "alter table whole alter column i set not null;\nalter table whole alter column i drop not null;",
    ),
    "cast of a constant": (
        "create function counted(boolean) returns smallint language plpgsql immutable as "
        "$$ begin perform job(); return 1; end $$;\n"
        "create cast (boolean as smallint) with function counted(boolean) as assignment",
        "alter table whole add column c{n} smallint default true;",
    ),
    "constants in a generated column": (
        FIXED,
        "create table c{n} (i int, g int generated always as (i + fixed(1)) stored);",
    ),
    "constants in a partition key": (FIXED, "create table c{n} (i int) partition by range ((i + fixed(1)));"),
    "query behind a comment": ("create table fourth (x int)", "create table c{n} as -- all of it\n select job();"),
}


@pytest.mark.parametrize(("made", "text"), EVALUATED.values(), ids=EVALUATED)
def test_nothing_is_shared_where_a_definition_runs_code(
    project: ProjectFolder, facts: Facts, connection: psycopg.Connection, made: str, text: str
) -> None:
    connection.execute(
        "create table noted (synchronous_commit text, prepared bigint); create table whole (x int);"
        "insert into whole values (1);"
        "create function job() returns bool language plpgsql as $$ begin "
        "insert into noted select current_setting('synchronous_commit'), count(*) from pg_prepared_statements; "
        "deallocate all; return true; end $$"
    )
    connection.execute(made.encode())
    connection.execute("truncate noted")
    for number in range(1, 6):
        project.sql(f"{number:03}_m", text.format(n=number))
    Migrator(project.manifest).migrate()
    usual = connection.execute("show synchronous_commit").fetchone() or ("",)
    assert connection.execute("select distinct * from noted").fetchall() == [(usual[0].replace("off", "local"), 0)]
    names = [f"{number:03}_m" for number in range(1, 6)]
    assert facts.told == [(name, type) for name in names for type in ("started", "done")]


def test_nothing_is_shared_where_a_type_may_be_in_front_of_the_servers_own(
    tmp_path: Path, database: str, facts: Facts, connection: psycopg.Connection
) -> None:
    """Then `text` may be anybody's domain."""
    path = "pg_catalog.format('alter database %I {}', pg_catalog.current_database())"
    connection.execute(f"do $$ begin execute {path.format('set search_path = public, pg_catalog')}; end $$".encode())
    try:
        with Proxy(database) as proxy:
            project = ProjectFolder(tmp_path, proxy.url)
            declare_many(project, range(1, 5))
            Migrator(project.manifest).migrate()
    finally:
        connection.execute(f"do $$ begin execute {path.format('reset search_path')}; end $$".encode())
    sent = [text for texts in proxy.sessions for text in texts if "create table t" in text]
    assert ["zmig_open" in text for text in sent[:1]] == [True]
    assert all("set local synchronous_commit = off" in text and "zmig_open" not in text for text in sent[1:])
    assert facts.told == [(f"{number:03}_m", type) for number in range(1, 5) for type in ("started", "done")]


@pytest.mark.parametrize(
    "column",
    [
        "int",
        "int default 0",
        "int not null default -1",
        "text default 'new' not null",
        "varchar(20) not null default ''",
        "numeric(3, 1) not null default 1.5",
        "boolean default false",
        "timestamptz not null default '2020-01-01'",
        "jsonb not null default '{}'",
        "text not null default 'new'::text",
    ],
)
@pytest.mark.parametrize("table", ["whole", "empty", "split"])
def test_a_new_column_with_a_constant_default_runs_no_code(
    connection: psycopg.Connection, table: str, column: str
) -> None:
    """What counts as a definition: the table has code wherever it can have any."""
    connection.execute(
        """
        create sequence noted;
        create function job(by text) returns int language plpgsql immutable as
            $$ begin perform nextval('public.noted'); return 1; end $$;
        create function triggered() returns trigger language plpgsql as $$ begin perform job('trigger'); end $$;
        create table whole (x int, y int generated always as (x + job('generated')) stored, check (x > job('check')));
        create index on whole ((x + job('index')));
        create trigger t before insert or update on whole for each row execute function triggered();
        create rule r as on update to whole do also select job('rule');
        create table empty (like whole including all);
        create table split (x int, check (x > job('check'))) partition by range (x);
        create table part partition of split for values from (0) to (10);
        alter table whole disable trigger t;
        insert into whole values (3);
        insert into split values (3);
        alter table whole enable trigger t;
        """
    )
    before = connection.execute("select last_value from noted").fetchone()
    text = f"alter table {table} add column added {column}"
    assert Command(text).is_definition
    connection.execute(text.encode())
    assert before is not None
    assert before > (1,)
    assert connection.execute("select last_value from noted").fetchone() == before


def test_before_what_may_take_long_all_is_flushed_and_nothing_waits_for_its_own(
    tmp_path: Path, database: str, facts: Facts
) -> None:
    forms = ("create table t{n} (x int);", "alter table t{n} add column y int default 0;", "create index on t{n} (y);")
    with Proxy(database) as proxy:
        project = ProjectFolder(tmp_path, proxy.url)
        for number in range(9):
            project.sql(f"{number + 1:03}_m", forms[number % 3].format(n=number // 3))
        Migrator(project.manifest).migrate()
    sent = [text for texts in proxy.sessions for text in texts if "execute zmig_open" in text]
    assert len(sent) == 9
    may_take_long = [number for number in range(9) if number % 3]
    parts = [text.partition("execute zmig_open") for text in sent]
    assert not any("synchronous_commit = off" in parts[number][0] for number in may_take_long)
    assert ["synchronous_commit = off" in own for _, _, own in parts] == [True] * 8 + [False]
    names = [f"{number:03}_m" for number in range(1, 10)]
    assert facts.told == [(name, type) for name in names for type in ("started", "done")]


@pytest.mark.parametrize("step", [2, 3, 4, 8])
def test_a_crash_takes_columns_and_indexes_whole(tmp_path: Path, crash_server: CrashServer, step: int) -> None:
    forms = ("create table t{n} (x int);", "alter table t{n} add column y int default 0;", "create index on t{n} (y);")
    project = ProjectFolder(tmp_path, crash_server.url())
    for number in range(30):
        project.sql(f"{number + 1:03}_m", forms[number % 3].format(n=number // 3))
    with pytest.raises(ConnectionFailed):
        Migrator(project.manifest, observer=At(step, crash_server.crash)).migrate()
    crash_server.start()
    with psycopg.connect(crash_server.url(), autocommit=True) as connection:
        there = [
            connection.execute(f"select count(*) from {what}".encode()).fetchone() or (0,)
            for what in (
                "pg_class where relname ~ '^t[0-9]+$'",
                "pg_attribute where attname = 'y' and attrelid::regclass::text ~ '^t[0-9]+$'",
                "pg_class where relname ~ '^t[0-9]+_y_idx$'",
            )
        ]
        applied = Facts(connection).applied
        assert sum(number for (number,) in there) == len(applied)
        assert [version for version, _ in applied] == list(range(1, len(applied) + 1))
        assert [name for name, type in Facts(connection).told if type == "done"] == [name for _, name in applied]
        Migrator(project.manifest).migrate()
        assert len(Facts(connection).applied) == 30
