"""The fixtures every database test builds on."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.support import database as databases
from tests.support.crash import CrashServer
from tests.support.server import SharedServer, Source, shared_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SERVER = pytest.StashKey[SharedServer]()
_CONNECT_TIMEOUT_SECONDS = "120"
"""zmig's own ten seconds are for servers that are gone; here they would be a limit to how slow the machine may be."""
_CLOSING = pytest.StashKey[contextlib.ExitStack]()


def pytest_configure(config: pytest.Config) -> None:
    _heed_interrupts()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # with it, each process that a test starts compiles all of zmig
    os.environ.setdefault("PGCONNECT_TIMEOUT", _CONNECT_TIMEOUT_SECONDS)
    told: dict[str, str] | None = getattr(config, "workerinput", None)
    if told is not None:
        config.stash[_SERVER] = SharedServer(Source(told["zmig_source"]), Path(told["zmig_folder"]))
        return
    closing = config.stash[_CLOSING] = contextlib.ExitStack()
    config.stash[_SERVER] = closing.enter_context(shared_server())


def _heed_interrupts() -> None:
    """Let the processes that tests start heed SIGINT and SIGHUP, which `&` and `nohup` make what they run ignore."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_unconfigure(config: pytest.Config) -> None:
    if _CLOSING in config.stash:
        config.stash[_CLOSING].close()


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Let a worker that has nothing left take tests from another: some take as long as hundreds of others."""
    if getattr(config.option, "dist", None) == "no" and getattr(config.option, "numprocesses", None):
        config.option.dist = "worksteal"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that wait long: at the end of a run, there would be nothing to do beside them."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Take two workers a processor: half of the time, tests wait for a process, a server or a browser."""
    return 2 * (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    server = node.config.stash[_SERVER]
    node.workerinput |= {"zmig_source": str(server.source), "zmig_folder": str(server.folder)}


def pytest_report_header(config: pytest.Config) -> str:
    try:
        return f"database server: {config.stash[_SERVER].describe()}"
    except psycopg.OperationalError as error:
        raise pytest.UsageError(f"the server of ZMIG_TEST_DSN does not answer: {error}") from error


@pytest.fixture(scope="session")
def server(pytestconfig: pytest.Config) -> str:
    """The connection string of the run's server, as a superuser; it is shared, so use names of your own there."""
    return pytestconfig.stash[_SERVER].start()


@pytest.fixture(scope="session")
def worker_name(pytestconfig: pytest.Config) -> str:
    """A name no other worker and no other run uses, for databases and roles."""
    run = pytestconfig.stash[_SERVER].folder.name.rpartition("-")[2]
    return f"zmig_test_{run}_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"


@pytest.fixture(scope="session")
def _worker_database(server: str, worker_name: str) -> Iterator[databases.Emptied]:
    with (
        databases.temporary(server, worker_name) as url,
        contextlib.closing(databases.Emptied(url)) as database,
    ):
        yield database


@pytest.fixture
def database(_worker_database: databases.Emptied) -> str:
    """The URL of an empty database; a worker's tests share it one after the other."""
    _worker_database.empty()
    return _worker_database.url


@pytest.fixture
def fresh_database(server: str, worker_name: str) -> Iterator[str]:
    """The URL of a new database, for tests about the database itself: its owner, its rights, its settings."""
    with databases.temporary(server, f"{worker_name}_fresh") as url:
        yield url


@pytest.fixture
def connect(database: str) -> Iterator[Callable[..., psycopg.Connection]]:
    """Open connections to `database`, or to another URL, in autocommit mode; all of them are closed after the test."""
    with contextlib.ExitStack() as closing:

        def open_one(url: str = database, *, autocommit: bool = True) -> psycopg.Connection:
            connection = psycopg.connect(url, autocommit=autocommit)
            closing.callback(connection.close)
            return connection

        yield open_one


@pytest.fixture
def connection(connect: Callable[..., psycopg.Connection]) -> psycopg.Connection:
    """One autocommit connection to `database`."""
    return connect()


@pytest.fixture(scope="session")
def _crash_data(pytestconfig: pytest.Config, worker_name: str) -> Path:
    """The folder of a server that was started once: a copy takes a tenth of the time in which data are created."""
    server = CrashServer(pytestconfig.stash[_SERVER].folder / f"crash-{worker_name}-data")
    server.start()
    server.stop()
    return server.folder


@pytest.fixture
def crash_server(_crash_data: Path) -> Iterator[CrashServer]:
    """A started server of the test's own, which flushes to disk as in production and may be killed."""
    folder = _crash_data.with_name(_crash_data.name.removesuffix("-data"))
    subprocess.run(["cp", "-pR", _crash_data, folder], check=True)  # with the account that the data belong to
    server = CrashServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)
