"""What zmig reads of a project of Diesel, and of its table."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.support.project_files import MemoryFiles
from zmig.errors import UsageError
from zmig.other_tools.history import Place
from zmig.other_tools.registry import tool
from zmig.other_tools.source import Change, Source

_CARGO = '[dependencies.diesel]\nversion = "2"\n'


def read(contents: dict[str, str]) -> Source:
    files = MemoryFiles({"Cargo.toml": _CARGO, **{f"migrations/{name}": text for name, text in contents.items()}})
    assert tool("diesel").find(files) == "migrations"
    return tool("diesel").read(files, "migrations")


def remarks(source: Source) -> list[tuple[Change, str]]:
    every = [*source.remarks, *(remark for one in source.migrations for remark in one.remarks)]
    return [(one.change, str(one.location)) for one in every]


def test_folders_are_migrations_in_the_order_of_their_versions_as_text() -> None:
    source = read(
        {
            "2024-02-01-000000_b/up.sql": "select 2;",
            "2024-02-01-000000_b/down.sql": "select -2;",
            "20240101000000_a/up.sql": "select 1;",
            "00000000000000_diesel_initial_setup/up.sql": "select 0;",
            "9_last/up.sql": "select 9;",
            "x/up.sql": "select 10;",
            ".hidden/up.sql": "select 11;",
        }
    )
    assert [(one.id, one.number, one.name) for one in source.migrations] == [
        ("00000000000000", 0, "00000000000000_diesel_initial_setup"),
        ("20240101000000", 20240101000000, "20240101000000_a"),
        ("20240201000000", 20240201000000, "2024-02-01-000000_b"),
        ("9", 9, "9_last"),
        ("x", None, "x"),
    ]
    down = source.migrations[2].down
    assert down is not None
    assert (down.text, down.is_whole_file) == ("select -2;", True)
    assert remarks(source) == []


@pytest.mark.parametrize(
    ("metadata", "transactional", "change"),
    [
        ("run_in_transaction = false\n", False, Change.KEPT),
        ("run_in_transaction = true\n", True, None),
        ("# nothing is said\n", False, Change.KEPT),
        ("", False, Change.KEPT),
        ("other = 1\n", False, Change.KEPT),
        ("run_in_transaction = 'no'\n", None, Change.DROPPED),
        ("run_in_transaction: false\n", None, Change.DROPPED),
    ],
)
def test_a_migration_s_own_file_that_does_not_say_it_means_no_transaction(
    metadata: str, transactional: bool | None, change: Change | None
) -> None:
    source = read({"1_a/up.sql": "select 1;", "1_a/down.sql": "select 2;", "1_a/metadata.toml": metadata})
    (migration,) = source.migrations
    assert [one.transactional for one in (migration.up, migration.down) if one is not None] == [transactional] * 2
    assert [one.change for one in migration.remarks] == ([change] if change is not None else [])


def test_what_diesel_refuses_or_does_not_look_at_is_said_by_place() -> None:
    source = read(
        {
            "1_a/up.sql": "select 1;",
            "1_a/extra.sql": "select 1;",
            "1_b/up.sql": "select 1;",
            "2_c/down.sql": "select 1;",
            "loose.sql": "select 1;",
            ".keep": "",
        }
    )
    assert [one.id for one in source.migrations] == ["1", "1 (1_b)"]
    assert remarks(source) == [
        (Change.LEFT_OUT, "migrations/loose.sql:1:1"),
        (Change.LEFT_OUT, "migrations/1_a/extra.sql:1:1"),
        (Change.REFUSED, "migrations/2_c/down.sql:1:1"),
        (Change.REFUSED, "migrations/1_b/up.sql:1:1"),
    ]


def test_the_folder_is_the_one_that_is_named_or_the_nearest_upwards_of_a_crate() -> None:
    named = {
        "db/diesel.toml": '[migrations_directory]\ndir = "./sql"\n',
        "db/sql/1_a/up.sql": "",
        "migrations/1/up.sql": "",
    }
    assert tool("diesel").find(MemoryFiles(named)) == "db/sql"
    crate = {"crates/db/Cargo.toml": _CARGO, "crates/migrations/1_a/up.sql": "", "migrations/1_a/up.sql": ""}
    assert tool("diesel").find(MemoryFiles(crate)) == "crates/migrations"
    setup = {"x/00000000000000_diesel_initial_setup/up.sql": ""}
    assert tool("diesel").find(MemoryFiles(setup)) == "x"


def test_folders_alone_are_not_taken_for_its_own() -> None:
    assert tool("diesel").find(MemoryFiles({"migrations/default/1_a/up.sql": "", "migrations/1_a/up.sql": ""})) is None
    with pytest.raises(UsageError):
        tool("diesel").read(MemoryFiles({"migrations/1_a.sql": ""}), "migrations")


def test_versions_in_its_table_are_what_is_applied() -> None:
    at = datetime(2024, 2, 1, tzinfo=UTC)
    source = read({"2024-02-01-000000_b/up.sql": "", "00000000000000_diesel_initial_setup/up.sql": ""})
    rows = [("20230101000000", at), ("20240201000000", at), ("00000000000000", at)]
    history = tool("diesel").history.read([rows], source)
    assert [(one.id, one.at) for one in history.applied] == [
        ("00000000000000", at),
        ("20240201000000", at),
        ("20230101000000", at),
    ]
    assert tool("diesel").history.lock(Place("public", "t", "d", frozenset())).keys == ()
