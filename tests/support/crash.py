"""A server that a test may kill."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import psycopg

from zmig.embedded import EmbeddedServer


class CrashServer(EmbeddedServer):
    """A private server with PostgreSQL's own, safe settings, and two ways to lose it."""

    def crash(self) -> None:
        """Make the server stop at once, as `pg_ctl stop -m immediate` does; the next start recovers."""
        self._signal(signal.SIGQUIT)

    def kill(self) -> None:
        """Kill the postmaster with SIGKILL; its backends notice and end."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        process = self.process()
        assert process is not None, "the server is not running"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            rows = connection.execute("select pid from pg_stat_activity").fetchall()
        os.kill(process, number)
        for (backend,) in [(process,), *rows]:
            _wait_for_end_of(backend)


def _wait_for_end_of(process: int) -> None:
    while _runs(process):
        time.sleep(0.005)


def _runs(process: int) -> bool:
    """Look for a zombie too: an ended server's parent is the system's first process, which may reap late."""
    try:
        os.kill(process, 0)
        return sys.platform != "linux" or ") Z" not in Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except (ProcessLookupError, FileNotFoundError):
        return False


def wal_flushes(url: str) -> int:
    """Return how often a server (PostgreSQL 15 or newer) has flushed WAL."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("select pg_stat_force_next_flush()")
        has_io = connection.info.server_version >= 180000
        query = (
            "select sum(fsyncs) from pg_stat_io where object = 'wal'" if has_io else "select wal_sync from pg_stat_wal"
        )
        row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return int(row[0])
