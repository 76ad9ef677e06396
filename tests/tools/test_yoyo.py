"""What zmig reads of a project of yoyo. The rows are shaped as version 9.0.0 wrote them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.support.project_files import MemoryFiles
from zmig.errors import UsageError
from zmig.other_tools.history import Place
from zmig.other_tools.registry import tool
from zmig.other_tools.source import Change, Repeats, Source

TOOL = tool("yoyo")
_CONFIGURATION = "[DEFAULT]\nsources = %(here)s/m %(here)s/more*\nmigration_table = log.yoyo\n"
_FILES = {
    "db/yoyo.ini": _CONFIGURATION,
    "db/m/a.idx.sql": "-- about\n-- depends: b.x\n\n-- transactional: false\ncreate index concurrently i on t (id);\n",
    "db/m/b.x.sql": "create table t (id int);\n-- depends: nothing\n",
    "db/m/b.x.rollback.sql": "drop table t;\n",
    "db/m/c.code.py": 'from yoyo import step\n__depends__ = {"a.idx"}\nsteps = [step("select 1")]\n',
    "db/m/post-apply.sql": "select 1;\n",
    "db/more1/0001.d.sql": "select 4;\n",
}


def read(**changed: str) -> Source:
    files = MemoryFiles(_FILES | changed)
    folder = TOOL.find(files)
    assert folder == "db/m"
    return TOOL.read(files, folder)


def test_migrations_come_after_those_that_they_depend_on() -> None:
    source = read()
    assert [one.id for one in source.migrations] == ["b.x", "a.idx", "c.code", "0001.d", "post-apply"]
    assert source.history_table == "log.yoyo"
    assert [one.number for one in source.migrations] == [None, None, None, 1, None]


def test_files_stay_where_they_are_with_their_rollbacks() -> None:
    first, second = read().migrations[:2]
    assert first.up is not None
    assert second.up is not None
    assert first.down is not None
    assert first.down.path == "db/m/b.x.rollback.sql"
    assert second.down is None
    assert (first.up.transactional, second.up.transactional) == (None, False)
    assert first.up.is_whole_file


def test_code_is_refused_and_hooks_become_repeatables() -> None:
    code, hook = read().migrations[2], read().migrations[-1]
    assert code.up is None
    assert [(one.change, str(one.location)) for one in code.remarks] == [(Change.REFUSED, "db/m/c.code.py:1:1")]
    assert hook.repeats is Repeats.ALWAYS
    assert [one.change for one in hook.remarks] == [Change.REWRITTEN]


@pytest.mark.parametrize("line", ["-- depends: gone", "--transactional : perhaps", "-- depends: e"])
def test_what_yoyo_itself_refuses_is_refused_by_place(line: str) -> None:
    source = read(**{"db/m/e.sql": f"-- about\n{line}\nselect 5;\n"})
    migration = next(one for one in source.migrations if one.id == "e")
    assert [(one.change, one.location.line) for one in migration.remarks] == [(Change.REFUSED, 2)]


def test_those_that_depend_on_each_other_are_refused() -> None:
    source = read(**{"db/m/e.sql": "-- depends: f\nselect 5;", "db/m/f.sql": "-- depends: e\nselect 6;"})
    refused = {one.id for one in source.migrations if any(each.change is Change.REFUSED for each in one.remarks)}
    assert refused == {"c.code", "e"}
    assert "f" in {one.id for one in source.migrations}


def test_the_log_says_who_applied_it_and_from_where() -> None:
    at = datetime(2024, 1, 2, tzinfo=UTC)
    rows = [("h2", "a.idx", at), ("h1", "b.x", at), ("h9", "gone", at)]
    log = [("h1", "apply", "ann", "laptop"), ("h2", "mark", "bob", None)]
    history = TOOL.history.read([rows, log], read())
    assert [(one.id, one.at, one.by, one.was_run) for one in history.applied] == [
        ("b.x", at, "ann@laptop", True),
        ("a.idx", at, None, False),
        ("gone", at, None, True),
    ]


def test_its_lock_is_a_row_of_another_table() -> None:
    tables = {"public.yoyo_lock": frozenset({"locked"}), "public._yoyo_log": frozenset({"id"})}
    place = Place("public", "_yoyo_migration", "d", frozenset(), tables=tables)
    assert TOOL.history.lock(place).tables == ('"public"."yoyo_lock"',)
    assert len(TOOL.history.queries(place)) == 2
    assert TOOL.history.lock(Place("public", "x", "d", frozenset())).query is None


def test_it_takes_more_than_names_to_be_of_yoyo() -> None:
    assert TOOL.find(MemoryFiles({"m/a.sql": "-- depends: b\nselect 1;"})) is None
    step = "from yoyo import step\nstep('select 1')\n"
    assert TOOL.find(MemoryFiles({"m/a.sql": "select 1;", "m/b.py": step})) == "m"
    with pytest.raises(UsageError):
        TOOL.read(MemoryFiles({"m/b.py": step}), "m")
