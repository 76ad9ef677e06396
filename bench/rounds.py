"""Each workload, done by each tool in turn, several times over: interleaved, so that drift hits all alike."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench import history, limit, measured, workloads
from bench.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bench.contenders import Contender
    from bench.measured import Sample
    from bench.server import Server
    from bench.workloads import Change


_LONGEST_REPEATED_SECONDS = 60.0
"""What takes longer is done once."""


@dataclass(slots=True)
class Row:
    """What one tool cost in one workload."""

    tool: str
    samples: list[Sample] = field(default_factory=list["Sample"])
    wal_syncs: int | None = None
    round_trips: int | None = None
    server_bytes: int | None = None
    failure: str | None = None
    """Why the tool could not do it, in the last words it said; then it has no samples."""

    @property
    def seconds(self) -> float:
        """The median."""
        return statistics.median(sample.seconds for sample in self.samples)

    @property
    def spread(self) -> tuple[float, float]:
        """The fastest and the slowest."""
        return min(s.seconds for s in self.samples), max(s.seconds for s in self.samples)

    @property
    def cpu_seconds(self) -> float:
        """The median of the processor time of the client."""
        return statistics.median(sample.cpu_seconds for sample in self.samples)

    @property
    def peak_bytes(self) -> int:
        """The median of the peak memory."""
        return round(statistics.median(sample.peak_bytes for sample in self.samples))


@dataclass(slots=True)
class Table:
    """One workload."""

    code: str
    title: str
    rows: list[Row]

    def row(self, tool: str) -> Row:
        """Return a tool's row."""
        return next(row for row in self.rows if row.tool == tool)


class Bench:
    """A server, a folder to work in, and how often to repeat."""

    def __init__(self, server: Server, folder: Path, *, rounds: int, say: Callable[[str], None]) -> None:
        self._server = server
        self._folder = folder
        self._rounds = rounds
        self._say = say

    def _files(self, contender: Contender, count: int, make: Callable[[int], list[Change]] = workloads.tiny) -> Path:
        folder = self._folder / f"{contender.name.replace(' ', '-')}-{make.__name__}-{count}"
        if not folder.exists():
            contender.write(folder, make(count))
        return folder

    def _run(
        self, contender: Contender, command: list[str], url: str, *, environ: dict[str, str] | None = None
    ) -> Sample:
        return measured.run(command, log=self._folder / "log", environ=contender.environ(url) | (environ or {}))

    def apply(self, contenders: Sequence[Contender], count: int) -> Table:
        """W1: apply many small migrations, as people write them, to an empty database."""
        title = f"Apply {count:,} small migrations (a table, a column, an index in turn), one transaction each"
        return self._apply(contenders, count, "W1", title, workloads.mixed)

    def apply_history(self, contenders: Sequence[Contender], count: int) -> Table:
        """W1h: apply the whole history of a database that grew."""
        title = f"Apply a history of {count:,} migrations with data, views and functions, one transaction each"
        return self._apply(contenders, count, "W1h", title, workloads.history)

    def apply_types(self, contenders: Sequence[Contender], count: int) -> Table:
        """W1e: apply migrations that make an enum type each: the least a migration can be."""
        title = f"Apply {count:,} migrations that create an enum type each, one transaction each"
        return self._apply(contenders, count, "W1e", title, workloads.tiny)

    def apply_tables(self, contenders: Sequence[Contender], count: int) -> Table:
        """W1t: apply migrations that make a table and an index each."""
        title = f"Apply {count:,} migrations that make a table with an index, one transaction each"
        return self._apply(contenders, count, "W1t", title, workloads.tables)

    def _apply(
        self,
        contenders: Sequence[Contender],
        count: int,
        code: str,
        title: str,
        make: Callable[[int], list[Change]],
    ) -> Table:
        rows = [Row(contender.name) for contender in contenders]
        for _ in range(self._rounds):
            for contender, row in zip(contenders, rows, strict=True):
                files, url = self._files(contender, count, make), self._server.new_database()
                before = self._server.wal_syncs()
                row.samples.append(self._run(contender, contender.apply(files, url), url))
                row.wal_syncs = self._server.wal_syncs() - before
        return self._said(Table(code, title, rows))

    def again(self, contenders: Sequence[Contender], count: int, *, code: str) -> Table:
        """W2 and W4: nothing to do, with everything applied."""
        return self._on_applied(
            contenders,
            count,
            code,
            f"Nothing to do, {count:,} applied",
            lambda contender: contender.again or contender.apply,
        )

    def again_limited(self, contenders: Sequence[Contender], count: int, fraction: float) -> Table | None:
        """W2c: nothing to do, in a container with a fraction of a processor; None where that cannot be had here."""
        title = f"Nothing to do, {count:,} applied, limited to {fraction:g} processors"
        with limit.limited(fraction) as environ:
            if environ is None:
                self._say(f"W2c  {title}: left out, since no control group can be made here")
                return None
            return self._on_applied(
                contenders,
                count,
                "W2c",
                title,
                lambda contender: contender.again or contender.apply,
                environ=environ,
            )

    def status(self, contenders: Sequence[Contender], count: int) -> Table:
        """W3: the status, with everything applied."""
        chosen = [contender for contender in contenders if contender.status]
        return self._on_applied(
            chosen, count, "W3", f"Status, {count:,} applied", lambda contender: contender.status or contender.apply
        )

    def _on_applied(
        self,
        contenders: Sequence[Contender],
        count: int,
        code: str,
        title: str,
        command: Callable[[Contender], Callable[[Path, str], list[str]]],
        *,
        environ: dict[str, str] | None = None,
    ) -> Table:
        urls = {
            contender.name: self._server.new_database(f"bench_{number}") for number, contender in enumerate(contenders)
        }
        for contender in contenders:
            url = urls[contender.name]
            self._run(contender, contender.apply(self._files(contender, count), url), url)
        rows = [Row(contender.name) for contender in contenders]
        for _ in range(self._rounds * 2):
            for contender, row in zip(contenders, rows, strict=True):
                files, url = self._files(contender, count), urls[contender.name]
                row.samples.append(self._run(contender, command(contender)(files, url), url, environ=environ))
        return self._said(Table(code, title, rows))

    def large_file(self, contenders: Sequence[Contender], megabytes: int, *, rows_each: int = 1) -> Table:
        """W5 and W5m: one large file of inserts."""
        text = "".join(workloads.inserts(megabytes * 1_000_000, rows_each=rows_each))
        rows = [Row(contender.name) for contender in contenders]
        for contender in contenders:
            folder = self._folder / f"{contender.name.replace(' ', '-')}-large-{rows_each}"
            contender.write(folder, [workloads.Change(1, text)])
        for _ in range(self._rounds):
            for contender, row in zip(contenders, rows, strict=True):
                url = self._server.new_database()
                folder = self._folder / f"{contender.name.replace(' ', '-')}-large-{rows_each}"
                if row.failure is not None or (row.samples and row.samples[-1].seconds > _LONGEST_REPEATED_SECONDS):
                    continue
                with self._server.backend_memory("bench") as peaks:
                    try:
                        row.samples.append(self._run(contender, contender.apply(folder, url), url))
                    except measured.CommandFailed as failed:
                        row.failure = failed.reason
                row.server_bytes = max(peaks)
        code, each = ("W5", "one row") if rows_each == 1 else ("W5m", f"{rows_each:,} rows")
        return self._said(Table(code, f"One file of {megabytes} MB of inserts of {each} each", rows))

    def version(self, contenders: Sequence[Contender]) -> Table:
        """W6: `--version`; the psycopg loop's row is the bare interpreter."""
        chosen = [contender for contender in contenders if contender.version]
        rows = [Row("python -c pass" if contender.name == "psycopg loop" else contender.name) for contender in chosen]
        for _ in range(self._rounds * 5):
            for contender, row in zip(chosen, rows, strict=True):
                row.samples.append(measured.run(contender.version, log=self._folder / "log"))
        return self._said(Table("W6", "`--version`", rows))

    def network(self, contenders: Sequence[Contender], count: int, milliseconds: float) -> Table:
        """Apply over a network: every message is delayed, and round trips are counted."""
        rows = [Row(contender.name) for contender in contenders]
        for _ in range(self._rounds):
            for contender, row in zip(contenders, rows, strict=True):
                files = self._files(contender, count)
                self._server.new_database()
                with Proxy(self._server.socket, round_trip_seconds=milliseconds / 1000) as proxy:
                    url = f"postgresql://postgres@127.0.0.1:{proxy.port}/bench?sslmode=disable"
                    row.samples.append(self._run(contender, contender.apply(files, url), url))
                    row.round_trips = proxy.round_trips
        title = f"Apply {count:,} tiny migrations over a network of {milliseconds:g} ms round-trip time"
        return self._said(Table(f"N{milliseconds:g}", title, rows))

    def planning(self, zmig: Contender, counts: Sequence[int]) -> Table:
        """Plan with ten facts for each migration and nothing to do; one row for each number of migrations."""
        rows = [Row(f"{count:,}") for count in counts]
        for count, row in zip(counts, rows, strict=True):
            changes = workloads.tiny(count)
            folder, url = self._folder / f"planning-{count}", self._server.new_database()
            zmig.write(folder, changes)
            history.append(url, changes)
            for _ in range(self._rounds):
                row.samples.append(self._run(zmig, zmig.apply(folder, url), url))
        return self._said(Table("P", f"Nothing to do, {history.FACTS_EACH} facts for each migration", rows))

    def _said(self, table: Table) -> Table:
        self._say(f"{table.code}  {table.title}")
        for row in table.rows:
            if row.failure is not None:
                self._say(f"    {row.tool:14} failed: {row.failure}")
                continue
            low, high = row.spread
            extra = [f"CPU {row.cpu_seconds:.3f} s", f"{row.peak_bytes / 1e6:.0f} MB"]
            extra += [f"{row.wal_syncs} WAL syncs"] if row.wal_syncs is not None else []
            extra += [f"{row.round_trips} round trips"] if row.round_trips is not None else []
            extra += [f"server {row.server_bytes / 1e6:.0f} MB"] if row.server_bytes is not None else []
            self._say(f"    {row.tool:14} {row.seconds:7.3f} s  ({low:.3f} to {high:.3f})  {', '.join(extra)}")
        return table
