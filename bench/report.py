"""Writes docs/performance.md and its plots from what was measured."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from bench.rounds import Row, Table

_LEAD = """# Performance

Written by `python -m bench`. Seconds are medians of whole processes, start-up included, on a server with its default
settings (every commit is flushed); the range is beside them. The tools take turns on the same server, so the
ratios mean more than the seconds. What takes more than a minute is done once.

In W1 and W1e zmig flushes WAL less often than there are migrations: files that only define something, and come one
after the other, [share flushes](reliability.md#one-flush-for-several). So the ratio to psql depends on what a flush
takes: where these figures were taken 0.1 to 0.3 ms. CPU is the client's alone.
"""


def write(tables: list[Table], folder: Path, *, surroundings: str) -> None:
    """Write the report and one plot per workload."""
    parts = [_LEAD, surroundings]
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    for table in tables:
        _plot(table, images / f"bench-{table.code.lower()}.svg")
        parts.append(_section(table))
    (folder / "performance.md").write_text("\n".join(parts), encoding="utf-8")


def surroundings(server: str, rounds: int, versions: dict[str, str]) -> str:
    """Say on what, with what and how often it was measured."""
    tools = "; ".join(f"{name}: {version}" for name, version in versions.items())
    busy = os.getloadavg()[1]
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, PostgreSQL {server}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores (on average {busy:.1f} processes ran or waited to run, the benchmark's own included), "
        f"{rounds} rounds.\n\nVersions: {tools}.\n"
    )


def _section(table: Table) -> str:
    if table.code == "P":
        return _curve(table)
    ours = table.row("zmig").seconds
    has = {name: any(getattr(row, name) is not None for row in table.rows) for name in _EXTRAS}
    heads = [
        "tool",
        "seconds",
        "range",
        "zmig / tool",
        "CPU",
        "peak memory",
        *(title for n, title in _EXTRAS.items() if has[n]),
    ]
    lines = [f"## {table.code}: {table.title}", "", f"![{table.title}](images/bench-{table.code.lower()}.svg)", ""]
    lines += [f"| {' | '.join(heads)} |", f"| {' | '.join('---' for _ in heads)} |"]
    for row in table.rows:
        if row.failure is not None:
            lines.append(f"| {row.tool} | failed: {row.failure} {'| ' * (len(heads) - 2)}|")
            continue
        low, high = row.spread
        cells = [
            row.tool,
            f"{row.seconds:.3f}",
            f"{low:.3f} to {high:.3f}",
            f"{ours / row.seconds:.2f}",
            f"{row.cpu_seconds:.3f}",
            f"{row.peak_bytes / 1e6:.0f} MB",
            *(_extra(row, name) for name in _EXTRAS if has[name]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join((*lines, ""))


def _curve(table: Table) -> str:
    lines = [f"## {table.title}", "", f"![{table.title}](images/bench-{table.code.lower()}.svg)", ""]
    lines += [
        "| migrations | seconds | range | microseconds for each | peak memory |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in table.rows:
        low, high = row.spread
        each = row.seconds / int(row.tool.replace(",", "")) * 1e6
        peak = f"{row.peak_bytes / 1e6:.0f} MB"
        lines.append(f"| {row.tool} | {row.seconds:.2f} | {low:.2f} to {high:.2f} | {each:.0f} | {peak} |")
    return "\n".join((*lines, ""))


_EXTRAS = {"wal_syncs": "WAL syncs", "round_trips": "round trips", "server_bytes": "server memory"}


def _extra(row: Row, name: str) -> str:
    value: int | None = getattr(row, name)
    if value is None:
        return ""
    return f"{value / 1e6:.0f} MB" if name == "server_bytes" else f"{value:,}"


def _plot(table: Table, path: Path) -> None:
    from matplotlib.figure import Figure

    if table.code == "P":
        _plot_curve(table, path)
        return
    rows = sorted((row for row in table.rows if row.samples), key=lambda row: row.seconds, reverse=True)
    figure = Figure(figsize=(7, 0.5 + 0.4 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    colours = ["#2f6fde" if row.tool == "zmig" else "#b8bec9" for row in rows]
    bars = axes.barh([row.tool for row in rows], [row.seconds for row in rows], color=colours)
    axes.bar_label(bars, [f"{row.seconds:.3f} s" for row in rows], padding=4)
    axes.margins(x=0.15)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("seconds, median")
    figure.savefig(path, metadata={"Date": None})


def _plot_curve(table: Table, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.add_subplot()
    counts = [int(row.tool.replace(",", "")) for row in table.rows]
    axes.loglog(counts, [row.seconds for row in table.rows], marker="o", color="#2f6fde", label="measured")
    last = table.rows[-1].seconds
    axes.loglog(counts, [last * count / counts[-1] for count in counts], color="#b8bec9", label="proportional")
    axes.set_xlabel("migrations")
    axes.set_ylabel("seconds, median")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})
