"""A squash on real databases: new ones run it, old ones have it already, those in between are refused."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from zmig import Migrator
from zmig.errors import MigrationFailed, PlanRefused, UsageError
from zmig.planning.state import State

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder

TABLES = ("create table a (x int);", "create table b (x int);", "create table c (x int);")


def before(project: ProjectFolder) -> None:
    for number, sql in enumerate(TABLES, start=1):
        project.sql(f"{number:03}_m", sql, rollback=f"drop table {'abc'[number - 1]};")


def squash(project: ProjectFolder, text: str = "\n".join(TABLES)) -> None:
    """Put a squash in the place of the first three, whose entries and files go."""
    for number in (1, 2, 3):
        project.forget(number)
        (project.folder / f"{number:03}_m.sql").unlink(missing_ok=True)
        (project.folder / f"{number:03}_m.rollback.sql").unlink(missing_ok=True)
    project.sql("003_squashed", text, replaces="1..3")


def tables(connection: psycopg.Connection) -> list[str]:
    rows = connection.execute(
        "select relname::text from pg_class where relnamespace = 'public'::regnamespace order by 1"
    )
    return [str(name) for (name,) in rows]


def test_a_new_database_runs_it(project: ProjectFolder, connection: psycopg.Connection, facts: Facts) -> None:
    before(project)
    squash(project)
    migrator = Migrator(project.manifest)
    assert migrator.migrate().completed == ("003_squashed",)
    assert tables(connection) == ["a", "b", "c"]
    assert migrator.migrate().run_id is None
    assert migrator.current_version() == 3
    told = [fact for fact in migrator.history() if fact.type.label != "observed"]
    assert {fact.data.get("replaces") for fact in told} == {"1..3"}
    with pytest.raises(PlanRefused, match="has no rollback"):
        migrator.rollback()


def test_an_old_database_has_it(project: ProjectFolder, connection: psycopg.Connection, facts: Facts) -> None:
    before(project)
    migrator = Migrator(project.manifest)
    migrator.migrate()
    kept = connection.execute("select * from zmig.schema_migrations order by version").fetchall()
    squash(project)
    assert migrator.migrate().run_id is None
    status = migrator.status()
    assert [(one.name, one.state) for one in status.migrations] == [("003_squashed", State.DONE)]
    assert (status.current_version, status.pending, status.failed) == (3, [], [])
    assert connection.execute("select * from zmig.schema_migrations order by version").fetchall() == kept
    project.sql("004_more", "create table d (x int);", rollback="drop table d;")
    assert migrator.migrate().completed == ("004_more",)
    assert (
        connection.execute("select * from zmig.schema_migrations where version < 4 order by version").fetchall() == kept
    )
    assert migrator.migrate().run_id is None
    assert migrator.rollback(to=3).completed == ("004_more",)
    for to in (None, 2, 0):
        with pytest.raises((PlanRefused, UsageError), match=r"replaces 1\.\.3"):
            migrator.rollback(to=to)
    assert [fact.name for fact in migrator.history(["003_squashed"]) if fact.type.label == "done"] == [
        "001_m",
        "002_m",
        "003_m",
    ]


NOTHING_TO_DO = """
import sys, zmig
assert zmig.Migrator(sys.argv[1]).migrate().run_id is None
print("psycopg" in sys.modules)
"""


@pytest.mark.parametrize("beside", [True, False])
def test_that_nothing_is_left_to_do_is_known_as_quickly_as_ever(project: ProjectFolder, beside: bool) -> None:
    before(project)
    Migrator(project.manifest).migrate()
    if beside:
        document = json.loads(project.manifest.read_text(encoding="utf-8"))
        (project.folder / "003_squashed.sql").write_text("\n".join(TABLES), encoding="utf-8")
        document["migrations"].append({"version": 3, "file": "003_squashed.sql", "replaces": "1..3"})
        project.manifest.write_text(json.dumps(document), encoding="utf-8")
    else:
        squash(project)
    command = [sys.executable, "-c", NOTHING_TO_DO, str(project.manifest)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"


def test_the_rows_of_the_simple_table_are_put_right_again(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    before(project)
    migrator = Migrator(project.manifest)
    migrator.migrate()
    kept = connection.execute("select * from zmig.schema_migrations order by version").fetchall()
    squash(project)
    connection.execute("delete from zmig.schema_migrations")
    project.sql("004_more", "create table d (x int);")
    migrator.migrate()
    assert (
        connection.execute("select * from zmig.schema_migrations where version < 4 order by version").fetchall() == kept
    )


def test_one_in_between_is_refused_and_goes_on_with_the_old_files(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    before(project)
    migrator = Migrator(project.manifest)
    migrator.migrate(to=2)
    old = project.manifest.read_text(encoding="utf-8")
    files = {path: path.read_text(encoding="utf-8") for path in project.folder.glob("00?_m*")}
    squash(project)
    for run in (migrator.migrate, migrator.plan(to=3).check, lambda: migrator.baseline(to=3, reason="x")):
        with pytest.raises((PlanRefused, UsageError), match="version 3 is not applied"):
            run()
    assert tables(connection) == ["a", "b"]
    new = project.manifest.read_text(encoding="utf-8")
    project.manifest.write_text(old, encoding="utf-8")
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    assert migrator.migrate(to=3).completed == ("003_m",)
    project.manifest.write_text(new, encoding="utf-8")
    assert migrator.migrate().run_id is None


def test_an_operator_says_that_the_rest_was_done_by_hand(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    before(project)
    migrator = Migrator(project.manifest)
    migrator.migrate(to=2)
    squash(project)
    connection.execute("create table c (x int)")
    assert migrator.resolve("003_squashed", "done", reason="made by hand") == "003_squashed"
    assert migrator.migrate().run_id is None
    assert [(one.name, one.state) for one in migrator.status().migrations] == [("003_squashed", State.DONE)]


def test_what_counts_by_its_parts_is_not_resolved(project: ProjectFolder) -> None:
    before(project)
    migrator = Migrator(project.manifest)
    migrator.migrate()
    squash(project)
    for verdict in ("done", "pending", "failed"):
        with pytest.raises(UsageError, match="counts as applied because"):
            migrator.resolve("003_squashed", verdict, reason="x")
    with pytest.raises(UsageError, match="has not changed"):
        migrator.accept("003_squashed", reason="x")


def test_a_baseline_is_one_of_all_that_it_replaces(project: ProjectFolder) -> None:
    before(project)
    squash(project)
    migrator = Migrator(project.manifest)
    assert migrator.baseline(to=3, reason="restored") == ["003_squashed"]
    assert migrator.migrate().run_id is None
    project.sql("005_squashed", "select 1;", replaces="1..5")
    project.forget(3)
    with pytest.raises(PlanRefused, match="version 4 is not applied"):
        migrator.migrate()


def test_one_that_fails_is_retried(project: ProjectFolder, connection: psycopg.Connection) -> None:
    before(project)
    squash(project, "create table a (x int); select 1 / 0;")
    migrator = Migrator(project.manifest)
    with pytest.raises(MigrationFailed):
        migrator.migrate()
    assert tables(connection) == []
    squash(project)
    assert migrator.retry().completed == ("003_squashed",)


@pytest.mark.parametrize("atomic", [True, False])
def test_what_comes_after_it_runs_beside_it(
    project: ProjectFolder, connection: psycopg.Connection, atomic: bool
) -> None:
    before(project)
    squash(project)
    project.sql("004_more", "alter table a add y int;")
    assert Migrator(project.manifest).migrate(atomic=atomic).completed == ("003_squashed", "004_more")


def test_an_old_checkout_and_a_new_one_on_one_database(project: ProjectFolder, tmp_path: Path, facts: Facts) -> None:
    """Both at once: one of them applies everything, whichever comes first, and the other is right about that."""
    from tests.support.project import ProjectFolder as Folder

    old = Folder(tmp_path / "old", project.url)
    for one in (old, project):
        before(one)
    squash(project)
    ended: dict[str, str] = {}

    def run(name: str, folder: ProjectFolder) -> None:
        try:
            ended[name] = ", ".join(Migrator(folder.manifest).migrate().completed)
        except PlanRefused as error:
            ended[name] = error.code

    threads = [threading.Thread(target=run, args=pair) for pair in (("old", old), ("new", project))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ended in (
        {"old": "001_m, 002_m, 003_m", "new": ""},
        {"old": "squashed", "new": "003_squashed"},
    )
