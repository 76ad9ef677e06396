"""`zmig init`: a manifest for a project that has none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from zmig.manifest import schema, yaml_parser

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run


@pytest.fixture
def place(empty: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = empty / "My Shop"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_the_first_manifest_is_called_as_the_folder_and_is_all_that_is_needed(
    place: Path, run: Run, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = run("init")
    assert (ended.code, ended.stdout) == (0, "")
    assert ended.stderr.splitlines()[-1].startswith("next: `zmig create manifests/My-Shop.yaml ")
    text = (place / "manifests" / "My-Shop.yaml").read_text()
    first = text.partition("\n")[0]
    assert first == "# yaml-language-server: $schema=manifest.schema.json"
    assert json.loads((place / "manifests" / "manifest.schema.json").read_text()) == schema.load("manifest")
    assert run("create", "add orders").code == 0
    (place / "migrations" / "001_add_orders.sql").write_text("create table orders (id bigint primary key);")
    (place / "migrations" / "001_add_orders.rollback.sql").write_text("drop table orders;")
    monkeypatch.setenv("DATABASE_URL", database)
    assert run("lint", "--fail-on", "warning").code == 0
    assert run("apply").code == 0
    assert json.loads(run("status", "--json").stdout)["applied"] == ["001_add_orders"]


def test_the_folder_for_migrations_is_made_and_said(place: Path, run: Run) -> None:
    said = "wrote `manifests/shop.yaml`, `manifests/manifest.schema.json`, and made the folder `migrations`\n"
    assert run("init", "shop").stderr.startswith(said)
    assert list((place / "migrations").iterdir()) == []
    assert json.loads(run("init", "orders", "--json").stdout)["folder"] is None  # it is there
    assert json.loads(run("init", "sub/db/x.yaml", "--json").stdout)["folder"] == "sub/migrations"
    assert json.loads(run("init", "main.yaml", "--json").stdout)["folder"] is None
    (place / "migrations").rmdir()  # as in a clone, since git keeps no folder without a file
    assert run("create", "manifests/shop.yaml", "add orders").code == 0
    assert (place / "migrations" / "001_add_orders.sql").exists()
    assert run("status", "manifests/orders.yaml").code != 70


def test_a_folder_is_made_beside_a_manifest_at_the_top(place: Path, run: Run) -> None:
    assert json.loads(run("init", "main.yaml", "--json").stdout)["folder"] == "migrations"
    assert run("create", "main.yaml", "add orders").code == 0
    assert (place / "migrations" / "001_add_orders.sql").exists()


def test_no_folder_is_made_where_another_tool_has_its_own(place: Path, run: Run) -> None:
    folder = place / "db" / "migrations"
    folder.mkdir(parents=True)
    (folder / "20240131120000_users.sql").write_text("-- migrate:up\ncreate table users ();\n-- migrate:down\n")
    assert run("init").code == 0
    assert not (place / "migrations").exists()


def test_the_schema_of_the_project_is_used_where_it_has_one(place: Path, run: Run) -> None:
    (place / "schemas").mkdir()
    (place / "schemas" / "manifest.schema.json").write_bytes(schema.path("manifest").read_bytes())
    assert run("init", "shop").code == 0
    assert [path.name for path in (place / "manifests").iterdir()] == ["shop.yaml"]
    assert "$schema=../schemas/manifest.schema.json\n" in (place / "manifests" / "shop.yaml").read_text()


def test_it_replaces_nothing(place: Path, run: Run) -> None:
    assert run("init", "shop").code == 0
    before = (place / "manifests" / "shop.yaml").read_text()
    ended = run("init", "shop")
    assert ended.code == 2
    assert ended.stderr == (
        "error: the manifest `manifests/shop.yaml` exists already\n"
        "hint: look at it with `zmig status manifests/shop.yaml`\n"
    )
    assert (place / "manifests" / "shop.yaml").read_text() == before
    (place / "manifests" / "gone.yaml").symlink_to("nowhere.yaml")
    assert run("init", "gone").code == 2


def test_another_one_may_be_written_beside_it(place: Path, run: Run) -> None:
    assert run("init").code == 0
    document = json.loads(run("init", "db/orders.yaml", "--json").stdout)
    assert document["manifest"] == "db/orders.yaml"
    assert document["files"] == ["db/orders.yaml", "db/manifest.schema.json"]
    assert run("create", "db/orders.yaml", "add orders").code == 0
    assert (place / "migrations" / "001_add_orders.sql").exists()


@pytest.mark.parametrize("name", ["a/b", "..", " ", "a\nb"])
def test_what_is_no_name_is_refused(place: Path, run: Run, name: str) -> None:
    assert run("init", name).code == 2
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(("system", "file"), [("github", ".github/workflows/zmig.yml"), ("gitlab", ".gitlab-ci.yml")])
def test_a_check_is_written_for_ci_and_printed_where_its_file_exists(
    place: Path, run: Run, system: str, file: str
) -> None:
    assert run("init", "a", "--ci", system).stdout == ""
    text = (place / file).read_text()
    assert "zmig lint manifests/a.yaml --base FETCH_HEAD --format" in text
    document = yaml_parser.parse(text, label=file)
    assert not document.problems
    ended = run("init", "b", "--ci", system)
    assert ended.stdout == text.replace("manifests/a.yaml", "manifests/b.yaml")
    assert (place / file).read_text() == text
    assert run("init", "c", "--ci", "hudson").code == 2


def test_a_check_for_ci_may_be_written_later(place: Path, run: Run) -> None:
    assert run("init", "shop").code == 0
    before = (place / "manifests" / "shop.yaml").read_text()
    ended = run("init", "--ci", "github")
    assert (ended.code, ended.stdout, ended.stderr) == (0, "", "wrote `.github/workflows/zmig.yml`\n")
    assert "zmig lint manifests/shop.yaml --base" in (place / ".github" / "workflows" / "zmig.yml").read_text()
    document = json.loads(run("init", "shop", "--ci", "gitlab", "--json").stdout)
    assert (document["manifest"], document["files"]) == ("manifests/shop.yaml", [".gitlab-ci.yml"])
    again = run("init", "shop", "--ci", "gitlab")
    assert (again.code, again.stdout, again.stderr) == (0, (place / ".gitlab-ci.yml").read_text(), "")
    assert (place / "manifests" / "shop.yaml").read_text() == before
    assert sorted(path.name for path in (place / "manifests").iterdir()) == ["manifest.schema.json", "shop.yaml"]


def test_nothing_is_left_where_something_cannot_be_written(place: Path, run: Run) -> None:
    (place / ".github").write_text("a file")
    ended = run("init", "--ci", "github")
    assert (ended.code, ended.stderr.partition(":")[0]) == (2, "error")
    assert [path.name for path in place.iterdir()] == [".github"]


def test_migrations_of_another_tool_are_found(place: Path, run: Run) -> None:
    folder = place / "db" / "migrations"
    folder.mkdir(parents=True)
    (folder / "20240131120000_users.sql").write_text("-- migrate:up\ncreate table users ();\n-- migrate:down\n")
    ended = run("init")
    line = "zmig import --manifest manifests/My-Shop.yaml"
    assert ended.stderr.splitlines()[-1] == (
        f"dbmate has migrations in `db/migrations`: `{line}` shows how they are taken over"
    )
    assert run(*line.split()[1:], "--write").code == 0
    assert "20240131120000_users.sql" in (place / "manifests" / "My-Shop.yaml").read_text()


def test_a_manifest_that_is_missing_is_written_by_the_hint(place: Path, run: Run) -> None:
    assert run("status").stderr.splitlines()[-1].startswith("hint: write one with `zmig init`")
    hint = run("status", "manifests/prod.yaml").stderr.splitlines()[-1]
    assert hint == "hint: write it with `zmig init manifests/prod.yaml`, or name another one"
    assert run("init", "manifests/prod.yaml").code == 0
