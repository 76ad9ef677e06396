"""What zmig reads of a project of goose, and of its table."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.support.project_files import MemoryFiles
from tests.tools.test_golang_migrate import crc32
from zmig.errors import UsageError
from zmig.other_tools.history import Place
from zmig.other_tools.registry import tool
from zmig.other_tools.source import Change, Remark, Source, SourceMigration
from zmig.sql import variables

_PLAIN = "-- +goose Up\nselect 1;\n-- +goose Down\nselect 2;\n"


def read(contents: dict[str, str], **others: str) -> Source:
    files = MemoryFiles({**{f"migrations/{name}": text for name, text in contents.items()}, **others})
    assert tool("goose").find(files) == "migrations"
    return tool("goose").read(files, "migrations")


def one(text: str) -> SourceMigration:
    return tool("goose").read(MemoryFiles({"m/1_a.sql": text}), "m").migrations[0]


def up(text: str) -> str:
    migration = one(text)
    assert migration.up is not None
    assert all(remark.change is not Change.REFUSED for remark in migration.remarks), migration.remarks
    return migration.up.text


def refused(text: str) -> list[int]:
    return [remark.location.line for remark in one(text).remarks if remark.change is Change.REFUSED]


def changes(migration: SourceMigration) -> list[tuple[Change, int]]:
    return [(remark.change, remark.location.line) for remark in migration.remarks]


def test_a_file_is_parted_at_its_annotations_in_whatever_case() -> None:
    migration = one("-- head\n\n--  +goose  UP\n-- why\nselect 1;\n\n--+goose DOWN\r\nselect 2;\r\n")
    assert migration.up is not None
    assert migration.down is not None
    assert (migration.up.text, migration.up.line) == ("-- why\nselect 1;\n\n", 4)
    assert (migration.down.text, migration.down.line) == ("select 2;\r\n", 8)
    assert (migration.id, migration.number, migration.name) == ("1", 1, "1_a")
    assert migration.up.transactional is None
    assert migration.remarks == ()


def test_migrations_are_in_the_order_of_their_numbers_and_code_is_refused() -> None:
    source = read(
        {
            "00010_b.sql": _PLAIN,
            "2_a.sql": _PLAIN,
            "3_move.go": "package migrations",
            "3_move_test.go": "package migrations",
            "seed.sql": "select 1;",
            "0_zero.sql": _PLAIN,
        }
    )
    assert [(each.id, each.name) for each in source.migrations] == [("2", "2_a"), ("3", "3_move"), ("10", "00010_b")]
    assert source.migrations[1].up is None
    assert [each.change for each in source.migrations[1].remarks] == [Change.REFUSED]
    assert [(each.change, each.location.path) for each in source.remarks] == [
        (Change.LEFT_OUT, "migrations/0_zero.sql"),
        (Change.LEFT_OUT, "migrations/seed.sql"),
    ]


def test_two_files_of_one_version_are_refused() -> None:
    source = read({"1_a.sql": _PLAIN, "01_b.sql": _PLAIN})
    assert [each.id for each in source.migrations] == ["1", "1 (1_a)"]
    assert changes(source.migrations[1]) == [(Change.REFUSED, 1)]


def test_blocks_keep_their_places_and_get_the_semicolon_that_a_file_needs() -> None:
    text = (
        "-- +goose Up\n-- +goose StatementBegin\ncreate function f() returns int as $$\nbegin\n  return 1;\nend;\n"
        "$$ language plpgsql -- no end\n-- +goose StatementEnd\nselect 1;\n"
    )
    assert up(text) == (
        "\ncreate function f() returns int as $$\nbegin\n  return 1;\nend;\n"
        "$$ language plpgsql; -- no end\n\nselect 1;\n"
    )
    assert changes(one(text)) == [(Change.REWRITTEN, 7)]
    assert changes(one(text.replace("plpgsql --", "plpgsql; --"))) == []


def test_no_transaction_holds_for_both_directions_wherever_it_is() -> None:
    migration = one("-- +goose NO TRANSACTION\n" + _PLAIN)
    assert migration.up is not None
    assert migration.down is not None
    assert (migration.up.transactional, migration.down.transactional) == (False, False)
    assert changes(migration) == [(Change.KEPT, 1)]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("select 1;\n", [1, 1]),
        ("-- nothing\n", [1]),
        ("-- +GOOSE up\n", [1]),
        ("select 1;\nselect 2;\n-- +goose Up\nselect 3;\n", [1]),
        ("-- +goose Up\nselect 1;\n-- +goose Up\nselect 2;\n", [3]),
        ("-- +goose Down\n-- +goose Up\nselect 2;\n", [1]),
        (_PLAIN + "-- +goose Down\n", [5]),
        ("-- +goose Up\nselect 1\n-- +goose Down\nselect 2;\n", [2]),
        ("-- +goose Up\nselect 1;\nselect 2\n", [3]),
        ("-- +goose Up\n  \n-- a comment, after a line of blanks\n", [2]),
        ("-- +goose Up\n-- +goose StatementBegin\nselect 1;\n", [3]),
        ("-- +goose Up\nselect 1;\n-- +goose StatementEnd\n", [3]),
        ("-- +goose StatementBegin\n-- +goose Up\nselect 1;\n", [1]),
        ("-- +goose Up\n -- +goose NO TRANSACTION\nselect 1;\n", [2]),
        ("-- +goose Up -- more\nselect 1;\n", [1, 2, 1]),
        ("-- +goose Up\n-- +goose Unknown\nselect 1;\n", [2]),
        ("-- +goose Up\n-- +goose StatementBegin\n-- +goose StatementEnd\nselect 1;\nselect 2;\n", [4]),
    ],
)
def test_what_goose_refuses_or_loses_is_refused_by_place(text: str, lines: list[int]) -> None:
    assert refused(text) == lines


@pytest.mark.parametrize(
    "text",
    [
        "-- +goose Up\n",
        "-- +goose Up\n  \n",
        "-- +goose Up\n-- +goose StatementBegin\n-- +goose StatementEnd\n-- +goose Down\nselect 1;\n",
        "-- +goose Up\n-- +goose StatementBegin\n-- +goose StatementEnd\n\n-- c\n  \nselect 1;\n",
        "-- +goose Up\nselect 1; -- why; not\nselect\n2;--x\n;\n",
    ],
)
def test_what_goose_takes_is_taken(text: str) -> None:
    assert refused(text) == []


def test_variables_of_the_environment_become_those_of_the_manifest() -> None:
    text = (
        "-- +goose Up\nselect '${LEFT}';\n-- +goose ENVSUB ON\n"
        "select '$A', '${B}', '${C:-three}', '${D-}', '${E?set E}', '$$1', '\\$2', $(x);\n-- $F\n-- +goose ENVSUB OFF\n"
        "-- +goose Down\nselect '${LEFT}';\n"
    )
    source = read({"1_a.sql": text})
    (migration,) = source.migrations
    assert migration.has_variables
    assert dict(source.variables) == {"A": None, "B": None, "C": "three", "D": "", "E": None}
    assert migration.up is not None
    values = {"A": "1", "B": "2", "C": "3", "D": "4", "E": "5"}
    filled = variables.fill(migration.up.text, values, path="x").text
    assert filled == "select '${LEFT}';\n\nselect '1', '2', '3', '4', '5', '$1', '$2', $(x);\n-- $F\n\n"
    assert [remark.location.column for remark in migration.remarks if remark.change is Change.REWRITTEN] == [
        9,
        15,
        23,
        38,
        47,
    ]
    (last,) = (remark for remark in migration.remarks if remark.change is Change.REFUSED)
    assert last.location.line == 8, "a text that zmig would replace in the direction without variables"


@pytest.mark.parametrize("text", ["${A:1:2}", "${A:-$B}", "${A", "$1", "$$$A", "${A:-x}${A:-y}", "$_A"])
def test_expansions_that_variables_cannot_do_are_refused(text: str) -> None:
    assert refused(f"-- +goose ENVSUB ON\n-- +goose Up\nselect '{text}';\n") != []


def test_the_table_and_the_folder_are_read_from_the_project_s_commands() -> None:
    source = read({"1_a.sql": _PLAIN}, Makefile="up:\n\tgoose -dir migrations -table app.versions up\n")
    assert source.history_table == "app.versions"
    files = MemoryFiles({"a/1_a.sql": _PLAIN, "b/c/1_a.sql": _PLAIN, ".env": "GOOSE_MIGRATION_DIR=./b/c\n"})
    assert tool("goose").find(files) == "b/c"


def test_files_without_annotations_are_not_taken_for_its_own() -> None:
    assert tool("goose").find(MemoryFiles({"migrations/1_a.sql": "select 'a +goose Up'"})) is None
    with pytest.raises(UsageError):
        tool("goose").read(MemoryFiles({"migrations/a.sql": ""}), "migrations")


def test_the_last_row_of_a_version_says_whether_it_is_applied() -> None:
    at, later = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC)
    rows = [
        (0, True, at),
        (10, True, at),
        (2, True, at),
        (2, False, at),
        (10, False, at),
        (10, True, later),
        (7, True, at),
    ]
    source = read({"00010_b.sql": _PLAIN, "2_a.sql": _PLAIN})
    history = tool("goose").history.read([rows], source)
    assert [(each.id, each.at) for each in history.applied] == [("10", later), ("7", at)]


def test_its_lock_is_the_number_of_its_name_and_a_row_where_it_has_a_table() -> None:
    assert crc32(b"goose") == 4097083626
    lock = tool("goose").history.lock(Place("public", "goose_db_version", "d", frozenset()))
    assert (lock.keys, lock.query, lock.tables) == ((4097083626,), None, ('"public"."goose_db_version"',))
    there = Place("app", "goose_db_version", "d", frozenset(), tables={"app.goose_lock": frozenset({"locked"})})
    lock = tool("goose").history.lock(there)
    assert lock.tables == ('"app"."goose_db_version"', '"app"."goose_lock"')
    assert lock.query is not None


def test_a_remark_shows_the_line() -> None:
    remark: Remark = one("-- +goose Up\nselect 1\n").remarks[0]
    assert (remark.location.text, remark.location.width) == ("select 1", 8)
