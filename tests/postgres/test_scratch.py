"""Scratch databases: made on the server that is named or on a private one, and nothing of them stays."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.support import pgbouncer
from tests.support.process import Process
from zmig.embedded import EmbeddedServer, find_binaries
from zmig.errors import ConnectionFailed, ServerError, UsageError
from zmig.project import project as projects
from zmig.verification import scratch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.project import ProjectFolder
    from zmig.project.project import Project

_HOLD = """
import os, signal, sys
from pathlib import Path
from zmig.project import project
from zmig.verification import scratch
loaded = project.load(Path(sys.argv[1]), environ=os.environ)
scratch._parent = lambda: Path(sys.argv[2])
with scratch.opened(loaded, environ=os.environ) as place:
    print(place.create(), file=sys.stderr, flush=True)
    signal.pause()
"""


@pytest.fixture
def loaded(project: ProjectFolder) -> Project:
    """A project for any version of PostgreSQL."""
    project.change(verify={"any_version": True})
    return projects.load(project.manifest, environ=os.environ)


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where private servers are put during the test."""
    made = tmp_path_factory.mktemp("s")
    monkeypatch.setattr(scratch, "_parent", lambda: made)
    yield made
    for left in made.glob("zmig-scratch-*"):
        EmbeddedServer(left / "server").stop()


def databases(server: str) -> set[str]:
    with psycopg.connect(server) as connection:
        return {name for (name,) in connection.execute("select datname from pg_database").fetchall()}


def name_of(url: str) -> str:
    return str(conninfo_to_dict(url)["dbname"])


def is_gone(process: int) -> bool:
    """Whether a process has ended, be it that nobody has asked for its exit code yet."""
    try:
        return ") Z " in Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return True


def test_a_copy_has_what_its_original_has_whoever_is_in_that(loaded: Project, server: str) -> None:
    with scratch.opened(loaded, url=server, environ=os.environ) as place:
        first = place.create()
        with psycopg.connect(first, autocommit=True) as connection:
            connection.execute("create table t as select 1 as n")
            second = place.clone(first)
        with psycopg.connect(second) as connection:
            assert connection.execute("select n from t").fetchall() == [(1,)]
        assert {name_of(first), name_of(second)} <= databases(server)
        place.drop(second)
        assert name_of(second) not in databases(server)
    assert name_of(first) not in databases(server)


def test_what_fails_leaves_nothing(loaded: Project, server: str) -> None:
    made: list[psycopg.Connection] = []
    with pytest.raises(KeyboardInterrupt), scratch.opened(loaded, url=server, environ=os.environ) as place:
        made.append(psycopg.connect(place.create()))
        raise KeyboardInterrupt
    assert made[0].info.dbname not in databases(server)
    made[0].close()


def test_the_database_that_is_named_is_left_alone(loaded: Project, database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("create table kept ()")
    with scratch.opened(loaded, url=database, environ=os.environ) as place:
        assert name_of(place.create()) != name_of(database)
        assert place.server == database
        with pytest.raises(AssertionError):
            place.drop(database)
    with psycopg.connect(database) as connection:
        assert connection.execute("select to_regclass('kept') is not null").fetchone() == (True,)


def test_a_role_that_may_not_make_databases_is_named(loaded: Project, fresh_database: str, role: str) -> None:
    url = make_conninfo(fresh_database, user=role, password="pa55-word")
    with pytest.raises(UsageError) as caught, scratch.opened(loaded, url=url, environ=os.environ):
        pass
    (problem,) = caught.value.problems
    assert problem.code == "scratch-no-right"
    assert role in problem.message
    assert "createdb" in str(problem.hint)


def test_a_server_that_does_not_answer_is_named_with_its_option(loaded: Project) -> None:
    url = "postgresql://nobody@127.0.0.1:1/x"
    with pytest.raises(ConnectionFailed) as caught, scratch.opened(loaded, url=url, environ=os.environ):
        pass
    assert "--scratch-url" in str(caught.value.problems[0].hint)


@pytest.mark.skipif(pgbouncer.find() is None, reason="PgBouncer is not installed")
@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_a_pooler_is_refused(loaded: Project, pooler_folder: Path, database: str, mode: str) -> None:
    with (
        pgbouncer.pooled(pooler_folder, database, mode=mode) as url,
        pytest.raises(UsageError) as caught,
        scratch.opened(loaded, url=url, environ=os.environ),
    ):
        pass
    assert caught.value.code == "scratch-pooler"


def test_old_databases_of_killed_runs_are_dropped_and_no_others(loaded: Project, server: str) -> None:
    old, new = int(time.time()) - 7200, int(time.time()) - 60
    names = {
        "left": f"zmig_scratch_{old:08x}_0badcafe_0",
        "used": f"zmig_scratch_{old:08x}_0badcafe_1",
        "young": f"zmig_scratch_{new:08x}_0badcafe_2",
        "another": f"zmig_scratch_{old:08x}_mine",
    }
    with psycopg.connect(server, autocommit=True) as admin:
        try:
            for name in names.values():
                admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
            with (
                psycopg.connect(make_conninfo(server, dbname=names["used"])),
                scratch.opened(loaded, url=server, environ=os.environ),
            ):
                assert set(names.values()) - databases(server) == {names["left"]}
        finally:
            for name in names.values():
                admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def test_databases_of_a_run_that_goes_on_are_left_however_old(loaded: Project, server: str) -> None:
    name = f"zmig_scratch_{int(time.time()) - 7200:08x}_0badf00d_0"
    with (
        psycopg.connect(server, autocommit=True) as admin,
        psycopg.connect(server, application_name="zmig scratch 0badf00d"),
    ):
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        try:
            with scratch.opened(loaded, url=server, environ=os.environ):
                assert name in databases(server)
        finally:
            admin.execute(sql.SQL("drop database {}").format(sql.Identifier(name)))


def test_a_private_server_is_there_for_as_long_as_it_is_needed(loaded: Project, folder: Path) -> None:
    with scratch.opened(loaded, environ=os.environ) as place:
        (made,) = folder.iterdir()
        private = EmbeddedServer(made / "server")
        process = private.process()
        first = place.create()
        with psycopg.connect(first, autocommit=True) as connection:
            connection.execute("create table t ()")
        with psycopg.connect(place.clone(first)) as connection:
            assert connection.execute("select to_regclass('t') is not null").fetchone() == (True,)
            assert connection.execute("show fsync").fetchone() == ("off",)
        assert place.add_role("app")
        assert "app" in place.roles()
    assert process is not None
    assert is_gone(process)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_private_server_ends_with_its_run_or_by_the_next_one(
    number: signal.Signals, loaded: Project, project: ProjectFolder, folder: Path
) -> None:
    with Process(project.manifest, folder, program=("-c", _HOLD)) as process:
        process.wait_for("dbname=")
        (made,) = folder.glob("zmig-scratch-*")
        private = EmbeddedServer(made / "server")
        server_process = private.process()
        assert server_process is not None
        process.send(number)
        process.wait()
    if number == signal.SIGKILL:
        assert private.is_running()
        with scratch.opened(loaded, environ=os.environ):
            assert list(folder.glob("zmig-scratch-*")) != [made]
    assert is_gone(server_process)
    assert list(folder.glob("zmig-scratch-*")) == []


def test_another_major_version_than_the_servers_is_refused(project: ProjectFolder) -> None:
    project.change(lint={"postgres_version": 98})
    loaded = projects.load(project.manifest, environ=os.environ)
    with pytest.raises(ServerError) as caught, scratch.opened(loaded, environ=os.environ):
        pass
    (problem,) = caught.value.problems
    assert problem.code == "scratch-unavailable"
    assert "PostgreSQL 98" in problem.message
    assert any("any_version" in fact for fact in problem.facts)
    assert "--scratch-url" in str(problem.hint)


def test_the_major_version_is_that_of_the_manifests_database(
    project: ProjectFolder, database: str, folder: Path
) -> None:
    loaded = projects.load(project.manifest, environ=os.environ)
    with psycopg.connect(database) as connection:
        major = connection.info.server_version // 10000
    if find_binaries().major != major:
        pytest.skip("the server of the tests is of another version than the binaries here")
    with scratch.opened(loaded, environ=os.environ) as place:
        assert (place.server_version // 10000, place.remark) == (major, None)


def test_that_the_version_is_not_known_is_said(project: ProjectFolder, folder: Path) -> None:
    project.change(database={"url": "postgresql://nobody@127.0.0.1:1/x"})
    loaded = projects.load(project.manifest, environ=os.environ)
    with scratch.opened(loaded, environ=os.environ) as place:
        assert "does not answer" in (place.remark or "")
