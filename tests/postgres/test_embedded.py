"""The private server: started on demand, kept up, never in doubt."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.support.crash import CrashServer
from tests.support.project import ProjectFolder
from zmig import Migrator
from zmig.embedded import EmbeddedServer, explain_missing, find_binaries
from zmig.embedded.account import server_account
from zmig.embedded.binaries import NAMED_BY
from zmig.errors import MigrationFailed, ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    NewServer = Callable[[Path], CrashServer]

_START = """
import sys
from zmig import Migrator
from zmig.embedded import EmbeddedServer
server = EmbeddedServer(sys.argv[1])
server.start()
print(server.process(), flush=True)
sys.stdin.read()
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="is about root dropping its rights")


@pytest.fixture
def new_server() -> Iterator[NewServer]:
    """Name servers that are stopped after the test."""
    with contextlib.ExitStack() as closing:

        def name_one(folder: Path) -> CrashServer:
            server = CrashServer(folder)
            closing.callback(server.stop)
            return server

        yield name_one


@pytest.fixture
def private(new_server: NewServer, tmp_path: Path) -> CrashServer:
    """A server that was not started yet."""
    return new_server(tmp_path / "postgres")


def query(server: EmbeddedServer, sql: bytes) -> list[tuple[object, ...]]:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else []


def starter(folder: Path) -> subprocess.Popen[str]:
    """Start the server from a process of its own, which then waits for its input to end."""
    return subprocess.Popen(
        [sys.executable, "-c", _START, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_first_start_creates_a_database_that_answers(private: CrashServer) -> None:
    url = private.start()
    with psycopg.connect(url) as connection:
        assert connection.execute("show server_encoding").fetchone() == ("UTF8",)
    assert private.is_running()


def test_starting_again_changes_nothing(private: CrashServer) -> None:
    url = private.start()
    process = private.process()
    assert private.start() == url
    assert EmbeddedServer(private.folder).start() == url
    assert private.process() == process


def test_data_outlive_the_server(private: CrashServer) -> None:
    private.start()
    query(private, b"create table kept (id integer)")
    assert private.stop()
    assert not private.is_running()
    private.start()
    assert query(private, b"select * from kept") == []


def test_it_listens_on_nothing_but_a_socket_that_others_cannot_reach(private: CrashServer) -> None:
    private.start()
    assert query(private, b"show listen_addresses") == [("",)]
    assert stat.S_IMODE(private.data.stat().st_mode) == 0o700
    assert stat.S_IMODE(private.log.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "name",
    ["with a space", 'it\'s $HOME `quoted` "twice"', "one,two", "naïve-δοκιμή", "%41+&?#", "deep/" * 30 + "end"],
    ids=["space", "quotes", "comma", "unicode", "url", "long"],
)
def test_any_folder_name_works(new_server: NewServer, tmp_path: Path, name: str) -> None:
    server = new_server(tmp_path / name)
    server.start()
    assert query(server, b"select 1") == [(1,)]


def test_variables_of_libpq_do_not_steer_the_server(private: CrashServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "7777")
    monkeypatch.setenv("PGDATA", "/nowhere")
    private.start()
    assert private.is_running()


def test_twenty_first_starts_at_once_make_one_server(private: CrashServer) -> None:
    starters = [starter(private.folder) for _ in range(20)]
    processes = {started.communicate(timeout=60)[0].strip() for started in starters}
    assert processes == {str(private.process())}
    assert [started.returncode for started in starters] == [0] * 20


def test_server_survives_a_starter_that_is_killed(private: CrashServer) -> None:
    started = starter(private.folder)
    assert started.stdout is not None
    process = int(started.stdout.readline())
    started.kill()
    started.communicate()
    assert private.process() == process
    assert private.stop()


def test_creation_that_was_killed_half_way_is_begun_anew(private: CrashServer) -> None:
    started = starter(private.folder)
    while not list(private.folder.glob("initdb-*/base")):
        time.sleep(0.001)
    started.kill()
    started.communicate()
    assert not private.data.exists()
    private.start()
    assert query(private, b"select 1") == [(1,)]


def test_server_that_was_killed_is_started_again(private: CrashServer) -> None:
    private.start()
    query(private, b"create table kept (id integer)")
    private.kill()
    assert not private.is_running()
    private.start()
    assert query(private, b"select * from kept") == []


def test_lock_files_that_name_a_foreign_process_do_not_stop_a_start(private: CrashServer) -> None:
    private.start()
    private.kill()
    owner = private.data.stat()
    other = subprocess.Popen(["sleep", "600"], user=owner.st_uid, group=owner.st_gid)
    try:
        for path in (private.data / "postmaster.pid", private.data / ".s.PGSQL.5432.lock"):
            rest = path.read_text().partition("\n")[2]
            path.write_text(f"{other.pid}\n{rest}")
        assert private.process() is None
        private.start()
        assert query(private, b"select 1") == [(1,)]
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_empty_lock_file_of_a_full_disk_does_not_stop_a_start(private: CrashServer) -> None:
    private.start()
    private.kill()
    os.truncate(private.data / "postmaster.pid", 0)
    private.start()
    assert query(private, b"select 1") == [(1,)]


def test_stopping_ends_sessions(private: CrashServer) -> None:
    private.start()
    with psycopg.connect(private.url(), autocommit=True) as connection:
        assert private.stop()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")


def test_stopping_what_does_not_run_is_fine(private: CrashServer) -> None:
    assert not private.stop()
    assert not private.folder.exists()
    private.start()
    assert private.stop()
    assert not private.stop()


def test_data_of_another_major_version_are_not_touched(private: CrashServer) -> None:
    private.start()
    private.stop()
    (private.data / "PG_VERSION").write_text("9\n")
    with pytest.raises(ServerError) as raised:
        private.start()
    assert raised.value.code == "embedded-binaries-missing"
    assert "PostgreSQL 9 were found" in str(raised.value)
    assert any("was found in" in fact for fact in raised.value.problems[0].facts)


def test_folder_with_other_files_is_refused_and_left_alone(private: CrashServer) -> None:
    private.folder.mkdir()
    (private.folder / "thesis.txt").write_text("mine")
    with pytest.raises(ServerError, match=r"is not empty: it holds `thesis\.txt`") as raised:
        private.start()
    assert raised.value.code == "embedded-folder-unusable"
    assert not private.data.exists()


def test_folder_that_cannot_be_made_is_named(new_server: NewServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ServerError, match="file/postgres of the private PostgreSQL cannot be used: Not a directory"):
        EmbeddedServer(tmp_path / "file" / "postgres").start()


def test_failed_start_tells_the_end_of_the_log(tmp_path: Path) -> None:
    with pytest.raises(ServerError) as raised:
        EmbeddedServer(tmp_path / "postgres", settings={"shared_buffers": "plenty"}).start()
    problem = raised.value.problems[0]
    assert problem.code == "embedded-start-failed"
    assert any('invalid value for parameter "shared_buffers"' in fact for fact in problem.facts)
    assert problem.hint == f"read {tmp_path}/postgres/server.log"


def test_psql_runs_on_the_server(private: CrashServer) -> None:
    private.start()
    answer = subprocess.run([*private.psql_command(), "-Atc", "select 6 * 7"], capture_output=True, check=True)
    assert answer.stdout == b"42\n"


def test_what_the_binaries_lack_is_explained(private: CrashServer) -> None:
    private.start()
    with pytest.raises(psycopg.Error) as raised:
        query(private, b"create extension no_such_extension")
    hint = explain_missing(raised.value.sqlstate, str(raised.value.diag.message_primary))
    assert hint is not None
    assert "`no_such_extension`" in hint


def test_migration_that_needs_what_is_missing_says_so(tmp_path: Path) -> None:
    project = ProjectFolder(tmp_path, "", database={"embedded": "postgres"})
    project.sql("001_extension", "create extension no_such_extension")
    try:
        with pytest.raises(MigrationFailed) as raised:
            Migrator(project.manifest).migrate()
    finally:
        assert EmbeddedServer(tmp_path / "postgres").stop()
    hint = raised.value.problems[0].hint
    assert hint is not None
    assert hint.startswith("name a server that has `no_such_extension` in the manifest's `database.url`")


@as_root
def test_root_works_below_a_folder_only_root_may_enter(new_server: NewServer, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    accounts = Path("/etc/passwd").read_bytes()
    server = new_server(home / "project" / ".zmig" / "postgres")
    server.start()
    process = server.process()
    assert Path(f"/proc/{process}").stat().st_uid == server.data.stat().st_uid != 0
    assert query(server, b"select 1") == [(1,)]
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (home, server.folder)] == [0o700, 0o700]
    assert [folder.stat().st_uid for folder in (home, server.folder)] == [0, 0]
    assert Path("/etc/passwd").read_bytes() == accounts


@as_root
def test_server_of_root_sees_nothing_beside_its_data(new_server: NewServer, tmp_path: Path) -> None:
    home = tmp_path / "home"
    server = new_server(home / "postgres")
    server.start()
    (home / "readme").write_text("for everybody in here")
    query(server, b"create table read (line text)")
    query(server, b"copy read from program 'cat PG_VERSION'")
    with pytest.raises(psycopg.errors.ExternalRoutineException):
        query(server, b"copy read from program 'cat ../../readme'")


@as_root
def test_root_keeps_to_the_owner_of_the_data(private: CrashServer) -> None:
    private.start()
    private.stop()
    for path in (private.data, *private.data.rglob("*")):
        os.chown(path, 4242, 4242)
    private.start()
    process = private.process()
    assert Path(f"/proc/{process}").stat().st_uid == 4242


_PLANTING = """#!/bin/sh
{initdb} "$@" || exit
for data; do :; done
cd "$data" && mv postgresql.auto.conf away && ln -s {target} postgresql.auto.conf
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every account may enter."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def test_a_link_planted_while_the_data_are_created_is_not_written_through(
    private: CrashServer, open_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By another process of the account that the server runs as."""
    real = find_binaries(account=server_account(private.data)).binaries.folder
    target = tmp_path / "of-root"
    target.write_text("mine")
    for name in ("postgres", "pg_ctl"):
        (open_folder / name).symlink_to(real / name)
    initdb = open_folder / "initdb"
    initdb.write_text(_PLANTING.format(initdb=real / "initdb", target=target))
    initdb.chmod(0o755)
    monkeypatch.setenv(NAMED_BY, str(open_folder))
    with pytest.raises(ServerError, match="cannot be used: "):
        private.start()
    assert target.read_text() == "mine"


@pytest.mark.parametrize("folder", ["/nowhere", "/", "nowhere", "bin/nowhere"])
def test_a_folder_of_binaries_near_the_root_is_looked_into(monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    monkeypatch.setenv(NAMED_BY, folder)
    assert find_binaries().binaries.folder != Path(folder)


@pytest.mark.parametrize("name", ["lock", "server.log"])
def test_a_link_in_the_place_of_a_file_of_its_own_is_not_written_through(
    private: CrashServer, tmp_path: Path, name: str
) -> None:
    target, link = tmp_path / "of-somebody", private.folder / name
    private.folder.mkdir()
    link.symlink_to(target)
    with pytest.raises(ServerError, match="cannot be used: "):
        private.start()
    assert not target.exists()
    link.unlink()


def test_stopping_signals_no_process_but_the_server(private: CrashServer) -> None:
    private.start()
    recorded = private.data / "postmaster.pid"
    text = recorded.read_text()
    other = subprocess.Popen(["sleep", "600"])
    try:
        recorded.write_text(f"{other.pid}\n{text.partition(chr(10))[2]}")
        with pytest.raises(ServerError, match="which process it is cannot be proved"):
            private.stop()
        assert private.is_running()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
        recorded.write_text(text)
    assert private.stop()


def _link_to_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [os.mkfifo, _link_to_device], ids=["pipe", "device"])
def test_a_pipe_or_a_device_in_the_place_of_its_files_is_not_read(
    private: CrashServer, make: Callable[[Path], None]
) -> None:
    private.data.mkdir(parents=True)
    for name in ("postmaster.pid", "PG_VERSION"):
        make(private.data / name)
    assert private.process() is None
    with pytest.raises(ServerError):
        private.start()


def test_no_setting_in_its_data_opens_it_to_others(private: CrashServer) -> None:
    private.start()
    query(private, b"alter system set listen_addresses = '*'")
    query(private, b"alter system set unix_socket_permissions = '0777'")
    private.stop()
    private.start()
    assert query(private, b"show listen_addresses") == [("",)]
    assert stat.S_IMODE((private.data / ".s.PGSQL.5432").stat().st_mode) == 0o700
