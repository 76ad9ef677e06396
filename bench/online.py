"""Changes of a large table while somebody writes to it: by zmig, and by plain psql.

    python -m bench.online                        # a million rows, and rounds over ten million
    python -m bench.online --rows 100000 --batch-rows 1000000

Prints the writer's longest stall during each change, and how fast rounds are beside a single UPDATE, as Markdown.
The writer updates one row after the other, chosen at random; a stall is how long one of its updates takes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from bench.server import new_folder
from zmig.embedded import EmbeddedServer

if TYPE_CHECKING:
    from collections.abc import Generator

_READER_SECONDS = 8.0
_LEAD_SECONDS = 0.5
"""How long the writer and the reader have been at work when a change begins."""

_LOWER = "update users set name = lower(name)"
_ROUND = f"{_LOWER} where id in (select id from users where id > :cursor order by id limit :size) returning id;\n"


@dataclass(frozen=True, slots=True)
class Change:
    """One change, as each of the two is given it."""

    title: str
    psql: str
    zmig: str
    entry: dict[str, object]
    """More of the manifest entry."""
    with_reader: bool = False
    """Whether a transaction that has read the table stays open for some seconds."""


CHANGES = (
    Change(
        "add a column while a report reads the table for 8 s",
        "alter table users add column note text;\n",
        "alter table users add column note text;\n",
        {},
        with_reader=True,
    ),
    Change(
        "the same, with `lock_timeout: 200ms`",
        "alter table users add column note2 text;\n",
        "alter table users add column note2 text;\n",
        {"lock_timeout": "200ms", "retry": {"attempts": 50, "backoff": "200ms", "max_backoff": "1s"}},
        with_reader=True,
    ),
    Change(
        "add an index",
        "create index users_name on users (name);\n",
        "create index concurrently users_name on users (name);\n",
        {},
    ),
    Change("change every row", f"{_LOWER};\n", _ROUND, {"batch": {"size": 1000, "start": 0}}),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a change cost."""

    seconds: float
    stall_seconds: float
    writes: int
    """How many updates the writer made meanwhile."""


class Bench:
    """One server, and a folder for projects."""

    def __init__(self, folder: Path, rows: int) -> None:
        self.server = EmbeddedServer(folder / "server", settings={"max_wal_size": "4GB"})
        self.folder = folder
        self.rows = rows

    def fill(self, database: str, rows: int) -> str:
        """Make a database with a table of users; return its URL."""
        with psycopg.connect(self.server.url(), autocommit=True) as admin:
            admin.execute(f"drop database if exists {database} with (force)".encode())
            admin.execute(f"create database {database}".encode())
        with psycopg.connect(self.server.url(database), autocommit=True) as connection:
            connection.execute("create table users (id bigint, name text not null, seen int not null default 0)")
            users = "insert into users select n, 'User Number ' || n from generate_series(1, %s) n"
            connection.execute(users, [rows])
            connection.execute("alter table users add primary key (id)")
            connection.execute("vacuum (analyze) users")
            connection.execute("checkpoint")
        return self.server.url(database)

    def apply(self, url: str, text: str, entry: dict[str, object]) -> list[str]:
        """Write a project of one migration; return the command that applies it."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        (folder / "change.sql").write_text(text)
        manifest = {
            "manifest": 1,
            "environment": "test",
            "database": {"url": url},
            "migrations": [{"version": 1, "file": "change.sql", **entry}],
        }
        (folder / "manifest.yaml").write_text(json.dumps(manifest))
        return [sys.executable, "-m", "zmig", "apply", str(folder / "manifest.yaml"), "--quiet"]

    def psql(self, database: str, text: str) -> list[str]:
        """Return the command that runs a text by psql, in one transaction."""
        return [*self.server.psql_command(database), "-q", "-v", "ON_ERROR_STOP=1", "-1", "-c", text]

    def outcome(self, change: Change, *, by_zmig: bool) -> Outcome:
        """Make a change beside the writer."""
        url = self.fill("online", self.rows)
        command = self.apply(url, change.zmig, change.entry) if by_zmig else self.psql("online", change.psql)
        with contextlib.ExitStack() as stack:
            if change.with_reader:
                stack.enter_context(_reader(url))
            writer = stack.enter_context(_writing(url, self.rows))
            time.sleep(_LEAD_SECONDS)
            writer.forget()
            began = time.monotonic()
            subprocess.run(command, check=True)
            seconds = time.monotonic() - began
        return Outcome(seconds, writer.longest, writer.writes)

    def rate(self, rows: int, size: int | None) -> float:
        """Return how many rows a second are changed: in rounds of `size`, or by one UPDATE."""
        url = self.fill("rounds", rows)
        command = self.psql("rounds", _LOWER)
        if size is not None:
            command = self.apply(url, _ROUND, {"batch": {"size": size, "start": 0}})
        began = time.monotonic()
        subprocess.run(command, check=True)
        return rows / (time.monotonic() - began)


class _Writer:
    """Updates one row after the other until it is told to stop."""

    def __init__(self, url: str, rows: int) -> None:
        self._url = url
        self._rows = rows
        self._began = time.monotonic()
        self.longest = 0.0
        self.writes = 0
        self.stopping = threading.Event()

    def forget(self) -> None:
        """Begin to measure."""
        self.longest, self.writes = 0.0, 0

    def run(self) -> None:
        """Write."""
        chosen = random.Random(1)
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self.stopping.is_set():
                began = time.monotonic()
                connection.execute("update users set seen = seen + 1 where id = %s", [chosen.randint(1, self._rows)])
                self.longest = max(self.longest, time.monotonic() - began)
                self.writes += 1


@contextlib.contextmanager
def _writing(url: str, rows: int) -> Generator[_Writer]:
    writer = _Writer(url, rows)
    thread = threading.Thread(target=writer.run)
    thread.start()
    try:
        yield writer
    finally:
        writer.stopping.set()
        thread.join()


@contextlib.contextmanager
def _reader(url: str) -> Generator[None]:
    """Keep a transaction open that has read the table, for some seconds."""
    ready = threading.Event()

    def read() -> None:
        with psycopg.connect(url) as connection:
            try:
                connection.execute("select from users limit 1")
            finally:
                ready.set()
            time.sleep(_READER_SECONDS)

    thread = threading.Thread(target=read)
    thread.start()
    ready.wait()
    try:
        yield
    finally:
        thread.join()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _stalls(bench: Bench) -> None:
    _say(f"| change, on {bench.rows:,} rows | psql: stall | psql: takes | zmig: stall | zmig: takes |")
    _say("| --- | --- | --- | --- | --- |")
    for change in CHANGES:
        psql, zmig = bench.outcome(change, by_zmig=False), bench.outcome(change, by_zmig=True)
        cells = (f"{seconds:.2f} s" for one in (psql, zmig) for seconds in (one.stall_seconds, one.seconds))
        _say(f"| {change.title} | {' | '.join(cells)} |")


def _rates(bench: Bench, rows: int) -> None:
    _say(f"\n| change every row of {rows:,} | rows a second |\n| --- | --- |")
    for title, size in (
        ("one UPDATE by psql", None),
        ("rounds of 10,000", 10_000),
        ("rounds of 1,000", 1_000),
    ):
        _say(f"| {title} | {bench.rate(rows, size):,.0f} |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.online", description="Measure changes of a busy table.")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the table that is written to meanwhile")
    parser.add_argument("--batch-rows", type=int, default=10_000_000, help="changed in rounds; 0 leaves that out")
    arguments = parser.parse_args()
    with new_folder() as folder:
        bench = Bench(folder, arguments.rows)
        bench.server.start()
        try:
            _stalls(bench)
            if arguments.batch_rows:
                _rates(bench, arguments.batch_rows)
        finally:
            bench.server.stop()


if __name__ == "__main__":
    main()
