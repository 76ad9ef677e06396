"""What zmig reads of a project of Supabase's command line, and of its table."""

from __future__ import annotations

import pytest

from tests.support.project_files import MemoryFiles
from zmig.errors import UsageError
from zmig.other_tools.history import AppliedMigration, Place
from zmig.other_tools.registry import tool
from zmig.other_tools.source import Change, Script, Source, SourceMigration


def read(*names: str, **others: str) -> Source:
    contents = {f"supabase/migrations/{name}": "select 1;" for name in names}
    files = MemoryFiles({**contents, **others})
    assert tool("supabase").find(files) == "supabase/migrations"
    return tool("supabase").read(files, "supabase/migrations")


def test_files_are_in_the_order_of_their_names_as_text() -> None:
    source = read("20240201000000_b.sql", "20240131000000_a.sql", "3_c.sql")
    assert [(one.id, one.number, one.name) for one in source.migrations] == [
        ("20240131000000", 20240131000000, "20240131000000_a"),
        ("20240201000000", 20240201000000, "20240201000000_b"),
        ("3", 3, "3_c"),
    ]
    path = "supabase/migrations/20240131000000_a.sql"
    assert source.migrations[0].up == Script("select 1;", path, is_whole_file=True)
    assert source.remarks == ()


def test_what_the_tool_skips_or_cannot_record_is_said_by_place() -> None:
    source = read(
        "20210101000000_init.sql",
        "20240101000000_a.sql",
        "20240101000000_b.sql",
        "20240102000000.sql",
        **{"supabase/seed.sql": "select 1;"},
    )
    assert [one.id for one in source.migrations] == ["20240101000000", "20240101000000 (20240101000000_b.sql)"]
    assert [one.change for one in source.migrations[1].remarks] == [Change.REFUSED]
    assert [(one.change, one.location.path) for one in source.remarks] == [
        (Change.LEFT_OUT, "supabase/migrations/20210101000000_init.sql"),
        (Change.LEFT_OUT, "supabase/migrations/20240102000000.sql"),
        (Change.LEFT_OUT, "supabase/seed.sql"),
    ]


def test_an_old_init_file_that_is_not_the_first_is_a_migration() -> None:
    assert [one.id for one in read("20200101000000_a.sql", "20210101000000_init.sql").migrations] == [
        "20200101000000",
        "20210101000000",
    ]


def test_names_alone_are_not_taken_for_its_own() -> None:
    supabase = tool("supabase")
    file = {"migrations/20240101000000_a.sql": "select 1;"}
    assert supabase.find(MemoryFiles(file)) is None
    assert supabase.find(MemoryFiles({**file, "config.toml": 'project_id = "shop"\n'})) == "migrations"
    with pytest.raises(UsageError):
        supabase.read(MemoryFiles({"supabase/migrations/a.sql": ""}), "supabase/migrations")


def test_the_columns_that_are_there_are_read() -> None:
    old = Place("supabase_migrations", "schema_migrations", "d", frozenset({"version"}))
    new = Place("supabase_migrations", "schema_migrations", "d", frozenset({"version", "statements", "name"}))
    queries = [*tool("supabase").history.queries(old), *tool("supabase").history.queries(new)]
    assert ["null::text[]" in query for query in queries] == [True, False]


def test_versions_are_applied_with_what_was_run() -> None:
    source = read("20240101000000_a.sql", "3_c.sql")
    history = tool("supabase").history.read([[("3", None), ("20240101000000", ["select 1"]), ("9", [])]], source)
    assert [(one.id, one.statements) for one in history.applied] == [
        ("20240101000000", ("select 1",)),
        ("3", None),
        ("9", ()),
    ]


def matches(text: str, statements: list[str] | None) -> bool | None:
    files = MemoryFiles({"m/1_a.sql": text})
    migration = SourceMigration("1", "1_a", Script(text, "m/1_a.sql", is_whole_file=True))
    row = AppliedMigration("1", statements=tuple(statements) if statements is not None else None)
    return tool("supabase").matches(row, migration, Source("supabase", "m", (migration,)), files)


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("", []),
        (" \n", []),
        ("select 1;\n\nselect 2;\n", ["select 1", "select 2"]),
        ("select 1 ; ;select 2", ["select 1", "select 2"]),
        ("-- why\nselect ';';\n-- end;\n", ["-- why\nselect ';'", "-- end"]),
        (
            "create rule r as on update to t do (select 1; select 2);",
            ["create rule r as on update to t do (select 1; select 2)"],
        ),
        ("select 1;\r\nselect\r\n2;\r\n", ["select 1", "select\n2"]),
        ("select 1;\nselect\n2;\n", ["select 1", "select\r\n2"]),
    ],
)
def test_a_file_that_holds_what_was_run_matches(text: str, statements: list[str]) -> None:
    assert matches(text, statements) is True


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("select 1;", []),
        ("", ["select 1"]),
        ("select 1;\nselect 3;\n", ["select 1", "select 2"]),
        ("select 1\nselect 2;\n", ["select 1", "select 2"]),
        ("select 1;\nselect 2;\nselect 3;", ["select 1", "select 2"]),
        ("select 0; select 1;", ["select 1"]),
        ("select  1;", ["select 1"]),
    ],
)
def test_a_file_that_holds_anything_else_does_not(text: str, statements: list[str]) -> None:
    assert matches(text, statements) is False


def test_where_nothing_is_kept_nothing_is_known() -> None:
    assert matches("select 1;", None) is None
