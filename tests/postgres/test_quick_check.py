"""The question whether anything is left to do, asked through libpq itself: never yes where a session says no."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from tests.support import pgbouncer
from tests.support.process import Process
from zmig import Migrator
from zmig.database import libpq
from zmig.database.libpq import Unavailable
from zmig.database.store import Store
from zmig.errors import ZmigError
from zmig.session import quick_check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder


def quick(url: str, **others: str) -> AbstractContextManager[libpq.QuickConnection]:
    return libpq.connect({"dbname": url, "client_encoding": "utf8", **others})


VALUES = [
    "select 1, -2::int2, 3::int8, 4::oid, true, false, null::text, 'a'::text, 'b'::name, 'c'::varchar",
    "select '{}'::text[], array[null, 'NULL', '', ' ', 'a\"b\\c', '{x,y}', E'\\n']",
    "select array[array['x', 'y z'], array['1', '{}']], array['a'::name, 'b,c'::name]",
    "select timestamptz '2026-11-27 10:11:12.5+02', timestamptz '0001-01-02 00:00:00+00'",
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
        asked.execute(query.encode())


def test_a_notice_is_printed_nowhere(database: str, capfd: pytest.CaptureFixture[str]) -> None:
    with quick(database) as asked:
        asked.execute(b"do $$ begin raise warning 'to whom it may concern'; end $$")
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

    def __init__(self, project: ProjectFolder, database: str, connection: psycopg.Connection, facts: Facts) -> None:
        self.project = project
        self.database = database
        self.connection = connection
        self.facts = facts
        project.sql("001_a", "create table a ();")
        project.sql("002_b", "create table b ();", rollback="drop table b")
        project.repeatable("090_r", "select 1;")
        Migrator(project.manifest).migrate()

    def says(self, url: str | None = None) -> bool | None:
        """Return what the quick check says."""
        loaded = Migrator(self.project.manifest).project()
        return quick_check.is_up_to_date(loaded, loaded.migrations, url, environ={})


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
    connection: psycopg.Connection,
    facts: Facts,
    monkeypatch: pytest.MonkeyPatch,
) -> Setting:
    monkeypatch.setattr(libpq, "_LONGEST_WAIT_SECONDS", 600.0)  # however busy the machine is
    return Setting(project, database, connection, facts)


def test_it_says_that_everything_is_done(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    assert setting.says()
    assert setting.says(setting.database)
    monkeypatch.setattr(psycopg.Connection, "connect", None)
    assert Migrator(setting.project.manifest).migrate().completed == ()


def test_what_it_was_told_is_not_asked_again(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    _add(setting)
    assert setting.says() is False
    monkeypatch.setattr(Store, "up_to_date_lines", None)
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
