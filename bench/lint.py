"""How long `zmig lint` takes: 1,000 migrations, and one data file of 50 MB. Run it with `python bench/lint.py`.

Every figure is the time of a whole process, the interpreter's start included.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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


def seconds(manifest: Path) -> float:
    """Return how long one process takes."""
    begin = time.perf_counter()
    command = [sys.executable, "-m", "zmig", "lint", str(manifest), "--quiet"]
    ended = subprocess.run(command, capture_output=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, b""), ended.stdout.decode() + ended.stderr.decode()
    return time.perf_counter() - begin


def measure(what: str, manifest: Path) -> None:
    """Print the time of the first run and the median of the next ones."""
    first = seconds(manifest)
    others = [seconds(manifest) for _ in range(RUNS)]
    told = f"{what}: first {first:.2f} s, then {statistics.median(others):.2f} s (best {min(others):.2f} s)"
    sys.stdout.write(f"{told}\n")


def main() -> None:
    """Write both projects and measure them."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        measure(f"{MIGRATIONS:,} migrations with rollbacks", write_migrations(Path(one)))
        measure(f"one data file of {DATA_MEGABYTES} MB", write_rows(Path(other)))


if __name__ == "__main__":
    main()
