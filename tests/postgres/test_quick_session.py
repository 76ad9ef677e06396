"""What is asked through libpq itself, whether anything is left to do and the status: never other than psycopg says."""

from __future__ import annotations

import os
import signal
import socket
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo

from tests.support import backends, pgbouncer
from tests.support.process import Process
from tests.support.proxy import UNENCRYPTED, Proxy
from zmig import Migrator
from zmig.cli import status
from zmig.database import libpq, unresponsive
from zmig.database.libpq import Unavailable
from zmig.database.lock import RunLock
from zmig.database.store import Store
from zmig.embedded import EmbeddedServer
from zmig.errors import ConnectionFailed, ZmigError
from zmig.planning.request import Apply
from zmig.presentation.hints import LibraryStyle
from zmig.presentation.spans import plain
from zmig.project import text_file
from zmig.session import quick_session
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder


LONG = 64_000_000
"""More octets than the buffers of sockets hold."""


def quick(url: str, **others: str) -> AbstractContextManager[libpq.QuickConnection]:
    return libpq.connect({"dbname": url, "client_encoding": "utf8", **others})


VALUES = [
    "select 1, -2::int2, 3::int8, 4::oid, true, false, null::text, 'a'::text, 'b'::name, 'c'::varchar",
    "select '{}'::text[], array[null, 'NULL', '', ' ', 'a\"b\\c', '{x,y}', E'\\n']",
    "select array[array['x', 'y z'], array['1', '{}']], array['a'::name, 'b,c'::name]",
    "select timestamptz '2026-11-27 10:11:12.5+02', timestamptz '0001-01-02 00:00:00+00'",
    "select 1.5::float8, 'NaN'::float8::text, 'infinity'::float8, 1e-300::float8",
    "select generate_series(1, 3)::int8",
    "select from pg_class where false",
    "do 'begin end'",
]


@pytest.mark.parametrize("query", VALUES)
def test_values_are_read_as_psycopg_reads_them(database: str, connection: psycopg.Connection, query: str) -> None:
    cursor = connection.execute(query.encode())
    expected = cursor.fetchall() if cursor.description is not None else []
    with quick(database) as asked:
        assert asked.execute(query.encode()).fetchall() == expected
        cursor = asked.cursor().execute(query.encode())
        assert [*cursor.fetchmany(2), *cursor.fetchmany(99)] == expected


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.none(), st.text(st.characters(exclude_characters="\0", codec="utf-8")))))
def test_any_array_of_texts_is_read_as_psycopg_reads_it(
    connection: psycopg.Connection, texts: list[str | None]
) -> None:
    row = connection.execute("select %s::text[]::text", [texts]).fetchone()
    assert row is not None
    assert libpq.array(row[0]) == texts


UNUSUAL = {
    "a type that zmig does not ask for": "select 1.5",
    "a refusal": "select * from absent",
    "an array with bounds of its own": "select '[0:0]={a}'::text[]",
    "a time that Python cannot hold": "select timestamptz 'infinity'",
    "a year before the first": "select timestamptz '0044-03-15 BC'",
    "a lost connection": "select pg_terminate_backend(pg_backend_pid())",
}


@pytest.mark.parametrize("query", UNUSUAL.values(), ids=UNUSUAL)
def test_what_is_unusual_is_left_to_psycopg(database: str, query: str) -> None:
    with quick(database) as asked, pytest.raises(Unavailable):
        asked.execute(query.encode()).fetchall()


def test_a_notice_is_printed_nowhere(database: str, capfd: pytest.CaptureFixture[str]) -> None:
    with quick(database) as asked:
        asked.execute(b"do $$ begin raise warning 'to whom it may concern'; end $$").fetchall()
    assert capfd.readouterr() == ("", "")


def test_a_server_that_cannot_be_reached_or_says_nothing_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libpq, "_LONGEST_WAIT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(Unavailable), quick(f"postgresql://127.0.0.1:{port}/x"):
            pass
    with pytest.raises(Unavailable), quick(f"postgresql://127.0.0.1:{port}/x"):
        pass
    with pytest.raises(Unavailable), quick("postgresql:///x?host=/absent"):
        pass
    with pytest.raises(Unavailable), quick("postgresql://127.0.0.1/x?colour=red"):
        pass


def test_without_the_wheels_library_it_is_unavailable(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libpq, "find_spec", lambda name: None)  # pyright: ignore[reportUnknownArgumentType, reportUnknownLambdaType]
    with pytest.raises(Unavailable), quick(database):
        pass


class Setting:
    """A project that is applied, and what may have come between."""

    def __init__(
        self, project: ProjectFolder, database: str, connect: Callable[..., psycopg.Connection], facts: Facts
    ) -> None:
        self.project = project
        self.database = database
        self.connection = facts.connection
        self.connect = connect
        self.facts = facts
        project.sql("001_a", "create table a ();")
        project.sql("002_b", "create table b ();", rollback="drop table b")
        project.repeatable("090_r", "select 1;")
        Migrator(project.manifest).migrate()

    def says(self, url: str | None = None) -> bool | None:
        """Return what the quick check says."""
        loaded = Migrator(self.project.manifest).project()
        return quick_session.UpToDateQuestion(url, environ={}).answer(loaded, loaded.migrations)


def _edit(one: Setting) -> None:
    one.project.sql("002_b", "create table c ();")


def _add(one: Setting) -> None:
    one.project.sql("003_c", "create table c ();")


def _forget(one: Setting) -> None:
    one.project.forget(2)


def _change_repeatable(one: Setting) -> None:
    one.project.repeatable("090_r", "select 2;")


def _run(*statements: str) -> Callable[[Setting], None]:
    def change(one: Setting) -> None:
        for statement in statements:
            one.connection.execute(statement.encode())

    return change


WRITES_FACTS = "alter table zmig.migration_events disable trigger append_only"
CHANGES: dict[str, Callable[[Setting], None]] = {
    "an applied file is edited": _edit,
    "a migration is declared": _add,
    "one is no longer declared": _forget,
    "a repeatable is due": _change_repeatable,
    "one was rolled back": lambda one: one.facts.append("002_b", "migration.rolled_back", data='{"version": 2}'),
    "one failed since": lambda one: one.facts.append("001_a", "migration.failed", data='{"version": 1}'),
    "no fact founds a row": _run("insert into zmig.schema_migrations values (7, 'x', 'sql', null, now(), 'x', 1, 99)"),
    "the facts are gone": _run(WRITES_FACTS, "delete from zmig.migration_events"),
    "all of zmig's tables are gone": _run("drop schema zmig cascade"),
    "a trigger of somebody's": _run(
        "create function public.f() returns trigger language plpgsql as 'begin return new; end'",
        "create trigger t before insert on zmig.migration_events for each row execute function public.f()",
    ),
    "a column has another default": _run(
        "alter table zmig.migration_events alter created_at set default now() - interval '1h'"
    ),
    "the facts were written on another timeline": lambda one: one.facts.append(
        "001_a",
        "migration.started",
        data='{"version": 1, "server": {"system": "1", "timeline": 9, "database": 1}}',
    ),
}


@pytest.fixture
def setting(
    project: ProjectFolder,
    database: str,
    connect: Callable[..., psycopg.Connection],
    facts: Facts,
    monkeypatch: pytest.MonkeyPatch,
) -> Setting:
    monkeypatch.setattr(libpq, "_LONGEST_WAIT_SECONDS", 600.0)  # however busy the machine is
    return Setting(project, database, connect, facts)


def test_it_says_that_everything_is_done(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    assert setting.says()
    assert setting.says(setting.database)
    monkeypatch.setattr(psycopg.Connection, "connect", None)
    assert Migrator(setting.project.manifest).migrate().completed == ()


def test_what_it_was_told_is_not_asked_again(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    _add(setting)
    assert setting.says() is False
    monkeypatch.setattr(Store, "ask_up_to_date", None)
    assert Migrator(setting.project.manifest).migrate().completed == ("003_c",)


@pytest.fixture(params=["libpq", "psycopg"])
def asked_through(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "psycopg":
        monkeypatch.setattr(libpq, "_path", lambda: None)
    yield request.param


@pytest.mark.parametrize("change", CHANGES)
def test_it_says_yes_only_where_nothing_is_left_or_odd(setting: Setting, change: str) -> None:
    CHANGES[change](setting)
    assert not setting.says()


def _outcome(setting: Setting) -> str:
    """Return the names of what a run applied, or the codes of the problems that it was refused for."""
    try:
        return " ".join(Migrator(setting.project.manifest).migrate().completed)
    except ZmigError as error:
        return " ".join(problem.code for problem in error.problems)


OUTCOMES = {
    "an applied file is edited": "checksum-changed",
    "a migration is declared": "003_c",
    "a repeatable is due": "090_r",
    "a trigger of somebody's": "tracking-altered",
    "no fact founds a row": "facts-missing",
}


@pytest.mark.parametrize("change", OUTCOMES)
def test_both_ways_come_to_the_same_end(setting: Setting, asked_through: str, change: str) -> None:
    CHANGES[change](setting)
    assert _outcome(setting) == OUTCOMES[change]


def test_behind_a_pooler_it_says_nothing(setting: Setting, pooler_folder: Path) -> None:
    with pgbouncer.pooled(pooler_folder, setting.database, mode="session") as url:
        assert not setting.says(url)
        assert Migrator(setting.project.manifest, database_url=url).migrate().completed == ()


ODD_URLS = [
    "host=127.0.0.1 dbname=x",
    "postgresql://",
    "postgresql://127.0.0.1",
    "postgresql:///",
    "postgresql://h/x?sslmode=none",
    "postgresql://h/x?connect_timeout=soon",
    "postgresql://h/${NAME}",
    "jdbc:postgresql://h/x",
    "postgresql+psycopg://h/x",
    "postgresql://h/x ",
    "",
]


@pytest.mark.parametrize("url", ODD_URLS)
def test_what_may_be_wrong_with_a_url_is_not_for_it_to_say(
    setting: Setting, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters = conninfo_to_dict(setting.database)
    for variable, name in (("PGHOST", "host"), ("PGDATABASE", "dbname"), ("PGUSER", "user"), ("PGPORT", "port")):
        if parameters.get(name):
            monkeypatch.setenv(variable, str(parameters[name]))
    assert not setting.says(url)


def test_a_signal_ends_the_wait_for_a_server_that_says_nothing(project: ProjectFolder) -> None:
    project.sql("001_a", "create table a ();")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://127.0.0.1:{silent.getsockname()[1]}/shop"
        with Process("apply", project.manifest, "--database-url", url) as process, silent.accept()[0]:
            process.send(signal.SIGTERM)
            assert process.wait().code == 128 + signal.SIGTERM


def test_a_time_is_in_the_time_zone_of_the_session(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGTZ", "Europe/Berlin")
    query = b"select timestamptz '2026-07-01 12:00:00+00', timestamptz '2026-12-01 12:00:00+00'"
    with psycopg.connect(database) as connection, quick(database) as asked:
        expected = connection.execute(query).fetchone()
        found = asked.execute(query).fetchone()
    assert expected is not None
    assert found is not None
    assert [f"{one:%c %Z}" for one in found] == [f"{one:%c %Z}" for one in expected]


@pytest.fixture
def locked(setting: Setting) -> Iterator[Setting]:
    """A project whose facts somebody else has locked."""
    setting.connection.execute("begin")
    setting.connection.execute("lock table zmig.migration_events in access exclusive mode")
    yield setting
    setting.connection.execute("rollback")


IS_BLOCKED = (
    "(select count(*) from pg_stat_activity where datname = current_database() and application_name = 'zmig' "
    "and wait_event_type = 'Lock') = "
)
COMMANDS = pytest.mark.parametrize("command", ["status", "apply"])


@COMMANDS
def test_a_signal_ends_the_wait_for_a_server_that_says_nothing_any_more(locked: Setting, command: str) -> None:
    with Proxy(locked.database) as proxy:
        url, manifest = proxy.bare_url, locked.project.manifest
        with Process(command, manifest, "--database-url", url, environ=UNENCRYPTED) as process:
            backends.wait_until(locked.connection, f"{IS_BLOCKED} 1", of=process)
            proxy.fall_silent()
            process.send(signal.SIGINT)
            assert process.wait().code == 128 + signal.SIGINT


@COMMANDS
def test_a_server_that_watches_its_clients_forgets_what_one_asked_that_was_ended(locked: Setting, command: str) -> None:
    if locked.connection.info.server_version < backends.NOTICES_GONE_CLIENTS_SINCE:
        pytest.skip("PostgreSQL 13 cannot look for its client")
    with Process(command, locked.project.manifest) as process:
        backends.wait_until(locked.connection, f"{IS_BLOCKED} 1", of=process)
        process.send(signal.SIGINT)
        assert process.wait().code == 128 + signal.SIGINT
        backends.wait_until(locked.connection, f"{IS_BLOCKED} 0")


def _status_applied(one: Setting) -> list[str]:
    return Migrator(one.project.manifest).status().applied


def _apply_completed(one: Setting) -> list[str]:
    return [*_status_applied(one), *Migrator(one.project.manifest).migrate().completed]


@pytest.mark.parametrize("command", [_status_applied, _apply_completed])
def test_a_server_that_is_there_is_waited_for(
    locked: Setting, command: Callable[[Setting], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[bool] = []
    is_there = unresponsive.is_there

    def look(descriptor: int, host: str, port: int) -> bool:
        looks.append(is_there(descriptor, host, port))
        if len(looks) == 3:
            locked.connection.execute("rollback")
        return looks[-1]

    monkeypatch.setattr(libpq, "_SECONDS_OF_SILENCE", 0.0)
    monkeypatch.setattr(unresponsive, "is_there", look)
    monkeypatch.setattr(psycopg.Connection, "connect", None)
    assert command(locked) == ["001_a", "002_b", "090_r"]
    assert looks[:3] == [True, True, True]


@COMMANDS
def test_one_that_is_gone_without_a_word_is_not(locked: Setting, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**UNENCRYPTED, "PGCONNECT_TIMEOUT": "2"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(libpq, "_SECONDS_OF_SILENCE", 0.0)
    with Proxy(locked.database) as proxy:
        is_there = unresponsive.is_there

        def look(descriptor: int, host: str, port: int) -> bool:
            proxy.fall_silent()
            monkeypatch.setattr(libpq, "_LONGEST_WAIT_SECONDS", 0.1)  # whoever connects now is never answered
            return is_there(descriptor, host, port)

        monkeypatch.setattr(unresponsive, "is_there", look)
        migrator = Migrator(locked.project.manifest, database_url=proxy.bare_url)
        with pytest.raises(ConnectionFailed):
            migrator.status() if command == "status" else migrator.migrate()


def test_a_server_that_takes_nothing_does_not_keep_a_long_question(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in UNENCRYPTED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(libpq, "_SECONDS_OF_SILENCE", 0.0)
    with Proxy(database) as proxy, pytest.raises(Unavailable), quick(proxy.bare_url) as asked:
        proxy.stop_taking()
        asked.execute(b"select '%s'" % (b"x" * LONG)).fetchall()


def test_a_long_question_is_sent_as_a_whole(database: str) -> None:
    with quick(database) as asked:
        assert asked.execute(b"select length('%s')" % (b"x" * LONG)).fetchall() == [(LONG,)]


@pytest.mark.parametrize("variable", [b"postgresql://postgr\xffes@/x", b"postgresql://127.0.0.1:1/x%FF"])
@COMMANDS
def test_what_is_no_text_is_refused_as_without_the_quick_way(
    project: ProjectFolder, asked_through: str, variable: bytes, command: str
) -> None:
    project.sql("001_a", "create table a ();")
    project.change(database={"url": "${THE_URL}"})
    migrator = Migrator(project.manifest, environ={"THE_URL": os.fsdecode(variable)})
    with pytest.raises(ZmigError) as raised:
        migrator.status() if command == "status" else migrator.migrate()
    assert [problem.code for problem in raised.value.problems] == ["database-url-invalid"]


def test_a_null_character_does_not_cut_a_parameter(database: str) -> None:
    with pytest.raises(Unavailable), quick(f"{database}\0x"):
        pass


def test_a_value_that_is_no_text_is_left_to_psycopg(database: str) -> None:
    # In a database of bytes, the server converts nothing.
    with quick(database, client_encoding="latin1") as asked, pytest.raises(Unavailable):
        asked.execute(b"select chr(233)").fetchall()


VARIABLES = sorted({option.envvar.decode() for option in Conninfo.get_defaults() if option.envvar})


@pytest.mark.parametrize("value", ["nonsense", "-1", "9" * 12])
@pytest.mark.parametrize("variable", [*VARIABLES, "PGTZ", "PGDATESTYLE", "PGGEQO"])
def test_a_variable_of_libpqs_has_the_same_effect_both_ways(
    setting: Setting, variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    found = _status(setting.project)
    monkeypatch.setattr(libpq, "_path", lambda: None)
    assert found == _status(setting.project)


def _start(one: Setting) -> None:
    """Hold the run's lock, and begin a migration."""
    pid = one.connection.info.backend_pid
    one.connection.execute("set application_name = 'zmig/abcdef'")
    one.connection.execute(b"select pg_advisory_lock(%d)" % RunLock("zmig").key)
    one.facts.append("002_b", "migration.started", data=f'{{"version": 2, "backend_pid": {pid}}}')


def _start_and_be_waited_for(one: Setting) -> None:
    _start(one)
    one.connection.execute("select pg_advisory_lock(1)")
    waiting = one.connect()
    waiting.execute("set application_name = 'web app'")
    waiting.pgconn.send_query(b"select pg_advisory_lock(1)")
    waits = "(select count(*) from pg_locks where locktype = 'advisory' and not granted and pid = {}) = 1"
    backends.wait_until(one.connection, waits.format(waiting.info.backend_pid))


def _fail(one: Setting) -> None:
    error = '{"message": "no table \\"x\\"", "sqlstate": "42P01", "position": 3, "hint": "ünïcode"}'
    one.facts.append("002_b", "migration.failed", data=f'{{"version": 2, "error": {error}}}')


def _add_conditional(one: Setting) -> None:
    one.project.repeatable("091_c", "select 1;", repeat={"condition": "select true"})
    Migrator(one.project.manifest).migrate()


def _leave_out(one: Setting) -> None:
    (one.project.folder / "007_x.sql").write_text("select 1")


STATUSES: dict[str, Callable[[Setting], None]] = {
    **CHANGES,
    "nothing has happened": lambda one: None,
    "a run is at work": _start,
    "a run is at work, and is waited for": _start_and_be_waited_for,
    "one failed with an error": _fail,
    "one is stuck": lambda one: one.facts.append("002_b", "migration.started", data='{"version": 2, "backend_pid": 1}'),
    "one is old, and nobody knows of what backend": lambda one: one.facts.append(
        "002_b", "migration.started", age="1 day", data='{"version": 2}'
    ),
    "a fact cannot be read": lambda one: one.facts.append("001_a", "migration.sung", data='{"version": 1}'),
    "a repeatable has a condition": _add_conditional,
    "a file is not declared": _leave_out,
}
FALLS_THROUGH = {
    "a trigger of somebody's": "tracking-altered",
    "a column has another default": "tracking-altered",
    "a repeatable has a condition": None,
}
"""What the status is left to psycopg for, and the code of the problem that it ends in."""


def _status(project: ProjectFolder, url: str | None = None) -> tuple[dict[str, Any], str] | list[str]:
    """Return the document and the text of the status, or the codes of the problems in its place."""
    try:
        found = Migrator(project.manifest, database_url=url).status()
    except ZmigError as error:
        return [problem.code for problem in error.problems]
    if found.holder is not None:
        found = replace(found, holder=replace(found.holder, seconds=None))
    return found.as_dict(), "\n".join(map(plain, status.lines(found, LibraryStyle(), width=None, is_ascii=False)))


@pytest.mark.parametrize("time_zone", ["Etc/UTC", "Asia/Kolkata"])
@pytest.mark.parametrize("change", STATUSES)
def test_the_status_is_the_same_both_ways(
    setting: Setting, change: str, time_zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    STATUSES[change](setting)
    monkeypatch.setenv("PGTZ", time_zone)
    with monkeypatch.context() as patch:
        patch.setattr(libpq, "_path", lambda: None)
        expected = _status(setting.project)
    if change not in FALLS_THROUGH:
        monkeypatch.setattr(psycopg.Connection, "connect", None)
    assert _status(setting.project) == expected
    if (code := FALLS_THROUGH.get(change)) is not None:
        assert expected == [code]


def test_the_status_of_a_database_without_facts_is_the_same_both_ways(
    project: ProjectFolder, database: str, asked_through: str
) -> None:
    project.sql("001_a", "create table a ();")
    found = Migrator(project.manifest).status()
    assert (found.pending, found.applied, found.current_version) == (["001_a"], [], 0)


def test_the_secrets_of_the_url_and_of_variables_are_known_after_a_status(
    setting: Setting, asked_through: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = conninfo_to_dict(setting.database)
    monkeypatch.setenv("PGHOST", str(parts["host"]))
    monkeypatch.setenv("PGPORT", str(parts.get("port") or 5432))
    url = f"postgresql://{parts['user']}:p%40ssw0rd-x@/{parts['dbname']}"
    setting.project.change(variables={"key": "${THE_KEY}"})
    migrator = Migrator(setting.project.manifest, database_url=url, environ={"THE_KEY": "of-the-house"})
    assert migrator.status().applied == ["001_a", "002_b", "090_r"]
    assert migrator.redact("p@ssw0rd-x p%40ssw0rd-x of-the-house") == "*** *** ***"


def test_the_status_behind_a_pooler_is_the_same(setting: Setting, pooler_folder: Path) -> None:
    expected = _status(setting.project)
    with pgbouncer.pooled(pooler_folder, setting.database, mode="session") as url:
        assert _status(setting.project, url) == expected


def test_the_server_is_asked_before_files_are_read(
    setting: Setting, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = text_file.read_small
    query = b"select query like '%string_agg(line%' from pg_stat_activity where application_name = 'zmig'"

    def look(path: Path) -> str | None:
        while connection.execute(query).fetchall() != [(True,)]:
            pass
        return read(path)

    monkeypatch.setattr(text_file, "read_small", look)
    assert Migrator(setting.project.manifest).migrate().completed == ()
    while connection.execute(query).fetchall() != []:
        pass


def test_what_is_wrong_with_a_file_or_the_url_is_said_as_without_the_early_question(
    setting: Setting, connection: psycopg.Connection, asked_through: str
) -> None:
    setting.project.sql("003_c", "-- nothing")
    assert _outcome(setting) == "file-empty"
    setting.project.change(database={"url": "${ABSENT}"})
    assert _outcome(setting) == "file-empty"
    setting.project.forget(3)
    assert _outcome(setting) == "variable-unset"
    left = b"select count(*) from pg_stat_activity where application_name = 'zmig'"
    while connection.execute(left).fetchone() != (0,):
        pass


def test_a_private_server_is_not_started_before_files_are_read(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EmbeddedServer, "start", None)
    setting.project.change(database={"embedded": str(tmp_path / "private")})
    setting.project.sql("003_c", "-- nothing")
    assert _outcome(setting) == "file-empty"


def test_a_session_that_runs_twice_asks_twice(setting: Setting) -> None:
    request = Apply()
    with Migrator(setting.project.manifest).open() as opened:
        assert opened.run(request).completed == ()
        setting.facts.append("002_b", "migration.rolled_back", data='{"version": 2}')
        setting.connection.execute("delete from zmig.schema_migrations where version = 2")
        setting.connection.execute("drop table b")
        assert opened.run(request).completed == ("002_b",)
        assert opened.run(request).completed == ()
