"""The PostgreSQL that is measured: a private server with its default settings, so commits are flushed to disk."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psycopg

from zmig.embedded import EmbeddedServer

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType


class Server:
    """One server and the databases made on it."""

    def __init__(self, folder: Path) -> None:
        self._server = EmbeddedServer(folder)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()

    def new_database(self, name: str = "bench") -> str:
        """Make an empty database, after a checkpoint so that earlier work is not paid for now; return its URL."""
        with psycopg.connect(self._server.url(), autocommit=True) as connection:
            connection.execute(f'drop database if exists "{name}" with (force)'.encode())
            connection.execute(f'create database "{name}"'.encode())
            connection.execute("checkpoint")
        return self._server.url(name)

    def url(self, name: str) -> str:
        """Return the URL of a database that was made."""
        return self._server.url(name)

    @property
    def socket(self) -> Path:
        """The server's socket."""
        with psycopg.connect(self._server.url()) as connection:
            return Path(connection.info.host) / f".s.PGSQL.{connection.info.port}"

    def version(self) -> str:
        """Return the server's version."""
        with psycopg.connect(self._server.url()) as connection:
            return str(connection.info.parameter_status("server_version"))

    def cpu_seconds(self) -> float:
        """Return the processor time, in seconds, of all backends that have ended since the server began."""
        process = self._server.process()
        assert process is not None, "it is started"
        # The 14th and 15th field after the name, which may hold anything, are of the children waited for: proc(5).
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")

    def wal_syncs(self) -> int:
        """Return how often WAL was flushed to disk since the server began."""
        with psycopg.connect(self._server.url(), autocommit=True) as connection:
            connection.execute("select pg_stat_force_next_flush()")
            if connection.info.server_version >= 180000:
                query = "select sum(fsyncs) from pg_stat_io where object = 'wal'"
            else:
                query = "select wal_sync from pg_stat_wal"
            row = connection.execute(query.encode()).fetchone()
            return int(row[0] or 0) if row is not None else 0

    @contextlib.contextmanager
    def backend_memory(self, database: str) -> Generator[list[int]]:
        """Watch the private memory of the database's backends; the list's largest value is the peak, in bytes."""
        peaks = [0]
        stopping = threading.Event()

        def watch() -> None:
            # A tool may use up what the server has for locks, so that it answers nobody.
            with contextlib.suppress(psycopg.Error), psycopg.connect(self._server.url(), autocommit=True) as connection:
                while not stopping.is_set():
                    rows = connection.execute("select pid from pg_stat_activity where datname = %s", (database,))
                    peaks.append(max((_private_bytes(int(row[0])) for row in rows), default=0))
                    time.sleep(0.02)

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield peaks
        finally:
            stopping.set()
            thread.join()


@contextlib.contextmanager
def new_folder() -> Generator[Path]:
    """Make a folder on a disk, in which other users' processes can find what they are given; remove it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="zmig-bench-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _private_bytes(process: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    return 0
