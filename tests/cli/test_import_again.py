"""`zmig import` a second time: what is known again, what is left out still, and what has changed meanwhile."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.cli.conftest import Run

_WORDS = ("import", "--manifest", "manifests/shop.yaml")
_USERS = "create table users (id int);\n"
_ORDERS = "create table orders (id int);\n"
_ITEMS = "create table items (id int);\n"


class Project:
    """A project of another tool in the working directory."""

    def __init__(self, folder: Path, run: Run) -> None:
        self.folder = folder
        self.run = run

    def write(self, files: Mapping[str, str]) -> None:
        for path, text in files.items():
            file = self.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def rename(self, old: str, new: str) -> None:
        (self.folder / old).rename(self.folder / new)

    def taken(self, *words: str) -> str:
        """Write what is there, and return what is said."""
        ended = self.run(*_WORDS, "--write", *words)
        assert ended.code == 0, ended.stderr
        return ended.stderr

    def document(self, *words: str) -> dict[str, Any]:
        return json.loads(self.run(*_WORDS, "--json", *words).stdout)

    @property
    def manifest(self) -> Path:
        return self.folder / "manifests" / "shop.yaml"

    @property
    def names(self) -> list[tuple[int, str]]:
        return [(one["version"], one["name"]) for one in self.document()["migrations"] if one["declared"]]


@pytest.fixture
def project(empty: Path, run: Run) -> Project:
    return Project(empty, run)


@pytest.fixture
def flyway(project: Project) -> Project:
    """Versions with dots, which cannot be versions here."""
    project.write({"flyway.conf": "flyway.locations=filesystem:sql\n", "sql/V1__users.sql": _USERS})
    project.write({"sql/V1.1__orders.sql": _ORDERS, "sql/V2__items.sql": _ITEMS})
    project.taken()
    return project


@pytest.fixture
def dbmate(project: Project) -> Project:
    """Numbers of mixed lengths, which dbmate sorts as text."""
    for name, text in (("100_users", _USERS), ("20_orders", _ORDERS), ("30_items", _ITEMS)):
        project.write({f"db/migrations/{name}.sql": f"-- migrate:up\n{text}-- migrate:down\n"})
    project.taken()
    return project


class TestAFileThatWasRenamed:
    """Where the tool's numbers are not the versions."""

    def test_is_known_by_what_the_tool_calls_it(self, flyway: Project) -> None:
        before = flyway.names
        flyway.rename("sql/V1.1__orders.sql", "sql/V1.1__sales.sql")
        said = flyway.taken()
        assert "`V1.1__orders` in the manifest has its id: it is that one, renamed" in said
        assert "write `file: ../sql/V1.1__sales.sql` there" in said
        assert flyway.names == before

    def test_is_known_by_that_though_it_happens_to_be_its_version(self, flyway: Project) -> None:
        before = flyway.names
        flyway.rename("sql/V1__users.sql", "sql/V1__people.sql")
        assert "`V1__users` in the manifest has its id: it is that one, renamed" in flyway.taken()
        assert flyway.names == before

    def test_is_known_by_that_though_the_file_is_a_copy(self, dbmate: Project) -> None:
        before, text = dbmate.names, dbmate.manifest.read_text()
        dbmate.rename("db/migrations/20_orders.sql", "db/migrations/20_sales.sql")
        assert "`20_orders` in the manifest has its id: it is that one, renamed" in dbmate.taken()
        assert (dbmate.names, dbmate.manifest.read_text()) == (before, text)

    def test_is_known_by_its_text_where_nothing_else_is_the_same(self, dbmate: Project) -> None:
        before, text = dbmate.names, dbmate.manifest.read_text()
        dbmate.rename("db/migrations/20_orders.sql", "db/migrations/25_sales.sql")
        assert "`20_orders` in the manifest has its text" in dbmate.run(*_WORDS).stdout
        said = dbmate.taken()
        assert "`20_orders` in the manifest has its text" in said
        assert said.startswith("wrote to `manifests/shop.yaml` what dbmate calls 1 migration now\n")
        assert 'its entry gets `origin: {dbmate: ["20", "25"]}`, since the tool may apply it by either name' in said
        written = text.replace('origin: {dbmate: "20"}', 'origin: {dbmate: ["20", "25"]}')
        assert (dbmate.names, dbmate.manifest.read_text()) == (before, written)
        assert dbmate.taken().startswith("nothing is new")
        assert dbmate.manifest.read_text() == written

    def test_again_and_again_has_all_its_names(self, dbmate: Project) -> None:
        for old, new in (("20_orders", "25_sales"), ("25_sales", "26_sold"), ("26_sold", "20_orders")):
            dbmate.rename(f"db/migrations/{old}.sql", f"db/migrations/{new}.sql")
            dbmate.taken()
        assert 'origin: {dbmate: ["20", "25", "26"]}' in dbmate.manifest.read_text()

    def test_gets_its_old_name_beside_the_new_one_where_the_entry_had_none(self, project: Project) -> None:
        for name, text in (("1_users", _USERS), ("2_orders", _ORDERS)):
            project.write({f"db/migrations/{name}.sql": f"-- migrate:up\n{text}-- migrate:down\n"})
        project.taken()
        assert "origin" not in project.manifest.read_text()
        project.rename("db/migrations/2_orders.sql", "db/migrations/3_sales.sql")
        project.taken()
        assert project.manifest.read_text().endswith('orders.sql\n    origin: {dbmate: ["2", "3"]}\n')
        project.write({"db/migrations/2_orders.sql": "-- migrate:up\nselect 1;\n-- migrate:down\n"})
        ended = project.run(*_WORDS)
        assert ended.code == 2
        assert ended.stderr.startswith(
            "error: `2_orders` in the manifest has `2`, `3` in its `origin`, and all are there\n"
        ), ended.stderr

    @pytest.mark.parametrize(
        ("said", "then"),
        [
            ('    origin: {dbmate: "20"}\n', '    origin: {dbmate: ["20", "25"]}\n'),
            ("    origin: {dbmate: '20'} # old\n", '    origin: {dbmate: ["20", "25"]} # old\n'),
            ('    origin:\n      dbmate: "20"\n', '    origin:\n      dbmate: ["20", "25"]\n'),
            (
                "    origin:\n      dbmate:\n      - '20'\n",
                "    origin:\n      dbmate:\n      - '20'\n      - \"25\"\n",
            ),
            ("    origin: {dbmate: ['20']}\n", "    origin: {dbmate: ['20', \"25\"]}\n"),
            ('    origin: {"dbmate": ["20",]}\n', '    origin: {"dbmate": ["20", "25",]}\n'),
        ],
    )
    def test_is_written_however_the_entry_is(self, dbmate: Project, said: str, then: str) -> None:
        text = dbmate.manifest.read_text().replace('    origin: {dbmate: "20"}\n', said)
        dbmate.manifest.write_text(text)
        dbmate.rename("db/migrations/20_orders.sql", "db/migrations/25_sales.sql")
        dbmate.taken()
        assert dbmate.manifest.read_text() == text.replace(said, then)

    @pytest.mark.parametrize("origin", ["", ', "origin": {"dbmate": "20"}'])
    def test_is_written_to_an_entry_in_braces(self, dbmate: Project, origin: str) -> None:
        entries = "".join(
            f'{{"version": {version}, "file": "../migrations/{name}.sql", "name": "{name}"{more}}}, '
            for version, name, more in ((1, "100_users", ""), (20, "20_orders", origin), (30, "30_items", ""))
        )
        head = dbmate.manifest.read_text().partition("migrations:")[0]
        names = [path.name for path in sorted((dbmate.folder / "migrations").glob("*.sql"))]
        for name, old in zip(("100_users", "20_orders", "30_items"), names, strict=True):
            dbmate.rename(f"migrations/{old}", f"migrations/{name}.sql")
        dbmate.manifest.write_text(f"{head}migrations: [{entries}]\n")
        dbmate.rename("db/migrations/20_orders.sql", "db/migrations/25_sales.sql")
        dbmate.taken()
        assert '"20_orders", "origin": {"dbmate": ["20", "25"]}}' in dbmate.manifest.read_text()

    def test_that_cannot_be_written_is_said(self, dbmate: Project) -> None:
        text = dbmate.manifest.read_text().replace(
            '    origin: {dbmate: "20"}\n', '    description: &id "20"\n    origin: {dbmate: *id}\n'
        )
        dbmate.manifest.write_text(text)
        dbmate.rename("db/migrations/20_orders.sql", "db/migrations/25_sales.sql")
        ended = dbmate.run(*_WORDS, "--write")
        assert ended.code == 2
        assert ended.stderr.startswith("error: what the tool calls `20_orders` now cannot be written to `manifests/sh")
        assert 'hint: write `origin: {dbmate: ["20", "25"]}` in that entry by hand\n' in ended.stderr
        assert dbmate.manifest.read_text() == text

    def test_of_an_included_manifest_is_said(self, dbmate: Project) -> None:
        dbmate.rename("manifests/shop.yaml", "manifests/old.yaml")
        before = (dbmate.folder / "manifests/old.yaml").read_text()
        dbmate.manifest.write_text(f"{before.partition('migrations:')[0]}include: [old.yaml]\nmigrations: []\n")
        (dbmate.folder / "manifests/old.yaml").write_text(
            before.replace("environment: production", "").replace("database:", "").replace("  url: ${DATABASE_URL}", "")
        )
        dbmate.rename("db/migrations/20_orders.sql", "db/migrations/25_sales.sql")
        said = dbmate.taken()
        assert 'write `origin: {dbmate: ["20", "25"]}` in its entry, since' in said

    def test_of_which_two_entries_have_one_id_is_refused(self, dbmate: Project) -> None:
        text = dbmate.manifest.read_text().replace('origin: {dbmate: "20"}', 'origin: {dbmate: ["20", "30"]}')
        dbmate.manifest.write_text(text)
        ended = dbmate.run(*_WORDS)
        assert ended.code == 2
        assert ended.stderr.startswith("error: `20_orders` and `30_items` in the manifest both have `30` in their"), (
            ended.stderr
        )

    def test_are_one_note_where_they_are_many(self, project: Project) -> None:
        for number in range(1, 9):
            text = f"-- migrate:up\ncreate table t{number} (id int);\n-- migrate:down\n"
            project.write({f"db/migrations/{number}_t.sql": text})
        project.taken()
        for number in range(1, 9):
            project.rename(f"db/migrations/{number}_t.sql", f"db/migrations/{number + 20}_u.sql")
        said = project.taken()
        assert said == (
            "wrote to `manifests/shop.yaml` what dbmate calls 8 migrations now\n"
            "note: `1_t`, `2_t`, `3_t` and 5 more: known again under other names; the same command without `--write` "
            "says it of each\n"
        )

    def test_and_another_text_is_another_migration(self, dbmate: Project) -> None:
        (dbmate.folder / "db/migrations/20_orders.sql").unlink()
        dbmate.write({"db/migrations/40_more.sql": "-- migrate:up\nselect 1;\n"})
        dbmate.taken()
        assert [name for _, name in dbmate.names] == ["100_users", "30_items", "40_more"]

    def test_and_of_which_nobody_can_say_it_is_refused(self, flyway: Project) -> None:
        flyway.rename("sql/V1.1__orders.sql", "sql/V1.2__orders.sql")
        before = flyway.manifest.read_text()
        for words in ((), ("--write",)):
            ended = flyway.run(*_WORDS, *words)
            assert ended.code == 2
            assert ended.stderr.startswith(
                "error: Flyway cannot be carried over: the file of `V1.1__orders` in the manifest is gone"
            )
        assert "write `file: ../sql/V1.2__orders.sql` in that entry" in flyway.run(*_WORDS, "--json").stdout
        assert flyway.manifest.read_text() == before

    def test_is_known_once_somebody_has_said_so(self, flyway: Project) -> None:
        before = flyway.names
        flyway.rename("sql/V1.1__orders.sql", "sql/V1.2__orders.sql")
        flyway.manifest.write_text(
            flyway.manifest.read_text()
            .replace("sql/V1.1__orders.sql", "sql/V1.2__orders.sql")
            .replace('"1.1"', '"1.2"')
        )
        assert flyway.taken().startswith("nothing is new")
        assert [version for version, _ in flyway.names] == [version for version, _ in before]

    def test_of_several_with_one_text_each_is_one(self, project: Project) -> None:
        for name in ("1_a", "02_b"):
            project.write({f"db/migrations/{name}.sql": f"-- migrate:up\n{_USERS}-- migrate:down\n"})
        project.taken()
        before = project.names
        project.rename("db/migrations/1_a.sql", "db/migrations/4_c.sql")
        project.rename("db/migrations/02_b.sql", "db/migrations/3_d.sql")
        project.write({"db/migrations/5_e.sql": f"-- migrate:up\n{_USERS}-- migrate:down\n"})
        project.taken()
        assert len(project.names) == len(before) + 1

    def test_does_not_take_the_place_of_another_one_whose_name_it_gets(self, project: Project) -> None:
        root = "<databaseChangeLog>{}<include file='y/a.sql'/></databaseChangeLog>"
        text = "--liquibase formatted sql\n--changeset jo:1\nselect {};\n"
        project.write({"root.xml": root.format("<include file='x/a.sql'/>"), "x/a.sql": text.format(1)})
        project.write({"liquibase.properties": "changeLogFile: root.xml\n", "y/a.sql": text.format(2)})
        project.taken()
        assert project.names == [(1, "a-1"), (2, "a-1 y/a.sql::1::jo")]
        project.write({"root.xml": root.format("")})
        assert project.taken().startswith("nothing is new")
        assert project.names == [(2, "a-1 y/a.sql::1::jo")]


class TestWhatIsLeftOut:
    def test_is_left_out_the_next_time_too(self, dbmate: Project) -> None:
        dbmate.write({"db/migrations/40_seed.sql": "-- migrate:up\nselect 1;\n"})
        dbmate.write({"db/migrations/50_more.sql": "-- migrate:up\nselect 2;\n"})
        said = dbmate.taken("--leave-out", "40")
        assert "leaves `40` out from now on, until it is taken out of `import.leave_out` there" in said
        assert 'import:\n  leave_out:\n    dbmate:\n      - "40"\n' in dbmate.manifest.read_text()
        assert dbmate.taken().startswith("nothing is new")
        document = dbmate.document()
        assert (document["left_out"], len(document["migrations"])) == (["40"], 4)
        assert "left out: `40`" in dbmate.run(*_WORDS).stdout

    @pytest.mark.parametrize("words", [("--leave-out", "20_orders"), ("--leave-out=20_orders",)])
    def test_is_not_named_again_in_what_comes_next(self, project: Project, words: tuple[str, ...]) -> None:
        for name, text in (("100_users", _USERS), ("20_orders", _ORDERS)):
            project.write({f"db/migrations/{name}.sql": f"-- migrate:up\n{text}-- migrate:down\n"})
        said = project.taken(*words)
        assert "next: `zmig import --manifest manifests/shop.yaml --database` records" in said

    def test_comes_once_it_is_taken_out_there(self, dbmate: Project) -> None:
        dbmate.write({"db/migrations/40_seed.sql": "-- migrate:up\nselect 1;\n"})
        dbmate.taken("--leave-out", "40")
        dbmate.manifest.write_text(
            dbmate.manifest.read_text().replace('      - "40"\n', "").replace("dbmate:\n", "x: []\n")
        )
        assert dbmate.taken().startswith("wrote 1 entry")

    def test_is_in_a_new_manifest(self, project: Project) -> None:
        for name in ("10_users", "20_seed"):
            project.write({f"db/migrations/{name}.sql": "-- migrate:up\nselect 1;\n"})
        project.taken("--leave-out", "20_seed")
        text = project.manifest.read_text()
        assert "# What `zmig import` leaves out" in text
        assert text.index("leave_out:") < text.index("\nmigrations:")
        assert [name for _, name in project.names] == ["10_users"]
        assert project.run("lint", "--fail-on", "error").code == 0

    @pytest.mark.parametrize(
        "said",
        [
            "import:\n  leave_out:\n    dbmate:\n      - '10'\n",
            "import:\n  leave_out:\n    dbmate: ['10']\n",
            "import:\n  leave_out: # of others, too\n    flyway:\n    - '10'\n    # below\n",
        ],
    )
    def test_is_added_to_what_is_there(self, project: Project, said: str) -> None:
        for name in ("10_users", "20_seed", "30_more"):
            project.write({f"db/migrations/{name}.sql": "-- migrate:up\nselect 1;\n"})
        project.write({"manifests/shop.yaml": f"manifest: 1\n{said}migrations: []\n"})
        project.taken("--leave-out", "20,30")
        assert project.document()["left_out"][-2:] == ["20", "30"]
        before = project.manifest.read_text()
        project.taken()
        assert project.manifest.read_text() == before
        assert ("10_users" in before) == ("flyway" in said)

    def test_that_cannot_be_written_is_said(self, project: Project) -> None:
        for name in ("10_users", "20_seed"):
            project.write({f"db/migrations/{name}.sql": "-- migrate:up\nselect 1;\n", f"own/{name}.sql": "select 1;"})
        head = '{"manifest": 1, %s"migrations": [{"version": 10, "file": "../own/10_users.sql"}]}'
        project.write({"manifests/shop.yaml": head % ""})
        ended = project.run(*_WORDS, "--write", "--leave-out", "20")
        assert ended.code == 2
        assert 'write `import: {leave_out: {dbmate: ["20"]}}` there by hand' in ended.stderr
        project.write({"manifests/shop.yaml": head % '"import": {"leave_out": {"dbmate": ["20"]}}, '})
        project.taken()
        assert [name for _, name in project.names] == ["10_users"]

    def test_is_not_remembered_where_nothing_is_written(self, dbmate: Project) -> None:
        before = dbmate.manifest.read_text()
        dbmate.write({"db/migrations/40_seed.sql": "-- migrate:up\nselect 1;\n"})
        assert dbmate.run(*_WORDS, "--leave-out", "40").code == 0
        assert dbmate.manifest.read_text() == before

    def test_and_has_an_entry_all_the_same_is_there(self, dbmate: Project) -> None:
        text = dbmate.manifest.read_text()
        dbmate.manifest.write_text(
            text.replace("migrations:\n", 'import: {leave_out: {dbmate: ["100"]}}\nmigrations:\n', 1)
        )
        assert len(dbmate.names) == 3

    def test_and_is_gone_says_nothing(self, dbmate: Project) -> None:
        text = dbmate.manifest.read_text()
        dbmate.manifest.write_text(
            text.replace("migrations:\n", "import: {leave_out: {dbmate: [x]}}\nmigrations:\n", 1)
        )
        assert dbmate.taken().startswith("nothing is new")


class TestAFileThatWasEditedAfterItWasCopied:
    def test_is_named_with_the_way_to_take_it(self, dbmate: Project) -> None:
        copy = dbmate.folder / "migrations" / "002_20_orders.sql"
        before = copy.read_text()
        dbmate.write({"db/migrations/20_orders.sql": "-- migrate:up\ncreate table sales ();\n-- migrate:down\n"})
        shown = dbmate.run(*_WORDS)
        assert "changed since it was imported:\n" in shown.stdout
        said = dbmate.taken()
        assert said.startswith("nothing is new")
        assert "this file was edited since: what is applied stays as it is; while it is pending" in said
        assert "`rm migrations/002_20_orders.sql`, and then `--write` writes what `20_orders` is now" in said
        assert copy.read_text() == before

    def test_is_named_with_a_command_that_is_in_one_line(self, dbmate: Project) -> None:
        for text in ("select 4;", "select 5;"):
            dbmate.write({"db/migrations/40_orders_of_last_year.sql": f"-- migrate:up\n{text}\n"})
            dbmate.run(*_WORDS, "--write")
        assert "`rm migrations/004_40_orders_of_last_year.sql`" in dbmate.run(*_WORDS).stdout

    def test_is_taken_once_the_copy_is_gone(self, dbmate: Project) -> None:
        dbmate.write({"db/migrations/20_orders.sql": "-- migrate:up\ncreate table sales ();\n-- migrate:down\n"})
        manifest = dbmate.manifest.read_text()
        (dbmate.folder / "migrations" / "002_20_orders.sql").unlink()
        assert "gone, and to be written again: `migrations/002_20_orders.sql`" in dbmate.run(*_WORDS).stdout
        assert dbmate.taken() == "wrote `migrations/002_20_orders.sql` again\n"
        assert "create table sales" in (dbmate.folder / "migrations" / "002_20_orders.sql").read_text()
        assert dbmate.manifest.read_text() == manifest
        assert dbmate.taken().startswith("nothing is new")

    def test_is_not_taken_where_its_entry_says_something_else(self, dbmate: Project) -> None:
        dbmate.write({"db/migrations/20_orders.sql": "-- migrate:up transaction:false\nselect 1;\n"})
        (dbmate.folder / "migrations" / "002_20_orders.sql").unlink()
        ended = dbmate.run(*_WORDS, "--write")
        assert ended.code == 2
        assert "has to say `transaction: false` for what it is now" in ended.stderr
        assert not (dbmate.folder / "migrations" / "002_20_orders.sql").exists()

    def test_is_told_from_a_copy_that_was_edited(self, dbmate: Project) -> None:
        copy = dbmate.folder / "migrations" / "002_20_orders.sql"
        copy.write_text(f"{copy.read_text()}-- mine\n")
        assert dbmate.taken() == "nothing is new: `manifests/shop.yaml` has all 3 migrations\n"
        dbmate.write({"db/migrations/20_orders.sql": "-- migrate:up\ncreate table sales ();\n-- migrate:down\n"})
        assert "both were edited since" in dbmate.taken()

    def test_may_be_either_where_the_copy_does_not_say(self, dbmate: Project) -> None:
        copy = dbmate.folder / "migrations" / "002_20_orders.sql"
        lines = copy.read_text().splitlines(keepends=True)
        copy.write_text("".join([lines[0], *lines[2:]]))
        assert dbmate.taken().startswith("nothing is new")
        copy.write_text("".join([lines[0], *lines[2:], "-- mine\n"]))
        assert "this file or the copy was edited since" in dbmate.taken()

    def test_is_the_same_with_other_line_ends(self, dbmate: Project) -> None:
        for path in (*dbmate.folder.glob("migrations/*.sql"), *dbmate.folder.glob("db/migrations/*.sql")):
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
        assert dbmate.taken() == "nothing is new: `manifests/shop.yaml` has all 3 migrations\n"

    def test_may_be_the_part_that_undoes(self, project: Project) -> None:
        project.write({"db/migrations/1_a.sql": f"-- migrate:up\n{_USERS}-- migrate:down\ndrop table users;\n"})
        project.taken()
        project.write({"db/migrations/1_a.sql": f"-- migrate:up\n{_USERS}-- migrate:down\ndrop table users cascade;\n"})
        assert "`rm migrations/1_a.rollback.sql`" in project.taken()


class TestTwoProjectsInOneManifest:
    """What is called the same in both is two migrations, of which neither may take the other one's place."""

    @pytest.mark.parametrize(
        "names", [("10_users", "2_orders"), ("1_users", "2_orders"), ("10_people", "3_x")], ids=["all", "one", "id"]
    )
    def test_of_one_tool_are_refused_where_names_or_ids_are_the_same(
        self, project: Project, names: tuple[str, str]
    ) -> None:
        for folder, both in (("a", ("10_users", "2_orders")), ("b", names)):
            for name in both:
                text = f"-- migrate:up\ncreate table {folder}_{name} ();\n-- migrate:down\n"
                project.write({f"{folder}/db/migrations/{name}.sql": text})
        assert project.run("import", "a", *_WORDS[1:], "--write").code == 0
        before = project.manifest.read_text()
        ended = project.run("import", "b", *_WORDS[1:], "--write")
        assert ended.code == 2
        assert "in the manifest already, of another project" in ended.stderr
        assert "comes from `a/db/migrations/" in ended.stderr
        assert project.manifest.read_text() == before
        assert project.run("import", "a", *_WORDS[1:], "--write").stderr.startswith("nothing is new")

    def test_of_one_tool_are_refused_where_files_are_named_where_they_are(self, project: Project) -> None:
        for folder in ("a", "b"):
            project.write({f"{folder}/flyway.conf": "flyway.locations=filesystem:sql\n"})
            project.write({f"{folder}/sql/V1__users.sql": f"create table {folder} ();\n"})
        assert project.run("import", "a", *_WORDS[1:], "--write").code == 0
        ended = project.run("import", "b", *_WORDS[1:], "--write")
        assert ended.code == 2
        assert "`V1__users` comes from `a/sql/V1__users.sql`" in ended.stderr

    def test_of_two_tools_are_refused_where_names_are_the_same(self, project: Project) -> None:
        project.write({"a/db/migrations/1_users.sql": "-- migrate:up\nselect 1;\n"})
        project.write({"b/1_users.sql": "-- +goose Up\nselect 2;\n"})
        assert project.run("import", "a", *_WORDS[1:], "--write").code == 0
        assert "of another project" in project.run("import", "b", *_WORDS[1:], "--write").stderr

    def test_are_both_there_where_nothing_is_the_same(self, project: Project) -> None:
        project.write({"a/db/migrations/1_users.sql": "-- migrate:up\nselect 1;\n"})
        project.write({"b/db/migrations/2_orders.sql": "-- migrate:up\nselect 2;\n"})
        for folder in ("a", "b", "a", "b"):
            assert project.run("import", folder, *_WORDS[1:], "--write").code == 0
        assert project.manifest.read_text().count("version:") == 2

    def test_are_one_from_wherever_it_is_imported(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        project.write({"a/db/migrations/1_users.sql": "-- migrate:up\nselect 1;\n"})
        assert project.run("import", "a", *_WORDS[1:], "--write").code == 0
        assert project.taken().startswith("nothing is new")
        monkeypatch.chdir(project.folder / "a")
        words = ("import", "--manifest", "../manifests/shop.yaml", "--write")
        assert project.run(*words).stderr.startswith("nothing is new")


@pytest.mark.parametrize("name", ["l\nm", "\x86c1", "\ufffe"])
def test_names_that_no_manifest_has_are_known_again(project: Project, name: str) -> None:
    files = {f"prisma/migrations/{number}_{name}/migration.sql": "select 1;\n" for number in (2, 10, 99)}
    project.write({"prisma/migrations/migration_lock.toml": 'provider = "postgresql"\n', **files})
    project.taken("--leave-out", f"99_{name}")
    assert project.taken().startswith("nothing is new")
    assert project.manifest.read_text().count("version:") == 2
    assert project.run("lint", "--fail-on", "error").code == 0


class TestASquashOfWhatWasImported:
    """The tool's files are there still, while the entries of what was copied from them are not."""

    @staticmethod
    def squash(project: Project, versions: str, file: str) -> None:
        project.write({file: "select 'all of them';\n"})
        head = project.manifest.read_text().partition("migrations:\n")[0]
        last = int(versions.rpartition(".")[2])
        entry = f"migrations:\n  - version: {last}\n    file: ../{file}\n    replaces: {versions}\n"
        project.manifest.write_text(head + entry)

    def test_keeps_its_parts_out(self, project: Project) -> None:
        for name in ("1_a", "2_b", "3_c"):
            project.write({f"db/migrations/{name}.sql": f"-- migrate:up\nselect {name[0]};\n"})
        project.taken()
        self.squash(project, "1..2", "migrations/2_squashed.sql")
        said = project.taken()
        assert said.startswith("wrote 1 entry to")
        assert [name for _, name in project.names] == ["3_c"]
        assert project.document()["left_out"] == ["1", "2"]

    def test_may_have_what_has_no_number(self, dbmate: Project) -> None:
        dbmate.write({"db/migrations/40_more.sql": "-- migrate:up\nselect 4;\n"})
        self.squash(dbmate, "1..3", "migrations/003_squashed.sql")
        for path in (dbmate.folder / "migrations").glob("*_items.sql"):
            path.unlink()
        ended = dbmate.run(*_WORDS, "--write")
        assert ended.code == 2
        assert "it may be in `003_squashed`, which replaces earlier ones" in ended.stderr
        dbmate.taken("--leave-out", "100,20,30")
        assert [name for _, name in dbmate.names] == ["40_more"]
        assert dbmate.taken().startswith("nothing is new")
