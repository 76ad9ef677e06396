"""What zmig reads of a project of dbmate."""

from __future__ import annotations

from tests.support.project_files import MemoryFiles
from zmig.other_tools.registry import tool
from zmig.other_tools.source import Change, Source

_USERS = """-- a comment
-- migrate:up transaction:false
create table users (id int);
-- migrate:upper is a comment
select 'migrate:down';

-- migrate:down
drop table users;
"""


def read(**contents: str) -> Source:
    files = MemoryFiles({f"db/migrations/{name}": text for name, text in contents.items()})
    dbmate = tool("dbmate")
    folder = dbmate.find(files)
    assert folder == "db/migrations"
    return dbmate.read(files, folder)


def test_a_file_is_parted_at_its_marks() -> None:
    (migration,) = read(**{"20240131120000_users.sql": _USERS}).migrations
    assert migration.id == "20240131120000"
    assert migration.number == 20240131120000
    assert migration.name == "20240131120000_users"
    assert migration.up is not None
    assert migration.down is not None
    assert migration.up.text == (
        "create table users (id int);\n-- migrate:upper is a comment\nselect 'migrate:down';\n\n"
    )
    assert (migration.up.line, migration.down.line) == (3, 8)
    assert migration.down.text == "drop table users;\n"
    assert migration.up.transactional is False
    assert migration.down.transactional is None
    assert not migration.remarks


def test_files_are_in_the_order_of_their_names_as_text() -> None:
    up = "-- migrate:up\nselect 1;\n-- migrate:down\n"
    source = read(**{"2_b.sql": up, "10_a.sql": up, "readme.sql": "select 1"})
    assert [one.id for one in source.migrations] == ["10", "2"]


def test_what_dbmate_itself_refuses_is_refused_by_place() -> None:
    twice = "-- migrate:up\nselect 1;\n-- migrate:down\n-- migrate:up\nselect 2;\n"
    source = read(**{"1_a.sql": twice, "2_b.sql": "select 1;\n"})
    first, second = (one.remarks for one in source.migrations)
    assert [(one.change, one.location.line) for one in first] == [(Change.REFUSED, 4)]
    assert [(one.change, one.location.line) for one in second] == [(Change.REFUSED, 1)]


def test_a_folder_without_its_marks_is_not_taken_for_one() -> None:
    assert tool("dbmate").find(MemoryFiles({"db/migrations/1_a.sql": "create table t ();\n"})) is None


def test_versions_in_its_table_are_what_is_applied_in_the_order_of_the_files() -> None:
    up = "-- migrate:up\nselect 1;\n-- migrate:down\n"
    source = read(**{"2_b.sql": up, "10_a.sql": up})
    history = tool("dbmate").history.read([[("2",), ("10",), ("99",)]], source)
    assert [one.id for one in history.applied] == ["10", "2", "99"]
    assert not history.problems
