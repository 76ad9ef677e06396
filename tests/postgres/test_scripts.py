"""Scripts as other tools write them: rows behind COPY, and the whole output of a pg_dump, run as they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zmig import Migrator

if TYPE_CHECKING:
    import psycopg

    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder

DUMP = Path(__file__).with_name("files") / "dump_of_15.sql"
"""What pg_dump 15.18 wrote, with the `\\restrict` lines it has had since 2025."""


def test_the_output_of_pg_dump_runs_as_it_is_and_the_next_migration_finds_the_session_clean(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
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
