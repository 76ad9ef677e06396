"""`zmig import --database`: another tool's history becomes facts, all of it or nothing."""

from __future__ import annotations

import json
import signal
import zlib
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import conninfo

from tests.support.backends import wait_for_end, wait_until
from tests.support.command import Command
from tests.support.old_tools import DBMATE_TABLE, OldProject, PrismaTable
from tests.support.process import Process
from zmig import MigrationFailed, Migrator, PlanRefused
from zmig.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.facts import Facts

_USERS = "create table users (id int);\n"
_ORDERS = "create table orders (id int);\n"
_ITEMS = "create table items (id int);\n"
_WAITS = (
    "exists (select from pg_stat_activity where datname = current_database() and application_name like 'zmig/%' "
    "and wait_event_type = 'Lock')"
)
"""What is true once zmig waits for somebody in the test's own database."""
_WORDS = ("import", "--manifest", "manifests/shop.yaml", "--database")
_FIRST, _SECOND, _THIRD = "20240101000000_users", "20240102000000_orders", "20240103000000_items"
_BOTH = json.dumps({"prisma": [_SECOND, _THIRD]})


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: str) -> OldProject:
    monkeypatch.chdir(tmp_path)
    return OldProject(tmp_path, database)


@pytest.fixture
def shop(old: OldProject, connection: psycopg.Connection) -> PrismaTable:
    """Two of three migrations applied by Prisma."""
    table = PrismaTable(connection)
    for name, text in ((_FIRST, _USERS), (_SECOND, _ORDERS)):
        old.prisma(name, text)
        connection.execute(text.encode())
        table.applied(name, text)
    old.prisma(_THIRD, _ITEMS)
    return table


@pytest.fixture
def take(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys, *_WORDS, "--json")


def _nothing_is_recorded(connection: psycopg.Connection) -> bool:
    row = connection.execute("select to_regclass('zmig.migration_events')").fetchone()
    return row == (None,) or connection.execute("select count(*) from zmig.migration_events").fetchone() == (0,)


class TestTheFacts:
    def test_say_where_each_migration_comes_from(self, shop: PrismaTable, take: Command, facts: Facts) -> None:
        assert take()["history"]["recorded"] == [_FIRST, _SECOND]
        assert facts.told == [(_FIRST, "baselined"), (_SECOND, "baselined")]
        (data,) = facts.data(_FIRST, "baselined")
        assert data["origin"] == {
            "tool": "prisma",
            "table": "public._prisma_migrations",
            "id": _FIRST,
            "applied_at": "2024-01-02T10:11:00+00:00",
            "duration_ms": 12,
            "checksum": data["origin"]["checksum"],
            "was_run": True,
            "matches": True,
        }
        assert data["reason"] == "imported from Prisma"
        assert facts.applied == [(20240101000000, _FIRST), (20240102000000, _SECOND)]

    def test_are_in_the_history_with_the_old_dates(self, shop: PrismaTable, take: Command) -> None:
        take()
        assert main(["history", "manifests/shop.yaml"]) == 0
        line = take.capsys.readouterr().out.splitlines()[0]
        assert line.endswith("imported from Prisma; applied 2024-01-02 10:11:00 UTC, 12 ms, file unchanged")
        assert main(["status", "manifests/shop.yaml", "--json"]) == 0
        first, _, last = json.loads(take.capsys.readouterr().out)["migrations"]
        assert (first["origin"]["applied_at"], last["origin"]) == ("2024-01-02T10:11:00+00:00", None)

    def test_let_the_next_run_go_on(self, old: OldProject, shop: PrismaTable, take: Command) -> None:
        take()
        assert Migrator(old.manifest).migrate().completed == (_THIRD,)

    def test_are_added_once(self, shop: PrismaTable, take: Command, facts: Facts) -> None:
        take()
        again = take()["history"]
        assert (again["recorded"], again["known"], again["notes"]) == ([], 2, [])
        assert len(facts.told) == 2

    def test_are_added_for_what_the_tool_has_done_since(self, shop: PrismaTable, take: Command) -> None:
        take()
        shop.applied(_THIRD, _ITEMS)
        again = take()["history"]
        assert again["recorded"] == [_THIRD]
        assert "somebody still runs Prisma" in again["notes"][0]

    def test_leave_what_zmig_has_done_alone(
        self, old: OldProject, shop: PrismaTable, take: Command, facts: Facts
    ) -> None:
        Migrator(old.manifest).baseline(to=20240101000000, reason="by hand")
        history = take()["history"]
        assert (history["applied_before"], history["kept"]) == ([_FIRST], [])
        assert facts.told == [(_FIRST, "baselined"), (_SECOND, "baselined")]
        again = take()["history"]
        assert (again["applied_before"], again["known"], again["notes"]) == ([], 2, [])

    def test_do_not_bring_back_what_zmig_took_back(
        self, old: OldProject, shop: PrismaTable, take: Command, facts: Facts
    ) -> None:
        take()
        Migrator(old.manifest).resolve(_SECOND, "pending", reason="dropped by hand")
        take()
        assert facts.applied == [(20240101000000, _FIRST)]

    def test_of_an_empty_history_say_that_it_was_looked_at(
        self, old: OldProject, connection: psycopg.Connection, take: Command
    ) -> None:
        PrismaTable(connection)
        old.prisma(_FIRST, _USERS)
        take()
        take()
        rows = connection.execute("select aggregate_type, event_data->'origin' from zmig.migration_events").fetchall()
        assert rows == [("import", {"tool": "prisma", "table": "public._prisma_migrations"})]
        assert Migrator(old.manifest).migrate().completed == (_FIRST,)

    def test_are_many_in_little_time(self, old: OldProject, connection: psycopg.Connection, take: Command) -> None:
        PrismaTable(connection)
        names = [f"{number:06}_t" for number in range(1, 3001)]
        for number, name in enumerate(names, start=1):
            path = f"prisma/migrations/{name}/migration.sql"
            old.write(path, f"create table t{number} ();\n")
            old.declare(number, name, f"../{path}", is_saved=False)
        old.prisma("003001_t", "select 1;\n")
        connection.execute(
            "insert into _prisma_migrations (checksum, migration_name, finished_at, applied_steps_count) "
            "select 'x', name, now(), 1 from unnest(%s::text[]) as name",
            (names,),
        )
        assert len(take("--accept-mismatches", "generated")["history"]["recorded"]) == 3000


class TestRowsWithoutAnEntry:
    def test_are_kept_in_the_history(
        self, old: OldProject, shop: PrismaTable, take: Command, connection: psycopg.Connection
    ) -> None:
        shop.applied("20230101000000_gone", "")
        history = take()["history"]
        assert history["kept"] == ["20230101000000_gone"]
        assert any("no file is there of `20230101000000_gone`" in note for note in history["notes"])
        (fact,) = [one for one in Migrator(old.manifest).history() if one.type.label == "imported"]
        assert (fact.name, fact.text("reason")) == ("20230101000000_gone", "no file")
        assert take()["history"]["kept"] == []
        assert Migrator(old.manifest).status().applied == [_FIRST, _SECOND]

    def test_count_once_their_file_is_there(
        self, old: OldProject, shop: PrismaTable, take: Command, facts: Facts
    ) -> None:
        name, text = "20230101000000_late", "create table late ();\n"
        shop.applied(name, text)
        assert take()["history"]["kept"] == [name]
        old.prisma(name, text)
        again = take()["history"]
        assert (again["recorded"], again["kept"], again["notes"]) == ([name], [], [])
        assert (20230101000000, name) in facts.applied
        assert take()["history"]["known"] == 3

    def test_count_once_they_are_no_longer_left_out(self, shop: PrismaTable, take: Command, facts: Facts) -> None:
        take("--leave-out", _FIRST)
        assert take()["history"]["recorded"] == [_FIRST]

    def test_that_zmig_took_back_are_kept_once(
        self, old: OldProject, shop: PrismaTable, take: Command, facts: Facts
    ) -> None:
        Migrator(old.manifest).baseline(to=20240101000000, reason="by hand")
        Migrator(old.manifest).resolve(_FIRST, "pending", reason="dropped by hand")
        assert take()["history"]["kept"] == [_FIRST]
        again = take()["history"]
        assert (again["recorded"], again["kept"]) == ([], [])

    def test_are_of_another_project_where_all_are_such(
        self, old: OldProject, connection: psycopg.Connection, take: Command
    ) -> None:
        PrismaTable(connection).applied("20230101000000_gone", "")
        old.prisma(_FIRST, _USERS)
        assert [one["code"] for one in take.refused()] == ["history-foreign"]
        assert _nothing_is_recorded(connection)

    def test_that_the_manifest_lacks_are_named(
        self, old: OldProject, shop: PrismaTable, take: Command, connection: psycopg.Connection
    ) -> None:
        old.write("prisma/migrations/20240101500000_late/migration.sql", "select 1;\n")
        shop.applied("20240101500000_late", "select 1;\n")
        (problem,) = take.refused()
        assert problem["code"] == "import-undeclared"
        assert "20240101500000_late" in problem["message"]
        assert "--write" in problem["hint"]


def test_what_the_tool_took_back_after_the_import_is_named(
    shop: PrismaTable, connection: psycopg.Connection, take: Command
) -> None:
    take()
    connection.execute("update _prisma_migrations set rolled_back_at = now() where migration_name = %s", [_SECOND])
    (note,) = take()["history"]["notes"]
    assert note.startswith(f"Prisma has taken back `{_SECOND}` since the last import")
    assert f"`zmig resolve manifests/shop.yaml {_SECOND} --as pending --reason ...`" in note


def test_a_file_that_comes_after_the_import_is_not_applied_by_a_number_above_it(
    old: OldProject, connection: psycopg.Connection, take: Command, facts: Facts
) -> None:
    connection.execute("create table schema_migrations (version bigint primary key, dirty boolean not null)")
    connection.execute("insert into schema_migrations values (3, false)")
    old.write("go.mod", "module shop\nrequire github.com/golang-migrate/migrate/v4 v4.17.0\n")
    for version in (1, 3, 2):
        old.write(f"migrations/{version}_a.up.sql", f"create table a{version} ();\n")
        old.declare(version, f"{version}_a", f"../migrations/{version}_a.up.sql")
        taken = take()["history"]
    assert facts.told == [("1_a", "baselined"), ("3_a", "baselined")]
    assert taken["recorded"] == []
    assert "`2` came after the last import" in taken["notes"][-1]
    assert take()["history"]["notes"] == taken["notes"]


class TestAMigrationWithSeveralNames:
    """One whose file was renamed, and whose entry says so."""

    @pytest.fixture
    def renamed(self, old: OldProject, connection: psycopg.Connection) -> PrismaTable:
        table = PrismaTable(connection)
        old.prisma(_FIRST, _USERS)
        table.applied(_FIRST, _USERS)
        old.prisma(_SECOND, _ORDERS)
        connection.execute(_USERS.encode() + _ORDERS.encode())
        (old.folder / "prisma/migrations" / _SECOND).rename(old.folder / "prisma/migrations" / _THIRD)
        text = old.manifest.read_text().replace(f"{_SECOND}/", f"{_THIRD}/")
        old.manifest.write_text(text.replace(f'"name": "{_SECOND}"', f'"name": "{_SECOND}", "origin": {_BOTH}'))
        return table

    @pytest.mark.parametrize("id", [_SECOND, _THIRD])
    def test_is_applied_by_any_of_them(
        self, old: OldProject, renamed: PrismaTable, take: Command, facts: Facts, id: str
    ) -> None:
        renamed.applied(id, _ORDERS)
        assert take()["history"]["recorded"] == [_FIRST, _SECOND]
        (data,) = facts.data(_SECOND, "baselined")
        assert (data["origin"]["id"], data["origin"]["matches"]) == (id, True)
        assert Migrator(old.manifest).migrate().completed == ()
        assert take()["history"]["known"] == 2

    @pytest.mark.parametrize("id", [_SECOND, _THIRD])
    def test_is_not_run_again_where_that_came_after_the_import(
        self, old: OldProject, renamed: PrismaTable, take: Command, id: str
    ) -> None:
        take()
        renamed.applied(id, _ORDERS)
        with pytest.raises(PlanRefused, match="Prisma has applied it, which no import has recorded"):
            Migrator(old.manifest).migrate()
        assert take()["history"]["recorded"] == [_SECOND]

    def test_is_not_taken_back_where_another_of_them_has_a_row(
        self, renamed: PrismaTable, connection: psycopg.Connection, take: Command
    ) -> None:
        renamed.applied(_SECOND, _ORDERS)
        take()
        connection.execute(
            "update _prisma_migrations set migration_name = %s where migration_name = %s", [_THIRD, _SECOND]
        )
        assert main(["status", "manifests/shop.yaml", "--json"]) == 0
        (used,) = json.loads(take.capsys.readouterr().out)["other_tools"]
        assert used["taken_back"] == []
        assert not any("taken back" in note for note in take()["history"]["notes"])

    def test_that_was_run_under_two_stops_the_import(
        self, old: OldProject, renamed: PrismaTable, take: Command, facts: Facts
    ) -> None:
        for id in (_SECOND, _THIRD):
            renamed.applied(id, _ORDERS)
        (problem,) = take.refused()
        assert problem["code"] == "import-applied-twice"
        assert f"Prisma has applied `{_SECOND}` more than once, as `{_THIRD}`, `{_SECOND}`" in problem["message"]
        history = take("--accept-mismatches", "both made nothing new")["history"]
        assert (history["recorded"], history["kept"]) == ([_FIRST, _SECOND], [_SECOND])
        again = take()["history"]
        assert (again["recorded"], again["kept"], again["known"]) == ([], [], 3)

    def test_that_was_run_a_second_time_after_the_import_stops_the_next(
        self, renamed: PrismaTable, take: Command
    ) -> None:
        renamed.applied(_SECOND, _ORDERS)
        take()
        renamed.applied(_THIRD, _ORDERS)
        assert [one["code"] for one in take.refused()] == ["import-applied-twice"]
        assert take("--accept-mismatches", "both made nothing new")["history"]["applied_before"] == [_SECOND]
        assert take()["history"]["known"] == 3

    def test_may_have_a_row_that_the_tool_was_only_made_to_record(
        self, renamed: PrismaTable, connection: psycopg.Connection, take: Command, facts: Facts
    ) -> None:
        renamed.applied(_SECOND, _ORDERS)
        renamed.applied(_THIRD, _ORDERS)
        connection.execute(
            "update _prisma_migrations set applied_steps_count = 0, started_at = finished_at where migration_name = %s",
            [_SECOND],
        )
        history = take()["history"]
        assert (history["recorded"], history["kept"]) == ([_FIRST, _SECOND], [_SECOND])
        (data,) = facts.data(_SECOND, "baselined")
        assert data["origin"]["id"] == _THIRD

    def test_is_below_the_one_number_by_its_old_one(
        self, old: OldProject, connection: psycopg.Connection, take: Command, facts: Facts
    ) -> None:
        connection.execute("create table schema_migrations (version bigint primary key, dirty boolean not null)")
        connection.execute("insert into schema_migrations values (4, false)")
        old.write("go.mod", "module shop\nrequire github.com/golang-migrate/migrate/v4 v4.17.0\n")
        for version, file in ((1, "1_a"), (3, "5_c"), (4, "4_d")):
            old.write(f"migrations/{file}.up.sql", f"create table {file[2:]} ();\n")
            old.declare(version, f"{version}_{file[2:]}", f"../migrations/{file}.up.sql")
        old.called("3_c", "golang-migrate", "3", "5")
        assert take()["history"]["recorded"] == ["1_a", "3_c", "4_d"]


class TestRowsThatWereImportedUnderAnotherName:
    def test_are_not_due_a_second_time(
        self, old: OldProject, connection: psycopg.Connection, take: Command, facts: Facts
    ) -> None:
        connection.execute(DBMATE_TABLE.format(schema="public").encode())
        connection.execute("insert into schema_migrations values ('1')")
        old.dbmate("1_users", _USERS)
        take()
        (old.folder / "db/migrations/1_users.sql").rename(old.folder / "db/migrations/1_people.sql")
        old.declare(2, "1_people", "../migrations/1_people.sql")
        old.write("migrations/1_people.sql", _USERS)
        (problem,) = take.refused()
        assert problem["code"] == "import-renamed"
        assert "`1_users`" in problem["message"]
        assert problem["hint"] == "take `1_people` out of `manifests/shop.yaml`"
        assert facts.told == [("1_users", "baselined")]


class TestACopyOfAFileThatWasEditedSince:
    """dbmate's files are split, so that an import copies them."""

    @pytest.fixture
    def words(self, old: OldProject, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        monkeypatch.setenv("DATABASE_URL", old.url)
        connection.execute(DBMATE_TABLE.format(schema="public").encode())
        connection.execute("insert into schema_migrations values ('1')")
        for name in ("1_users", "2_orders"):
            old.write(f"db/migrations/{name}.sql", "-- migrate:up\nselect 1;\n-- migrate:down\n")
        words = ["import", "--manifest", "manifests/taken.yaml", "--write"]
        assert main(words) == 0
        return [*words, "--database"]

    @staticmethod
    def edit(old: OldProject, name: str) -> None:
        old.write(f"db/migrations/{name}.sql", "-- migrate:up\nselect 2;\n-- migrate:down\n")

    def test_stops_the_import_where_the_tool_has_applied_it(
        self, old: OldProject, words: list[str], capsys: pytest.CaptureFixture[str], facts: Facts
    ) -> None:
        self.edit(old, "1_users")
        assert main([*words, "--json"]) == 2
        (problem,) = json.loads(capsys.readouterr().out)["problems"]
        assert (problem["code"], problem["location"]["file"]) == ("import-mismatch", "migrations/1_users.sql")
        (old.folder / "migrations" / "1_users.sql").unlink()
        assert main(words) == 0
        assert facts.told == [("1_users", "baselined")]

    def test_is_accepted_with_a_reason(self, old: OldProject, words: list[str], facts: Facts) -> None:
        self.edit(old, "1_users")
        assert main([*words, "--accept-mismatches", "only a comment"]) == 0
        assert facts.told == [("1_users", "baselined")]

    def test_is_said_by_what_is_applied_and_what_is_pending(
        self, old: OldProject, words: list[str], capsys: pytest.CaptureFixture[str], facts: Facts
    ) -> None:
        assert main(words) == 0
        self.edit(old, "1_users")
        self.edit(old, "2_orders")
        capsys.readouterr()
        assert main(words) == 0
        said = capsys.readouterr().err
        assert "`1_users` has another text in dbmate's file than when it was copied: what is applied stays" in said
        assert "it is pending, so that `rm migrations/2_orders.sql`, and then `--write` writes what `2_orders`" in said
        assert "while it is pending" not in said
        assert facts.told == [("1_users", "baselined")]


class TestWhatZmigHasTried:
    def test_and_its_transaction_undid_is_recorded(
        self, old: OldProject, shop: PrismaTable, take: Command, facts: Facts
    ) -> None:
        with pytest.raises(MigrationFailed):
            Migrator(old.manifest).migrate(allow_existing=True)
        assert facts.told[-1] == (_FIRST, "failed")
        assert take()["history"]["recorded"] == [_FIRST, _SECOND]

    def test_and_nothing_undid_stops_the_import(
        self, old: OldProject, shop: PrismaTable, take: Command, connection: psycopg.Connection
    ) -> None:
        text = "create index concurrently one on users (id);\ncreate index concurrently one on users (id);\n"
        name = "20240102500000_index"
        old.prisma(name, text)
        Migrator(old.manifest).baseline(to=20240102000000, reason="by hand")
        with pytest.raises(MigrationFailed):
            Migrator(old.manifest).migrate()
        shop.applied(name, text)
        assert [one["code"] for one in take.refused()] == ["baseline-unclear"]


class TestLeavingOut:
    def test_keeps_the_row_in_the_history(self, shop: PrismaTable, take: Command, facts: Facts) -> None:
        history = take("--leave-out", _FIRST)["history"]
        assert (history["recorded"], history["kept"]) == ([_SECOND], [_FIRST])
        (kept,) = facts.data(_FIRST, "imported")
        assert kept["reason"] == "left out"


class TestRepeatables:
    """Flyway's, which it runs again when they have changed."""

    _VIEW = "create or replace view one as select 1 as x;"

    @pytest.fixture
    def flyway(self, old: OldProject, connection: psycopg.Connection) -> None:
        old.write("flyway.conf", "flyway.locations=filesystem:sql\n")
        old.write("sql/V1__users.sql", _USERS)
        old.write("sql/R__view.sql", f"{self._VIEW}\n")
        connection.execute(
            "create table flyway_schema_history (installed_rank int primary key, version varchar(50), description "
            "varchar(200) not null, type varchar(20) not null, script varchar(1000) not null, checksum integer, "
            "installed_by varchar(100) not null, installed_on timestamp not null default now(), "
            "execution_time integer not null, success boolean not null)"
        )
        connection.execute(f"{_USERS}{self._VIEW}".encode())
        rows = [
            (1, "1", "users", "V1__users.sql", zlib.crc32(_USERS.strip().encode())),
            (2, None, "view", "R__view.sql", zlib.crc32(self._VIEW.encode())),
        ]
        for rank, version, description, script, checksum in rows:
            connection.execute(
                "insert into flyway_schema_history values (%s, %s, %s, 'SQL', %s, %s, 'deploy', now(), 7, true)",
                (rank, version, description, script, checksum - (checksum >> 31 << 32)),
            )

    @pytest.fixture
    def words(self, old: OldProject, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        monkeypatch.setenv("DATABASE_URL", old.url)
        return ["import", "--manifest", "manifests/taken.yaml", "--write", "--database"]

    def test_that_are_as_they_were_run_are_not_due(self, flyway: None, words: list[str]) -> None:
        assert main(words) == 0
        migrator = Migrator("manifests/taken.yaml")
        assert migrator.status().due == []
        assert migrator.migrate().completed == ()

    def test_that_have_changed_since_run_again(
        self, old: OldProject, flyway: None, words: list[str], capsys: pytest.CaptureFixture[str], facts: Facts
    ) -> None:
        old.write("sql/R__view.sql", "create or replace view one as select 1 as x, 2 as y;\n")
        assert main(words) == 0
        assert "`R__view` is due: it may run again, and its file has changed since" in capsys.readouterr().err
        assert Migrator("manifests/taken.yaml").migrate().completed == ("R__view",)
        (kept,) = [one for one in facts.data("R__view", "imported") or facts.data("view", "imported")]
        assert kept["reason"] == "to be run again"


class TestFilesThatDiffer:
    def test_stop_the_import(
        self, old: OldProject, shop: PrismaTable, take: Command, connection: psycopg.Connection
    ) -> None:
        old.write(f"prisma/migrations/{_FIRST}/migration.sql", "create table users (id bigint);\n")
        (problem,) = take.refused()
        assert problem["code"] == "import-mismatch"
        assert problem["location"]["file"] == f"prisma/migrations/{_FIRST}/migration.sql"
        assert _nothing_is_recorded(connection)

    def test_are_accepted_with_a_reason(self, old: OldProject, shop: PrismaTable, take: Command, facts: Facts) -> None:
        old.write(f"prisma/migrations/{_FIRST}/migration.sql", "create table users (id bigint);\n")
        assert take("--accept-mismatches", "only a comment")["history"]["accepted_mismatches"] == [_FIRST]
        (data,) = facts.data(_FIRST, "baselined")
        assert (data["origin"]["matches"], data["origin"]["reason"]) == (False, "only a comment")

    def test_need_more_than_an_empty_reason(self, shop: PrismaTable, take: Command) -> None:
        (problem,) = take.refused("--accept-mismatches", " ")
        assert (problem["code"], problem["hint"]) == (
            "reason-missing",
            "write `--accept-mismatches 'why this is right'`",
        )


def test_states_that_nobody_can_take_over_stop_all_of_it(
    shop: PrismaTable, take: Command, connection: psycopg.Connection
) -> None:
    shop.failed(_THIRD)
    shop.failed("20240104000000_other")
    assert len(take.refused()) == 2
    assert _nothing_is_recorded(connection)


def test_a_gap_is_said(shop: PrismaTable, take: Command, connection: psycopg.Connection) -> None:
    connection.execute("delete from _prisma_migrations where migration_name = %s", (_FIRST,))
    (note,) = take()["history"]["notes"]
    assert note.startswith(f"`{_FIRST}` is not applied, though later ones are")


class TestTheTable:
    def test_is_found_in_any_schema(self, old: OldProject, connection: psycopg.Connection, take: Command) -> None:
        connection.execute('create schema "Old App"')
        table = PrismaTable(connection, '"Old App"')
        old.prisma(_FIRST, _USERS)
        table.applied(_FIRST, _USERS)
        history = take()["history"]
        assert (history["table"], history["recorded"]) == ("Old App._prisma_migrations", [_FIRST])

    def test_is_named_where_there_are_two(
        self, shop: PrismaTable, take: Command, connection: psycopg.Connection
    ) -> None:
        connection.execute("create schema other")
        PrismaTable(connection, "other")
        (problem,) = take.refused()
        assert problem["code"] == "history-ambiguous"
        assert problem["facts"] == ["`other._prisma_migrations`", "`public._prisma_migrations`"]
        assert "--table other._prisma_migrations" in problem["hint"]
        assert take("--table", "public._prisma_migrations")["history"]["recorded"] == [_FIRST, _SECOND]

    @pytest.mark.parametrize(
        ("named", "code"),
        [("public.users", "history-unknown"), ("nothing", "history-missing"), ("a.b.c", "usage"), ("", "usage")],
    )
    def test_is_one_of_the_tool(self, shop: PrismaTable, take: Command, named: str, code: str) -> None:
        assert [one["code"] for one in take.refused("--table", named)] == [code]

    @pytest.mark.parametrize(
        "change",
        [
            "alter table _prisma_migrations enable row level security",
            "create domain odd as text; alter table _prisma_migrations alter column logs type odd",
            "create type kind as enum ('x'); alter table _prisma_migrations add column more kind",
        ],
    )
    def test_is_not_read_where_that_may_run_code_of_others(self, shop: PrismaTable, take: Command, change: str) -> None:
        shop.connection.execute(change.encode())
        (problem,) = take.refused()
        assert problem["code"] == "history-unknown"
        assert "may run code" in problem["message"]

    def test_of_another_tool_is_named(self, old: OldProject, take: Command, connection: psycopg.Connection) -> None:
        connection.execute(DBMATE_TABLE.format(schema="public").encode())
        old.prisma(_FIRST, _USERS)
        (problem,) = take.refused()
        assert problem["code"] == "history-missing"
        assert problem["facts"] == ["`public.schema_migrations` is dbmate's"]


def test_that_is_killed_in_the_middle_records_nothing(
    old: OldProject, shop: PrismaTable, take: Command, facts: Facts, connect: Callable[..., psycopg.Connection]
) -> None:
    Migrator(old.manifest).baseline(to=20240101000000, reason="by hand")
    shop.connection.execute(
        "insert into _prisma_migrations select gen_random_uuid(), checksum, finished_at, "
        "'gone_' || n, null, null, started_at, 1 from _prisma_migrations, generate_series(1, 600) as n"
    )
    blocker, other = connect(autocommit=False), connect()
    blocker.execute("insert into zmig.schema_migrations values (20240102000000, 'x', 'sql', null, now(), 'x', null, 0)")
    with Process(*_WORDS) as importing:
        wait_until(other, _WAITS, of=importing)
        importing.kill()
    blocker.rollback()
    wait_for_end(other)
    assert facts.told == [(_FIRST, "baselined")]
    assert take()["history"]["recorded"] == [_SECOND]


class TestTheLock:
    def test_of_the_tool_is_waited_for_and_its_holder_named(
        self, shop: PrismaTable, take: Command, connect: Callable[..., psycopg.Connection]
    ) -> None:
        holder = connect()
        holder.execute("set application_name = 'migrate deploy'")
        holder.execute("select pg_advisory_lock(72707369)")
        (problem,) = take.refused("--lock-wait", "0", code=4)
        assert problem["code"] == "tool-lock-held"
        assert f"held by backend {holder.info.backend_pid}, application `migrate deploy`" in problem["facts"][0]
        assert "--lock-wait 10min" in problem["hint"]
        holder.execute("select pg_advisory_unlock_all()")
        take("--lock-wait", "0")

    def test_of_the_tool_is_held_until_the_facts_are_there(
        self, old: OldProject, shop: PrismaTable, connect: Callable[..., psycopg.Connection]
    ) -> None:
        """Somebody reads the facts' table, so that its writing waits, and the tool with it."""
        Migrator(old.manifest).baseline(to=20240101000000, reason="by hand")
        reader, other = connect(autocommit=False), connect()
        reader.execute("lock table zmig.migration_events in share mode")
        with Process(*_WORDS) as importing:
            wait_until(other, _WAITS, of=importing)
            assert other.execute("select pg_try_advisory_lock(72707369)").fetchone() == (False,)
            reader.commit()
            assert importing.wait().code == 0
        assert other.execute("select pg_try_advisory_lock(72707369)").fetchone() == (True,)

    def test_is_on_the_table_where_the_tool_has_none(
        self, old: OldProject, take: Command, connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
    ) -> None:
        connection.execute(DBMATE_TABLE.format(schema="public").encode())
        connection.execute("insert into schema_migrations values ('20240101000000')")
        old.dbmate(_FIRST, _USERS)
        other = connect(autocommit=False)
        other.execute("insert into schema_migrations values ('20240102000000')")
        (problem,) = take.refused("--lock-wait", "0", code=4)
        assert problem["code"] == "tool-lock-held"
        assert f"backend {other.info.backend_pid}" in problem["facts"][0]
        other.rollback()
        assert take()["history"]["recorded"] == [_FIRST]

    def test_sees_what_was_committed_while_it_was_waited_for(
        self, old: OldProject, connection: psycopg.Connection, connect: Callable[..., psycopg.Connection], facts: Facts
    ) -> None:
        connection.execute(DBMATE_TABLE.format(schema="public").encode())
        old.dbmate(_FIRST, _USERS)
        other = connect(autocommit=False)
        other.execute("insert into schema_migrations values ('20240101000000')")
        with Process(*_WORDS) as importing:
            importing.wait_for("waiting for dbmate's lock")
            other.commit()
            assert importing.wait().code == 0
        assert facts.told == [(_FIRST, "baselined")]

    def test_is_waited_for_until_somebody_interrupts(
        self, shop: PrismaTable, connect: Callable[..., psycopg.Connection], connection: psycopg.Connection
    ) -> None:
        connect().execute("select pg_advisory_lock(72707369)")
        with Process(*_WORDS) as importing:
            importing.wait_for("waiting for Prisma's lock")
            importing.send(signal.SIGINT)
            assert importing.wait().code == 130
        assert _nothing_is_recorded(connection)

    def test_of_two_imports_lets_one_after_the_other(self, shop: PrismaTable, facts: Facts) -> None:
        with Process(*_WORDS) as first, Process(*_WORDS) as second:
            assert (first.wait().code, second.wait().code) == (0, 0)
        assert facts.told == [(_FIRST, "baselined"), (_SECOND, "baselined")]


class TestTheProof:
    def test_finds_nothing_where_the_files_build_the_database(
        self, shop: PrismaTable, take: Command, server: str
    ) -> None:
        document = take("--verify", "--scratch-url", server)
        assert document["history"]["recorded"] == [_FIRST, _SECOND]
        assert (document["verified"]["findings"], document["verified"]["replayed"]) == ([], [_FIRST, _SECOND])

    def test_finds_what_somebody_changed_by_hand(
        self, shop: PrismaTable, take: Command, server: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        shop.connection.execute("alter table users add column email text")
        document = take("--verify", "--scratch-url", server, code=1)
        (finding,) = document["verified"]["findings"]
        assert "email" in finding["message"]
        assert document["history"]["recorded"] == [_FIRST, _SECOND]
        words = ["import", "--manifest", "manifests/shop.yaml", "--verify", "--scratch-url", server]
        assert main(words) == 1
        assert "email" in capsys.readouterr().out


class TestRights:
    def test_to_read_are_asked_for(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, admin: psycopg.Connection, role: str, take: Command
    ) -> None:
        monkeypatch.chdir(tmp_path)
        admin.execute(f'grant create on database "{admin.info.dbname}" to "{role}"'.encode())
        old = OldProject(tmp_path, _url(admin, role))
        old.prisma(_FIRST, _USERS)
        PrismaTable(admin).applied(_FIRST, _USERS)
        (problem,) = take.refused()
        assert problem["code"] == "history-forbidden"
        assert f'to "{role}"' in problem["hint"]
        assert "pa55-word" not in json.dumps(problem)
        assert "pa55-word" not in take.err
        admin.execute(f'grant select on _prisma_migrations to "{role}"'.encode())
        assert take()["history"]["recorded"] == [_FIRST]

    def test_to_lock_are_asked_for(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, admin: psycopg.Connection, role: str, take: Command
    ) -> None:
        monkeypatch.chdir(tmp_path)
        admin.execute(f'grant create on database "{admin.info.dbname}" to "{role}"'.encode())
        admin.execute(DBMATE_TABLE.format(schema="public").encode())
        admin.execute(f'grant select on schema_migrations to "{role}"'.encode())
        OldProject(tmp_path, _url(admin, role)).dbmate(_FIRST, _USERS)
        (problem,) = take.refused()
        assert problem["code"] == "history-forbidden"
        assert problem["hint"] == "import as the role that owns `public.schema_migrations`"


def _url(admin: psycopg.Connection, role: str) -> str:
    info = admin.info
    parts = {"host": info.host, "port": info.port, "dbname": info.dbname, "user": role, "password": "pa55-word"}
    return conninfo.make_conninfo("", **parts)


class TestCode:
    """Migrations of Alembic, which zmig does not run."""

    @pytest.fixture
    def revisions(self, old: OldProject, connection: psycopg.Connection) -> list[str]:
        old.write("alembic.ini", "[alembic]\nscript_location = alembic\n")
        for revision, before in (("aaa1", None), ("bbb2", "aaa1"), ("ccc3", "bbb2")):
            text = f"revision = {revision!r}\ndown_revision = {before!r}\n"
            old.write(f"alembic/versions/{revision}_step.py", text)
        connection.execute("create table alembic_version (version_num varchar(32) not null primary key)")
        connection.execute("insert into alembic_version values ('bbb2')")
        return ["aaa1", "bbb2"]

    def test_is_kept_in_the_history_alone(self, revisions: list[str], take: Command, facts: Facts) -> None:
        first = take()
        assert (first["migrations"], first["history"]["recorded"]) == ([], [])
        assert facts.applied == []
        assert take()["history"]["known"] == len(revisions)

    def test_is_applied_where_an_entry_has_its_name(
        self, old: OldProject, revisions: list[str], take: Command, facts: Facts
    ) -> None:
        old.write("bbb2.sql", "create table t ();\n")
        old.declare(1, "bbb2_step", "../bbb2.sql")
        assert take()["history"]["recorded"] == ["bbb2_step"]
        assert ("bbb2_step", "baselined") in facts.told
