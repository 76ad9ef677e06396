"""Somebody still runs the tool whose history was imported: `zmig status` and `zmig apply` say so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from tests.support.old_tools import DBMATE_TABLE, OldProject, PrismaTable
from tests.support.process import Process
from zmig import MigrationFailed, Migrator, PlanRefused
from zmig.cli.main import main
from zmig.progress import Notice

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zmig.progress import Progress

_USERS, _ORDERS = "create table users (id int);\n", "create table orders (id int);\n"
_FIRST, _SECOND = "20240101000000_users", "20240102000000_orders"


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: str) -> OldProject:
    monkeypatch.chdir(tmp_path)
    return OldProject(tmp_path, database)


@pytest.fixture
def table(old: OldProject, connection: psycopg.Connection) -> PrismaTable:
    """One migration that was applied by Prisma and imported, and another one."""
    table = PrismaTable(connection)
    old.prisma(_FIRST, _USERS)
    connection.execute(_USERS.encode())
    table.applied(_FIRST, _USERS)
    assert main(["import", "--manifest", "manifests/shop.yaml", "--database"]) == 0
    old.prisma(_SECOND, _ORDERS)
    return table


def _status(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["status", "manifests/shop.yaml", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


class TestTheStatus:
    def test_says_nothing_where_all_was_imported(self, table: PrismaTable, capsys: pytest.CaptureFixture[str]) -> None:
        assert _status(capsys)["other_tools"] == []

    def test_says_what_the_tool_has_done_since(self, table: PrismaTable, capsys: pytest.CaptureFixture[str]) -> None:
        table.applied(_SECOND, _ORDERS)
        (used,) = _status(capsys)["other_tools"]
        assert used == {
            "tool": "prisma",
            "table": "public._prisma_migrations",
            "not_imported": [_SECOND],
            "taken_back": [],
        }
        assert main(["status", "manifests/shop.yaml"]) == 0
        said = (
            f"warning: somebody still runs Prisma: `public._prisma_migrations` has `{_SECOND}`, which was not imported"
        )
        assert said in capsys.readouterr().out
        assert main(["import", "--manifest", "manifests/shop.yaml", "--database"]) == 0
        assert _status(capsys)["other_tools"] == []

    def test_is_silent_once_what_zmig_applied_itself_was_imported_too(
        self, old: OldProject, table: PrismaTable, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["import", "--manifest", "manifests/shop.yaml", "--write"]) == 0
        Migrator(old.manifest).migrate()
        table.applied(_SECOND, _ORDERS)
        assert [one["not_imported"] for one in _status(capsys)["other_tools"]] == [[_SECOND]]
        again = ["import", "--manifest", "manifests/shop.yaml", "--database"]
        assert main(again) == 0
        said = capsys.readouterr().err
        assert "1 migration applied by zmig before, whose facts stay as they are\n" in said
        assert f"has rows since the last import, `{_SECOND}`: somebody still runs Prisma\n" in said
        assert _status(capsys)["other_tools"] == []
        assert main(again) == 0
        assert "somebody" not in capsys.readouterr().err

    def test_is_asked_without_psycopg(self, table: PrismaTable) -> None:
        table.applied(_SECOND, _ORDERS)
        code = (
            "import sys; from zmig.cli.main import main; main(['status', 'manifests/shop.yaml']); "
            "sys.exit('psycopg' in sys.modules)"
        )
        with Process(program=("-c", code)) as process:
            ended = process.wait()
        assert ended.code == 0
        assert "somebody still runs Prisma" in ended.stdout

    def test_is_the_same_over_psycopg(
        self, old: OldProject, table: PrismaTable, capsys: pytest.CaptureFixture[str]
    ) -> None:
        old.change(database={"url": f"{old.url}{'&' if '?' in old.url else '?'}options=-cwork_mem%3D4MB"})
        assert _status(capsys)["other_tools"] == []
        table.applied(_SECOND, _ORDERS)
        assert [one["not_imported"] for one in _status(capsys)["other_tools"]] == [[_SECOND]]

    @pytest.mark.parametrize(
        "change",
        [
            "drop table _prisma_migrations",
            "alter table _prisma_migrations rename to gone",
            "alter table _prisma_migrations drop column logs",
        ],
    )
    def test_is_silent_where_the_table_cannot_be_read(
        self, table: PrismaTable, capsys: pytest.CaptureFixture[str], change: str
    ) -> None:
        table.applied(_SECOND, _ORDERS)
        table.connection.execute(change.encode())
        assert _status(capsys)["other_tools"] == []

    def test_does_not_wait_for_whoever_locks_the_table(
        self, table: PrismaTable, capsys: pytest.CaptureFixture[str], connect: Callable[..., psycopg.Connection]
    ) -> None:
        other = connect(autocommit=False)
        other.execute("lock table _prisma_migrations in access exclusive mode")
        assert _status(capsys)["other_tools"] == []


class TestBeforeAnImport:
    @pytest.fixture
    def untouched(self, old: OldProject, connection: psycopg.Connection) -> OldProject:
        """A database that Prisma has migrated, and zmig has not seen yet."""
        PrismaTable(connection).applied(_FIRST, _USERS)
        old.prisma(_FIRST, _USERS)
        return old

    @pytest.fixture(params=["libpq", "psycopg"])
    def asked(self, request: pytest.FixtureRequest, untouched: OldProject) -> OldProject:
        """The same, asked in either way."""
        if request.param == "psycopg":
            url = f"{untouched.url}{'&' if '?' in untouched.url else '?'}options=-cwork_mem%3D4MB"
            untouched.change(database={"url": url})
        return untouched

    def test_the_status_names_the_table(self, asked: OldProject, capsys: pytest.CaptureFixture[str]) -> None:
        assert _status(capsys)["existing_history"] == {"tool": "prisma", "table": "public._prisma_migrations"}
        assert main(["status", "manifests/shop.yaml"]) == 0
        assert (
            "note: `public._prisma_migrations` is where Prisma keeps its history, which is not imported: "
            "`zmig import --manifest manifests/shop.yaml --from prisma --database` records it\n"
        ) in capsys.readouterr().out

    def test_nothing_is_said_once_it_is_imported(self, asked: OldProject, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["import", "--manifest", "manifests/shop.yaml", "--database"]) == 0
        assert _status(capsys)["existing_history"] is None

    def test_a_tool_that_zmig_does_not_read_is_named_without_a_command(
        self, old: OldProject, connection: psycopg.Connection, capsys: pytest.CaptureFixture[str]
    ) -> None:
        connection.execute("create table migrations (id serial, migration varchar(255), batch int)")
        old.declare(1, "one", "../one.sql")
        old.write("one.sql", "select 1;\n")
        assert main(["status", "manifests/shop.yaml"]) == 0
        shown = capsys.readouterr().out
        assert "note: `public.migrations` is where Laravel keeps its history, which is not imported\n" in shown


class TestTheConsole:
    def test_knows_a_history_that_is_not_imported(self, old: OldProject, connection: psycopg.Connection) -> None:
        PrismaTable(connection)
        old.prisma(_FIRST, _USERS)
        watcher = Migrator(old.manifest).watcher()
        there = watcher.poll().tools.not_imported
        watcher.close()
        assert there is not None
        assert (there.tool, there.table) == ("prisma", "public._prisma_migrations")

    def test_knows_who_still_runs_a_tool_and_what_was_kept(
        self, old: OldProject, table: PrismaTable, connection: psycopg.Connection
    ) -> None:
        table.applied("20230101000000_gone", "")
        watcher = Migrator(old.manifest).watcher()
        assert [one.ids for one in watcher.poll().tools.used] == [("20230101000000_gone",)]
        watcher.close()
        assert main(["import", "--manifest", "manifests/shop.yaml", "--database"]) == 0
        seen = watcher.poll().tools
        watcher.close()
        assert (seen.used, dict(seen.kept)) == ((), {"prisma": 1})

    def test_shows_rows_that_are_of_a_migration_for_the_record_alone(self, old: OldProject, table: PrismaTable) -> None:
        assert main(["import", "--manifest", "manifests/shop.yaml", "--write"]) == 0
        Migrator(old.manifest).migrate()
        table.applied(_SECOND, _ORDERS)
        assert main(["import", "--manifest", "manifests/shop.yaml", "--database"]) == 0
        watcher = Migrator(old.manifest).watcher()
        watcher.poll()
        facts = watcher.facts(_SECOND, most=10)
        watcher.close()
        assert [fact.type.label for fact in facts] == ["started", "done", "imported"]


def test_a_run_warns(old: OldProject, table: PrismaTable) -> None:
    table.applied("20240103000000_late", "")
    heard: list[Progress] = []
    Migrator(old.manifest, observer=heard.append).migrate()
    warnings = [one.message for one in heard if isinstance(one, Notice) and one.severity == "WARNING"]
    assert warnings == [
        "somebody still runs Prisma: `public._prisma_migrations` has `20240103000000_late`, which was not imported"
    ]


def test_a_run_does_not_repeat_what_the_tool_has_done_since(old: OldProject, table: PrismaTable) -> None:
    table.connection.execute(_ORDERS.replace("table", "table if not exists").encode())
    table.applied(_SECOND, _ORDERS)
    with pytest.raises(PlanRefused) as refused:
        Migrator(old.manifest).migrate()
    (problem,) = refused.value.problems
    assert problem.code == "applied-by-other-tool"
    assert str(problem.hint).endswith("`zmig import --from prisma --manifest manifests/shop.yaml --database`")
    assert main(["import", "--manifest", "manifests/shop.yaml", "--database"]) == 0
    assert Migrator(old.manifest).migrate().completed == ()


def test_a_run_does_not_repeat_what_had_no_entry_when_it_was_imported(
    old: OldProject, connection: psycopg.Connection
) -> None:
    table = PrismaTable(connection)
    for name, text in ((_FIRST, _USERS), (_SECOND, _ORDERS)):
        old.prisma(name, text)
        table.applied(name, text)
    words = ["import", "--manifest", "manifests/shop.yaml", "--database"]
    assert main([*words, "--leave-out", _SECOND]) == 0
    with pytest.raises(PlanRefused) as refused:
        Migrator(old.manifest).migrate()
    assert [one.code for one in refused.value.problems] == ["applied-by-other-tool"]
    Migrator(old.manifest).resolve(_SECOND, "pending", reason="another one of that name")
    assert Migrator(old.manifest).migrate().completed == (_SECOND,)


def test_a_run_does_not_repeat_what_failed_before_the_tool_applied_it(old: OldProject, table: PrismaTable) -> None:
    table.connection.execute(_ORDERS.encode())
    with pytest.raises(MigrationFailed):
        Migrator(old.manifest).migrate()
    table.applied(_SECOND, _ORDERS)
    for run in (Migrator(old.manifest).migrate, lambda: Migrator(old.manifest).retry([_SECOND])):
        with pytest.raises(PlanRefused) as refused:
            run()
        assert [one.code for one in refused.value.problems] == ["applied-by-other-tool"]
    assert main(["import", "--manifest", "manifests/shop.yaml", "--database"]) == 0
    assert Migrator(old.manifest).migrate().completed == ()
    assert _SECOND in Migrator(old.manifest).status().applied


def test_an_operators_word_holds_though_the_migration_fails_after_it(old: OldProject, table: PrismaTable) -> None:
    table.connection.execute(_ORDERS.encode())
    table.applied(_SECOND, _ORDERS)
    Migrator(old.manifest).resolve(_SECOND, "pending", reason="another one of that name")
    with pytest.raises(MigrationFailed):
        Migrator(old.manifest).migrate()
    assert main(["import", "--manifest", "manifests/shop.yaml", "--database"]) == 0
    table.connection.execute("drop table orders")
    assert Migrator(old.manifest).migrate().completed == (_SECOND,)


def test_a_run_does_not_repeat_what_the_tool_applied_after_zmig_had_taken_it_back(
    old: OldProject, table: PrismaTable, capsys: pytest.CaptureFixture[str]
) -> None:
    old.write("back.sql", "drop table orders;\n")
    document = json.loads(old.manifest.read_text("utf-8"))
    document["migrations"][1]["rollback"] = "../back.sql"
    old.manifest.write_text(json.dumps(document), encoding="utf-8")
    Migrator(old.manifest).migrate()
    Migrator(old.manifest).rollback()
    table.connection.execute(_ORDERS.encode())
    table.applied(_SECOND, _ORDERS)
    with pytest.raises(PlanRefused) as refused:
        Migrator(old.manifest).migrate()
    assert [one.code for one in refused.value.problems] == ["applied-by-other-tool"]
    capsys.readouterr()
    assert main(["import", "--manifest", "manifests/shop.yaml", "--database"]) == 0
    way = f"zmig resolve manifests/shop.yaml {_SECOND} --as done --reason ..."
    assert f"so it stays pending: if Prisma has applied it since, say so with `{way}`" in capsys.readouterr().err
    Migrator(old.manifest).resolve(_SECOND, "done", reason="Prisma did")
    assert Migrator(old.manifest).migrate().completed == ()


def test_a_tool_that_had_done_nothing_before_is_seen_too(
    old: OldProject, connection: psycopg.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    table = PrismaTable(connection)
    old.prisma(_FIRST, _USERS)
    assert main(["import", "--manifest", "manifests/shop.yaml", "--database"]) == 0
    assert _status(capsys)["other_tools"] == []
    table.applied(_FIRST, _USERS)
    assert [one["not_imported"] for one in _status(capsys)["other_tools"]] == [[_FIRST]]
    with pytest.raises(PlanRefused):
        Migrator(old.manifest).migrate()


def test_a_role_that_may_not_read_the_table_sees_the_status(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    admin: psycopg.Connection,
    role: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    own = admin.info
    place = f"host={own.host} port={own.port} dbname={own.dbname}"
    old = OldProject(tmp_path, f"{place} user={own.user}")
    old.dbmate(_FIRST, _USERS)
    admin.execute(DBMATE_TABLE.format(schema="public").encode())
    admin.execute("insert into schema_migrations values ('20240101000000')")
    assert main(["import", "--manifest", "manifests/shop.yaml", "--database"]) == 0
    admin.execute("insert into schema_migrations values ('20240102000000')")
    quoted = sql.Identifier(role)
    admin.execute(sql.SQL("grant usage on schema zmig to {}").format(quoted))
    admin.execute(sql.SQL("grant select on all tables in schema zmig to {}").format(quoted))
    assert len(_status(capsys)["other_tools"]) == 1
    monkeypatch.setenv("PGPASSWORD", "pa55-word")
    old.change(database={"url": f"{place} user='{role}'"})
    assert _status(capsys)["other_tools"] == []


def test_a_number_says_nothing_of_what_another_tool_calls_otherwise(
    old: OldProject, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entries of two tools: the version of one is not the number of the other."""
    monkeypatch.setenv("DATABASE_URL", old.url)
    connection.execute(DBMATE_TABLE.format(schema="public").encode())
    old.write("db/migrations/1_users.sql", f"-- migrate:up\n{_USERS}")
    old.write("flyway.conf", "flyway.locations=filesystem:sql\n")
    old.write("sql/V1.5__orders.sql", _ORDERS)
    for words in (("dbmate", "--write", "--database"), ("flyway", "--write")):
        assert main(["import", "--from", *words, "--manifest", "manifests/both.yaml"]) == 0
    connection.execute("insert into schema_migrations values ('2')")
    assert Migrator("manifests/both.yaml").migrate().completed == ("1_users", "V1.5__orders")


def test_a_name_that_no_manifest_has_is_found_all_the_same(
    old: OldProject, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", old.url)
    table = PrismaTable(connection)
    old.write("prisma/migrations/migration_lock.toml", 'provider = "postgresql"\n')
    for name in ("2_a\nb", "10_a\nb"):
        old.write(f"prisma/migrations/{name}/migration.sql", _USERS)
    assert main(["import", "--manifest", "manifests/odd.yaml", "--write", "--database"]) == 0
    table.applied("2_a\nb", _USERS)
    with pytest.raises(PlanRefused) as refused:
        Migrator("manifests/odd.yaml").migrate()
    assert [one.code for one in refused.value.problems] == ["applied-by-other-tool"]


@pytest.mark.parametrize("applied", ["('1'), ('2')", "('1')"])
def test_a_squash_of_what_the_tool_has_applied_is_not_run(
    old: OldProject, connection: psycopg.Connection, applied: str
) -> None:
    """Its parts were imported for the record alone, since they have no entries any more."""
    connection.execute(DBMATE_TABLE.format(schema="public").encode())
    connection.execute(f"insert into schema_migrations values {applied}".encode())
    for name, text in (("1_users", _USERS), ("2_orders", _ORDERS), ("3_items", "select 3;\n")):
        old.write(f"db/migrations/{name}.sql", f"-- migrate:up\n{text}")
    old.write("squashed.sql", f"{_USERS}{_ORDERS}")
    head = f"manifest: 1\nenvironment: test\ndatabase: {{url: '{old.url}'}}\nmigrations:\n"
    old.write("manifests/all.yaml", f"{head}  - {{version: 2, file: ../squashed.sql, replaces: 1..2}}\n")
    assert main(["import", "--manifest", "manifests/all.yaml", "--write", "--database"]) == 0
    with pytest.raises(PlanRefused) as refused:
        Migrator("manifests/all.yaml").migrate()
    (problem,) = {one.message: one for one in refused.value.problems}.values()
    assert problem.code == "applied-by-other-tool"
    assert str(problem.hint).startswith("if all that it replaces is applied, run `zmig resolve")
    Migrator("manifests/all.yaml").resolve("squashed", "done", reason="dbmate has applied its parts")
    assert Migrator("manifests/all.yaml").migrate().completed == ("3_items",)
