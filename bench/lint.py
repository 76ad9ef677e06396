"""How long `zmig lint` takes beside squawk alone: `python -m bench.lint [MANIFEST...]`.

Without a manifest it measures 1,000 migrations that it writes, and one data file of 50 MB. Every figure is of a whole
process, the interpreter's start included: processor time of it and of those that it starts, and time on the clock.
The processes take turns, so that all of them meet the same machine; what counts is their ratio.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from typing import NamedTuple

from zmig.lint.entries import Files, gather
from zmig.lint.git import root_of
from zmig.lint.squawk import program as squawk

MIGRATIONS = 1000
RUNS = 5
DATA_MEGABYTES = 50

TABLE = """\
-- description: Things of kind {number}
create table things_{number} (
    id bigint generated always as identity primary key,
    name text not null check (name <> ''),
    attributes jsonb not null default '{{}}',
    created_at timestamptz not null default now()
);
create index things_{number}_name_idx on things_{number} (name);
comment on table things_{number} is 'Things; of kind {number}';

create function things_{number}_touch() returns trigger
    language plpgsql
    as $$
begin
    new.created_at = now(); -- a body of its own
    return new;
end;
$$;
"""
ROLLBACK = "drop table things_{number};\ndrop function things_{number}_touch;\n"
CHANGE = """\
-- description: Another column for things of kind {number}
alter table things_{before} add column note text;
alter table things_{before} add constraint things_{before}_note check (note <> '') not valid;
"""
CHANGE_ROLLBACK = "alter table things_{before} drop constraint things_{before}_note, drop column note;\n"


def write_migrations(folder: Path) -> Path:
    """Write a manifest with its files: tables and changes of them in turn, each with a rollback."""
    entries: list[str] = ["manifest: 1", 'lint: {severity: {rollback/loses-new-data: "off"}}', "migrations:"]
    for number in range(1, MIGRATIONS + 1):
        forward, back = (TABLE, ROLLBACK) if number % 2 else (CHANGE, CHANGE_ROLLBACK)
        name = f"{number:04}_things"
        (folder / f"{name}.sql").write_text(forward.format(number=number, before=number - 1), encoding="utf-8")
        (folder / f"{name}.rollback.sql").write_text(back.format(number=number, before=number - 1), encoding="utf-8")
        entries += [f"  - version: {number}", f"    file: {name}.sql", f"    rollback: {name}.rollback.sql"]
    return write_manifest(folder, entries)


def write_rows(folder: Path) -> Path:
    """Write a manifest whose only migration is a file of INSERT statements."""
    row = "insert into things (name, note) values ('a thing; of some kind', 'it''s here');\n"
    count = DATA_MEGABYTES * 1_000_000 // len(row)
    (folder / "0001_rows.sql").write_text("-- description: rows\n" + row * count, encoding="utf-8")
    return write_manifest(folder, ["manifest: 1", "migrations:", "  - version: 1", "    file: 0001_rows.sql"])


def write_manifest(folder: Path, lines: list[str]) -> Path:
    """Write the lines of a manifest."""
    manifest = folder / "manifest.yaml"
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return manifest


class Taken(NamedTuple):
    """What a process took, in seconds."""

    processor: float
    clock: float


def taken(command: list[str], folder: Path, home: str) -> Taken:
    """Return what one process takes, whatever it finds; `home` is where zmig has its key."""
    before, begin = getrusage(RUSAGE_CHILDREN), time.perf_counter()
    environ = {**os.environ, "XDG_CACHE_HOME": home}
    subprocess.run(command, cwd=folder, env=environ, capture_output=True, check=False)
    clock, after = time.perf_counter() - begin, getrusage(RUSAGE_CHILDREN)
    return Taken(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, clock)


def commands(manifest: Path) -> dict[str, list[str]]:
    """Return what is measured of a manifest, by what it is called."""
    entries = gather(manifest, environ=os.environ, files=Files()).entries
    files = [entry.sql.path for entry in entries if entry.sql is not None]
    lint = [sys.executable, "-m", "zmig", "lint", str(manifest)]
    program = squawk.find()
    assert program is not None, "squawk is part of the extra `lint`"
    measured = {
        f"squawk alone, {len(files):,} files": [program, "--reporter", "json", *files],
        "zmig lint, the first time": lint,
        "zmig lint, again": lint,
    }
    if root_of(manifest.parent) is not None:
        base = [*lint, "--base", "HEAD"]
        measured |= {
            "with --base HEAD and nothing new": base,
            "with --base HEAD, again": base,
            "git diff HEAD": ["git", "diff", "HEAD"],
        }
    return measured


def measure(what: str, manifest: Path) -> None:
    """Print what each process takes, as medians, and how many times as much that is as squawk alone."""
    sys.stdout.write(f"{what}\n")
    compared = commands(manifest)
    figures: dict[str, list[Taken]] = {name: [] for name in compared}
    # What is kept was signed with a key of its own, so that with a new one all is looked for again.
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory() as home:
            for name, command in compared.items():
                figures[name].append(taken(command, Path.cwd(), home))
    alone: Taken | None = None
    for name, some in figures.items():
        own = Taken(*(statistics.median(part) for part in zip(*some, strict=True)))
        alone = alone or own
        ratios = f"{own.processor / alone.processor:6.2f} x, {own.clock / alone.clock:6.2f} x squawk"
        sys.stdout.write(f"  {name:<36} {own.processor:6.2f} s of processor, {own.clock:6.2f} s, {ratios}\n")


def commit(folder: Path) -> None:
    """Make a folder a repository with all that is in it."""
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.org", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["add", "."], [*identity, "commit", "-q", "-m", "all"]):
        subprocess.run(["git", *words], cwd=folder, check=True)


def main() -> None:
    """Measure the manifests that are named, or two projects that are written."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("manifests", nargs="*", type=Path, metavar="MANIFEST")
    manifests: list[Path] = parser.parse_args().manifests
    for manifest in manifests:
        measure(str(manifest), manifest)
    if not manifests:
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
            written = write_migrations(Path(one)), write_rows(Path(other))
            commit(Path(one))
            measure(f"{MIGRATIONS:,} migrations with rollbacks", written[0])
            measure(f"one data file of {DATA_MEGABYTES} MB", written[1])


if __name__ == "__main__":
    main()
