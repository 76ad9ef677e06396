"""Prove that a schema which was dumped and restored has no findings, only notes.

    python -m tests.proof.restored --seeds 30

Each seed makes a random schema: some parts, with random changes of them one after the other. pg_dump writes it, another
database gets it, and both are compared, in each of the two as the scratch database. Ends with 1 if there is a finding.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
from typing import TYPE_CHECKING

import psycopg

from tests.proof.mutations import dumped, make_role, private_server
from tests.support import database as databases
from tests.support.schema_parts import Part
from zmig.catalog.difference import differences
from zmig.catalog.scope import Scope
from zmig.database.schema_reader import read
from zmig.verification.reparse import mark_respelled

if TYPE_CHECKING:
    from zmig.catalog.difference import Difference

CHANGES = 60
"""How many changes of a schema are tried; what an earlier one has made impossible is left out."""

_NOT_RESTORED = (
    "wrapper: validator",
    "language: ",
    "index: invalid",
    "primary key: invalid",
    "foreign key: triggers",
    "partition: triggers of its foreign keys",
    "partition: foreign key validated",
)
"""Beginnings of changes that pg_dump does not write, or not all of."""


def make_random(connection: psycopg.Connection, seed: int) -> list[str]:
    """Make a random schema in an empty database; return the names of the changes it has gone through."""
    make_role(connection)
    parts = [Part(number, seed) for number in (1, 2)]
    for part in parts:
        connection.execute(part.make.encode())
        # pg_dump leaves out the functions of a language that are PostgreSQL's own
        connection.execute(f"drop language {part.names['lang']}".encode())
    major = connection.info.server_version // 10000
    changes = [one for part in parts for one in part.mutations if one.since <= major]
    done: list[str] = []
    for change in random.Random(seed).sample(changes, CHANGES):
        if not change.unseen and not change.name.partition(": ")[2].startswith(_NOT_RESTORED):
            with contextlib.suppress(psycopg.Error), connection.transaction():
                connection.execute(change.sql.encode())
                done.append(change.name)
    return done


class NotRestorable(Exception):
    """What pg_dump wrote of a schema is refused: a table may not have the name of a sequence's type, for example."""


def findings_of_restored(connection: psycopg.Connection, other: str) -> list[Difference]:
    """Restore what is in a database into another one, an empty one; return what is found to differ."""
    text = dumped(connection.info.dsn).replace("SET transaction_timeout = 0;", "")  # only newer servers know it
    try:
        with psycopg.connect(other, autocommit=True) as restored:
            restored.execute(text.encode())
    except psycopg.Error as error:
        raise NotRestorable(str(error)) from error
    with psycopg.connect(other, autocommit=True) as restored:
        found = differences(read(connection, Scope("zmig")), read(restored, Scope("zmig")))
        marked = [*mark_respelled(connection, found), *mark_respelled(restored, found)]
    return [one for one in marked if not one.is_note]


def main() -> int:
    """Try every seed; print what differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof.restored", description="Prove dump and restoration.")
    parser.add_argument("--seeds", type=int, default=20, help="how many random schemas (default: 20)")
    parser.add_argument("--major", type=int, default=18, help="of the server (default: 18)")
    arguments = parser.parse_args()
    wrong = refused = 0
    with private_server(arguments.major) as server:
        for seed in range(arguments.seeds):
            with (
                databases.temporary(server, "one") as one,
                databases.temporary(server, "other") as other,
                psycopg.connect(one, autocommit=True) as connection,
            ):
                done = make_random(connection, seed)
                try:
                    found = findings_of_restored(connection, other)
                except NotRestorable as error:
                    refused += 1
                    sys.stdout.write(f"seed {seed} cannot be restored: {error}\n")
                    continue
            if found:
                wrong += 1
                sys.stdout.write(f"seed {seed}, after {'; '.join(done)}:\n")
                for difference in found:
                    sys.stdout.write(f"  {difference.change} {difference.kind} {difference.identity}\n")
                    sys.stdout.write("".join(f"    {line}\n" for line in difference.lines))
            sys.stdout.flush()
    compared = arguments.seeds - refused
    sys.stdout.write(f"PostgreSQL {arguments.major}: {compared} random schemas, {wrong} with findings\n")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
