"""Databases that are not UTF-8: what can be stored is, and what cannot is told before anything runs."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from tests.support import database as databases
from tests.support.facts import Facts
from tests.support.project import ProjectFolder
from zmig import MigrationFailed, Migrator, TrackingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def encoded(server: str, worker_name: str) -> Iterator[Callable[[str], databases.Emptied]]:
    """Return the database of an encoding, which is created once."""
    with contextlib.ExitStack() as closing:

        @functools.cache
        def create(encoding: str) -> databases.Emptied:
            name = f"{worker_name}_{encoding}"
            databases.drop(server, name)
            with psycopg.connect(server, autocommit=True) as connection:
                statement = "create database {} template template0 encoding {} lc_collate 'C' lc_ctype 'C'"
                connection.execute(sql.SQL(statement).format(sql.Identifier(name), encoding))
            closing.callback(databases.drop, server, name)
            return closing.enter_context(contextlib.closing(databases.Emptied(databases.url_of(server, name))))

        yield create


@pytest.fixture
def url(encoded: Callable[[str], databases.Emptied], encoding: str) -> str:
    """The URL of an empty database in this encoding."""
    database = encoded(encoding)
    database.empty()
    return database.url


@pytest.fixture
def connection(url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url, autocommit=True, client_encoding="utf8") as connection:
        yield connection


@pytest.fixture
def project(tmp_path: Path, url: str) -> ProjectFolder:
    return ProjectFolder(tmp_path, url)


@pytest.fixture
def facts(connection: psycopg.Connection) -> Facts:
    return Facts(connection)


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "EUC_JP", "UTF8", "LATIN9", "KOI8R"])
@pytest.mark.parametrize("kind", ["small", "large", "batch"])
def test_statements_too_long_to_be_shown_whole_run(
    project: ProjectFolder, connection: psycopg.Connection, encoding: str, kind: str
) -> None:
    """What a message says of itself is zmig's own, and shortened: the encoding may have no ellipsis."""
    columns = ", ".join(f"column_{number} integer" for number in range(1, 12))
    project.sql("001_t", f"create table t (id integer primary key, {columns});")
    if kind == "large":
        connection.execute("create sequence s")
        row = "insert into t (id, column_1, column_2, column_3) values (nextval('s'), 11111111, 22222222, 33333333);\n"
        project.sql("002_rows", row * 12_000)
    elif kind == "batch":
        project.sql("002_rows", "insert into t (id, column_1) select n, n from generate_series(1, 10) as n;")
        project.sql(
            "003_batch",
            "update t set column_1 = column_1 + 1, column_2 = 2, column_3 = 3, column_4 = 4, column_5 = 5 "
            "where id in (select id from t where id > :cursor order by id limit :size) returning id;",
            batch={"size": 5, "start": 0},
        )
    Migrator(project.manifest).migrate()
    assert Migrator(project.manifest).status().pending == []


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "EUC_JP", "UTF8"])
class TestEvery:
    def test_migrations_run_and_are_recorded(self, project: ProjectFolder, facts: Facts, encoding: str) -> None:
        name = {"EUC_JP": "001_日本"}.get(encoding, "001_öl")
        project.sql(name, "create table a (x text);\ninsert into a values ('plain');\n", rollback="drop table a;")
        migrator = Migrator(project.manifest)
        migrator.migrate()
        assert migrator.status().applied == [name]
        assert facts.applied == [(1, name)]
        assert facts.data(name, "done")[0]["name"] == name
        migrator.rollback()
        assert migrator.status().pending == [name]

    @pytest.mark.parametrize("message", ["plain", "ölä", "ж 汉 🎉", "\ud800 alone"])
    def test_any_message_of_an_error_is_told_and_recorded(
        self, project: ProjectFolder, facts: Facts, encoding: str, message: str
    ) -> None:
        """What the database cannot hold is escaped in the fact."""
        del encoding
        project.python("001_one", f"def execute(ctx):\n    raise RuntimeError({message!a})\n")
        with pytest.raises(MigrationFailed) as caught:
            Migrator(project.manifest).migrate()
        assert str(caught.value).endswith(message)
        assert facts.told == [("001_one", "started"), ("001_one", "failed")]
        assert Migrator(project.manifest).status().failed == ["001_one"]

    def test_an_error_of_the_server_in_its_encoding(self, project: ProjectFolder, facts: Facts, encoding: str) -> None:
        said = {"EUC_JP": "日本"}.get(encoding, "öl")
        project.sql("001_one", f"select '{said}';\nselect {said};\n")
        with pytest.raises(MigrationFailed, match=f'column "{said}" does not exist') as caught:
            Migrator(project.manifest).migrate()
        (problem,) = caught.value.problems
        assert problem.location is not None
        assert (problem.location.line, problem.location.column) == (2, 8)
        assert facts.told[-1] == ("001_one", "failed")

    def test_the_place_behind_wide_characters(self, project: ProjectFolder, encoding: str) -> None:
        """PostgreSQL counts characters, except where it knows of octets only."""
        said = {"EUC_JP": "日本"}.get(encoding, "öäü")
        project.sql("001_one", f"select '{said}', nope;\n")
        with pytest.raises(MigrationFailed) as caught:
            Migrator(project.manifest).migrate()
        (problem,) = caught.value.problems
        assert problem.location is not None
        assert problem.location.column == len(f"select '{said}', n")


@pytest.mark.parametrize("encoding", ["LATIN1", "EUC_JP"])
def test_a_name_that_the_database_cannot_hold_is_refused_before_anything_runs(
    project: ProjectFolder, connection: psycopg.Connection, encoding: str
) -> None:
    project.sql("001_one", "create table a ();")
    project.sql("002_🎉", "create table b ();")
    with pytest.raises(TrackingError, match="`002_🎉` cannot be written") as caught:
        Migrator(project.manifest).migrate()
    (problem,) = caught.value.problems
    assert (problem.code, problem.effect) == ("name-unwritable", "nothing was run")
    assert encoding in str(problem)
    assert connection.execute("select to_regclass('a') is null and to_regnamespace('zmig') is null").fetchone() == (
        True,
    )


@pytest.mark.parametrize("encoding", ["LATIN1"])
def test_text_in_a_file_that_the_database_cannot_hold_is_a_failure_with_its_place(
    project: ProjectFolder, facts: Facts, encoding: str
) -> None:
    del encoding
    project.sql("001_one", "create table a (x text);\n\ninsert into a values ('ж');\n")
    with pytest.raises(MigrationFailed, match="no equivalent in encoding") as caught:
        Migrator(project.manifest).migrate()
    (problem,) = caught.value.problems
    assert problem.location is not None
    assert problem.location.line == 3
    assert facts.told == [("001_one", "started"), ("001_one", "failed")]
