"""What the record of the schema costs: a run that changes something, and a status, with it and without it.

    python -m bench.recording               # 100, 3,300 and 17,000 objects
    python -m bench.recording --rounds 20

Each round runs one migration that adds a column with an index, and a status, in turn with `verify: {record: true}` and
with `false`, each in a database of its own. What is compared is processor time, of zmig's process and of the server's
together: on a busy machine, seconds on the clock would say nothing. Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from typing import TYPE_CHECKING

import psycopg

from bench import measured, snapshot
from bench.server import Server, new_folder

if TYPE_CHECKING:
    from pathlib import Path

TABLES = (4, 134, 680)
"""Each makes 25 objects."""


class Recorded:
    """A database with a schema, and a project that changes it, with the record or without."""

    def __init__(self, server: Server, folder: Path, tables: int, *, records: bool) -> None:
        self._server = server
        self._folder = folder
        self._records = records
        self._number = 0
        self._url = server.new_database(folder.name)
        snapshot.make(self._url, tables)
        folder.mkdir()
        self.apply()  # makes zmig's own tables, and records all that is there

    def apply(self) -> float:
        """Apply one migration more; return the seconds of processor time."""
        self._number += 1
        sql = "alter table app.things_0 add column c{0} int;\ncreate index things_0_c{0} on app.things_0 (c{0});\n"
        (self._folder / f"{self._number}.sql").write_text(sql.format(self._number))
        entries = [{"version": n, "file": f"{n}.sql", "name": f"n{n}"} for n in range(1, self._number + 1)]
        manifest = {
            "manifest": 1,
            "name": "recording",
            "database": {"url": self._url},
            "tracking": {"allow_existing": True},
            "verify": {"record": self._records},
            "migrations": entries,
        }
        (self._folder / "manifest.yaml").write_text(json.dumps(manifest))
        return self._run("apply")

    def status(self) -> float:
        """Run a status; return the seconds of processor time."""
        return self._run("status")

    def fact_bytes(self) -> tuple[int, int]:
        """Return how large the first record is, and the last one."""
        with psycopg.connect(self._url) as connection:
            rows = connection.execute(
                "select pg_column_size(event_data) from zmig.migration_events "
                "where event_type = 'migration.observed' order by position"
            ).fetchall()
        return rows[0][0], rows[-1][0]

    def objects(self) -> int:
        """Return of how many objects the schema is."""
        return snapshot.read(self._url)

    def _run(self, command: str) -> float:
        words = [sys.executable, "-m", "zmig", command, str(self._folder / "manifest.yaml")]
        before = self._server.cpu_seconds()
        sample = measured.run(words, log=self._folder / "log")
        return sample.cpu_seconds + self._server.cpu_seconds() - before


def measure(server: Server, folder: Path, tables: int, rounds: int) -> None:
    """Measure one size, and print a row."""
    recorded = Recorded(server, folder / f"with_{tables}", tables, records=True)
    plain = Recorded(server, folder / f"without_{tables}", tables, records=False)
    objects = recorded.objects()
    runs = [recorded.apply() - plain.apply() for _ in range(rounds)]
    statuses = [recorded.status() - plain.status() for _ in range(rounds)]
    whole, change = recorded.fact_bytes()
    cells = (
        f"{objects:,}",
        f"{statistics.mean(runs):.3f} s",
        f"{statistics.mean(statuses):.3f} s",
        f"{whole / 1000:.1f} KB",
        f"{change / 1000:.1f} KB",
    )
    sys.stdout.write(f"| {' | '.join(cells)} |\n")
    sys.stdout.flush()


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.recording", description="Measure the record of the schema.")
    parser.add_argument("--rounds", type=int, default=20, help="how often each is done (default: 20)")
    rounds = parser.parse_args().rounds
    with new_folder() as folder, Server(folder / "server") as server:
        sys.stdout.write(
            "| objects | a run takes longer | a status takes longer "
            "| a fact with all objects | a fact of a change |\n"
            "| ---: | ---: | ---: | ---: | ---: |\n"
        )
        for tables in TABLES:
            measure(server, folder, tables, rounds)


if __name__ == "__main__":
    sys.exit(main())
