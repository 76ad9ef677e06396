"""What a console costs: the run that it watches, and the processor. Linux only, for its account of processor time.

    python -m bench.console                        # five rounds of each, 300 migrations
    python -m bench.console --rounds 9 --statements 2

The same run is done by turns alone, with a console attached in another process, and by the console itself. A run's
length is what the facts say, from the first `started` to the last `done`, so that nothing else is counted. Prints
the medians, as Markdown.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import pty
import statistics
import struct
import subprocess
import sys
import termios
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from bench.server import new_folder
from zmig.embedded import EmbeddedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_WIDTH, _HEIGHT = 120, 36
_PATIENCE_SECONDS = 60.0
_SECONDS_TO_READ = 1.0
_WORK = "insert into work select n, md5(n::text) from generate_series(1, {rows}) n;\n"
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Sample:
    """One run, and the console beside it, if there was one."""

    seconds: float
    console_seconds: float = 0.0
    """Processor time of the console's process during the run."""


class Console:
    """`zmig tui` on a terminal of its own, whose screen nobody looks at."""

    def __init__(self, manifest: Path) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _HEIGHT, _WIDTH, 0, 0))
        command = [sys.executable, "-m", "zmig", "tui", str(manifest)]
        environ = os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self._process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ)
        os.close(theirs)
        self._drawn = b""
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # Linux says so when the other side was closed
            while drawn := os.read(self._ours, 1 << 16):
                with self._changed:
                    self._drawn += drawn
                    self._changed.notify()

    def press(self, keys: str, *, until: str) -> None:
        """Press keys, and wait until a text has been drawn since."""
        with self._changed:
            self._drawn = b""
            os.write(self._ours, keys.encode())
            self.wait_for(until)

    def wait_for(self, text: str) -> None:
        """Wait until a text has been drawn."""
        with self._changed:
            if not self._changed.wait_for(lambda: text.encode() in self._drawn, _PATIENCE_SECONDS):
                raise TimeoutError(f"the console never showed {text!r}")

    @property
    def cpu_seconds(self) -> float:
        """The processor time that its process has taken so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def quit(self) -> None:
        """Leave it."""
        os.write(self._ours, b"q")
        self._process.wait(_PATIENCE_SECONDS)
        self._reader.join()
        os.close(self._ours)


@contextlib.contextmanager
def _opened(manifest: Path) -> Generator[Console]:
    console = Console(manifest)
    try:
        console.wait_for("lock free")
        yield console
    finally:
        console.quit()


class Bench:
    """One server, and a project of many small migrations."""

    def __init__(self, folder: Path, migrations: int, statements: int, rows: int) -> None:
        self.server = EmbeddedServer(folder / "server")
        self.manifest = folder / "manifest.yaml"
        self._migrations = migrations
        entries: list[dict[str, object]] = []
        for version in range(1, migrations + 1):
            file = folder / f"{version:05}_work.sql"
            file.write_text(_WORK.format(rows=rows) * statements)
            entries.append({"version": version, "file": file.name})
        project = {
            "manifest": 1,
            "environment": "test",
            "database": {"url": "${URL}"},
            "tracking": {"allow_existing": True},
            "migrations": entries,
        }
        self.manifest.write_text(json.dumps(project))

    def renew(self) -> None:
        """Make the database anew."""
        with psycopg.connect(self.server.url(), autocommit=True) as admin:
            admin.execute("drop database if exists console with (force)")
            admin.execute("create database console")
        with psycopg.connect(self.server.url("console"), autocommit=True) as connection:
            connection.execute("create unlogged table work (n int, text text)")
        os.environ["URL"] = self.server.url("console")

    def seconds(self) -> float | None:
        """Return how long the run took, by its facts; None while it goes on."""
        query = (
            "select extract(epoch from max(created_at) - min(created_at))::float, "
            "count(*) filter (where event_type = 'migration.done') from zmig.migration_events"
        )
        with psycopg.connect(self.server.url("console")) as connection:
            row = connection.execute(query).fetchone()
        return float(row[0]) if row is not None and row[1] == self._migrations else None

    def _apply(self) -> float:
        subprocess.run([sys.executable, "-m", "zmig", "apply", str(self.manifest), "--quiet"], check=True)
        seconds = self.seconds()
        assert seconds is not None
        return seconds

    def alone(self) -> Sample:
        """Apply with nobody watching."""
        return Sample(self._apply())

    def watched(self) -> Sample:
        """Apply while a console in another process watches."""
        with _opened(self.manifest) as console:
            before = console.cpu_seconds
            return Sample(self._apply(), console.cpu_seconds - before)

    def by_console(self) -> Sample:
        """Let the console apply."""
        with _opened(self.manifest) as console:
            before = console.cpu_seconds
            console.press("a", until="Yes, do it")
            time.sleep(_SECONDS_TO_READ)  # a question is agreed to only after it has been on the screen for a moment
            console.press("\r", until=f"{self._migrations} done")
            after = console.cpu_seconds
            seconds = self.seconds()
            assert seconds is not None
            return Sample(seconds, after - before)


def _measured(bench: Bench, rounds: int) -> dict[str, list[Sample]]:
    ways: dict[str, Callable[[], Sample]] = {
        "`zmig apply` alone": bench.alone,
        "with a console attached": bench.watched,
        "by the console itself": bench.by_console,
    }
    samples: dict[str, list[Sample]] = {title: [] for title in ways}
    for _ in range(rounds):
        for title, way in ways.items():
            bench.renew()
            samples[title].append(way())
    return samples


def _told(samples: dict[str, list[Sample]], statements: int) -> None:
    medians = {title: statistics.median(one.seconds for one in own) for title, own in samples.items()}
    alone = next(iter(medians.values()))
    _say(f"| run of {statements:,} statements | takes | beside alone | statements/s | console's processor |")
    _say("| --- | --- | --- | --- | --- |")
    for title, own in samples.items():
        share = statistics.median(one.console_seconds / one.seconds for one in own)
        spread = f"{min(one.seconds for one in own):.2f} to {max(one.seconds for one in own):.2f} s"
        took = f"{medians[title]:.2f} s ({spread})"
        rate = statements / medians[title]
        _say(f"| {title} | {took} | {medians[title] / alone:.3f} | {rate:,.0f} | {share:.1%} of a core |")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.console", description="Measure what a console costs.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--migrations", type=int, default=300)
    parser.add_argument("--statements", type=int, default=1, help="of each migration")
    parser.add_argument("--rows", type=int, default=2000, help="inserted by each statement; sets the pace")
    arguments = parser.parse_args()
    with new_folder() as folder:
        bench = Bench(folder, arguments.migrations, arguments.statements, arguments.rows)
        bench.server.start()
        began = time.monotonic()
        try:
            _told(_measured(bench, arguments.rounds), arguments.migrations * arguments.statements)
            _say(f"\n{arguments.rounds} rounds by turns, {time.monotonic() - began:.0f} s in all")
        finally:
            bench.server.stop()


if __name__ == "__main__":
    main()
