"""What zmig reads of a project of Atlas."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime

import pytest

from tests.support.project_files import MemoryFiles
from zmig.errors import UsageError
from zmig.other_tools.registry import tool
from zmig.other_tools.source import Change, Source

TOOL = tool("atlas")


def sum_of(contents: dict[str, str]) -> str:
    """Return the file that `atlas migrate hash` writes: hashes of all names and contents so far."""
    digest, lines = hashlib.sha256(), list[str]()
    for name, text in sorted(contents.items()):
        digest.update(name.encode())
        if not text.startswith("-- atlas:sum ignore"):
            digest.update(text.encode())
            lines.append(f"{name} h1:{base64.b64encode(digest.digest()).decode()}\n")
    return f"h1:whole=\n{''.join(lines)}"


def project(contents: dict[str, str], **more: str) -> MemoryFiles:
    files = {f"migrations/{name}": text for name, text in contents.items()}
    return MemoryFiles({"migrations/atlas.sum": sum_of(contents), **files, **more})


def read(contents: dict[str, str], **more: str) -> Source:
    files = project(contents, **more)
    assert TOOL.find(files) == "migrations"
    return TOOL.read(files, "migrations")


def test_files_are_in_the_order_of_their_names_as_text() -> None:
    source = read({"2_b.sql": "select 2;", "10_a.sql": "select 1;", "x.sql": "select 3;"})
    assert [(one.id, one.name, one.number) for one in source.migrations] == [
        ("10", "10_a", 10),
        ("2", "2_b", 2),
        ("x", "x", None),
    ]
    assert all(one.up is not None and one.up.is_whole_file and not one.remarks for one in source.migrations)


def test_directives_are_those_at_the_top_of_a_file() -> None:
    outside = "-- a comment\n-- atlas:txmode none\n-- atlas:nolint\n\ncreate index concurrently i on t (a);\n"
    attached = "-- atlas:txmode none\ncreate index concurrently i on t (a);\n"
    first, second = (one.up for one in read({"1.sql": outside, "2.sql": attached}).migrations)
    assert first is not None
    assert second is not None
    assert (first.transactional, second.transactional) == (False, None)


@pytest.mark.parametrize("directive", ["txmode all", "assert x", "txtar"])
def test_other_directives_are_refused_by_place(directive: str) -> None:
    (migration,) = read({"1.sql": f"-- what for\n-- atlas:{directive}\n\nselect 1;\n"}).migrations
    assert [(one.change, one.location.line) for one in migration.remarks] == [(Change.REFUSED, 2)]


def test_another_delimiter_becomes_a_semicolon() -> None:
    text = "-- atlas:delimiter \\n-- end\n\nselect '\n-- end'\n-- end\nselect 2;\n-- END\n-- end\n"
    (migration,) = read({"1.sql": text}).migrations
    assert migration.up is not None
    assert migration.up.text == "\nselect '\n-- end';\n\nselect 2;\n-- END;\n\n"
    assert (migration.up.line, migration.up.is_whole_file) == (2, False)
    assert [(one.change, one.location.line) for one in migration.remarks] == [(Change.REWRITTEN, 4)]


def test_an_edited_file_is_refused_as_atlas_refuses_it() -> None:
    contents = {"1.sql": "select 1;", "2.sql": "select 2;", "3.sql": "-- atlas:sum ignore\n\nselect 3;", "4.sql": "-"}
    files = project(contents, **{"migrations/2.sql": "select 22;"})
    source = TOOL.read(files, "migrations")
    assert [[one.change for one in each.remarks] for each in source.migrations] == [[], [Change.REFUSED], [], []]
    assert not any(one.remarks for one in TOOL.read(project(contents), "migrations").migrations)


def test_a_checkpoint_is_left_out() -> None:
    source = read({"1.sql": "select 1;", "2.sql": "-- atlas:checkpoint v1\n\nselect 1;", "3.sql": "select 3;"})
    assert [one.id for one in source.migrations] == ["1", "3"]
    assert [(one.change, str(one.location)) for one in source.remarks] == [(Change.LEFT_OUT, "migrations/2.sql:1:1")]


def row(version: str, kind: int = 2, applied: int = 1, error: str | None = None, hash: str = "h") -> tuple[object, ...]:
    at = datetime(2024, 1, 2, tzinfo=UTC)
    return (version, kind, applied, 1, at, 2_500_000, error, "select 1" if error else None, hash)


def test_revisions_say_what_was_run_and_how_long_it_took() -> None:
    contents = {"1.sql": "select 1;", "2.sql": "select 2;", "3.sql": "select 3;"}
    files = project(contents)
    source = TOOL.read(files, "migrations")
    good = sum_of(contents).splitlines()[1].partition("h1:")[2]
    rows = [row(".atlas_cloud_identifier"), row("1", hash=good), row("2"), row("3", kind=6, applied=0, error="x")]
    history = TOOL.history.read([rows], source)
    assert [(one.id, one.duration_ms, one.was_run) for one in history.applied] == [
        ("1", 2, True),
        ("2", 2, True),
        ("3", 2, True),
    ]
    assert [
        TOOL.matches(one, migration, source, files)
        for one, migration in zip(history.applied[:2], source.migrations, strict=False)
    ] == [True, False]


def test_a_revision_that_is_half_done_is_a_problem() -> None:
    history = TOOL.history.read([[row("1", applied=0), row("2", error="boom")]], read({"1.sql": "select 1;"}))
    assert not history.applied
    assert [one.message for one in history.problems] == [
        "Atlas ran 0 of 1 statements of `1`",
        "Atlas ran 1 of 1 statements of `2`",
    ]


@pytest.mark.parametrize("kind", [1, 2])
def test_what_was_begun_with_a_checkpoint_or_a_baseline_has_all_before_it(kind: int) -> None:
    contents = {"1.sql": "select 1;", "2.sql": "-- atlas:checkpoint\n\nselect 1;", "3.sql": "select 3;"}
    if kind == 1:
        contents["2.sql"] = "select 2;"
    history = TOOL.history.read([[row("2", kind=kind), row("3")]], read(contents))
    expected = [("1", False), ("3", True)] if kind == 2 else [("1", False), ("2", False), ("3", True)]
    assert [(one.id, one.was_run) for one in history.applied if one.stands_for is None] == expected
    assert [(one.id, one.stands_for) for one in history.applied if one.stands_for is not None] == (
        [("2", "a checkpoint")] if kind == 2 else []
    )


def test_files_of_another_tools_form_are_that_tools() -> None:
    assert TOOL.find(project({"1_a.up.sql": "select 1;"})) is None
    assert TOOL.find(project({"1_a.sql": "-- +goose Up\nselect 1;"})) is None
    assert TOOL.find(MemoryFiles({"migrations/1_a.sql": "select 1;"})) is None
    source = read(
        {"1.sql": "select 1;"}, **{"atlas.hcl": 'env "x" {\n  migration {\n    revisions_schema = "log"\n  }\n}\n'}
    )
    assert source.history_table == "log.atlas_schema_revisions"
    with pytest.raises(UsageError):
        TOOL.read(MemoryFiles({"migrations/atlas.sum": ""}), "migrations")
