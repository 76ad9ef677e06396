"""One row that nobody expected, in a table from which nothing can be deleted, stands in the way of no command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.support.project import ProjectFolder
from zmig import Migrator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.facts import Facts

ROWS = {
    "integer of 5,000 digits": "'note', ('{\"x\": ' || repeat('9', 5000) || '}')::jsonb, now()",
    "fraction of 5,000 digits": "'done', ('{\"x\": ' || repeat('9', 5000) || '.5}')::jsonb, now()",
    "3,000 arrays deep": "'done', (repeat('[', 3000) || repeat(']', 3000))::jsonb, now()",
    "600 objects deep": "'done', (repeat('{\"a\": ', 600) || '1' || repeat('}', 600))::jsonb, now()",
    "no object": "'done', '[1]', now()",
    "infinity": "'done', '{}', 'infinity'",
    "minus infinity": "'started', '{}', '-infinity'",
    "before Christ": "'done', '{}', '4000-01-01 BC'",
    "far future": "'failed', '{}', '20000-01-01'",
    "version beyond all": "'done', ('{\"version\": ' || repeat('9', 5000) || '}')::jsonb, now()",
}


def _use(project: ProjectFolder) -> None:
    """Ask everything, and apply one more."""
    project.sql("002_two", "create table two ();")
    migrator = Migrator(project.manifest)
    assert migrator.status().pending == ["002_two"]
    assert migrator.current_version() == 1
    assert any(fact.name == "odd" for fact in migrator.history())
    watcher = migrator.watcher()
    assert watcher.observe().status.current_version == 1
    watcher.close()
    assert list(migrator.migrate().completed) == ["002_two"]
    assert migrator.migrate().completed == ()


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_row_that_nobody_expected_stands_in_the_way_of_nothing(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts, row: str
) -> None:
    project.sql("001_one", "create table one ();")
    Migrator(project.manifest).migrate()
    assert facts.applied == [(1, "001_one")]
    connection.execute(
        "insert into zmig.migration_events (aggregate_id, event_type, event_data, created_at) "
        f"select 'odd', {row}".replace("'note'", "'failed'").encode()
    )
    _use(project)


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
