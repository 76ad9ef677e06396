"""What zmig reads of a project of golang-migrate, and of its table."""

from __future__ import annotations

import pytest

from tests.support.project_files import MemoryFiles
from zmig.errors import UsageError
from zmig.other_tools.history import Place
from zmig.other_tools.registry import tool
from zmig.other_tools.source import Change, Source

_MODULE = "module shop\nrequire github.com/golang-migrate/migrate/v4 v4.17.0\n"
_FILES = {
    "000002_orders.up.sql": "select 2;",
    "000002_orders.down.sql": "select -2;",
    "10_late.up.sql": "select 10;",
    "1_users.v2.up.sql": "select 1;",
    "1_users.v2.down.sql": "select -1;",
}


def read(contents: dict[str, str] = _FILES, **others: str) -> Source:
    project = {f"db/migrations/{name}": text for name, text in contents.items()}
    files = MemoryFiles({"go.mod": _MODULE, **project, **others})
    assert tool("golang-migrate").find(files) == "db/migrations"
    return tool("golang-migrate").read(files, "db/migrations")


def refusals(source: Source) -> list[tuple[Change, str]]:
    every = [*source.remarks, *(remark for one in source.migrations for remark in one.remarks)]
    return [(one.change, one.location.path) for one in every]


def place(*columns: str) -> Place:
    return Place("public", "schema_migrations", "shop", frozenset(columns))


def test_pairs_of_files_are_migrations_in_the_order_of_their_numbers() -> None:
    source = read()
    assert [(one.id, one.number, one.name) for one in source.migrations] == [
        ("1", 1, "1_users.v2"),
        ("2", 2, "000002_orders"),
        ("10", 10, "10_late"),
    ]
    downs = [one.down.text if one.down is not None else None for one in source.migrations]
    assert downs == ["select -1;", "select -2;", None]
    assert all(one.up is not None and one.up.is_whole_file for one in source.migrations)
    assert refusals(source) == []


def test_what_the_tool_refuses_passes_over_or_counts_is_said_by_place() -> None:
    source = read(
        {
            "1_a.up.sql": "select 1;",
            "01_b.up.sql": "select 1;",
            "2_c.down.sql": "select 1;",
            "3_d.up.pgsql": "select 1;",
            "seed.sql": "select 1;",
        }
    )
    assert [one.name for one in source.migrations] == ["01_b", "2_c", "3_d"]
    assert [one.up.text for one in source.migrations if one.up is not None] == ["select 1;", "", "select 1;"]
    assert refusals(source) == [
        (Change.LEFT_OUT, "db/migrations/seed.sql"),
        (Change.REFUSED, "db/migrations/1_a.up.sql"),
        (Change.KEPT, "db/migrations/2_c.down.sql"),
        (Change.REWRITTEN, "db/migrations/3_d.up.pgsql"),
    ]


def test_the_commands_of_a_project_say_table_and_mode() -> None:
    make = "up:\n\tmigrate -path db/migrations -database 'postgres://u:p@h/d?x-multi-statement=true&x-migrations-table="
    source = read(Makefile=f"{make}%22app%22.%22done%22&x-migrations-table-quoted=1' up\n")
    assert source.history_table == "app.done"
    (remark,) = source.remarks
    assert (remark.change, remark.location.line, remark.location.text) == (Change.DROPPED, 2, None)


def test_the_folder_that_the_commands_name_is_taken() -> None:
    files = {"a/migrations/1_x.up.sql": "", "b/sql/1_x.up.sql": "", "Makefile": "\tmigrate -path ./b/sql up\n"}
    assert tool("golang-migrate").find(MemoryFiles(files)) == "b/sql"
    assert tool("golang-migrate").find(MemoryFiles({**files, "Makefile": "\tdocker run migrate/migrate"})) is not None


def test_names_alone_are_not_taken_for_its_own() -> None:
    assert tool("golang-migrate").find(MemoryFiles({"migrations/1_x.up.sql": "", "go.mod": "module x"})) is None
    with pytest.raises(UsageError):
        tool("golang-migrate").read(MemoryFiles({"migrations/1_x.sql": ""}), "migrations")


def test_all_up_to_the_number_in_the_table_is_applied() -> None:
    history = tool("golang-migrate").history.read([[(2, False)]], read())
    assert [one.id for one in history.applied] == ["1", "2"]
    assert history.problems == ()
    assert "merged late" in history.notes[0]


def test_a_number_without_a_file_is_kept_as_a_row() -> None:
    history = tool("golang-migrate").history.read([[(5, False)]], read())
    assert [one.id for one in history.applied] == ["1", "2", "5"]
    assert len(history.notes) == 2
    unknown = tool("golang-migrate").history.read([[(5, False)]], Source("golang-migrate", ".", ()))
    assert [one.id for one in unknown.applied] == ["5"]
    assert unknown.notes == ()


def test_an_empty_table_says_that_nothing_is_applied() -> None:
    assert tool("golang-migrate").history.read([[]], read()).applied == ()


def test_a_dirty_version_is_a_problem_that_says_what_to_find_out() -> None:
    (problem,) = tool("golang-migrate").history.read([[(2, True)]], read()).problems
    assert problem.code == "history-unfinished"
    assert "`000002_orders.up`" in problem.facts[0]
    assert "`10_late.down`" in problem.facts[1]
    assert problem.hint is not None
    assert "`migrate force 2`" in problem.hint
    assert "`migrate force 1`" in problem.hint


def test_several_rows_are_asked_about() -> None:
    history = tool("golang-migrate").history.read([[(1, False), (2, False)]], read())
    assert [one.code for one in history.problems] == ["history-unclear"]


def test_an_old_table_has_a_row_for_each() -> None:
    (query,) = tool("golang-migrate").history.queries(place("version"))
    assert "null::boolean" in query
    history = tool("golang-migrate").history.read([[(1, None), (10, None)]], read())
    assert [one.id for one in history.applied] == ["1", "10"]
    assert history.notes == ()


def crc32(data: bytes) -> int:
    """The CRC-32 of ISO 3309, bit by bit."""
    number = 0xFFFFFFFF
    for byte in data:
        number ^= byte
        for _ in range(8):
            number = number >> 1 ^ (0xEDB88320 if number & 1 else 0)
    return number ^ 0xFFFFFFFF


def test_both_of_its_locks_are_held() -> None:
    numbers = [
        crc32(name) * 1486364155 % 2**32 for name in (b"database_name", b"schema_name_1\0schema_name_2\0database_name")
    ]
    assert numbers == [1764327054, 3743845847], "what the tool's own sources expect"
    keys = tool("golang-migrate").history.lock(place("version", "dirty")).keys
    names = (b"public\0schema_migrations\0shop", b"public\0schema_migrations\0/shop")
    assert keys == tuple(crc32(name) * 1486364155 % 2**32 for name in names)
