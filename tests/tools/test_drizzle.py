"""What zmig reads of a project of Drizzle, and of its table, in both forms that each has."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

import pytest

from tests.support.project_files import MemoryFiles
from zmig.errors import UsageError
from zmig.other_tools.history import AppliedMigration, Place
from zmig.other_tools.registry import tool
from zmig.other_tools.source import Change, Script, Source

_BREAK = "--> statement-breakpoint"


def journal(*entries: tuple[str, int], dialect: str = "postgresql") -> str:
    listed = [{"idx": n, "version": "7", "when": when, "tag": tag} for n, (tag, when) in enumerate(entries)]
    return json.dumps({"version": "7", "dialect": dialect, "entries": listed}, indent=2)


_USERS = f'CREATE TABLE "users" ();{_BREAK}\nCREATE TABLE "orders" ();\n'
_OLD = {
    "drizzle/meta/_journal.json": journal(("0000_users", 1000), ("0001_more", 3000), ("0002_last", 2000)),
    "drizzle/0000_users.sql": _USERS,
    "drizzle/0001_more.sql": "select 1;\n",
    "drizzle/0002_last.sql": "select 2;\n",
    "drizzle/0003_loose.sql": "select 3;\n",
}
_NEW = {
    "drizzle/20240131120000_users/migration.sql": _USERS,
    "drizzle/20240131120000_users/snapshot.json": '{"version": "8", "dialect": "postgres"}',
    "drizzle/20240201120000_orders/migration.sql": "select 1;\n",
    "drizzle/20240201120000_orders/snapshot.json": '{"version": "8", "dialect": "postgres"}',
}
_MADE = int(datetime(2024, 1, 31, 12, tzinfo=UTC).timestamp()) * 1000


def read(contents: dict[str, str]) -> Source:
    files = MemoryFiles(contents)
    folder = tool("drizzle").find(files)
    assert folder is not None
    return tool("drizzle").read(files, folder)


def test_the_journal_gives_order_and_membership() -> None:
    source = read(_OLD)
    assert [(one.id, one.name) for one in source.migrations] == [
        ("1000", "0000_users"),
        ("3000", "0001_more"),
        ("2000", "0002_last"),
    ]
    assert source.migrations[0].up == Script(_USERS, "drizzle/0000_users.sql", is_whole_file=True)
    assert [(one.change, one.location.path) for one in source.remarks] == [(Change.LEFT_OUT, "drizzle/0003_loose.sql")]


def test_folders_of_version_1_are_in_the_order_of_their_names() -> None:
    source = read(_NEW)
    assert [(one.id, one.number) for one in source.migrations] == [
        ("20240131120000_users", 20240131120000),
        ("20240201120000_orders", 20240201120000),
    ]
    assert source.remarks == ()


def test_a_file_that_the_journal_names_and_that_is_gone_is_refused_at_its_entry() -> None:
    contents = {**_OLD, "drizzle/meta/_journal.json": journal(("0009_gone", 1000))}
    (migration,) = read(contents).migrations
    (remark,) = migration.remarks
    assert migration.up is None
    assert (remark.change, remark.location.text) == (Change.REFUSED, '      "tag": "0009_gone"')


def test_migrations_of_another_database_are_refused() -> None:
    source = read({**_OLD, "drizzle/meta/_journal.json": journal(("0000_users", 1000), dialect="mysql")})
    assert [one.location.line for one in source.remarks if one.change is Change.REFUSED] == [3]


def test_a_breakpoint_that_ends_a_statement_becomes_a_semicolon() -> None:
    text = (
        f"create table a () -- no end;\n{_BREAK}\ncreate table b (); -- end\n{_BREAK}\n-- nothing\n{_BREAK}\nselect 1"
    )
    source = read({**_OLD, "drizzle/0000_users.sql": text})
    migration = source.migrations[0]
    assert migration.up is not None
    assert migration.up.text == text.replace("a ()", "a ();", 1)
    assert not migration.up.is_whole_file
    assert [(one.change, one.location.line, one.location.column) for one in migration.remarks] == [
        (Change.REWRITTEN, 1, 17)
    ]


def test_a_breakpoint_inside_of_a_string_is_refused_by_place() -> None:
    source = read({**_OLD, "drizzle/0000_users.sql": f"select '\n{_BREAK}\n'"})
    assert [(one.change, str(one.location)) for one in source.migrations[0].remarks] == [
        (Change.REFUSED, "drizzle/0000_users.sql:2:1")
    ]


def test_the_table_is_read_from_the_configuration_where_it_is_plain_there() -> None:
    config = "export default defineConfig({ migrations: { table: 'done', schema: 'public' } })"
    assert read({**_OLD, "drizzle.config.ts": config}).history_table == "public.done"
    assert read({**_OLD, "drizzle.config.ts": "export default {}"}).history_table is None


def test_other_journals_and_folders_are_not_taken_for_its_own() -> None:
    drizzle = tool("drizzle")
    assert drizzle.find(MemoryFiles({"meta/_journal.json": "[]"})) is None
    assert drizzle.find(MemoryFiles({"prisma/migrations/20240131120000_a/migration.sql": ""})) is None
    with pytest.raises(UsageError):
        drizzle.read(MemoryFiles({"drizzle/meta/_journal.json": "{"}), "drizzle")
    with pytest.raises(UsageError):
        drizzle.read(MemoryFiles({"drizzle/0000_a.sql": ""}), "drizzle")


def test_the_columns_that_version_1_has_are_read_where_they_are_there() -> None:
    old = Place("drizzle", "__drizzle_migrations", "shop", frozenset({"id", "hash", "created_at"}))
    new = Place("drizzle", "__drizzle_migrations", "shop", old.columns | {"name", "applied_at"})
    queries = [*tool("drizzle").history.queries(old), *tool("drizzle").history.queries(new)]
    assert ["null::text" in query for query in queries] == [True, False]


def test_rows_are_found_by_the_time_in_the_journal() -> None:
    rows = [("aa", 1000, None, None), ("bb", 3000, None, None), ("cc", 2000, None, None), ("dd", 7, None, None)]
    history = tool("drizzle").history.read([rows], read(_OLD))
    assert history.problems == ()
    assert [(one.id, one.checksum) for one in history.applied] == [
        ("1000", "aa"),
        ("3000", "bb"),
        ("2000", "cc"),
        ("7", "dd"),
    ]


def test_a_late_file_that_drizzle_would_never_run_is_asked_about() -> None:
    history = tool("drizzle").history.read([[("aa", 1000, None, None), ("bb", 3000, None, None)]], read(_OLD))
    (problem,) = history.problems
    assert problem.code == "history-unclear"
    assert "0002_last" in problem.message
    assert problem.hint is not None
    assert f"values ('{hashlib.sha256(b'select 2;' + bytes([10])).hexdigest()}', 2000)" in problem.hint


def test_what_is_newer_than_the_newest_row_is_pending() -> None:
    history = tool("drizzle").history.read([[("aa", 1000, None, None)]], read(_OLD))
    assert [one.id for one in history.applied] == ["1000"]
    assert history.problems == ()


def test_rows_of_version_1_are_found_by_name_and_those_of_before_by_second() -> None:
    at = datetime(2024, 2, 1, tzinfo=UTC)
    rows = [("aa", _MADE + 123, None, None), ("bb", 0, "20240201120000_orders", at), ("cc", 5, "gone", at)]
    history = tool("drizzle").history.read([rows], read(_NEW))
    assert history.problems == ()
    assert [(one.id, one.checksum, one.at) for one in history.applied] == [
        ("20240131120000_users", "aa", None),
        ("20240201120000_orders", "bb", at),
        ("gone", "cc", at),
    ]


def test_an_old_row_that_fits_two_folders_of_one_second_is_asked_about() -> None:
    contents = {**_NEW, "drizzle/20240131120000_zoo/migration.sql": "select 1;"}
    history = tool("drizzle").history.read([[("aa", _MADE, None, None)]], read(contents))
    assert [one.code for one in history.problems] == ["history-unclear"]


@pytest.mark.parametrize(("run", "matches"), [("a\nb\n", True), ("a\r\nb\r\n", True), ("a\nc\n", False)])
def test_the_hash_is_of_the_file(run: str, matches: bool) -> None:
    files = MemoryFiles({**_OLD, "drizzle/0000_users.sql": "a\nb\n"})
    source = tool("drizzle").read(files, "drizzle")
    row = AppliedMigration("1000", checksum=hashlib.sha256(run.encode()).hexdigest())
    assert tool("drizzle").matches(row, source.migrations[0], source, files) is matches
