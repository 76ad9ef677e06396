"""One row that nobody expected, in a table from which nothing can be deleted, stands in the way of no command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.support.process import run
from tests.support.project import ProjectFolder
from zmig import Migrator
from zmig.database import fact_reader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.facts import Facts

ROWS = {
    "integer of 5,000 digits": (
        "'failed', ('{\"x\": ' || repeat('9', 5000) || '}')::jsonb, now()",
        "a number has 5,000 characters",
    ),
    "fraction of 5,000 digits": (
        "'done', ('{\"x\": ' || repeat('9', 5000) || '.5}')::jsonb, now()",
        "a number has 5,002 characters",
    ),
    "3,000 arrays deep": (
        "'done', (repeat('[', 3000) || repeat(']', 3000))::jsonb, now()",
        "values are nested more than 100 deep",
    ),
    "600 objects deep": (
        "'done', (repeat('{\"a\": ', 600) || '1' || repeat('}', 600))::jsonb, now()",
        "values are nested more than 100 deep",
    ),
    "no object": ("'done', '[1]', now()", "its data is no JSON object"),
    "infinity": ("'done', '{}', 'infinity'", "its time is not within the years 1 to 9999"),
    "minus infinity": ("'started', '{}', '-infinity'", "its time is not within the years 1 to 9999"),
    "before Christ": ("'done', '{}', '4000-01-01 BC'", "its time is not within the years 1 to 9999"),
    "far future": ("'failed', '{}', '20000-01-01'", "its time is not within the years 1 to 9999"),
    "version beyond all": (
        "'done', ('{\"version\": ' || repeat('9', 5000) || '}')::jsonb, now()",
        "a number has 5,000 characters",
    ),
}
"""Type, data and time of a row, and what `status` says of it."""


def _use(project: ProjectFolder) -> None:
    """Ask everything, and apply one more."""
    project.sql("002_two", "create table two ();")
    migrator = Migrator(project.manifest)
    assert migrator.status().pending == ["002_two"]
    assert migrator.current_version() == 1
    assert any(fact.name == "odd" for fact in migrator.history())
    watcher = migrator.watcher()
    assert watcher.poll().status.current_version == 1
    watcher.close()
    assert list(migrator.migrate().completed) == ["002_two"]
    assert migrator.migrate().completed == ()


@pytest.mark.parametrize(("row", "reason"), ROWS.values(), ids=ROWS)
def test_a_row_that_nobody_expected_stands_in_the_way_of_nothing_and_is_named(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts, row: str, reason: str
) -> None:
    project.sql("001_one", "create table one ();")
    Migrator(project.manifest).migrate()
    assert facts.applied == [(1, "001_one")]
    connection.execute(
        "insert into zmig.migration_events (aggregate_id, event_type, event_data, created_at) "
        f"select 'odd', {row}".encode()
    )
    _use(project)
    told = run("status", project.manifest)
    assert f"note: row 4 of the facts, of `odd`, cannot be read in full: {reason}\n" in told.stdout
    (odd,) = json.loads(run("status", project.manifest, "--json").stdout)["odd_rows"]
    assert odd == {"position": 4, "name": "odd", "reason": reason}


def test_a_fact_of_a_type_that_only_a_newer_zmig_knows_is_named(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    project.sql("001_one", "create table one ();")
    Migrator(project.manifest).migrate()
    assert Migrator(project.manifest).status().odd_rows == ()
    connection.execute(
        "insert into zmig.migration_events (aggregate_id, event_type) values ('odd', 'migration.verified')"
    )
    (odd,) = Migrator(project.manifest).status().odd_rows
    assert odd.reason == "this version of zmig knows no facts of type `migration.verified`"


@pytest.fixture
def ascii_database(server: str, worker_name: str) -> Iterator[str]:
    name = sql.Identifier(f"{worker_name}_ascii")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database if exists {}").format(name))
        connection.execute(
            sql.SQL("create database {} encoding 'SQL_ASCII' template template0 lc_collate 'C' lc_ctype 'C'").format(
                name
            )
        )
        yield make_conninfo(server, dbname=f"{worker_name}_ascii")
        connection.execute(sql.SQL("drop database {} with (force)").format(name))


def test_bytes_that_are_no_text_stand_in_the_way_of_nothing(ascii_database: str, tmp_path: Path) -> None:
    project = ProjectFolder(tmp_path, ascii_database)
    project.sql("001_one", "create table one ();")
    Migrator(project.manifest).migrate()
    with psycopg.connect(ascii_database, autocommit=True) as connection:
        connection.execute(
            b"insert into zmig.migration_events (aggregate_id, event_type, event_data, host) "
            b"values ('odd', 'failed', '{}', e'\\xff'), (e'n\\xfe', 'done', '{}', null)"
        )
    _use(project)


@pytest.mark.parametrize("page", [1, 2, 3, 100])
def test_facts_are_read_page_by_page_whatever_is_between_them(
    project: ProjectFolder, facts: Facts, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    project.sql("001_one", "select 1;")
    migrator = Migrator(project.manifest)
    migrator.migrate()
    for type in ("unheard_of", "accepted", "unheard_of", "unheard_of", "outdated"):
        facts.append("001_one", f"migration.{type}")
    whole = migrator.history()
    assert [fact.type.label for fact in whole] == ["started", "done", "observed", "accepted", "outdated"]
    monkeypatch.setattr(fact_reader, "_PAGE", page)
    assert migrator.history() == whole
    assert [fact.position for fact in migrator.history(["1"])] == [fact.position for fact in whole]
