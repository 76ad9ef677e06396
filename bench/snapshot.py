"""How long a schema is read, object by object, beside `pg_dump --schema-only` of the same.

    python -m bench.snapshot               # 150 and 20,000 objects
    python -m bench.snapshot --rounds 9

Both do it in turn, in one run on one server: zmig in this process, with a new connection and the fingerprint; pg_dump
as a process of its own, whose output nobody reads. Prints Markdown.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psycopg

from bench.server import Server, new_folder
from zmig.catalog.scope import Scope
from zmig.database import schema_reader
from zmig.embedded import find_binaries

if TYPE_CHECKING:
    from collections.abc import Callable

TABLES = (6, 800)
"""Each makes 25 objects: 150, and 20,000."""

_TABLE = """
create table app.things_{n} (
    id bigint generated always as identity primary key, owner_id bigint not null, name text not null default 'none',
    state varchar(20) not null default 'new', note text, total numeric(12, 2), data jsonb not null default '{{}}',
    created_at timestamptz not null default now(), updated_at timestamptz,
    constraint things_{n}_total check (total >= 0 or state in ('new', 'open'))
);
create index things_{n}_owner on app.things_{n} (owner_id, created_at desc);
create index things_{n}_name on app.things_{n} (lower(name)) where state <> 'old';
create view app.open_things_{n} as select id, name, total from app.things_{n} where state = 'open';
create function app.touch_{n}() returns trigger language plpgsql
    as $$ begin new.updated_at := now(); return new; end $$;
create trigger touch before update on app.things_{n} for each row execute function app.touch_{n}();
"""


def make(url: str, tables: int) -> None:
    """Make tables with what belongs to them, 25 objects each, in the schema `app`."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create schema app")
        for first in range(0, tables, 50):  # a transaction can lock only so many objects
            numbers = range(first, min(first + 50, tables))
            connection.execute("".join(_TABLE.format(n=n) for n in numbers).encode())
        connection.execute("vacuum analyze")


def read(url: str) -> int:
    """Read the schema over a new connection, with its fingerprint; return of how many objects it is."""
    with psycopg.connect(url) as connection:
        snapshot = schema_reader.read(connection, Scope("zmig"))
    assert snapshot.fingerprint
    return len(snapshot.objects)


def _dump(url: str) -> None:
    program = find_binaries().binaries.path("pg_dump")
    subprocess.run([str(program), "--schema-only", "--dbname", url], check=True, stdout=subprocess.DEVNULL)


def _seconds(do: Callable[[str], object], url: str) -> float:
    begin = time.perf_counter()
    do(url)
    return time.perf_counter() - begin


def measure(server: Server, tables: int, rounds: int) -> None:
    """Measure one size, and print a row."""
    url = server.new_database(f"snapshot_{tables}")
    make(url, tables)
    objects = read(url)
    _dump(url)
    pairs = [(_seconds(read, url), _seconds(_dump, url)) for _ in range(rounds)]
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(one / other for one, other in pairs)
    sys.stdout.write(f"| {objects:,} | {ours:.2f} s | {theirs:.2f} s | {ratio:.2f} |\n")
    sys.stdout.flush()


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.snapshot", description="Measure how a schema is read.")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is done (default: 5)")
    rounds = parser.parse_args().rounds
    with new_folder() as folder, Server(folder / "server") as server:
        sys.stdout.write("| objects | zmig | pg_dump | zmig for each second of pg_dump |\n| --- | --- | --- | --- |\n")
        for tables in TABLES:
            measure(server, tables, rounds)


if __name__ == "__main__":
    sys.exit(main())
