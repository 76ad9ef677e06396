"""`zmig import` of a project of pgroll: what is active stops it, and pgroll's own objects are nobody else's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.command import Command
from tests.support.pgroll import Pgroll
from zmig.catalog.scope import Scope
from zmig.cli.main import main
from zmig.database.schema_reader import read

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

    from tests.support.facts import Facts

_IMPORT = ("import", "--from", "pgroll", "--manifest", "manifests/shop.yaml", "--json")
_CREATE: dict[str, object] = {"create_table": {"name": "users", "columns": [{"name": "id", "type": "int"}]}}
_VIEW: dict[str, object] = {"sql": {"up": "create view ids as select id from users", "down": "drop view ids"}}
_INDEX: dict[str, object] = {"sql": {"up": "create index concurrently users_id on users (id)"}}


@pytest.fixture
def zmig(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)


@pytest.fixture
def take(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys, *_IMPORT)


@pytest.fixture
def pgroll(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: str, connection: psycopg.Connection) -> Pgroll:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database)
    return Pgroll(connection)


def write(tmp_path: Path, **files: dict[str, object]) -> None:
    """Write files of one operation each."""
    (tmp_path / "migrations").mkdir()
    for name, operation in files.items():
        (tmp_path / "migrations" / f"{name}.json").write_text(json.dumps({"operations": [operation]}, indent=2))


@pytest.fixture
def shop(tmp_path: Path, pgroll: Pgroll, connection: psycopg.Connection) -> Pgroll:
    """A table that pgroll has made, and views of two versions."""
    write(tmp_path, _01_users=_CREATE, _02_ids=_VIEW)
    connection.execute("create table users (id int); create view ids as select id from users")
    pgroll.migrated("_01_users", _CREATE)
    pgroll.migrated("_02_ids", _VIEW)
    pgroll.version_schema("_02_ids", "users as select id from public.users")
    pgroll.watch()
    return pgroll


def test_a_baseline_has_nothing_of_pgroll_s_own(
    shop: Pgroll, take: Command, tmp_path: Path, facts: Facts, server: str
) -> None:
    document = take("--write", "--database", "--verify", "--scratch-url", server)
    assert document["history"]["kept"] == ["_01_users", "_02_ids"]
    assert document["verified"]["findings"] == []
    text = next(tmp_path.glob("*migrations/001_baseline.sql")).read_text("utf-8")
    assert "pg_roll" not in text
    assert "public__02" not in text
    assert "CREATE VIEW public.ids" in text
    notes = " ".join(document["history"]["notes"])
    assert 'drop schema "public__02_ids" cascade' in notes
    assert "drop event trigger pg_roll_handle_ddl" in notes


def test_what_zmig_changes_is_nothing_that_pgroll_has_run(
    shop: Pgroll, zmig: Command, take: Command, connection: psycopg.Connection
) -> None:
    take("--write", "--database")
    row = connection.execute("select count(*) from pgroll.migrations where migration_type = 'inferred'").fetchone()
    assert row is not None
    assert row[0] > 0, "its event triggers have recorded zmig's own tables"
    assert zmig("status", "manifests/shop.yaml", "--json")["other_tools"] == []
    assert take("--database")["history"]["known"] == 2


def test_what_is_active_stops_before_anything_is_made(shop: Pgroll, take: Command, tmp_path: Path) -> None:
    shop.migrated("_03_more", _CREATE, done=False)
    (problem,) = take("--write", "--database", code=2)["problems"]
    assert problem["code"] == "history-unfinished"
    assert "pgroll complete" in problem["hint"]
    assert not (tmp_path / "manifests" / "shop.yaml").exists()
    shop.complete("_03_more")
    assert take("--write", "--database")["history"]["kept"] == ["_01_users", "_02_ids", "_03_more"]


def test_what_becomes_active_later_is_named_by_the_status(shop: Pgroll, zmig: Command, take: Command) -> None:
    take("--write", "--database")
    shop.migrated("_03_more", _CREATE, done=False)
    (used,) = zmig("status", "manifests/shop.yaml", "--json")["other_tools"]
    assert (used["tool"], used["table"], used["not_imported"]) == ("pgroll", "pgroll.migrations", ["_03_more"])


def test_the_first_apply_names_what_is_active(shop: Pgroll, zmig: Command, tmp_path: Path) -> None:
    (tmp_path / "manifests").mkdir()
    (tmp_path / "more.sql").write_text("create table more ();\n")
    (tmp_path / "manifests" / "shop.yaml").write_text(
        "manifest: 1\nenvironment: test\ndatabase: {url: '${DATABASE_URL}'}\n"
        "migrations:\n- {version: 1, file: ../more.sql}\n"
    )
    shop.migrated("_03_more", _CREATE, done=False)
    zmig("apply", "manifests/shop.yaml", code=2)
    assert "`_03_more` is active in pgroll: run `pgroll complete`" in zmig.err
    assert "zmig import --from pgroll" in zmig.err


def test_migrations_that_are_all_sql_become_entries(
    tmp_path: Path, pgroll: Pgroll, zmig: Command, take: Command, connection: psycopg.Connection, server: str
) -> None:
    users: dict[str, object] = {"sql": {"up": "create table users (id int)", "down": "drop table users"}}
    write(tmp_path, _01_users=users, _02_ids=_VIEW, _03_index=_INDEX)
    connection.execute("create table users (id int)")
    pgroll.migrated("_01_users", users)
    pgroll.version_schema("_01_users", "users as select id from public.users")
    document = take("--write", "--database")
    assert document["history"]["recorded"] == ["_01_users"]
    zmig("apply", "manifests/shop.yaml", "--json")
    verified = zmig("verify", "manifests/shop.yaml", "--against", "--scratch-url", server, "--json")
    assert verified["findings"] == []
    zmig("rollback", "manifests/shop.yaml", "--steps", "2", "--yes", "--json", code=2)  # one has no `down`


def test_sql_that_differs_from_what_was_run_stops_it(tmp_path: Path, pgroll: Pgroll, take: Command) -> None:
    write(tmp_path, _01_ids=_VIEW)
    pgroll.migrated("_01_ids", {"sql": {"up": "create view ids as select 2 as id"}})
    (problem,) = take("--write", "--database", code=2)["problems"]
    assert problem["code"] == "import-mismatch"


def test_a_schema_that_only_looks_like_a_version_is_compared(shop: Pgroll, connection: psycopg.Connection) -> None:
    connection.execute('create schema "public__01_users"; create table "public__01_users".own ()')
    names = {identity for _, identity in read(connection, Scope("zmig")).objects}
    assert any("public__01_users" in name for name in names)
    assert not any("_02_ids" in name or "roll" in name for name in names)


def test_its_migrations_are_called_operations(shop: Pgroll, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "--manifest", "manifests/shop.yaml"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("pgroll, 2 migrations in `migrations`, which are operations of its own: one baseline takes")
    assert main(["import", "--manifest", "manifests/shop.yaml", "--write"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: the migrations of pgroll are operations of its own: their baseline is made of the")


def test_what_has_no_entry_is_said_to_have_none(shop: Pgroll, take: Command, tmp_path: Path) -> None:
    (tmp_path / "manifests").mkdir()
    (tmp_path / "own.sql").write_text("create view ids as select id from users;\n")
    entry = "migrations: [{version: 2, name: _02_ids, file: ../own.sql}]\n"
    (tmp_path / "manifests" / "shop.yaml").write_text(f"manifest: 1\ndatabase: {{url: '${{DATABASE_URL}}'}}\n{entry}")
    history = take("--database")["history"]
    assert history["recorded"] == ["_02_ids"]
    (note,) = [one for one in history["notes"] if "_01_users" in one]
    assert note == "no entry is there for `_01_users`: kept in the history, and nothing counts as applied for it"
