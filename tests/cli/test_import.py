"""`zmig import`: what it shows, and what it writes."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from zmig.importing import writing

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run

USERS = "-- migrate:up\nbegin;\ncreate table users (id int);\ncommit;\n\n-- migrate:down\ndrop table users;\n"
ORDERS = "-- migrate:up transaction:false\ncreate index concurrently users_id_idx on users (id);\n\n-- migrate:down\n"
NOTHING = "-- migrate:up\n-- nothing any more\n-- migrate:down\n"


class Project:
    """A project of dbmate in the working directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.migrations = folder / "db" / "migrations"
        self.migrations.mkdir(parents=True)
        self.add("20240101000000_users.sql", USERS)
        self.add("20240102000000_orders.sql", ORDERS)
        self.add("20240103000000_nothing.sql", NOTHING)

    def add(self, name: str, text: str) -> None:
        (self.migrations / name).write_text(text)

    def files(self) -> dict[str, bytes]:
        """Return everything that is there."""
        found = (path for path in self.folder.rglob("*") if path.is_file())
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in found}

    @property
    def manifest(self) -> Path:
        return self.folder / "manifests" / "shop.yaml"


@pytest.fixture
def project(empty: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    folder = empty / "shop"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return Project(folder)


def test_what_the_manifest_has_already_is_offered_as_no_tools(
    empty: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(empty)
    assert run("init", "shop").code == 0
    assert run("create", "create orders").code == 0
    (empty / "migrations" / "001_create_orders.sql").write_text("create table orders (id bigint primary key);\n")
    (empty / "migrations" / "001_create_orders.rollback.sql").write_text("drop table orders;\n")
    words = ("import", "--manifest", "manifests/shop.yaml")
    ended = run(*words)
    assert ended.code == 2
    assert "--from" not in ended.stderr.partition("hint:")[0]
    assert "   = files that the manifest has already are left aside\n" in ended.stderr
    (empty / "migrations" / "002_users.sql").write_text("create table users (id bigint primary key);\n")
    assert "Supabase in `migrations`: `zmig import --from supabase`\n" in run(*words).stderr


def test_the_only_manifest_is_meant_where_none_is_named(project: Project, run: Run) -> None:
    assert run("init", "orders").code == 0
    assert run("import", "--write").stderr.startswith("wrote 3 entries to `manifests/orders.yaml`, ")
    assert [path.name for path in project.manifest.parent.glob("*.yaml")] == ["orders.yaml"]
    assert run("init", "other").code == 0  # of several, none is
    assert "for `manifests/shop.yaml`" in run("import").stdout


def test_a_tool_that_is_given_as_the_folder_is_told_the_option(project: Project, run: Run) -> None:
    ended = run("import", "Dbmate", "--write")
    assert (ended.code, ended.stdout) == (2, "")
    assert ended.stderr == (
        "error: the folder `Dbmate` does not exist\nhint: a tool is named with `--from`: `zmig import --from dbmate`\n"
    )


def test_what_is_to_be_done_comes_after_the_plan_in_a_log_of_both_streams(project: Project) -> None:
    command = [sys.executable, "-m", "zmig", "import"]
    shown = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True).stdout
    assert shown.startswith("dbmate: 3 migrations in `db/migrations`")
    assert shown.splitlines()[-1] == "nothing is written yet: run `zmig import --write`"
    project.add("20240104000000_odd.sql", "create table odd ();\n")
    refused = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert refused.returncode == 2
    assert refused.stdout.splitlines()[-1].startswith("hint: ")


def test_a_single_file_is_named_and_the_next_step_told(empty: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = empty / "shop"
    (folder / "db" / "migration").mkdir(parents=True)
    (folder / "db" / "migration" / "V1__users.sql").write_text("create table users (id bigint primary key);\n")
    monkeypatch.chdir(folder)
    first = run("import", "--write").stderr.splitlines()[0]
    assert first == "wrote 1 entry to `manifests/shop.yaml`, and `manifests/manifest.schema.json`"
    assert run("import").stderr == (
        "`manifests/shop.yaml` has all of them: `zmig import --database` records what Flyway has applied\n"
    )


def test_the_plan_is_shown_and_nothing_is_written(project: Project, run: Run) -> None:
    before = project.files()
    ended = run("import")
    assert ended.code == 0
    header, blank, *rest = ended.stdout.splitlines()
    assert (header, blank) == ("dbmate: 3 migrations in `db/migrations`, for `manifests/shop.yaml`", "")
    assert [" ".join(line.split()) for line in rest[:5]] == [
        "files are in `migrations`; `*` in a path is the name",
        "name file rollback what is done",
        "20240101000000_users *.sql *.rollback.sql split in two files",
        "20240102000000_orders *.sql copied, transaction: false",
        "20240103000000_nothing *.sql copied, empty",
    ]
    assert rest[5:] == [
        "",
        "rewritten:",
        "  `begin` and `commit` are left away: zmig's own transaction takes their place",
        "    db/migrations/20240101000000_users.sql:2:1",
        "",
        "dropped, without loss:",
        "  its down part holds no statement, so nothing undoes it",
        "    db/migrations/20240102000000_orders.sql:5:1",
    ]
    assert ended.stderr == "nothing is written yet: run `zmig import --write`\n"
    assert project.files() == before


def test_the_plan_of_long_paths_fits_a_terminal(empty: Path, run: Run) -> None:
    for day in range(1, 6):
        folder = empty / "migrations" / f"2024-01-0{day}-030405_create_users_and_all_of_their_orders"
        folder.mkdir(parents=True)
        (folder / "up.sql").write_text("begin;\nselect 1;\ncommit;\n")
        (folder / "down.sql").write_text("select 2;\n")
    ended = run("import", "--from", "diesel", "--manifest", "manifests/shop.yaml")
    lines = ended.stdout.splitlines()
    assert max(map(len, lines)) <= 120
    assert "files are in `zmig-migrations`; rollbacks are in `migrations`; `*` in a path is the name" in lines
    document = json.loads(run("import", "--from", "diesel", "--manifest", "manifests/shop.yaml", "--json").stdout)
    name = "2024-01-05-030405_create_users_and_all_of_their_orders"
    assert (document["migrations"][-1]["name"], document["migrations"][-1]["rollback"]) == (
        name,
        f"migrations/{name}/down.sql",
    )


def test_the_next_command_has_its_options_before_a_folder_that_follows_two_dashes(project: Project, run: Run) -> None:
    assert run("import", "--", ".").stderr == "nothing is written yet: run `zmig import --write -- .`\n"
    written = run("import", "--write", "--leave-out", "20240102000000", "--", ".")
    assert "next: `zmig import --database -- .` records what dbmate has applied" in written.stderr
    assert "`zmig import --database -- .` records what dbmate has applied" in run("import", "--", ".").stderr


def test_what_is_written_can_be_applied_and_rolled_back(
    project: Project, run: Run, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = project.files()
    ended = run("import", "--write")
    assert (ended.code, ended.stdout) == (0, "")
    assert ended.stderr == (
        "wrote 3 entries to `manifests/shop.yaml`, and 5 files\n"
        "next: `zmig import --database` records what dbmate has applied, then "
        "`zmig verify manifests/shop.yaml --against` compares the database with the files\n"
    )
    after = project.files()
    assert {name: after[name] for name in before} == before
    assert after["migrations/20240101000000_users.sql"] == (
        b"-- imported from dbmate: db/migrations/20240101000000_users.sql\n"
        b"-- as imported, what follows has sha256 3f8b42df7ebea372\n\ncreate table users (id int);\n"
    )
    assert project.manifest.read_text().endswith("""\
migrations:
  - version: 20240101000000
    file: ../migrations/20240101000000_users.sql
    rollback: ../migrations/20240101000000_users.rollback.sql

  - version: 20240102000000
    file: ../migrations/20240102000000_orders.sql
    transaction: false

  - version: 20240103000000
    file: ../migrations/20240103000000_nothing.sql
    empty: true
""")
    monkeypatch.setenv("DATABASE_URL", database)
    assert run("apply").code == 0
    assert run("rollback", "--steps", "1", "--yes").code == 0
    assert len(json.loads(run("status", "--json").stdout)["applied"]) == 2


def test_a_second_time_finds_nothing_new(project: Project, run: Run) -> None:
    assert run("import", "--write").code == 0
    before = project.files()
    ended = run("import", "--write")
    assert (ended.code, ended.stderr) == (0, "nothing is new: `manifests/shop.yaml` has all 3 migrations\n")
    assert project.files() == before
    assert run("import").stderr.startswith("`manifests/shop.yaml` has all of them: ")


def test_what_is_new_since_then_is_added(project: Project, run: Run) -> None:
    assert run("import", "--write").code == 0
    text = project.manifest.read_text().replace("environment: production", "environment: staging")
    project.manifest.write_text(text)
    project.add("20240101120000_between.sql", USERS.replace("users", "between_two"))
    project.add("20240104000000_last.sql", USERS.replace("users", "last"))
    document = json.loads(run("import", "--json").stdout)
    assert [one["declared"] for one in document["migrations"]] == [True, False, True, True, False]
    assert run("import", "--write").stderr.startswith("wrote 2 entries to `manifests/shop.yaml`, and 4 files\n")
    after = project.manifest.read_text()
    assert after.startswith(text.partition("migrations:")[0])
    versions = [line.split()[-1] for line in after.splitlines() if "version:" in line]
    assert versions == sorted(versions)
    assert len(versions) == 5
    assert run("lint", "--fail-on", "error").code == 0


def test_a_file_that_was_renamed_since_is_still_the_same_migration(project: Project, run: Run) -> None:
    run("import", "--write")
    before = project.manifest.read_text()
    old = project.migrations / "20240101000000_users.sql"
    old.rename(project.migrations / "20240101000000_people.sql")
    shown = run("import")
    assert "`20240101000000_users` in the manifest has its number, and its file is gone" in shown.stdout
    assert run("import", "--write").code == 0
    assert project.manifest.read_text() == before


class TestAFileThatHasAnotherMigrationSince:
    """What is new in a file that an entry names is not run by that entry, and what was in it not by another."""

    def test_of_liquibase_is_refused(self, empty: Path, run: Run) -> None:
        changelog = empty / "changelog.sql"
        first = "--liquibase formatted sql\n--changeset jo:1\nselect 1;\n"
        changelog.write_text(first)
        (empty / "liquibase.properties").write_text("changeLogFile: changelog.sql\n")
        assert run("import", "--manifest", "manifests/shop.yaml", "--write").code == 0
        changelog.write_text(f"{first}--changeset jo:2\nselect 2;\n")
        refused = run("import", "--manifest", "manifests/shop.yaml", "--write")
        assert refused.code == 2
        assert "`changelog-1` in the manifest names this file" in refused.stderr
        (empty / "first.sql").write_text(first)
        manifest = empty / "manifests" / "shop.yaml"
        manifest.write_text(manifest.read_text().replace("../changelog.sql", "../first.sql"))
        run("import", "--manifest", "manifests/shop.yaml", "--write")
        document = json.loads(run("import", "--manifest", "manifests/shop.yaml", "--json").stdout)
        assert [one["name"] for one in document["migrations"]] == ["changelog-1", "changelog-2"]
        assert all(one["declared"] for one in document["migrations"])

    def test_of_sqitch_leaves_the_first_one_its_name(self, empty: Path, run: Run) -> None:
        who = "2026-11-28T05:10:33Z Ann <a@b.c> # note"
        for path, text in {
            "sqitch.conf": "[core]\nengine = pg\n",
            "sqitch.plan": f"%syntax-version=1.0.0\n%project=shop\n\nusers {who}\n@v1 {who}\n",
            "deploy/users.sql": "begin;\nselect 1;\ncommit;\n",
        }.items():
            (empty / path).parent.mkdir(exist_ok=True)
            (empty / path).write_text(text)
        run("import", "--manifest", "manifests/shop.yaml", "--write")
        (empty / "deploy" / "users.sql").rename(empty / "deploy" / "users@v1.sql")
        (empty / "deploy" / "users.sql").write_text("begin;\nselect 2;\ncommit;\n")
        plan = empty / "sqitch.plan"
        plan.write_text(f"{plan.read_text()}\nusers [users@v1] {who}\n")
        assert run("import", "--manifest", "manifests/shop.yaml", "--write").code == 0
        texts = {path.name: path.read_text().splitlines()[-1] for path in (empty / "migrations").glob("*.sql")}
        assert texts == {"001_users.sql": "select 1;", "002_users_since-v1.sql": "select 2;"}


def test_a_value_that_may_be_a_secret_is_neither_written_nor_shown(empty: Path, run: Run) -> None:
    (empty / "sql").mkdir()
    (empty / "sql" / "V1__role.sql").write_text(
        "alter role app password '${appPassword}'; comment on role app is '${what}';\n"
    )
    (empty / "flyway.conf").write_text(
        "flyway.locations=filesystem:sql\nflyway.placeholders.appPassword=hunter2\nflyway.placeholders.what=app\n"
    )
    shown = run("import", "--manifest", "manifests/shop.yaml", "--write")
    manifest = (empty / "manifests" / "shop.yaml").read_text()
    assert '  appPassword: "${APPPASSWORD}"\n  what: app\n' in manifest
    assert "hunter2" not in shown.stdout + shown.stderr + manifest
    plan = run("import", "--manifest", "manifests/other.yaml")
    assert "`appPassword` may be a secret" in plan.stdout
    linted = run("lint", "manifests/shop.yaml")
    assert "export APPPASSWORD=...` with its value" in linted.stdout + linted.stderr


def test_a_number_of_zmigs_own_makes_no_migration_of_the_tool_known(project: Project, run: Run) -> None:
    run("import", "--write")
    assert "20240103000001_items.sql" in run("create", "items").stdout
    project.add("20240103000001_others.sql", USERS.replace("users", "others"))
    document = json.loads(run("import", "--json").stdout)
    assert [one["declared"] for one in document["migrations"] if one["name"] == "20240103000001_others"] == [False]


def test_an_entry_that_somebody_wrote_is_taken_as_it_is(project: Project, run: Run) -> None:
    assert run("init").code == 0
    (project.folder / "migrations").mkdir()
    (project.folder / "migrations" / "mine.sql").write_text("create table users (id bigint);")
    text = project.manifest.read_text().replace(
        "migrations: []",
        "migrations:\n  - {version: 20240101000000, name: 20240101000000_users, file: ../migrations/mine.sql}",
    )
    project.manifest.write_text(text)
    assert run("import", "--write").stderr.startswith("wrote 2 entries")
    assert project.manifest.read_text().count("mine.sql") == 1
    assert not (project.folder / "migrations" / "20240101000000_users.sql").exists()


class TestRefused:
    @pytest.fixture
    def half(self, project: Project) -> Project:
        project.add("20240102000000_orders.sql", "-- migrate:up\nselect 1;\nrollback;\n")
        return project

    def test_nothing_is_written(self, half: Project, run: Run) -> None:
        before = half.files()
        for words in (["import"], ["import", "--write"]):
            ended = run(*words)
            assert ended.code == 2
            assert "cannot be carried over:\n" in ended.stdout
            assert "db/migrations/20240102000000_orders.sql:3:1" in ended.stdout
            assert ended.stderr.startswith(
                "error: 1 migration of dbmate cannot be carried over: `rollback` is not one of"
            )
            assert f"`{' '.join(['zmig', *words])} --leave-out 20240102000000`" in ended.stderr
        assert half.files() == before

    def test_it_may_be_left_out(self, half: Project, run: Run) -> None:
        assert run("import", "--write", "--leave-out", "20240102000000").code == 0
        assert "_orders" not in half.manifest.read_text()

    def test_the_document_has_the_plan_beside_the_error(self, half: Project, run: Run) -> None:
        document = json.loads(run("import", "--json").stdout)
        assert document["error"]["code"] == "import-refused"
        assert [one["migration"] for one in document["remarks"] if one["change"] == "refused"] == ["20240102000000"]

    def test_what_is_no_migration_cannot_be_left_out(self, project: Project, run: Run) -> None:
        ended = run("import", "--leave-out", "20240102000001")
        assert ended.code == 2
        assert "hint: write `--leave-out 20240102000000`" in ended.stderr


def test_a_file_that_is_there_is_never_replaced(project: Project, run: Run) -> None:
    other = project.folder / "migrations" / "20240102000000_orders.sql"
    other.parent.mkdir()
    other.write_text("mine")
    before = project.files()
    ended = run("import", "--write")
    assert ended.code == 2
    assert ended.stderr.startswith("error: `migrations/20240102000000_orders.sql` exists already\n")
    assert project.files() == before


@pytest.mark.parametrize("name", ['it\'s: "odd" #1 ${x}', "ä" * 100, "-- ", "\u202eevil", "{a: b}", "."])
def test_whatever_a_file_is_called_its_migration_is_there(project: Project, run: Run, name: str) -> None:
    project.add(f"20240109000000_{name}.sql", USERS.replace("users", "members"))
    assert run("import", "--write").code == 0
    assert project.manifest.read_text().count("  - version:") == 4
    assert run("lint", "--fail-on", "error").code == 0
    assert run("import", "--write").stderr.startswith("nothing is new")
    (file,) = (project.folder / "migrations").glob("20240109*[!k].sql")
    assert file.read_text().splitlines()[2:] == ["", "create table members (id int);"]


def test_files_that_cannot_be_named_are_copied(empty: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(empty)
    folder = empty / "prisma" / "migrations"
    for name in ("20240101000000_a\nb", "20240102000000_it's ${x}"):
        (folder / name).mkdir(parents=True)
        (folder / name / "migration.sql").write_text("select 1;")
    (folder / "migration_lock.toml").write_text('provider = "postgresql"\n')
    assert run("import", "--manifest", "manifests/m.yaml", "--write").code == 0
    text = (empty / "manifests" / "m.yaml").read_text()
    assert "file: ../migrations/20240101000000_a_b.sql" in text
    assert (empty / "migrations" / "20240101000000_a_b.sql").read_text() == (
        "-- imported from prisma: prisma/migrations/20240101000000_a b/migration.sql\n"
        "-- as imported, what follows has sha256 354b7196c9ba5fb4\n\nselect 1;\n"
    )
    assert "../prisma/migrations/20240102000000_it's $${x}/migration.sql" in text
    assert run("lint", "--fail-on", "error").code == 0


def test_an_import_that_was_cut_off_is_done_by_the_same_command(
    project: Project, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("import", "--write").code == 0
    whole = project.files()
    project.manifest.unlink()
    (project.folder / "migrations" / "20240103000000_nothing.sql").unlink()
    assert run("import", "--write").code == 0
    assert project.files() == whole


def test_an_interrupted_import_leaves_nothing(project: Project, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    before = project.files()
    monkeypatch.setattr(writing.project, "load", interrupt)
    assert run("import", "--write").code == 130
    assert project.files() == before


@pytest.mark.parametrize("manifest", ["shop", "shop.yml.txt", "", "manifests/"])
def test_a_manifest_is_called_as_one(project: Project, run: Run, manifest: str) -> None:
    ended = run("import", "--write", "--manifest", manifest)
    assert (ended.code, ended.stderr.count("hint: ")) == (2, 1)


def test_the_folder_of_the_migrations_may_be_named(project: Project, run: Run) -> None:
    document = json.loads(run("import", "db/migrations", "--json").stdout)
    assert (document["tool"], document["folder"], document["manifest"]) == ("dbmate", ".", "manifests/shop.yaml")
    assert document["remarks"][0]["file"] == "db/migrations/20240101000000_users.sql"


def test_a_project_elsewhere_may_be_named(project: Project, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    other = project.folder.parent / "tools"
    other.mkdir()
    monkeypatch.chdir(other)
    assert run("import", "../shop", "--write").code == 0
    assert (other / "manifests" / "shop.yaml").exists()
    assert (other / "migrations" / "20240101000000_users.sql").exists()
    assert run("lint", "--fail-on", "error").code == 0


def test_new_files_are_never_put_where_the_other_tool_looks(
    empty: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (empty / "migrations").mkdir()
    (empty / "migrations" / "20240101000000_users.sql").write_text(USERS)
    monkeypatch.chdir(empty)
    assert run("import", "--manifest", "manifests/shop.yaml", "--write").code == 0
    assert [path.name for path in (empty / "migrations").iterdir()] == ["20240101000000_users.sql"]
    assert (empty / "zmig-migrations" / "20240101000000_users.sql").exists()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["import", "gone"], "folder-missing"),
        (["import", "manifests/shop.yaml"], "folder-missing"),
        (["import", "other"], "tool-not-found"),
        (["import", "--from", "dbmat"], "tool-unknown"),
        (["import", "other", "--from", "dbmate"], "nothing-to-import"),
        (["import", "a", "b"], "usage"),
    ],
)
def test_what_cannot_be_imported_is_said(project: Project, run: Run, words: list[str], code: str) -> None:
    (project.folder / "other").mkdir()
    ended = run(*words, "--json")
    assert ended.code == 2
    assert json.loads(ended.stdout)["error"]["code"] == code
    assert json.loads(ended.stdout)["error"]["hint"]


def test_two_tools_are_named_with_their_commands(project: Project, run: Run) -> None:
    prisma = project.folder / "prisma" / "migrations" / "20240101000000_a"
    prisma.mkdir(parents=True)
    (prisma / "migration.sql").write_text("select 1;")
    (prisma.parent / "migration_lock.toml").write_text('provider = "postgresql"\n')
    ended = run("import")
    assert ended.code == 2
    assert "Prisma in `prisma/migrations`: `zmig import --from prisma`" in ended.stderr
    assert "dbmate in `db/migrations`: `zmig import --from dbmate`" in ended.stderr
    assert json.loads(run("import", "--from", "prisma", "--json").stdout)["tool"] == "prisma"


def test_where_no_tool_is_certain_those_are_named_that_it_may_be(project: Project, run: Run) -> None:
    other = project.folder / "other" / "sql"
    other.mkdir(parents=True)
    for name in ("000001_users.up.sql", "000001_users.down.sql"):
        (other / name).write_text("select 1;")
    ended = run("import", "other")
    assert ended.code == 2
    assert "golang-migrate in `sql`: `zmig import other --from golang-migrate`" in ended.stderr
    assert "Flyway" not in ended.stderr
    document = json.loads(run("import", "other", "--from", "golang-migrate", "--json").stdout)
    assert (document["folder"], [one["file"] for one in document["migrations"]]) == (
        "sql",
        ["other/sql/000001_users.up.sql"],
    )


def test_a_file_that_is_no_text_is_named(project: Project, run: Run) -> None:
    (project.migrations / "20240109000000_bad.sql").write_bytes(b"-- migrate:up\nselect '\xe9';\n")
    ended = run("import")
    assert ended.code == 2
    assert "`db/migrations/20240109000000_bad.sql` is not UTF-8: byte 0xE9 at offset 22" in ended.stderr


def test_a_dump_beside_the_migrations_is_not_looked_at(project: Project, run: Run) -> None:
    dump = project.folder / "00001_dump.sql"
    dump.write_text("-- +goose Up\n" + "-- x\n" * 900_000)
    assert dump.stat().st_size > 4 << 20
    document = json.loads(run("import", "--json").stdout)
    assert (document["tool"], len(document["migrations"])) == ("dbmate", 3)


def test_a_manifest_in_the_way_is_read_first(project: Project, run: Run) -> None:
    project.manifest.parent.mkdir()
    project.manifest.write_text("manifest: 2\n")
    assert run("import", "--write").code == 2
    assert project.manifest.read_text() == "manifest: 2\n"
