"""What zmig reads of a project of pgroll."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.project_files import MemoryFiles
from zmig.errors import UsageError
from zmig.other_tools.history import AppliedMigration
from zmig.other_tools.registry import tool
from zmig.other_tools.source import Change, Source

if TYPE_CHECKING:
    from zmig.other_tools.history import ToolHistory

TOOL = tool("pgroll")
_TABLE = "operations:\n  - create_table:\n      name: users\n      columns:\n        - name: id\n          type: int\n"
_SQL = "operations:\n  - sql:\n      up: |\n        create view v as\n          select 1\n      down: drop view v\n"
_JSON = '{"name": "00_first", "operations": [{"sql": {"up": "select 1", "down": "select 2"}}]}\n'


def read(contents: dict[str, str]) -> Source:
    files = MemoryFiles(contents)
    found = TOOL.find(files)
    assert found is not None
    return TOOL.read(files, found)


def test_files_of_operations_are_in_the_order_of_their_names() -> None:
    source = read({"migrations/02_view.yaml": _SQL, "migrations/01_users.json": _JSON, "values.yaml": "operations: []"})
    assert source.folder == "migrations"
    assert [one.id for one in source.migrations] == ["00_first", "02_view"], "the first one says its name"


def test_operations_of_sql_become_scripts() -> None:
    (migration,) = read({"m/02_view.yaml": _SQL}).migrations
    assert migration.up is not None
    assert migration.down is not None
    assert (migration.up.text, migration.up.line) == ("create view v as\n  select 1\n", 4)
    assert (migration.down.text, migration.down.line) == ("drop view v\n", 6)


def test_several_of_them_become_one() -> None:
    text = "operations:\n- sql: {up: select 1, onComplete: true}\n- sql: {up: 'select 2;', onComplete: true}\n"
    (migration,) = read({"m/1.yaml": text}).migrations
    assert migration.up is not None
    assert migration.up.text == "select 1;\nselect 2;\n"
    assert migration.down is None


@pytest.mark.parametrize("text", [_TABLE, f"{_SQL}  - drop_table:\n      name: t\n", _SQL.replace("down:", "else:")])
def test_other_operations_are_named_by_place(text: str) -> None:
    (migration,) = read({"m/01_users.yaml": text}).migrations
    assert migration.up is None
    (remark,) = migration.remarks
    assert remark.change is Change.LEFT_OUT
    assert remark.location.line == (7 if "drop_table" in text else 2)


@pytest.mark.parametrize("text", ["operations: 1\n", "operations: [{other: {}}]\n", "operations: [\n", "a: 1\n"])
def test_other_files_are_not_its_own(text: str) -> None:
    files = MemoryFiles({"m/01.yaml": text})
    assert TOOL.find(files) is None
    with pytest.raises(UsageError) as caught:
        TOOL.read(files, "m")
    assert caught.value.code == "nothing-to-import"


def _history(*rows: tuple[object, ...], source: Source | None = None) -> ToolHistory:
    return TOOL.history.read([rows, [], []], source or Source("pgroll", ".", ()))


def test_what_is_active_stops_and_says_what_to_do() -> None:
    history = _history(
        ("public", "01_users", True, "pgroll", None, [None]), ("public", "02_view", False, "pgroll", None, ["select 1"])
    )
    assert [one.id for one in history.applied] == ["01_users"]
    (problem,) = history.problems
    assert problem.code == "history-unfinished"
    assert "`02_view` is active" in problem.message
    assert "pgroll complete" in str(problem.hint)
    assert "pgroll rollback" in str(problem.hint)
    assert history.begun == ("02_view",)


def test_what_its_event_triggers_have_seen_is_no_migration() -> None:
    history = _history(("public", "x_2024", True, "inferred", None, ["create table t ()"]))
    assert history.applied == ()
    assert history.notes[0].startswith("1 change of the schema was made without pgroll")


def test_rows_of_another_schema_say_so() -> None:
    source = read({"m/01_a.yaml": _SQL})
    history = _history(
        ("app", "01_a", True, "baseline", None, None), ("public", "01_b", True, "pgroll", None, None), source=source
    )
    assert [(one.id, one.was_run) for one in history.applied] == [("01_a", False), ("public.01_b", True)]


@pytest.mark.parametrize(("ran", "matches"), [(("create view v as\n  select 1",), True), (("x",), False), (None, None)])
def test_the_sql_that_was_run_is_compared(ran: tuple[str, ...] | None, matches: bool | None) -> None:
    files = MemoryFiles({"m/02_view.yaml": _SQL})
    source = TOOL.read(files, "m")
    row = AppliedMigration("02_view", statements=ran)
    assert TOOL.matches(row, source.migrations[0], source, files) is matches
