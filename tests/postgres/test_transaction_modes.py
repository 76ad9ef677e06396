"""Scripts that say how their transaction is to be: an isolation level first of all, or one that only reads."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.support.project import ProjectFolder
from zmig import MigrationFailed, Migrator

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

    from tests.support.facts import Facts


@pytest.fixture
def project(tmp_path: Path, database: str) -> ProjectFolder:
    """A project without migrations yet."""
    return ProjectFolder(tmp_path, database)


@pytest.mark.parametrize("level", ["serializable", "repeatable read", "read committed", "READ  UNCOMMITTED"])
def test_the_first_statement_may_set_the_isolation_level(
    project: ProjectFolder, connection: psycopg.Connection, level: str
) -> None:
    project.sql("001_before", "create table a ();")
    project.sql(
        "002_level",
        f"set transaction isolation level {level};\n"
        "create table found as select current_setting('transaction_isolation') as level;",
    )
    project.sql("003_behind", "create table behind as select current_setting('transaction_isolation') as level;")
    assert len(Migrator(project.manifest).migrate().completed) == 3
    assert connection.execute("table found").fetchone() == (" ".join(level.lower().split()),)
    assert connection.execute("table behind").fetchone() == ("read committed",)


def test_outside_a_transaction_the_level_is_nobodys(project: ProjectFolder, connection: psycopg.Connection) -> None:
    project.sql(
        "001_level",
        "set transaction isolation level serializable;\n"
        "create table found as select current_setting('transaction_isolation') as level;",
        transaction=False,
    )
    Migrator(project.manifest).migrate()
    assert connection.execute("table found").fetchone() == ("read committed",)


def test_a_transaction_of_the_script_may_only_read(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    project.sql(
        "001_reads",
        "begin read only;\nselect 1;\ncommit;\nbegin;\ncreate table a ();\ncommit;\n"
        "begin;\nset transaction read only;\nselect 2;\nend;\ncreate table b ();",
        transaction=False,
    )
    assert list(Migrator(project.manifest).migrate().completed) == ["001_reads"]
    assert connection.execute("select to_regclass('a')::text, to_regclass('b')::text").fetchone() == ("a", "b")
    assert facts.told[-1] == ("001_reads", "done")


def test_a_failure_behind_a_transaction_that_only_reads_continues_behind_it(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    text = "begin read only;\nselect 1;\ncommit;\ncreate table a ();\nselect 1 / (select count(*) from go);"
    project.sql("001_reads", text, transaction=False)
    connection.execute("create table go ()")
    with pytest.raises(MigrationFailed):
        Migrator(project.manifest).migrate()
    connection.execute("insert into go default values")
    assert list(Migrator(project.manifest).migrate().completed) == ["001_reads"]


WRITES_THEN_READS = [
    "begin;\ninsert into e values (1);\nset transaction read only;\ncommit;\nselect 1;",
    "begin;\nset transaction read write;\ninsert into e values (1);\nset local transaction_read_only = on;\n"
    "select 1;\nend;\nselect 1;",
    "begin;\nselect 1;\ncommit and chain;\ninsert into e values (1);\nset transaction read only;\ncommit and chain;\n"
    "commit;",
    "begin;\nselect /* read only */ write();\ncommit;",
]


@pytest.mark.parametrize(("text", "line"), list(zip(WRITES_THEN_READS, (3, 4, 5, 2), strict=True)))
def test_a_transaction_of_the_script_that_only_reads_behind_its_writes_is_rolled_back(
    project: ProjectFolder, connection: psycopg.Connection, text: str, line: int
) -> None:
    connection.execute(
        "create table e (n int); create function write() returns void language plpgsql as $$ begin "
        "insert into e values (1); set transaction read only; end $$"
    )
    project.sql("001_reads", text, transaction=False)
    with pytest.raises(MigrationFailed) as caught:
        Migrator(project.manifest).migrate()
    (problem,) = caught.value.problems
    assert problem.code == "read-only-behind-writes"
    assert problem.location is not None
    assert problem.location.line == line
    assert connection.execute("select count(*) from e").fetchone() == (0,)
    corrected = re.sub("set transaction read only|set local .*on", "commit; begin read only", text)
    corrected = corrected.replace("select /* read only */ write()", "insert into e values (1)")
    project.sql("001_reads", corrected, transaction=False)
    assert list(Migrator(project.manifest).migrate().completed) == ["001_reads"]
    assert connection.execute("select count(*) from e").fetchone() == (1,)


@pytest.mark.parametrize(
    "text",
    [
        "begin;\ninsert into e values (1);\nsavepoint a;\nset transaction read only;\nrollback to a;\ncommit;",
        "insert into e values (1);\nbegin;\ninsert into e values (2);\nset transaction read only;\nrollback;",
        "create temp table t (n int);\nbegin read only;\ninsert into t values (1);\ncommit;\ninsert into e values (1);",
        "insert into e values (1);\nbegin;\ninsert into e values (2);\nset transaction read only;\n"
        "rollback and chain;\nselect 1;\ncommit;",
    ],
)
def test_a_transaction_that_leaves_nothing_behind_or_may_write_again_at_its_end_is_none_of_these(
    project: ProjectFolder, connection: psycopg.Connection, text: str
) -> None:
    connection.execute("create table e (n int)")
    project.sql("001_reads", text, transaction=False)
    assert list(Migrator(project.manifest).migrate().completed) == ["001_reads"]
    assert connection.execute("table e").fetchall() == [(1,)]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("set transaction read only;\nselect 1;", 1),
        ("select 1;\nset local transaction_read_only = on; -- read only", 2),
    ],
)
def test_a_transaction_of_zmigs_that_may_only_read_is_the_files_own_doing(
    project: ProjectFolder, text: str, line: int
) -> None:
    project.sql("001_reads", text)
    with pytest.raises(MigrationFailed) as caught:
        Migrator(project.manifest).migrate()
    (problem,) = caught.value.problems
    assert problem.message == (
        "migration `001_reads` failed: it lets its transaction only read, in which its end is to be recorded: "
        "cannot execute SELECT in a read-only transaction"
    )
    assert problem.location is not None
    assert problem.location.line == line
    assert problem.hint == (
        f"leave out what lets the transaction only read, then run `zmig retry {project.manifest} 001_reads`"
    )


def test_a_write_behind_it_is_the_files_own_doing_too(project: ProjectFolder, connection: psycopg.Connection) -> None:
    project.sql("001_reads", "set transaction read only;\ncreate table a ();")
    project.python("002_code", "def execute(ctx):\n    ctx.execute('set transaction read only')\n")
    for version in (1, 2):
        with pytest.raises(MigrationFailed) as caught:
            Migrator(project.manifest).migrate()
        (problem,) = caught.value.problems
        assert (problem.hint or "").startswith("leave out what lets the transaction only read, then run ")
        assert ("it lets its transaction only read" in problem.message) == (version == 2)
        project.sql("001_reads", "create table a ();")
    assert connection.execute("select to_regclass('a') is not null").fetchone() == (True,)
