"""How zmig grows: with one large statement, with migrations, and with facts.

    python -m bench.scale                                    # 100 MB, up to 50,000 migrations, a million facts
    python -m bench.scale --megabytes 20 --migrations 1000,2000 --facts 100000

Prints what whole processes cost the client, as Markdown: seconds on the clock, seconds of its processor, peak memory.
The server runs on the same machine, so on a busy one only the processor's seconds and the memory mean something.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

import psycopg

from bench import measured
from bench.server import Server, new_folder
from zmig.database.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from bench.measured import Sample

_FACTS = """
insert into zmig.migration_events (aggregate_id, event_type, event_data, run_id, host)
select 'm_' || lpad(version::text, 6, '0'), case when even then 'migration.failed' else 'migration.started' end,
    jsonb_build_object('version', version, 'name', 'm_' || lpad(version::text, 6, '0'), 'attempt', attempt,
        'checksum', repeat('a', 64), 'kind', 'sql', 'transactional', true, 'error', error), 'run' || attempt, 'bench'
from (
    select i %% %(migrations)s + 1 as version, i / (2 * %(migrations)s) + 1 as attempt,
        i / %(migrations)s %% 2 = 1 as even,
        case when i / %(migrations)s %% 2 = 1 then '{"message": "no"}'::jsonb end as error
    from generate_series(0, %(facts)s - 1) as i
) as facts
"""


class Project:
    """A manifest, and a database of its own."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self._url = url
        folder.mkdir(parents=True)

    def write(self, files: Mapping[str, Iterator[str]], entries: Sequence[Mapping[str, object]]) -> None:
        """Write the files, which come in pieces, and the manifest with these entries."""
        for name, pieces in files.items():
            with (self._folder / name).open("w", encoding="utf-8") as file:
                file.writelines(pieces)
        manifest = {"manifest": 1, "name": "scale", "database": {"url": self._url}, "migrations": list(entries)}
        (self._folder / "manifest.yaml").write_text(json.dumps(manifest, indent=1), encoding="utf-8")

    def run(self, command: str, *options: str) -> Sample:
        """Run a command of zmig to its end."""
        words = [sys.executable, "-m", "zmig", command, str(self._folder / "manifest.yaml"), *options]
        return measured.run(words, log=self._folder / "log")


class Scale:
    """A server, and a folder to work in."""

    def __init__(self, server: Server, folder: Path) -> None:
        self._server = server
        self._folder = folder
        self._made = 0

    def _project(self) -> Project:
        self._made += 1
        return Project(self._folder / str(self._made), self._server.new_database(f"scale_{self._made}"))

    def statements(self, megabytes: int) -> None:
        """Apply one large statement, of each form, in a transaction and outside of one."""
        head = f"One statement of {megabytes} MB"
        _say(head, ("statement", "runs", "seconds", "processor", "peak memory"))
        for form, pieces in _FORMS.items():
            for transaction in (True, False):
                project = self._project()
                entry = {"version": 1, "file": "one.sql", "kind": "sql", "transaction": transaction}
                project.write({"one.sql": pieces(megabytes * 1_000_000)}, [entry])
                where = "in a transaction" if transaction else "outside of one"
                _row(form, where, *_cost(project.run("apply")))

    def migrations(self, counts: Sequence[int]) -> None:
        """Plan and apply many small migrations, of which every fifth has a rollback; then find nothing to do."""
        _say("Many small migrations", ("migrations", "command", "seconds", "processor", "of it each", "peak memory"))
        for count in counts:
            project = self._project()
            files = {f"{version:06}.sql": iter([_small(version)]) for version in range(1, count + 1)}
            back = {f"{version:06}.back.sql": iter(["select 1;\n"]) for version in range(5, count + 1, 5)}
            project.write(files | back, [_entry(version) for version in range(1, count + 1)])
            for command in ("plan", "apply", "apply", "status"):
                cost = project.run(command)
                each = f"{cost.cpu_seconds / count * 1e6:,.0f} µs"
                seconds, processor, memory = _cost(cost)
                _row(f"{count:,}", command, seconds, processor, each, memory)

    def facts(self, count: int) -> None:
        """Read a long history that no longer matters: of one migration, and of a thousand."""
        _say(f"{count:,} facts", ("of migrations", "command", "seconds", "processor", "peak memory"))
        for migrations in (1, 1_000):
            project = self._project()
            names = [f"m_{version:06}.sql" for version in range(1, migrations + 1)]
            entries = [{"version": version, "file": name} for version, name in enumerate(names, 1)]
            project.write({name: iter(["select 1;\n"]) for name in names}, entries)
            self._append(count, migrations)
            for command in ("status", "plan", "history", "apply", "apply"):
                _row(f"{migrations:,}", command, *_cost(project.run(command)))

    def _append(self, facts: int, migrations: int) -> None:
        with psycopg.connect(self._server.url(f"scale_{self._made}"), autocommit=True) as connection:
            store = Store(connection, "zmig")
            store.create(store.inspect())
            connection.execute(_FACTS, {"facts": facts, "migrations": migrations})
            connection.execute("vacuum analyze zmig.migration_events")


def _literal(size: int) -> Iterator[str]:
    yield "create table one (x text);\ninsert into one values ('"
    yield from ("x" * 1000 for _ in range(size // 1000))
    yield "');\n"


def _wide(size: int) -> Iterator[str]:
    yield "create table one (x text);\ninsert into one values ('"
    yield from ("x" * 996 + "\N{GRINNING FACE}" for _ in range(size // 1000))
    yield "');\n"


def _rows(size: int) -> Iterator[str]:
    yield "create table one (n int, x text);\ninsert into one values\n"
    written = 0
    while written < size:
        row = f"({written}, 'some text of row {written}'),\n"
        written += len(row)
        yield row
    yield "(0, 'the last');\n"


_FORMS: Mapping[str, Callable[[int], Iterator[str]]] = {
    "one string": _literal,
    "one string with emoji": _wide,
    "many rows": _rows,
}


def _small(version: int) -> str:
    return f"comment on schema public is 'as migration {version} leaves it';\n"


def _entry(version: int) -> dict[str, object]:
    back = {"rollback": f"{version:06}.back.sql"} if version % 5 == 0 else {}
    return {"version": version, "file": f"{version:06}.sql", "kind": "sql", **back}


def _cost(sample: Sample) -> tuple[str, str, str]:
    return f"{sample.seconds:.2f}", f"{sample.cpu_seconds:.2f}", f"{sample.peak_bytes / 1e6:.0f} MB"


def _say(title: str, heads: Sequence[str]) -> None:
    sys.stdout.write(f"\n## {title}\n\n| {' | '.join(heads)} |\n| {' | '.join('---' for _ in heads)} |\n")


def _row(*cells: str) -> None:
    sys.stdout.write(f"| {' | '.join(cells)} |\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description="Measure how zmig grows.")
    parser.add_argument("--megabytes", type=int, default=100, help="of the large statement (default: 100)")
    parser.add_argument("--migrations", default="5000,10000,20000,50000", help="how many, with commas between them")
    parser.add_argument("--facts", type=int, default=1_000_000, help="how many (default: a million)")
    return parser.parse_args()


def main() -> None:
    """Measure, and print."""
    arguments = _arguments()
    with new_folder() as folder, Server(folder / "server") as server:
        scale = Scale(server, folder)
        scale.statements(arguments.megabytes)
        scale.migrations([int(count) for count in arguments.migrations.split(",")])
        scale.facts(arguments.facts)


if __name__ == "__main__":
    sys.exit(main())
