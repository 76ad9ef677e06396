from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.project import ProjectFolder
from zmig import Migrator
from zmig.sql.quoting import identifier, literal

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

ODD = ["", "'", "''", "\\", "\\'", "a\\nb", 'say "x"', "%s %% %", "$$", "ü 日本 🐘", "line\nline", "E'", "\\u0041"]


@pytest.mark.parametrize("conforming", ["on", "off"])
@pytest.mark.parametrize("value", ODD)
def test_the_server_reads_a_text_as_it_was(connection: psycopg.Connection, value: str, conforming: str) -> None:
    connection.execute(f"set standard_conforming_strings = {conforming}".encode())
    assert connection.execute(f"select {literal(value)}::text".encode()).fetchone() == (value,)


@pytest.mark.parametrize("value", [None, 0, -7, 2**63 - 1])
def test_the_server_reads_a_number_or_null_as_it_was(connection: psycopg.Connection, value: int | None) -> None:
    assert connection.execute(f"select {literal(value)}::bigint".encode()).fetchone() == (value,)


@pytest.mark.parametrize("name", [name for name in ODD if name])
def test_the_server_reads_a_name_as_it_was(connection: psycopg.Connection, name: str) -> None:
    cursor = connection.execute(f"select 1 as {identifier(name)}".encode())
    assert cursor.description is not None
    assert cursor.description[0].name == name


@pytest.mark.parametrize("schema", ["100% zmig", 'a "b" %s', "with.dot"])
def test_a_tracking_schema_may_have_any_name(
    tmp_path: Path, database: str, connection: psycopg.Connection, schema: str
) -> None:
    project = ProjectFolder(tmp_path, database, tracking={"schema": schema})
    project.sql("001_one", "select 1")
    Migrator(project.manifest).migrate()
    simple = identifier(schema, "schema_migrations")
    connection.execute(f"delete from {simple}".encode())
    project.sql("002_two", "select 2")
    Migrator(project.manifest).migrate()
    applied = connection.execute(f"select name from {simple} order by version".encode()).fetchall()
    assert applied == [("001_one",), ("002_two",)]
