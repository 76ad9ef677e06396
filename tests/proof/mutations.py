"""Prove that each single change of a schema is found by a snapshot, and nothing else, with pg_dump as the judge.

    python -m tests.proof.mutations                      # all changes of two parts of a random schema
    python -m tests.proof.mutations --seed 7 --only trigger --major 13

A database gets a random schema, and a clone of it each change. Proved is: the snapshots differ in exactly the objects
that the change is said to change, and pg_dump writes another text exactly when a snapshot is another one, apart from
what pg_dump does not write. Ends with 1 if anything disagrees.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from tests.support import database as databases
from tests.support.schema_parts import ROLE, Part
from zmig.catalog.difference import differences
from zmig.catalog.scope import Scope
from zmig.database import schema_reader
from zmig.embedded import EmbeddedServer, find_binaries

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from tests.support.schema_parts import Mutation
    from zmig.catalog.objects import SchemaSnapshot

_SETTINGS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


class Laboratory:
    """A database with a random schema, of which each change gets a copy."""

    def __init__(self, server: str, name: str, parts: Iterable[Part]) -> None:
        self._server = server
        self._name = name
        url = databases.create(server, name)
        with psycopg.connect(url, autocommit=True) as connection:
            make_role(connection)
            for part in parts:
                connection.execute(part.make.encode())
        self.before = snapshot(url)
        self._url = url

    @cached_property
    def dumped_before(self) -> str:
        """What pg_dump writes of it."""
        return dumped(self._url)

    @contextlib.contextmanager
    def copy(self) -> Generator[str]:
        """Make a copy of the database for a while."""
        name = f"{self._name}_copy"
        databases.drop(self._server, name)
        with psycopg.connect(self._server, autocommit=True) as connection:
            fast = "strategy file_copy" if connection.info.server_version >= 150000 else ""
            connection.execute(f'create database "{name}" template "{self._name}" {fast}'.encode())
        try:
            yield databases.url_of(self._server, name)
        finally:
            databases.drop(self._server, name)

    def close(self) -> None:
        """Drop the database."""
        databases.drop(self._server, self._name)

    def verdict(self, mutation: Mutation, *, judged: bool = True) -> str | None:
        """Return what is wrong with how a change is found; None if nothing is."""
        with self.copy() as url:
            try:
                with psycopg.connect(url) as connection:
                    connection.execute(mutation.sql.encode())
            except psycopg.Error as error:
                return f"cannot be done: {error.diag.message_primary}"
            after = snapshot(url)
            found = {f"{one.kind} {one.identity}" for one in differences(self.before, after)}
            if not _agrees(found, mutation.expected):
                return f"found {_shown(found - mutation.expected)}; not found {_shown(mutation.expected - found)}"
            if judged and not mutation.unseen and dumped(url) == self.dumped_before:
                return "pg_dump sees no difference"
            return None


def make_role(connection: psycopg.Connection) -> None:
    """Make the role that changes name, unless it is there."""
    connection.execute(
        f"do $$ begin create role {ROLE}; exception when duplicate_object or unique_violation then end $$".encode()
    )


def snapshot(url: str) -> SchemaSnapshot:
    """Read everything that is in a database."""
    with psycopg.connect(url) as connection:
        return schema_reader.read(connection, Scope("zmig"))


def dumped(url: str) -> str:
    """Return what pg_dump writes of a schema, without the key that is another one each time."""
    program = find_binaries().binaries.path("pg_dump")
    words = [str(program), "--schema-only", "--dbname", url]
    text = subprocess.run(words, check=True, capture_output=True, encoding="utf-8").stdout
    return re.sub(r"^\\(un)?restrict .*$", "", text, flags=re.MULTILINE)


def _agrees(found: set[str], expected: frozenset[str]) -> bool:
    exact = {one for one in expected if not one.endswith("*")}
    more = found - exact
    if not exact <= found:
        return False
    for pattern in expected - exact:
        fitting = {one for one in more if one.startswith(pattern[:-1])}
        if not fitting:
            return False
        more -= fitting if pattern == "*" else {min(fitting)}
    return not more


def _shown(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"


def binaries_of(major: int) -> Path:
    """Return where `tests/matrix/fetch` puts the binaries of a major version."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / f"zmig/postgresql/{major}/native/bin"


@contextlib.contextmanager
def private_server(major: int) -> Generator[str]:
    """Start a server of a major version for a while; return its URL."""
    folder = Path(tempfile.mkdtemp(prefix="zmig-proof-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    folder.chmod(0o755)
    server = EmbeddedServer(folder / "server", settings=_SETTINGS)
    before = os.environ.get("ZMIG_POSTGRES_BIN")
    try:
        if binaries_of(major).is_dir():
            os.environ["ZMIG_POSTGRES_BIN"] = str(binaries_of(major))
        try:
            url = server.start()
        finally:
            os.environ.pop("ZMIG_POSTGRES_BIN", None)
            if before is not None:
                os.environ["ZMIG_POSTGRES_BIN"] = before
        with psycopg.connect(url) as connection:
            assert connection.info.server_version // 10000 == major, f"run `tests/matrix/fetch {major}`"
        yield url
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.proof.mutations", description="Prove the snapshot.")
    parser.add_argument("--seed", type=int, default=1, help="of the names (default: 1)")
    parser.add_argument("--parts", type=int, default=2, help="how many schemas (default: 2)")
    parser.add_argument("--only", default="", help="changes whose name holds this")
    parser.add_argument("--major", type=int, default=18, help="of the server (default: 18)")
    return parser.parse_args()


def main() -> int:
    """Try every change; print what disagrees."""
    arguments = _arguments()
    parts = [Part(number, arguments.seed) for number in range(1, arguments.parts + 1)]
    tried = wrong = 0
    with private_server(arguments.major) as server:
        laboratory = Laboratory(server, "mutations", parts)
        for mutation in (one for part in parts for one in part.mutations):
            if arguments.only not in mutation.name or mutation.since > arguments.major:
                continue
            tried += 1
            verdict = laboratory.verdict(mutation)
            if verdict is not None:
                wrong += 1
                sys.stdout.write(f"{mutation.name}: {verdict}\n")
                sys.stdout.flush()
    sys.stdout.write(
        f"PostgreSQL {arguments.major}: {tried} changes of {len(laboratory.before.objects)} objects, "
        f"{wrong} of them not as expected\n"
    )
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
