"""What a command said is done stays, though the role or the database asks for commits that are not waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.support.facts import Facts
from tests.support.project import ProjectFolder
from zmig import Migrator

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.crash import CrashServer

NAMES = ["001_one", "002_two", "003_three"]


@pytest.fixture
def project(tmp_path: Path, crash_server: CrashServer) -> ProjectFolder:
    """A database whose commits are not waited for, on a server that takes its time to write them."""
    with psycopg.connect(crash_server.url(), autocommit=True) as connection:
        connection.execute("create database shop")
        connection.execute("alter database shop set synchronous_commit = off")
        connection.execute("alter system set wal_writer_delay = '10s'")
        connection.execute("select pg_reload_conf()")
    return ProjectFolder(tmp_path, make_conninfo(crash_server.url(), dbname="shop"))


def _done_after_crash(crash_server: CrashServer, project: ProjectFolder) -> list[tuple[str, str]]:
    crash_server.crash()
    crash_server.start()
    with psycopg.connect(project.url, autocommit=True) as connection:
        return Facts(connection).told


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        pytest.param("create table {}t (x int);", {}, id="brief ones"),
        pytest.param("set synchronous_commit = off; create table {}t as select 1;", {}, id="the file says so, too"),
        pytest.param("set synchronous_commit = off; create table {}t (x int);", {"transaction": False}, id="outside"),
    ],
)
def test_what_a_run_said_is_done_survives_the_server(
    crash_server: CrashServer, project: ProjectFolder, text: str, entry: dict[str, Any]
) -> None:
    for name in NAMES:
        project.sql(name, text.format(name[4:]), **entry)
    Migrator(project.manifest).migrate()
    told = _done_after_crash(crash_server, project)
    assert [name for name, type in told if type == "done"] == NAMES


def test_what_an_operator_decided_survives_the_server(crash_server: CrashServer, project: ProjectFolder) -> None:
    for name in NAMES:
        project.sql(name, "select 1;")
    migrator = Migrator(project.manifest)
    migrator.baseline(to=1, reason="was there")
    migrator.resolve("002_two", "done", reason="by hand")
    told = _done_after_crash(crash_server, project)
    assert told == [("001_one", "baselined"), ("002_two", "resolved")]


@pytest.mark.parametrize("wanted", ["on", "local", "remote_write", "remote_apply"])
def test_a_commit_that_is_waited_for_is_waited_for_as_the_administrator_has_it(
    fresh_database: str, tmp_path: Path, wanted: str
) -> None:
    project = ProjectFolder(tmp_path, fresh_database)
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f'alter database "{name}" set synchronous_commit = {wanted}'.encode())
        project.sql("001_one", "select 1; create table seen as select current_setting('synchronous_commit') as it;")
        Migrator(project.manifest).migrate()
        assert connection.execute("select it from seen").fetchone() == (wanted,)
