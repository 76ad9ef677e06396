"""Migrations that are meant to do nothing: `empty: true`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zmig import ManifestError, Migrator

if TYPE_CHECKING:
    import psycopg

    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder


def test_one_is_recorded_as_applied_between_others(project: ProjectFolder, facts: Facts) -> None:
    project.sql("001_a", "create table a (x int);", rollback="drop table a;")
    project.sql("002_b", "-- this is an empty migration\n", empty=True)
    project.sql("003_c", "", empty=True, transaction=False)
    project.sql("004_d", "create index concurrently on a (x);")
    project.sql("005_e", ";;", empty=True)
    assert list(Migrator(project.manifest).migrate().completed) == ["001_a", "002_b", "003_c", "004_d", "005_e"]
    assert facts.applied == [(1, "001_a"), (2, "002_b"), (3, "003_c"), (4, "004_d"), (5, "005_e")]
    assert Migrator(project.manifest).migrate().completed == ()
    status = Migrator(project.manifest).status()
    assert (status.pending, status.failed) == ([], [])


def test_one_is_rolled_back_without_a_rollback_file(project: ProjectFolder, facts: Facts) -> None:
    project.sql("001_a", "create table a (x int);", rollback="drop table a;")
    project.sql("002_b", "-- nothing", empty=True)
    migrator = Migrator(project.manifest)
    migrator.migrate()
    assert list(migrator.rollback(to=0).completed) == ["002_b", "001_a"]
    assert facts.applied == []
    assert list(migrator.migrate().completed) == ["001_a", "002_b"]


def test_one_with_a_rollback_file_runs_that(project: ProjectFolder, facts: Facts) -> None:
    project.sql("001_a", "create table a (x int);")
    project.sql("002_b", "-- nothing", rollback="drop table a;", empty=True)
    migrator = Migrator(project.manifest)
    migrator.migrate()
    migrator.rollback()
    assert facts.applied == [(1, "001_a")]


def test_all_of_a_run_may_be_empty(project: ProjectFolder, facts: Facts) -> None:
    project.sql("001_a", "-- nothing", empty=True)
    project.repeatable("009_z", "", empty=True)
    assert list(Migrator(project.manifest).migrate(atomic=True).completed) == ["001_a", "009_z"]
    project.repeatable("009_z", "-- another comment", empty=True)
    assert list(Migrator(project.manifest).migrate().completed) == ["009_z"]


@pytest.mark.parametrize("text", ["create table a (x int);", "-- a\n;\nselect 1"])
def test_a_statement_in_it_is_refused_before_anything_runs(
    project: ProjectFolder, connection: psycopg.Connection, text: str
) -> None:
    project.sql("001_a", "create table b (x int);")
    project.sql("002_b", text, empty=True)
    with pytest.raises(ManifestError) as caught:
        Migrator(project.manifest).migrate()
    assert caught.value.code == "file-not-empty"
    place = caught.value.problems[0].location
    assert place is not None
    assert place.line == text.count("\n") + 1
    assert connection.execute("select to_regclass('b') is null").fetchone() == (True,)
