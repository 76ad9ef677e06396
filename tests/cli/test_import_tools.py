"""A project of each tool that has files of SQL: imported, imported again, gone on with, and applied to a database."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.tree import plant
from tests.tools.test_atlas import sum_of
from zmig.other_tools import registry
from zmig.other_tools.tool import Language

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.cli.conftest import Run

_UP = "begin;\ncreate table users (id int);\ncommit;\n"
_DOWN = "begin;\ndrop table users;\ncommit;\n"
_NEXT = "alter table users add name text;\n"
_BACK = "alter table users drop name;\n"

PROJECTS: dict[str, Mapping[str, str]] = {
    "atlas": {
        "migrations/20240101000000_users.sql": _UP,
        "migrations/20240102000000_names.sql": _NEXT,
        "migrations/atlas.sum": sum_of({"20240101000000_users.sql": _UP, "20240102000000_names.sql": _NEXT}),
    },
    "dbmate": {
        "db/migrations/20240101000000_users.sql": f"-- migrate:up\n{_UP}-- migrate:down\n{_DOWN}",
        "db/migrations/20240102000000_names.sql": f"-- migrate:up\n{_NEXT}-- migrate:down\n{_BACK}",
    },
    "diesel": {
        "diesel.toml": '[migrations_directory]\ndir = "migrations"\n',
        "migrations/00000000000000_diesel_initial_setup/up.sql": "-- nothing\n",
        "migrations/00000000000000_diesel_initial_setup/down.sql": "",
        "migrations/2024-01-01-000000_users/up.sql": _UP,
        "migrations/2024-01-01-000000_users/down.sql": _DOWN,
    },
    "drizzle": {
        "drizzle/0000_users.sql": "create table users (id int);\n--> statement-breakpoint\ncreate index on users (id);",
        "drizzle/meta/_journal.json": json.dumps(
            {
                "version": "7",
                "dialect": "postgresql",
                "entries": [
                    {"idx": 0, "version": "7", "when": 1704067200000, "tag": "0000_users", "breakpoints": True}
                ],
            }
        ),
    },
    "flyway": {
        "flyway.conf": "flyway.locations=filesystem:sql\nflyway.placeholders.name=users\n",
        "sql/V1__users.sql": "begin;\ncreate table ${name} (id int);\ncommit;\n",
        "sql/V1.1__names.sql": _NEXT,
        "sql/R__view.sql": "create or replace view everybody as select id from users;\n",
    },
    "golang-migrate": {
        "Makefile": "up:\n\tmigrate -path db/migrations -database $(URL) up\n",
        "db/migrations/000001_users.up.sql": _UP,
        "db/migrations/000001_users.down.sql": _DOWN,
        "db/migrations/000002_names.up.sql": _NEXT,
        "db/migrations/000002_names.down.sql": _BACK,
    },
    "goose": {
        "sql/00001_users.sql": f"-- +goose Up\n{_UP}\n-- +goose Down\n{_DOWN}",
        "sql/00002_index.sql": "-- +goose NO TRANSACTION\n-- +goose Up\ncreate index concurrently on users (id);\n",
    },
    "graphile-migrate": {
        ".gmrc": "{}",
        "migrations/committed/000001.sql": f"--! Previous: -\n--! Hash: sha1:x\n\n{_UP}",
        "migrations/current.sql": "",
    },
    "liquibase": {
        "changelog.sql": f"--liquibase formatted sql\n\n--changeset jo:users\n{_UP}--rollback drop table users;\n"
        f"\n--changeset jo:names\n{_NEXT}",
    },
    "node-pg-migrate": {
        "package.json": '{"dependencies": {"node-pg-migrate": "9"}}',
        "migrations/1704067200000_users.sql": f"-- Up Migration\n{_UP}\n-- Down Migration\n{_DOWN}",
    },
    "postgres-migrations": {
        "package.json": '{"dependencies": {"postgres-migrations": "5"}}',
        "db/1_users.sql": _UP,
        "db/2_names.sql": _NEXT,
    },
    "prisma": {
        "prisma/migrations/migration_lock.toml": 'provider = "postgresql"\n',
        "prisma/migrations/20240101000000_users/migration.sql": _UP,
        "prisma/migrations/20240102000000_empty/migration.sql": "-- This is an empty migration.",
    },
    "refinery": {
        "Cargo.toml": '[package]\nname = "shop"\n[dependencies]\nrefinery = "0.8"\n',
        "migrations/V1__users.sql": _UP,
        "migrations/V2__names.sql": _NEXT,
    },
    "sqitch": {
        "sqitch.conf": "[core]\n\tengine = pg\n",
        "sqitch.plan": "%syntax-version=1.0.0\n%project=shop\n\nusers 2024-01-01T00:00:00Z Jo <jo@example.com>\n",
        "deploy/users.sql": "\\set t users\nBEGIN;\ncreate table :t (id int);\nCOMMIT;\n",
        "revert/users.sql": _DOWN,
        "verify/users.sql": "BEGIN;\nselect id from users where false;\nROLLBACK;\n",
    },
    "sqlx": {
        "Cargo.toml": '[package]\nname = "shop"\n[dependencies]\nsqlx = "0.8"\n',
        "migrations/20240101000000_users.up.sql": _UP,
        "migrations/20240101000000_users.down.sql": _DOWN,
    },
    "supabase": {
        "supabase/config.toml": 'project_id = "shop"\n',
        "supabase/migrations/20240101000000_users.sql": _UP,
        "supabase/migrations/20240102000000_names.sql": _NEXT,
    },
    "tern": {
        "db/tern.conf": "[data]\nname = users\n",
        "db/001_users.sql": "create table {{.name}} (id int);\n---- create above / drop below ----\n" + _DOWN,
    },
    "yoyo": {
        "yoyo.ini": "[DEFAULT]\nsources = sql\n",
        "sql/0001.users.sql": _UP,
        "sql/0001.users.rollback.sql": _DOWN,
    },
}


def test_there_is_a_project_of_each_tool() -> None:
    assert {tool.name for tool in registry.tools() if tool.language is Language.SQL} == PROJECTS.keys()


@pytest.mark.parametrize("tool", PROJECTS)
def test_a_project_is_taken_over_once_and_gone_on_with(
    empty: Path, run: Run, database: str, monkeypatch: pytest.MonkeyPatch, tool: str
) -> None:
    place = empty / "shop"
    plant(place, {**PROJECTS[tool]})
    monkeypatch.chdir(place)
    plan = json.loads(run("import", "--json").stdout)
    assert plan["tool"] == tool
    count = len(plan["migrations"])
    assert run("import", "--write").code == 0
    assert {name: (place / name).read_text() for name in PROJECTS[tool]} == PROJECTS[tool]
    found = json.loads(run("lint", "--json", "--fail-on", "never").stdout)["findings"]
    assert [one for one in found if one["rule"].startswith(("manifest/", "file/", "sql/"))] == []
    assert run("import", "--write").stderr.startswith("nothing is new: ")
    assert run("create", "more of it").code == 0
    written = json.loads(run("import", "--write", "--json").stdout)
    assert all(one["declared"] for one in written["migrations"])
    (file,) = (path for path in place.rglob("*more_of_it.sql"))
    file.write_text("alter table users add more text;\n")
    monkeypatch.setenv("DATABASE_URL", database)
    ended = run("apply")
    assert ended.code == 0, ended.stderr
    assert len(json.loads(run("status", "--json").stdout)["applied"]) == count + 1
