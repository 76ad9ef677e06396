"""`zmig schema`: printed, written, compared, and kept by runs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.support.process import ROOT
from zmig.embedded import EmbeddedServer

if TYPE_CHECKING:
    from tests.cli.conftest import Run
    from tests.support.shop import Shop

TABLE = """\
create table public.users (
    id bigint not null,
    name text,
    constraint users_pkey PRIMARY KEY (id)
);
"""
BINARIES = Path.home() / ".cache" / "zmig" / "postgresql"


def users(shop: Shop) -> None:
    shop.add(1, "001_users", "create table users (id bigint primary key);", "drop table users;")
    shop.add(2, "002_name", "alter table users add column name text;", "alter table users drop column name;")


def kept(shop: Shop) -> Path:
    """Let the manifest name a file for the schema."""
    shop.declare(schema="{file: schema.sql}")
    return shop.folder / "schema.sql"


def test_it_prints_what_the_migrations_made(shop: Shop, run: Run) -> None:
    users(shop)
    assert run("apply", "shop.yaml").code == 0
    ended = run("schema", "shop.yaml")
    assert (ended.code, ended.stderr) == (0, "")
    assert ended.stdout.endswith(f"\n\n{TABLE}")
    assert "migration_events" not in ended.stdout
    assert json.loads(run("schema", "shop.yaml", "--json").stdout)["schema"] == ended.stdout


def test_scratch_makes_the_same_without_the_database(shop: Shop, run: Run) -> None:
    users(shop)
    assert run("apply", "shop.yaml").code == 0
    printed = run("schema", "shop.yaml").stdout
    assert run("schema", "shop.yaml", "--scratch-url", shop.url).stdout == printed
    shop.declare(database='{url: "postgresql://nobody@127.0.0.1:1/nothing"}')
    assert run("schema", "shop.yaml", "--scratch-url", shop.url).stdout == printed


def test_a_migration_that_fails_on_scratch_says_that_it_was_there(shop: Shop, run: Run) -> None:
    shop.add(1, "001_users", "create table users (id bigint primary key); select 1 / 0;")
    ended = run("schema", "shop.yaml", "--scratch-url", shop.url)
    assert ended.code == 1
    assert "on a scratch database, migration `001_users` failed: division by zero" in ended.stderr
    assert "which is gone; nothing else was touched" in ended.stderr


def test_check_shows_the_difference_and_what_to_do(shop: Shop, run: Run) -> None:
    users(shop)
    file = kept(shop)
    shop.environment = "test"
    kept(shop)
    assert run("apply", "shop.yaml", "--to", "1").code == 0
    assert run("schema", "shop.yaml", "--check").code == 1
    assert not file.exists()
    assert run("schema", "shop.yaml", "--write").stderr == "wrote the schema to `schema.sql`\n"
    assert run("schema", "shop.yaml", "--check").code == 0
    assert run("apply", "shop.yaml").code == 0
    ended = run("schema", "shop.yaml", "--check")
    assert ended.code == 1
    assert "--- schema.sql\n+++ the database\n" in ended.stdout
    assert "\n+    name text,\n" in ended.stdout
    assert ended.stderr.startswith("error: `schema.sql` is not what is in the database\n")
    assert ended.stderr.endswith("hint: write it with `zmig schema shop.yaml --write`\n")
    document = json.loads(run("schema", "shop.yaml", "--check", "--json").stdout)
    assert document["error"]["code"] == "schema-file-outdated"
    assert document["exit_code"] == 1
    assert "+    name text," in document["difference"]


def test_check_compares_with_scratch_where_there_is_no_database(shop: Shop, run: Run) -> None:
    users(shop)
    assert run("schema", "shop.yaml", "--scratch-url", shop.url, "--output", "a.sql").code == 0
    assert run("schema", "shop.yaml", "--scratch-url", shop.url, "--output", "a.sql", "--check").code == 0
    assert run("schema", "shop.yaml", "--output", "a.sql", "--check").code == 1


def test_the_file_is_written_in_the_place_of_the_old_one(shop: Shop, run: Run) -> None:
    users(shop)
    file = kept(shop)
    file.write_text("old", encoding="utf-8")
    file.chmod(0o640)
    assert run("schema", "shop.yaml", "--write").code == 0
    assert file.stat().st_mode & 0o777 == 0o640
    before = file.stat().st_ino
    assert run("schema", "shop.yaml", "--write").stderr == "`schema.sql` is what the schema is already\n"
    assert file.stat().st_ino == before
    assert sorted(path.name for path in shop.folder.glob(".*")) == []


def test_no_secret_is_written(shop: Shop, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.add(1, "001_users", "create table users (key text default '${key}');", variables="true")
    shop.declare(schema="{file: schema.sql}", variables='{key: "${API_KEY}"}')
    file = shop.folder / "schema.sql"
    monkeypatch.setenv("API_KEY", "hunter2hunter2")
    assert run("apply", "shop.yaml").code == 0
    assert "key text default '***'::text" in file.read_text()
    assert run("schema", "shop.yaml").stdout == file.read_text()
    monkeypatch.setenv("API_KEY", "of-another-environment")
    assert run("schema", "shop.yaml", "--check", "--scratch-url", shop.url).code == 0


@pytest.mark.parametrize("words", [("--check",), ("--write",)])
def test_without_a_file_it_says_how_to_name_one(shop: Shop, run: Run, words: tuple[str, ...]) -> None:
    users(shop)
    ended = run("schema", "shop.yaml", *words)
    assert ended.code == 2
    assert "hint: add `schema: {file: ../schema.sql}` to the manifest, or give `--output FILE`" in ended.stderr


def test_check_and_write_exclude_each_other(shop: Shop, run: Run) -> None:
    users(shop)
    assert run("schema", "shop.yaml", "--check", "--write").code == 2


def test_runs_in_development_keep_the_file(shop: Shop, run: Run) -> None:
    users(shop)
    file = kept(shop)
    ended = run("apply", "shop.yaml", "--to", "1")
    assert "wrote the schema to `schema.sql`" in ended.stderr
    assert "name text" not in file.read_text(encoding="utf-8")
    ended = run("apply", "shop.yaml", "--json")
    notices = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [one["message"] for one in notices if one.get("progress") == "notice"] == [
        "wrote the schema to `schema.sql`"
    ]
    assert file.read_text(encoding="utf-8").endswith(f"\n\n{TABLE}")
    assert "wrote the schema" not in run("apply", "shop.yaml").stderr
    assert "wrote the schema to `schema.sql`" in run("rollback", "shop.yaml", "--yes").stderr
    assert "name text" not in file.read_text(encoding="utf-8")


def test_what_a_run_completed_before_it_failed_is_in_the_file(shop: Shop, run: Run) -> None:
    users(shop)
    shop.add(3, "003_fails", "select 1 / 0;")
    file = kept(shop)
    assert run("apply", "shop.yaml").code == 1
    assert file.read_text(encoding="utf-8").endswith(f"\n\n{TABLE}")


@pytest.mark.parametrize("environment", ["test", "staging", "production"])
def test_runs_elsewhere_leave_the_file_alone(shop: Shop, run: Run, environment: str) -> None:
    users(shop)
    shop.environment = environment
    file = kept(shop)
    assert run("apply", "shop.yaml").code == 0
    assert not file.exists()


def test_a_run_on_another_database_leaves_the_file_alone(shop: Shop, run: Run) -> None:
    users(shop)
    file = kept(shop)
    assert run("apply", "shop.yaml", "--database-url", shop.url).code == 0
    assert not file.exists()


def test_a_file_that_cannot_be_written_fails_no_run(shop: Shop, run: Run) -> None:
    users(shop)
    shop.declare(schema="{file: nowhere/schema.sql}")
    ended = run("apply", "shop.yaml")
    assert ended.code == 0
    assert "`nowhere/schema.sql` is not what the schema is now" in ended.stderr
    assert run("schema", "shop.yaml", "--write").code == 2


def test_what_is_not_looked_at_is_said(shop: Shop, run: Run) -> None:
    shop.add(1, "001_object", "select lo_create(0);")
    assert run("apply", "shop.yaml").code == 0
    assert run("schema", "shop.yaml").stderr == "not in the schema: large objects (1)\n"


@pytest.mark.parametrize("path", sorted(BINARIES.glob("*/native/bin")), ids=lambda path: path.parts[-3])
def test_every_version_of_the_server_gives_the_same_text(
    path: Path, tmp_path: Path, shop: Shop, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without views, which PostgreSQL spells differently since 16."""
    setup = (ROOT / "tests" / "postgres" / "files" / "schema_text.sql").read_text(encoding="utf-8")
    shop.add(1, "001_setup", setup)
    expected = run("schema", "shop.yaml", "--scratch-url", shop.url).stdout
    assert expected.count("create table") > 5
    monkeypatch.setenv("ZMIG_POSTGRES_BIN", os.fspath(path))
    server = EmbeddedServer(tmp_path / "server")
    try:
        url = server.start()
        with psycopg.connect(url) as connection:
            assert connection.info.server_version // 10000 == int(path.parts[-3])
        assert run("schema", "shop.yaml", "--scratch-url", url).stdout == expected
    finally:
        server.stop()
