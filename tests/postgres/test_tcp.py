"""A network that is silently gone: what both ends of a connection ask of TCP, and that both notice."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.support import backends
from tests.support.crash import CrashServer
from tests.support.process import ROOT
from tests.support.project import ProjectFolder
from tests.support.proxy import Proxy
from zmig import Migrator
from zmig.database import connection as database
from zmig.embedded import account as accounts
from zmig.embedded.binaries import find_binaries

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from zmig.embedded import EmbeddedServer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="TCP's options have other names elsewhere")

_OPTIONS = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")


@pytest.fixture
def url(database: str) -> Iterator[str]:
    """The database's URL over TCP, whatever the server listens on."""
    with Proxy(database) as proxy:
        yield proxy.url


def _in_force(connection: psycopg.Connection[tuple[object, ...]]) -> list[int]:
    with socket.socket(fileno=os.dup(connection.pgconn.socket)) as ours:
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        return [ours.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in _OPTIONS]


def test_the_client_notices_within_half_a_minute(url: str) -> None:
    with database.connect(database.target(url, environ={}), application_name="zmig") as opened:
        idle, interval, count, user_timeout = _in_force(opened)
    assert idle + interval * count <= 30
    assert 0 < user_timeout <= 30_000


def test_what_the_url_says_stands(url: str) -> None:
    given = make_conninfo(url, keepalives_idle=60, keepalives_interval=61, keepalives_count=9, tcp_user_timeout=62_000)
    with database.connect(database.target(given, environ={}), application_name="zmig") as opened:
        assert _in_force(opened) == [60, 61, 9, 62_000]


def test_a_url_that_wants_none_gets_none(url: str) -> None:
    given = make_conninfo(url, keepalives=0)
    with (
        database.connect(database.target(given, environ={}), application_name="zmig") as opened,
        socket.socket(fileno=os.dup(opened.pgconn.socket)) as ours,
    ):
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0


@contextlib.contextmanager
def _listening(folder: Path, address: str, clients: str) -> Generator[EmbeddedServer]:
    """A server of the test's own that listens on one address, as a private server of zmig's never does."""
    server = CrashServer(folder)
    server.start()
    try:
        server.stop()
        with (server.data / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {clients} trust\n")
        _launch(server, f"-c listen_addresses={address} -c unix_socket_directories=.")
        yield server
    finally:
        server.stop()


def _launch(server: EmbeddedServer, options: str) -> None:
    account = accounts.server_account(server.data)
    program = find_binaries(account=account).binaries.path("pg_ctl")
    descriptor = os.open(server.data, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with server.log.open("ab") as log:
            ended = accounts.run(
                [program, "start", "-s", "-w", "-o", options, "-D", f"{accounts.DESCRIPTORS}/{descriptor}"],
                account=account,
                folder="/",
                keep_open=[descriptor],
                output=log,
            )
    finally:
        os.close(descriptor)
    assert ended.returncode == 0, server.log.read_text()


SHOWS = """
create table {name} as select (select setting::int from pg_settings where name = 'tcp_user_timeout') as unacknowledged,
    current_setting('tcp_keepalives_idle')::int + current_setting('tcp_keepalives_interval')::int
    * current_setting('tcp_keepalives_count')::int as seconds,
    current_setting('idle_in_transaction_session_timeout') as idle;
"""


def test_the_server_notices_within_half_a_minute_whatever_a_migration_sets(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    number = os.getpid()
    address = f"127.{64 + (number >> 16) % 64}.{(number >> 8) % 256}.{1 + number % 254}"
    with _listening(tmp_path_factory.mktemp("server"), address, f"{address}/8") as server:
        project = ProjectFolder(tmp_path, f"postgresql://postgres@{address}/postgres")
        project.sql("001_unsets", "set tcp_user_timeout = 0; set tcp_keepalives_idle = 7000; select 1")
        project.sql("002_sql", SHOWS.format(name="of_sql"))
        project.python("003_python", f"def execute(ctx):\n    ctx.execute({SHOWS.format(name='of_python')!r})\n")
        project.sql("004_alone", SHOWS.format(name="alone"), transaction=False)
        Migrator(project.manifest).migrate()
        with psycopg.connect(server.url()) as connection:
            for table, idle in (("of_sql", "1min"), ("of_python", "0"), ("alone", "1min")):
                found = connection.execute(f"select * from {table}".encode()).fetchone()
                assert found == (20_000, 25, idle), table


class Network:
    """A network namespace with one client in it, joined to this one by a wire that can lose every packet."""

    def __init__(self) -> None:
        number = os.getpid()
        self.name = f"zmig{number}"
        self.ours, self.theirs = f"198.18.{number % 250}.1", f"198.18.{number % 250}.2"
        self._links = f"zma{number}", f"zmb{number}"

    def __enter__(self) -> Network:
        ours, theirs = self._links
        try:
            self._ip("netns", "add", self.name)
            self._ip("link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", self.name)
            self._ip("addr", "add", f"{self.ours}/30", "dev", ours)
            self._ip("link", "set", ours, "up")
            self._ip("-n", self.name, "addr", "add", f"{self.theirs}/30", "dev", theirs)
            self._ip("-n", self.name, "link", "set", theirs, "up")
        except (OSError, subprocess.CalledProcessError) as error:
            self.__exit__()
            pytest.skip(f"no network namespace can be made here: {error}")
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            self._ip("netns", "del", self.name)

    def lose_everything(self) -> None:
        """Send to nobody, both ways, from now on."""
        ours, theirs = self._links
        dead = ("lladdr", "02:00:00:00:00:99", "nud", "permanent")
        self._ip("neigh", "replace", self.theirs, *dead, "dev", ours)
        self._ip("-n", self.name, "neigh", "replace", self.ours, *dead, "dev", theirs)

    @staticmethod
    def _ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("ip") is None, reason="network namespaces are root's")
def test_both_ends_end_when_the_network_is_gone(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    folder = tmp_path_factory.mktemp("server")
    with Network() as network, _listening(folder, network.ours, f"{network.theirs}/32") as server:
        project = ProjectFolder(tmp_path, f"postgresql://postgres@{network.ours}/postgres")
        project.sql("001_busy", "create table busy (); select pg_sleep(3); insert into busy default values;")
        command = ["ip", "netns", "exec", network.name, sys.executable, "-m", "zmig", "apply", str(project.manifest)]
        with psycopg.connect(server.url(), autocommit=True) as connection:
            environ = {**os.environ, "PYTHONPATH": str(ROOT)}
            client = subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True)
            try:
                backends.wait_for(connection, 1, "wait_event = 'PgSleep'")
                network.lose_everything()
                backends.wait_for(connection, 0)
                _, said = client.communicate(timeout=120)
            finally:
                client.kill()
                client.communicate()
    assert client.returncode == 3
    assert "error: the connection to the database was lost" in said
