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
from zmig.database import tcp
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
    assert user_timeout == 0  # it would count a server that is slow to take rows as gone; the client looks for itself
    assert tcp.UNACKNOWLEDGED_SECONDS < 30


def test_what_the_url_says_stands(url: str) -> None:
    given = make_conninfo(url, keepalives_idle=60, keepalives_interval=61, keepalives_count=9, tcp_user_timeout=62_000)
    with database.connect(database.target(given, environ={}), application_name="zmig") as opened:
        assert _in_force(opened) == [60, 61, 9, 62_000]
        assert opened.is_left_to_tcp


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


@contextlib.contextmanager
def _on_loopback(factory: pytest.TempPathFactory) -> Generator[tuple[EmbeddedServer, str]]:
    """A server, and an address of this machine's that only it listens on."""
    number = os.getpid()
    address = f"127.{64 + (number >> 16) % 64}.{(number >> 8) % 256}.{1 + number % 254}"
    with _listening(factory.mktemp("server"), address, f"{address}/8") as server:
        yield server, address


SHOWS = """
create table {name} as select (select setting::int from pg_settings where name = 'tcp_user_timeout') as unacknowledged,
    current_setting('tcp_keepalives_idle')::int + current_setting('tcp_keepalives_interval')::int
    * current_setting('tcp_keepalives_count')::int as seconds,
    current_setting('idle_in_transaction_session_timeout') as idle;
"""


def test_the_server_notices_within_half_a_minute_whatever_a_migration_sets(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    with _on_loopback(tmp_path_factory) as (server, address):
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


SLOW = """
create table slow (x text);
create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep({seconds}); return null; end $$;
create function first() returns trigger language plpgsql as $$
begin
    if new.x like 'first%' then perform pg_sleep({seconds}); end if;
    return new;
end $$;
create trigger first before insert on slow for each row execute function first();
"""
"""Rows that fill what the kernels on the way keep, behind a first one that takes long."""
READS = """
import time


def execute(ctx):
    rows = 0
    query = "select repeat('x', 1000) from generate_series(1, 20000)"
    with ctx.connection.cursor().copy(f"copy ({query}) to stdout") as copy:
        for _ in copy:
            if rows == 0:
                time.sleep(%(seconds)d)
            rows += 1
    cursor = ctx.connection.cursor()
    for number, _ in enumerate(cursor.stream(query)):
        if number == 0:
            time.sleep(%(seconds)d)
    assert rows == 20000
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["the server takes rows", "code takes rows"])
def test_a_stream_of_rows_may_stand_still_for_longer_than_a_network(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    limit = 6
    monkeypatch.setattr(tcp, "UNACKNOWLEDGED_SECONDS", float(limit))
    monkeypatch.setattr(tcp, "USER_TIMEOUT_MILLISECONDS", limit * 1000)
    seconds = limit + 5
    with _on_loopback(tmp_path_factory) as (server, address):
        project = ProjectFolder(tmp_path, f"postgresql://postgres@{address}/postgres")
        if kind == "the server takes rows":
            project.sql("001_slow", SLOW.format(seconds=seconds))
            rows = "".join(f"{number:07}{'x' * 993}\n" for number in range(20_000))
            project.sql("002_rows", f"copy slow from stdin;\nfirst\n{rows}\\.\n")
        else:
            project.python("001_reads", READS % {"seconds": seconds})
        Migrator(project.manifest).migrate()
        with psycopg.connect(server.url()) as connection:
            if kind == "the server takes rows":
                assert connection.execute("select count(*) from slow").fetchone() == (20_001,)


SENDS = """
def execute(ctx):
    ctx.execute("create table busy (x text)")
    with ctx.connection.cursor().copy("copy busy from stdin") as copy:
        while True:
            copy.write(b"x" * 1000 + b"\\n")
"""


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
@pytest.mark.parametrize("kind", ["the server is at work", "the client sends rows"])
def test_both_ends_end_when_the_network_is_gone(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, kind: str
) -> None:
    folder = tmp_path_factory.mktemp("server")
    with Network() as network, _listening(folder, network.ours, f"{network.theirs}/32") as server:
        project = ProjectFolder(tmp_path, f"postgresql://postgres@{network.ours}/postgres")
        if kind == "the server is at work":
            project.sql("001_busy", "create table busy (); select pg_sleep(3); insert into busy default values;")
        else:
            project.python("001_sends", SENDS)
        command = ["ip", "netns", "exec", network.name, sys.executable, "-m", "zmig", "apply", str(project.manifest)]
        with psycopg.connect(server.url(), autocommit=True) as connection:
            environ = {**os.environ, "PYTHONPATH": str(ROOT)}
            client = subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True)
            try:
                backends.wait_for(connection, 1, "wait_event = 'PgSleep' or query ilike 'copy busy%'")
                network.lose_everything()
                backends.wait_for(connection, 0)
                _, said = client.communicate(timeout=120)
            finally:
                client.kill()
                client.communicate()
    assert client.returncode == 3
    assert "error: the connection to the database was lost" in said
