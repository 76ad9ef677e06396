"""The PostgreSQL server that all tests of a run share.

It is `ZMIG_TEST_DSN` where that is set, else a container where Docker answers, else a private server from the
embedded binaries: a test is never skipped for want of a database. `ZMIG_TEST_SERVER=docker|embedded` forces one, and
`ZMIG_TEST_SERVER=none` says that there is none: a test that asks for one fails. `make unit` runs like this.

The process that controls the run owns a folder and tells its workers of it; whichever worker needs the server first
starts it there, and the controlling process stops it and removes the folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import socket
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
import pytest

from zmig.embedded import EmbeddedServer, find_binaries
from zmig.embedded.account import server_account

if TYPE_CHECKING:
    from collections.abc import Generator

IMAGE = "postgres:18"
_PREFIX = "zmig-tests-"
_MEMORY = Path("/dev/shm")
_MEMORY_NEEDED = 1 << 30
_FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
_SETTINGS = _FAST | {"max_connections": "200", "max_prepared_transactions": "10", "max_wal_size": "256MB"}


class Source(StrEnum):
    DSN = "dsn"
    DOCKER = "docker"
    EMBEDDED = "embedded"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class SharedServer:
    """Where the run's server comes from, and the folder the run owns."""

    source: Source
    folder: Path

    def start(self) -> str:
        """Start the server unless another worker has; return the connection string of its maintenance database."""
        match self.source:
            case Source.DSN:
                return os.environ["ZMIG_TEST_DSN"]
            case Source.DOCKER:
                return _start_container(self.folder)
            case Source.EMBEDDED:
                return EmbeddedServer(self.folder / "server", settings=_SETTINGS).start()
            case Source.NONE:
                pytest.fail("this test needs a server, and ZMIG_TEST_SERVER=none says that there is none")

    def remove(self) -> None:
        """Stop the server and remove everything the run left behind."""
        if self.source is not Source.NONE:
            EmbeddedServer(self.folder / "server").stop()
        _remove_container(self.folder)
        shutil.rmtree(self.folder)

    def describe(self) -> str:
        """Say which PostgreSQL it is, without starting one."""
        match self.source:
            case Source.DSN:
                with psycopg.connect(os.environ["ZMIG_TEST_DSN"]) as connection:
                    return f"PostgreSQL {connection.info.parameter_status('server_version')} from ZMIG_TEST_DSN"
            case Source.DOCKER:
                return f"the image {IMAGE} in a container"
            case Source.EMBEDDED:
                return f"{find_binaries(account=server_account(self.folder / 'server'))}, in {self.folder}"
            case Source.NONE:
                return "none"


@contextlib.contextmanager
def shared_server() -> Generator[SharedServer]:
    """Own a run's server: choose where it comes from, and remove it at the end.

    The folder gets the name that `_sweep` looks for only once it is held.
    """
    parent = _parent_folder()
    _sweep(parent)
    unnamed = Path(tempfile.mkdtemp(prefix="zmig-new-", dir=parent))
    with (unnamed / "alive").open("wb") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        folder = unnamed.rename(unnamed.with_name(unnamed.name.replace("new", "tests", 1)))
        server = SharedServer(_choose(), folder)
        try:
            yield server
        finally:
            server.remove()


def _choose() -> Source:
    forced = os.environ.get("ZMIG_TEST_SERVER")
    if forced:
        return Source(forced)
    if os.environ.get("ZMIG_TEST_DSN"):
        return Source.DSN
    return Source.DOCKER if _docker_answers() else Source.EMBEDDED


def _parent_folder() -> Path:
    """Prefer memory: a server's files are small, and creating them is most of what a new database costs."""
    try:
        if shutil.disk_usage(_MEMORY).free >= _MEMORY_NEEDED and os.access(_MEMORY, os.W_OK):
            return _MEMORY
    except FileNotFoundError:
        pass
    return Path(tempfile.gettempdir())


def _sweep(parent: Path) -> None:
    """Remove what killed runs left: their folders are not held by a living process."""
    for folder in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError), (folder / "alive").open("rb") as alive:
            fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
            SharedServer(Source.EMBEDDED, folder).remove()


def _docker_answers() -> bool:
    """Ask the engine's socket itself: importing a client for it costs 0.3 s."""
    address = urlsplit(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
    family, target = (
        (socket.AF_UNIX, address.path)
        if address.scheme == "unix"
        else (socket.AF_INET, (address.hostname or "localhost", address.port or 2375))
    )
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(1)
        try:
            client.connect(target)
            client.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return client.recv(5) == b"HTTP/"
        except OSError:
            return False


def _start_container(folder: Path) -> str:
    started = folder / "container"
    with (folder / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not started.exists():
            from testcontainers.community.postgres import PostgresContainer

            options = " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items())
            container = PostgresContainer(IMAGE, username="postgres", dbname="postgres", driver=None)
            container.with_command(f"postgres {options}").start()
            started.write_text(f"{container.get_wrapped_container().id}\n{container.get_connection_url()}")
        return started.read_text().splitlines()[1]


def _remove_container(folder: Path) -> None:
    started = folder / "container"
    if started.exists():
        import docker

        with contextlib.closing(docker.from_env()) as client:
            client.containers.get(started.read_text().splitlines()[0]).remove(force=True, v=True)
