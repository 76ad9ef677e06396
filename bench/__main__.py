"""The benchmarks' command line; see `bench/__init__.py`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench import contenders, report
from bench.rounds import Bench, Table
from bench.server import Server, new_folder

_HOME = Path(__file__).resolve().parent.parent
_TOOLS = _HOME / ".bench"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure zmig beside other tools.")
    parser.add_argument("--quick", action="store_true", help="small workloads, no peers, print only")
    parser.add_argument("--rounds", type=int, default=5, help="how often each workload is done (default: 5)")
    parser.add_argument("--only", default="", help="comma-separated workloads, such as W1,W5 (default: all)")
    parser.add_argument("--no-peers", action="store_true", help="leave out dbmate, alembic and yoyo")
    return parser.parse_args()


def _measure(bench: Bench, tools: list[contenders.Contender], *, quick: bool, only: set[str]) -> list[Table]:
    many, more, megabytes = (100, 1_000, 5) if quick else (1_000, 10_000, 100)
    measures = {
        "W1": lambda: bench.apply(tools, many),
        "W1h": lambda: bench.apply_history(tools, many),
        "W1t": lambda: bench.apply_tables(tools, many),
        "W1e": lambda: bench.apply_types(tools, many),
        "W2": lambda: bench.again(tools, many, code="W2"),
        "W2c": lambda: bench.again_limited(tools, many, 0.25),
        "W3": lambda: bench.status(tools, many),
        "W4": lambda: bench.again(tools, more, code="W4"),
        "W5": lambda: bench.large_file(tools, megabytes),
        "W5m": lambda: bench.large_file(tools, megabytes, rows_each=1_000),
        "W6": lambda: bench.version(tools),
        "P": lambda: bench.planning(tools[0], (100, 1_000) if quick else (1_000, 10_000, 100_000)),
        "N1": lambda: bench.network(tools, 100, 1.0),
        "N20": lambda: bench.network(tools, 20 if quick else 100, 20.0),
    }
    tables = [measure() for code, measure in measures.items() if not only or code in only]
    return [table for table in tables if table is not None]


def main() -> None:
    """Measure, print, and write the report unless only a part was asked for."""
    arguments = _arguments()
    only = {code for code in arguments.only.split(",") if code}
    tools = contenders.ours()
    if not (arguments.quick or arguments.no_peers):
        tools += contenders.peers(_TOOLS)
    with new_folder() as folder, Server(folder / "server") as server:
        bench = Bench(server, folder, rounds=1 if arguments.quick else arguments.rounds, say=print)
        tables = _measure(bench, tools, quick=arguments.quick, only=only)
        if not (arguments.quick or only):
            surroundings = report.surroundings(server.version(), arguments.rounds, contenders.versions(tools))
            report.write(tables, _HOME / "docs", surroundings=surroundings)


if __name__ == "__main__":
    sys.exit(main())
