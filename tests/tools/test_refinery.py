"""What zmig reads of a project of refinery."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.support.project_files import MemoryFiles
from zmig.errors import UsageError
from zmig.other_tools.registry import tool
from zmig.other_tools.siphash import siphash13
from zmig.other_tools.source import Change

TOOL = tool("refinery")
_CARGO = '[dependencies]\nrefinery = { version = "0.8", features = ["tokio-postgres"] }\n'
_FILES = {
    "Cargo.toml": _CARGO,
    "src/db.rs": 'embed_migrations!("./src/steps");\n',
    "src/steps/V1__users.sql": "create table users (id int);\n",
    "src/steps/more/V10__orders.sql": "create table orders (id int);\n",
    "src/steps/more/U2__late.sql": "select 1;\n",
    "src/steps/V3__code.rs": "pub fn migration() -> String { todo!() }\n",
    "src/steps/V4__with-hyphen.sql": "select 1;\n",
    "tests/V1__other.sql": "select 1;\n",
}


def test_files_are_in_the_order_of_their_versions_in_all_folders() -> None:
    files = MemoryFiles(_FILES)
    assert TOOL.find(files) == "src/steps"
    source = TOOL.read(files, "src/steps")
    assert [(one.id, one.name) for one in source.migrations] == [
        ("1", "V1__users"),
        ("2", "U2__late"),
        ("3", "V3__code"),
        ("10", "V10__orders"),
    ]
    assert [[one.change for one in each.remarks] for each in source.migrations] == [
        [],
        [Change.KEPT],
        [Change.REFUSED],
        [],
    ]
    assert [one.location.path for one in source.remarks] == ["src/steps/V4__with-hyphen.sql"]


def test_the_hash_is_rusts() -> None:
    """The expected values are what functions gave that agree with refinery's own tests."""
    files = MemoryFiles(_FILES)
    source = TOOL.read(files, "src/steps")
    rows = [(1, "2024-05-04T09:02:41.123456789Z", "HASH"), (2, "no time", None)]
    history = TOOL.history.read([rows], source)
    assert [(one.id, one.at, one.checksum) for one in history.applied] == [
        ("1", datetime(2024, 5, 4, 9, 2, 41, 123456, tzinfo=UTC), "HASH"),
        ("2", None, None),
    ]
    first, second = source.migrations[:2]
    assert TOOL.matches(history.applied[0], first, source, files) is False
    assert TOOL.matches(history.applied[1], second, source, files) is None
    narrow, wide = first.checksums
    assert (narrow, wide) == ("498924654209821323", "10505511325192389320")


def test_siphash_of_nothing_and_of_whole_blocks() -> None:
    assert len({siphash13(bytes(range(length))) for length in range(20)}) == 20


def test_it_takes_more_than_names_to_be_of_refinery() -> None:
    assert TOOL.find(MemoryFiles({"migrations/V1__a.sql": "select 1;"})) is None
    assert TOOL.find(MemoryFiles({"refinery.toml": "", "migrations/V1__a.sql": "select 1;"})) == "migrations"
    with pytest.raises(UsageError):
        TOOL.read(MemoryFiles({"migrations/1_a.sql": ""}), "migrations")
