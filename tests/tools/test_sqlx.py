"""What zmig reads of a project of sqlx, and of its table."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest

from tests.support.project_files import MemoryFiles
from tests.tools.test_golang_migrate import crc32
from zmig.errors import UsageError
from zmig.other_tools.history import AppliedMigration, Place
from zmig.other_tools.registry import tool
from zmig.other_tools.source import Change, Source

_CARGO = '[dependencies]\nsqlx = { version = "0.8", features = ["postgres"] }\n'
_AT = datetime(2024, 2, 1, tzinfo=UTC)
_ABC = "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"
"""SHA-384 of `abc`, from FIPS 180-4's examples."""


def read(contents: dict[str, str | bytes], **others: str) -> Source:
    files = MemoryFiles(
        {"Cargo.toml": _CARGO, **{f"migrations/{name}": text for name, text in contents.items()}, **others}
    )
    assert tool("sqlx").find(files) == "migrations"
    return tool("sqlx").read(files, "migrations")


def remarks(source: Source) -> list[tuple[Change, str]]:
    every = [*source.remarks, *(remark for one in source.migrations for remark in one.remarks)]
    return [(one.change, str(one.location)) for one in every]


def test_files_and_pairs_are_migrations_in_the_order_of_their_numbers() -> None:
    source = read({"10_late.sql": "select 10;", "0002_b.up.sql": "select 2;", "0002_b.down.sql": "select -2;"})
    assert [(one.id, one.number, one.name) for one in source.migrations] == [("2", 2, "0002_b"), ("10", 10, "10_late")]
    first = source.migrations[0]
    assert first.up is not None
    assert first.down is not None
    assert (first.up.text, first.down.text, first.up.is_whole_file) == ("select 2;", "select -2;", True)
    assert remarks(source) == []


def test_what_sqlx_refuses_or_passes_over_is_said_by_place() -> None:
    source = read(
        {
            "1_a.sql": "select 1;",
            "01_b.up.sql": "select 1;",
            "3_gone.down.sql": "select 1;",
            "seed.sql": "select 1;",
            "x_y.sql": "select 1;",
            "99999999999999999999_big.sql": "select 1;",
            "notes_a.txt": "",
        }
    )
    assert [one.id for one in source.migrations] == ["1", "1 (1_a)"]
    assert remarks(source) == [
        (Change.REFUSED, "migrations/99999999999999999999_big.sql:1:1"),
        (Change.LEFT_OUT, "migrations/seed.sql:1:1"),
        (Change.REFUSED, "migrations/x_y.sql:1:1"),
        (Change.LEFT_OUT, "migrations/3_gone.down.sql:1:1"),
        (Change.REFUSED, "migrations/1_a.sql:1:1"),
    ]


def test_the_mark_for_no_transaction_counts_at_the_very_beginning_alone() -> None:
    source = read(
        {
            "1_a.sql": "-- no-transaction\ncreate index concurrently i on t (a);",
            "2_b.sql": "\n-- no-transaction\nselect 1;",
            "3_c.sql": b"\xef\xbb\xbf-- no-transaction\nselect 1;",
        }
    )
    assert [one.up.transactional for one in source.migrations if one.up is not None] == [False, None, None]
    assert remarks(source) == [(Change.KEPT, "migrations/1_a.sql:1:1")]


def test_the_configuration_gives_folder_table_and_schemas() -> None:
    toml = '[migrate]\nmigrations-dir = "./sql"\ntable-name = "app._migrations"\ncreate-schemas = ["app"]\n'
    files = MemoryFiles({"db/sqlx.toml": toml, "db/sql/1_a.sql": "select 1;"})
    assert tool("sqlx").find(files) == "db/sql"
    source = tool("sqlx").read(files, "db/sql")
    assert source.history_table == "app._migrations"
    assert remarks(source) == [(Change.LEFT_OUT, "db/sqlx.toml:1:1")]


def test_the_folder_is_the_one_that_code_names_or_that_is_beside_a_crate() -> None:
    macro = 'sqlx::migrate!("../schema").run(&pool)'
    files = {"api/Cargo.toml": _CARGO, "api/src/main.rs": macro, "schema/1_a.sql": "", "api/migrations/1_a.sql": ""}
    assert tool("sqlx").find(MemoryFiles(files)) == "schema"
    assert tool("sqlx").find(MemoryFiles({**files, "api/src/main.rs": "sqlx::migrate!()"})) == "api/migrations"
    cached = {".sqlx/query-0123.json": "{}", "migrations/1_a.sql": ""}
    assert tool("sqlx").find(MemoryFiles(cached)) == "migrations"


def test_names_alone_are_not_taken_for_its_own() -> None:
    assert (
        tool("sqlx").find(MemoryFiles({"migrations/1_a.sql": "", "Cargo.toml": '[package]\nname = "sqlx-x"\n'})) is None
    )
    with pytest.raises(UsageError):
        tool("sqlx").read(MemoryFiles({"migrations/1_a.down.sql": ""}), "migrations")


def test_rows_are_what_is_applied_with_time_duration_and_checksum() -> None:
    source = read({"1_a.sql": "select 1;", "2_b.sql": "select 2;"})
    rows = [(1, _AT, True, b"\x01\xff", 2_600_000), (9, _AT, True, b"", -1)]
    history = tool("sqlx").history.read([rows], source)
    assert [(one.id, one.at, one.duration_ms, one.checksum) for one in history.applied] == [
        ("1", _AT, 3, "01ff"),
        ("9", _AT, None, ""),
    ]
    assert history.problems == ()


def test_a_row_without_success_is_a_problem_that_names_both_ways_on() -> None:
    history = tool("sqlx").history.read([[(2, _AT, False, b"", 1)]], read({"2_b.sql": "select 2;"}))
    (problem,) = history.problems
    assert problem.code == "history-unfinished"
    assert "2_b" in problem.message
    assert problem.hint is not None
    assert "delete from _sqlx_migrations where version = 2" in problem.hint
    assert "set success = true where version = 2" in problem.hint


def test_its_lock_is_a_number_of_the_database_s_name() -> None:
    keys = tool("sqlx").history.lock(Place("public", "_sqlx_migrations", "shop", frozenset())).keys
    assert keys == (crc32(b"shop") * 1026731422,)
    (key,) = tool("sqlx").history.lock(Place("public", "_sqlx_migrations", "123456789", frozenset())).keys
    assert key == 0xCBF43926 * 0x3D32AD9E, "a positive number, which is not cut to 32 bits"


@pytest.mark.parametrize(
    ("content", "run", "ignored", "matches"),
    [
        (b"abc", _ABC, "", True),
        (b"abd", _ABC, "", False),
        (b"a\nb\n", hashlib.sha384(b"a\r\nb\r\n").hexdigest(), "", True),
        (b"a\r\nb\r\n", hashlib.sha384(b"a\nb\n").hexdigest(), "", True),
        (b"\xef\xbb\xbfabc", _ABC, "", False),
        (b"\xef\xbb\xbfa b\tc\n", _ABC, '" ", "\\t", "\\n", "\\uFEFF"', True),
        (b"a b c", _ABC, "", False),
    ],
)
def test_the_checksum_is_of_the_file(content: bytes, run: str, ignored: str, matches: bool) -> None:
    files = MemoryFiles({"sqlx.toml": f"[migrate]\nignored-chars = [{ignored}]\n", "migrations/1_a.sql": content})
    source = tool("sqlx").read(files, "migrations")
    row = AppliedMigration("1", checksum=run)
    assert tool("sqlx").matches(row, source.migrations[0], source, files) is matches
