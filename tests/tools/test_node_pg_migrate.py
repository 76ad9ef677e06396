"""What zmig reads of a project of node-pg-migrate."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from tests.support.project_files import MemoryFiles
from zmig.errors import UsageError
from zmig.other_tools.registry import tool
from zmig.other_tools.source import Change, Source

TOOL = tool("node-pg-migrate")
_BOTH = "-- Up Migration\ncreate table t (id int);\n\n-- Down Migration\ndrop table t;\n"


def package(**scripts: str) -> str:
    return json.dumps({"devDependencies": {"node-pg-migrate": "^8.0.0"}, "scripts": scripts})


def read(folder: str = "migrations", **contents: str) -> Source:
    return TOOL.read(MemoryFiles({f"{folder}/{name}": text for name, text in contents.items()}), folder)


def test_a_file_is_parted_at_its_marks() -> None:
    (migration,) = read(**{"1700000000000_add-t.sql": f"-- what for\n{_BOTH}"}).migrations
    assert (migration.id, migration.name, migration.number) == ("1700000000000_add-t",) * 2 + (1700000000000,)
    assert migration.up is not None
    assert migration.down is not None
    assert (migration.up.text, migration.up.line) == ("create table t (id int);\n\n", 3)
    assert (migration.down.text, migration.down.line) == ("drop table t;\n", 6)
    assert not migration.up.is_whole_file
    assert not migration.remarks


@pytest.mark.parametrize("mark", ["--Up Migration", "  ---- UP   migration of old", "-- - up migration"])
def test_marks_are_those_that_the_tool_finds(mark: str) -> None:
    (migration,) = read(**{"1_a.sql": f"select 0;\n{mark}\nselect 1;\n"}).migrations
    assert migration.up is not None
    assert migration.up.text == "select 1;\n"
    assert migration.down is None
    (dropped,) = migration.remarks
    assert (dropped.change, dropped.location.line) == (Change.DROPPED, 1)


def test_the_down_part_may_come_first() -> None:
    text = "-- Down Migration\nselect 2;\n-- Up Migration\nselect 1;\n-- Down Migration\nselect 3;\n"
    (migration,) = read(**{"1_a.sql": text}).migrations
    assert migration.up is not None
    assert migration.down is not None
    assert migration.up.text == "select 1;\n--\nselect 3;\n"  # as the tool runs it
    assert migration.down.text == "select 2;\n"


def test_without_an_up_mark_the_whole_file_is_what_the_tool_runs() -> None:
    (migration,) = read(**{"1_a.sql": "select 1;\n-- Down Migration\nselect 2;\n"}).migrations
    assert migration.up is not None
    assert migration.down is not None
    assert migration.up.text == "select 1;\n--\nselect 2;\n"
    assert migration.down.text == "select 2;\n"
    assert [(one.change, one.location.line, one.location.column) for one in migration.remarks] == [
        (Change.REWRITTEN, 2, 1)
    ]


@pytest.mark.parametrize("odd", ["\n" * 50_000, " \n" * 50_000 + "x", "--\n" * 50_000, "-" * 50_000 + " up"])
def test_a_long_file_without_marks_is_read_once(odd: str) -> None:
    """Looked for as the tool writes its pattern, a mark took more than ten seconds in each of these."""
    (migration,) = read(**{"1_a.sql": f"select 1;\n{odd}"}).migrations
    assert migration.up is not None
    assert migration.up.is_whole_file


def test_a_mark_over_two_lines_is_refused() -> None:
    (migration,) = read(**{"1_a.sql": "--\nup migration\nselect 1;\n"}).migrations
    assert [(one.change, one.location.line) for one in migration.remarks] == [(Change.REFUSED, 1)]


def test_a_file_without_marks_is_taken_as_it_is() -> None:
    (migration,) = read(**{"1_a.sql": "select 1\n"}).migrations
    assert migration.up is not None
    assert migration.up.is_whole_file
    assert migration.down is None


def test_two_files_are_one_migration() -> None:
    source = read(**{"1_a.up.sql": "select 1;\n", "1_a.down.sql": "select 2;\n", "2_b.sql": "select 3;\n"})
    first, second = source.migrations
    assert (first.id, second.id) == ("1_a", "2_b")
    assert first.up is not None
    assert first.down is not None
    assert first.up.is_whole_file
    assert (first.up.path, first.down.path) == ("migrations/1_a.up.sql", "migrations/1_a.down.sql")


def test_where_the_tool_ran_both_of_two_files_nothing_is_taken_over() -> None:
    source = read(**{"1_a.up.sql": "select 1;\n", "1_a.down.sql": "select 2;\n"})
    at = datetime(2024, 1, 2, tzinfo=UTC)
    history = TOOL.history.read([[("1_a.down", at), ("1_a.up", at)]], source)
    assert len(history.problems) == 2


def test_a_file_to_go_down_needs_one_to_go_up() -> None:
    (migration,) = read(**{"1_a.down.sql": "select 2;\n"}).migrations
    assert [one.change for one in migration.remarks] == [Change.REFUSED]


def test_the_order_is_that_of_the_numbers_as_times() -> None:
    names = [
        "20200605075829074_utc.sql",  # 1591343909074
        "1591343909073_before.sql",
        "1591343909075_after.sql",
        "0002_b.sql",
        "2_a10.sql",
        "2_a9.sql",
        "2-a.sql",
    ]
    source = read(**dict.fromkeys(names, "select 1;\n"))
    assert [one.id for one in source.migrations] == [
        "2_a9",
        "2_a10",
        "2-a",
        "0002_b",
        "1591343909073_before",
        "20200605075829074_utc",
        "1591343909075_after",
    ]


def test_seventeen_digits_that_are_no_time_are_refused() -> None:
    (migration,) = read(**{"20201305075829074_a.sql": "select 1;\n"}).migrations
    assert [one.change for one in migration.remarks] == [Change.REFUSED]


def test_code_is_refused_in_its_place_in_the_order() -> None:
    source = read(**{"1_a.sql": "select 1;\n", "2_b.ts": "exports.up = 1\n", "3_c.sql": "", "readme.sql": "x"})
    assert [(one.id, one.up is None) for one in source.migrations] == [("1_a", False), ("2_b", True), ("3_c", False)]
    (remark,) = source.migrations[1].remarks
    assert (remark.change, str(remark.location)) == (Change.REFUSED, "migrations/2_b.ts:1:1")
    assert [(one.change, one.location.path) for one in source.remarks] == [
        (Change.LEFT_OUT, "migrations/readme.sql"),
    ]


def test_the_package_says_where_the_migrations_are() -> None:
    files = MemoryFiles(
        {
            "server/package.json": package(migrate="DATABASE_URL=x node-pg-migrate -m db/steps -t moved -s app other"),
            "server/db/steps/1_a.sql": "select 1;\n",
        }
    )
    assert TOOL.find(files) == "server/db/steps"
    source = TOOL.read(files, "server/db/steps")
    assert source.history_table == "app.moved"
    (migration,) = source.migrations
    assert migration.up is not None
    assert migration.up.text == 'set search_path to "app", "other";\nselect 1;\n'
    assert (migration.up.line, migration.up.is_whole_file) == (0, False)
    assert [one.change for one in source.remarks] == [Change.REWRITTEN]


def test_the_configuration_counts_for_more_than_the_command_line() -> None:
    config = {"db": {"migrations-dir": "steps", "migrations-schema": "log", "ignore-pattern": ".*\\.skip\\.sql"}}
    files = MemoryFiles(
        {
            "package.json": package(migrate="node-pg-migrate up --migrations-dir=other"),
            "config/default.json": json.dumps(config),
            "steps/1_a.sql": "select 1;\n",
            "steps/2_b.skip.sql": "select 1;\n",
        }
    )
    assert TOOL.find(files) == "steps"
    source = TOOL.read(files, "steps")
    assert [one.id for one in source.migrations] == ["1_a"]
    assert source.history_table == "log.pgmigrations"


def test_its_marks_are_recognised_and_a_number_alone_is_not() -> None:
    assert TOOL.find(MemoryFiles({"a/1_b.sql": _BOTH})) == "a"
    assert TOOL.find(MemoryFiles({"migrations/1_b.sql": "-- Up Migration\nselect 1;"})) is None
    assert TOOL.find(MemoryFiles({"package.json": "{", "migrations/1_b.sql": "select 1"})) is None
    with pytest.raises(UsageError):
        read(**{"readme.sql": "select 1"})


def test_rows_are_what_was_run_with_their_times() -> None:
    at = datetime(2024, 1, 2, 3, tzinfo=UTC)
    history = TOOL.history.read([[("1_a", at), ("1_a", None), ("9_gone", at)]], read(**{"1_a.sql": "select 1;\n"}))
    assert [(one.id, one.at) for one in history.applied] == [("1_a", at), ("9_gone", at)]
