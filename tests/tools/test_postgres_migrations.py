"""What zmig reads of a project of postgres-migrations. The hashes are what version 5.3.0 wrote for these files."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from tests.support.project_files import MemoryFiles
from zmig.errors import UsageError
from zmig.other_tools.registry import tool
from zmig.other_tools.source import Change

TOOL = tool("postgres-migrations")
_PACKAGE = json.dumps({"dependencies": {"postgres-migrations": "^5.3.0"}})
_FIRST = "create table a (id int);\r\n"
_SECOND = "-- postgres-migrations disable-transaction\ncreate index concurrently ai on a (id);"
_FILES = {"package.json": _PACKAGE, "db/steps/1_a.sql": _FIRST, "db/steps/2-b.sql": _SECOND}


def test_files_stay_where_they_are() -> None:
    files = MemoryFiles(_FILES)
    assert TOOL.find(files) == "db/steps"
    first, second = TOOL.read(files, "db/steps").migrations
    assert [(one.id, one.name, one.number) for one in (first, second)] == [("1", "1_a", 1), ("2", "2-b", 2)]
    assert first.up is not None
    assert second.up is not None
    assert first.up.is_whole_file
    assert second.up.is_whole_file
    assert (first.up.transactional, second.up.transactional) == (None, False)


def test_hashes_are_those_of_the_tool() -> None:
    files = MemoryFiles(_FILES)
    source = TOOL.read(files, "db/steps")
    at = datetime(2024, 1, 2, tzinfo=UTC)
    rows = [
        (0, "e18db593bcde2aca2a408c4d1100f6abba2195df", at),
        (1, "9a3a726b09762963aa3b30f75e6aba3acf54748b", at),
        (2, "ee112f3e76e803fe811eb62526fbdbd2d11944b8", at),
    ]
    history = TOOL.history.read([rows], source)
    assert [(one.id, one.at) for one in history.applied] == [("1", at), ("2", at)]
    matches = [
        TOOL.matches(row, migration, source, files)
        for row, migration in zip(history.applied, source.migrations, strict=True)
    ]
    assert matches == [True, False]


def test_code_and_gaps_are_refused_by_place() -> None:
    files = MemoryFiles({"m/1.sql": "select 1;", "m/3_c.js": "x", "m/4_d.SQL": "select 4;", "m/x.sql": "select 5;"})
    source = TOOL.read(files, "m")
    assert [(one.id, one.up is None) for one in source.migrations] == [("1", False), ("3", True), ("4", False)]
    assert [[str(one.location) for one in each.remarks] for each in source.migrations] == [
        [],
        ["m/3_c.js:1:1"] * 2,
        ["m/4_d.SQL:1:1"],
    ]
    assert [one.change for one in source.remarks] == [Change.LEFT_OUT]


def test_numbers_alone_are_nobodys() -> None:
    assert TOOL.find(MemoryFiles({"migrations/1_a.sql": _FIRST})) is None
    assert TOOL.find(MemoryFiles({"package.json": _PACKAGE, "migrations/2_a.sql": _FIRST})) is None
    with pytest.raises(UsageError):
        TOOL.read(MemoryFiles({"m/a.sql": ""}), "m")
