"""A bare migration loop in psycopg, to be run as a program: the least that a Python tool can cost.

python bench/loop.py URL FOLDER [status]
"""

from __future__ import annotations

import sys
from pathlib import Path

import psycopg


def main(url: str, folder: str, verb: str = "apply") -> None:
    """Run every file that has no row yet, each in a transaction with its row; or print which have one."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create table if not exists book (version bigint primary key, name text)")
        applied = {row[0] for row in connection.execute("select version from book")}
        for file in sorted(Path(folder).glob("*.sql")):
            version = int(file.stem.partition("_")[0])
            if verb == "status":
                sys.stdout.write(f"{'done' if version in applied else 'pending':8} {version:>6}  {file.stem}\n")
            elif version not in applied:
                with connection.transaction():
                    connection.execute(file.read_bytes())
                    connection.execute("insert into book values (%s, %s)", (version, file.stem))


main(*sys.argv[1:])
