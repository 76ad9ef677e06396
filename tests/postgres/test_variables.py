"""Variables in SQL files: replaced where an entry asks for it, recorded by name only, errors in the file's terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.project import ProjectFolder
from zmig import MigrationFailed, Migrator
from zmig.errors import ManifestError

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

    from tests.support.facts import Facts


@pytest.fixture
def tenants(tmp_path: Path, database: str) -> ProjectFolder:
    return ProjectFolder(tmp_path, database, variables={"schema": "shop", "key": "${TENANT_KEY}"})


ENVIRON = {"TENANT_KEY": "k3y-of-shop"}


def test_an_entry_that_asks_for_it_has_its_variables_replaced_and_recorded_by_name(
    tenants: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    tenants.sql(
        "001_schema",
        "create schema ${schema}; create table ${schema}.keys as select '${key}' as key;",
        rollback="drop schema ${schema} cascade;",
        variables=True,
    )
    migrator = Migrator(tenants.manifest, environ=ENVIRON)
    migrator.migrate()
    assert connection.execute("select key from shop.keys").fetchone() == ("k3y-of-shop",)
    (started,) = facts.data("001_schema", "started")
    assert started["variables"] == ["key", "schema"]
    stored = connection.execute("select string_agg(event_data::text, '') from zmig.migration_events").fetchone()
    assert stored is not None
    assert "k3y-of-shop" not in stored[0]
    migrator.rollback()
    assert connection.execute("select to_regclass('shop.keys')").fetchone() == (None,)


def test_an_entry_that_does_not_ask_for_it_is_run_as_it_stands(
    tenants: ProjectFolder, connection: psycopg.Connection
) -> None:
    tenants.sql("001_text", "create table text as select '${schema} $${schema}' as said;")
    Migrator(tenants.manifest, environ=ENVIRON).migrate()
    assert connection.execute("select said from text").fetchone() == ("${schema} $${schema}",)


def test_the_checksum_is_that_of_the_file_so_another_value_is_no_drift(tenants: ProjectFolder) -> None:
    tenants.sql("001_text", "select '${key}'", variables=True)
    Migrator(tenants.manifest, environ=ENVIRON).migrate()
    assert Migrator(tenants.manifest, environ={"TENANT_KEY": "another"}).plan().refusals == ()


def test_an_undefined_variable_is_told_with_its_place_before_anything_runs(
    tenants: ProjectFolder, connection: psycopg.Connection
) -> None:
    tenants.sql("001_first", "create table first ();")
    file = tenants.sql("002_second", "select 1;\nselect '${schema}', ${tenant};", variables=True)
    with pytest.raises(ManifestError) as caught:
        Migrator(tenants.manifest, environ=ENVIRON).migrate()
    (problem,) = caught.value.problems
    assert (problem.code, problem.message) == ("variable-undefined", "the manifest has no variable `tenant`")
    assert str(problem.location).endswith(f"{file.name}:2:21")
    assert connection.execute("select to_regclass('first')").fetchone() == (None,)


def test_an_error_has_its_place_in_the_file_and_no_secret(tenants: ProjectFolder, facts: Facts) -> None:
    tenants.sql("001_wrong", "select '${key}', '${schema}',\n  '${key}' as a, nowhere, '${key}'::int;", variables=True)
    with pytest.raises(MigrationFailed) as caught:
        Migrator(tenants.manifest, environ=ENVIRON).migrate()
    location = caught.value.problems[0].location
    assert location is not None
    assert (location.line, location.column) == (2, 18)
    assert location.text == "  '${key}' as a, nowhere, '${key}'::int;"

    tenants.sql("001_wrong", "select '${key}'::int;", variables=True)
    with pytest.raises(MigrationFailed) as caught:
        Migrator(tenants.manifest, environ=ENVIRON).migrate()
    assert caught.value.problems[0].message.endswith('invalid input syntax for type integer: "***"')
    assert "k3y" not in str(facts.data("001_wrong", "failed"))


def test_the_variables_of_the_manifest_that_is_named_come_before_those_of_included_ones(
    tmp_path: Path, database: str, connection: psycopg.Connection
) -> None:
    base = ProjectFolder(tmp_path / "base", database, variables={"color": "red", "size": "small"})
    base.sql("001_paint", "create table paint as select '${color} ${size}' as said;", variables=True)
    top = ProjectFolder(tmp_path, database, variables={"color": "blue"}, include=["base/manifest.yaml"])
    Migrator(top.manifest).migrate()
    assert connection.execute("select said from paint").fetchone() == ("blue small",)


def test_a_failure_is_recorded_with_the_names_of_its_variables(tenants: ProjectFolder, facts: Facts) -> None:
    tenants.sql("001_note", "create schema ${schema};\nselect '${key}'::text, 1 from ${schema}.orders", variables=True)
    with pytest.raises(MigrationFailed, match=r'relation "shop\.orders" does not exist'):
        Migrator(tenants.manifest, environ=ENVIRON).migrate()
    (failed,) = facts.data("001_note", "failed")
    assert failed["error"]["message"] == 'relation "${schema}.orders" does not exist'
    assert (failed["error"]["line"], failed["error"]["column"]) == (2, 31)


def test_a_value_in_the_middle_of_a_word_or_of_two_characters_is_not_taken_for_the_variable(
    tmp_path: Path, database: str, facts: Facts
) -> None:
    project = ProjectFolder(tmp_path, database, variables={"table": "users", "id": "1"})
    project.sql("001_note", "do $do$ begin raise 'superusers of users-1: ${table} ${id}'; end $do$", variables=True)
    with pytest.raises(MigrationFailed):
        Migrator(project.manifest).migrate()
    (failed,) = facts.data("001_note", "failed")
    assert failed["error"]["message"] == "superusers of ${table}-1: ${table} 1"
