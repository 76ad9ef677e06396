"""What zmig reads of a project of sqitch. The ids are those that sqitch 1.3.1 recorded for this plan."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest

from tests.support.project_files import MemoryFiles
from zmig.errors import UsageError
from zmig.other_tools import sqitch_plan
from zmig.other_tools.history import Place
from zmig.other_tools.registry import tool
from zmig.other_tools.source import Change, Source, SourceMigration

TOOL = tool("sqitch")
_WHO = "Ann \xc3\x96 <ann@example.com>"
_PLAN = f"""%syntax-version=1.0.0
%project=shop
%uri=https://Example.com

users 2026-11-28T05:10:33Z {_WHO} # The users # with hash
orders [users !other:foo] 2026-11-28T05:10:34Z {_WHO} # multi\\nline
@v1 2026-11-28T05:10:35Z {_WHO} # t

sub/third [users orders@v1] 2026-11-28T05:10:36Z {_WHO} # n3
users [users@v1] 2026-11-28T05:10:36Z {_WHO} # again
"""
_IDS = [
    "5e631eca9fef4cd7d7ca7d25ddf7d01027c4025c",
    "273b183d0e719e18947f8c133ecd444183290f09",
    "bf4dee126a5245646a6a59e897e9520812878b6a",
    "110b84b31371e82d9bf3d2e160c359f280530c5c",
]
_FILES = {
    "sqitch.conf": '[core]\n\tengine = pg ; the engine\n[deploy "variables"]\n\towner = "app user"\n',
    "sqitch.plan": _PLAN,
    "deploy/users@v1.sql": "BEGIN;\ncreate table users ();\nCOMMIT;\n",
    "deploy/users.sql": '\\set x 1\nalter table :"registry".users owner to :owner;\n',
    "deploy/orders.sql": "create table orders ();\n",
    "deploy/sub/third.sql": "select 3;\n",
    "deploy/forgotten.sql": "select 4;\n",
    "revert/users@v1.sql": "drop table users;\n",
    "verify/users@v1.sql": "BEGIN;\n-- XXX Add verifications here.\nROLLBACK;\n",
    "verify/orders.sql": "select 1/count(*) from orders;\n",
}


def read(**changed: str) -> Source:
    files = MemoryFiles(_FILES | changed)
    assert TOOL.find(files) == "."
    return TOOL.read(files, ".")


def test_changes_are_in_the_order_of_the_plan_with_sqitchs_ids() -> None:
    source = read()
    assert [one.id for one in source.migrations] == _IDS
    assert [one.name for one in source.migrations] == ["users", "orders", "sub/third", "users@since-v1"]
    assert [one.description for one in source.migrations] == ["The users # with hash", "multi line", "n3", "again"]
    assert source.project == "shop"
    assert source.history_table == "sqitch.changes"


def test_scripts_are_run_by_psql_with_the_projects_variables() -> None:
    source = read()
    first = source.migrations[0]
    assert all(one.uses_psql for one in source.migrations)
    assert first.up is not None
    assert first.down is not None
    assert (first.up.path, first.down.path) == ("deploy/users@v1.sql", "revert/users@v1.sql")
    assert first.up.is_whole_file
    assert source.variables == {"owner": "app user", "registry": "sqitch"}


def test_what_zmig_has_nothing_for_is_remarked_on_by_place() -> None:
    source = read()
    assert [[(one.change, str(one.location)) for one in each.remarks] for each in source.migrations] == [
        [],
        [(Change.DROPPED, "sqitch.plan:6:1"), (Change.LEFT_OUT, "verify/orders.sql:1:1")],
        [],
        [],
    ]
    assert [(one.change, str(one.location)) for one in source.remarks] == [
        (Change.DROPPED, "sqitch.plan:7:1"),
        (Change.LEFT_OUT, "deploy/forgotten.sql:1:1"),
    ]


@pytest.mark.parametrize("line", ["-users 2026-11-28T05:10:33Z a <b@c>", "users", "users 2026 a <b@c>", "a b c"])
def test_lines_that_cannot_be_carried_over_are_refused(line: str) -> None:
    remarks = sqitch_plan.parse("p", f"%project=x\n\n{line}\n").remarks
    assert [(one.change, one.location.line) for one in remarks] == [(Change.REFUSED, 3)]


def test_a_script_that_is_not_there_is_refused() -> None:
    contents = {path: text for path, text in _FILES.items() if path != "deploy/orders.sql"}
    source = TOOL.read(MemoryFiles(contents), ".")
    assert source.migrations[1].up is None
    assert (Change.REFUSED, 6) in [(one.change, one.location.line) for one in source.migrations[1].remarks]


@pytest.mark.parametrize(
    ("uri", "canonical"),
    [
        ("https://Example.com", "https://example.com/"),
        ("HTTP://a.b:80/X", "http://a.b/X"),
        ("https://u@a.b:8443?q", "https://u@a.b:8443?q"),
        ("urn:x:Y", "urn:x:Y"),
    ],
)
def test_a_uri_counts_in_its_canonical_form(uri: str, canonical: str) -> None:
    assert sqitch_plan.canonical(uri) == canonical


def test_folders_are_where_the_configuration_says() -> None:
    configuration = (
        '[core]\nengine = pg\ntop_dir = db\n[engine "pg"]\nextension = ddl\nregistry = log\nrevert_dir = back\n'
    )
    files = MemoryFiles(
        {
            "srv/sqitch.conf": configuration,
            "srv/db/sqitch.plan": f"%project=x\n\na 2026-11-28T05:10:33Z {_WHO}\n",
            "srv/db/deploy/a.ddl": "select 1;\n",
            "srv/back/a.ddl": "select 2;\n",
        }
    )
    assert TOOL.find(files) == "srv"
    source = TOOL.read(files, "srv")
    (migration,) = source.migrations
    assert migration.up is not None
    assert migration.down is not None
    assert source.history_table == "log.changes"


def test_a_plan_for_another_database_is_nobodys() -> None:
    assert TOOL.find(MemoryFiles(_FILES | {"sqitch.conf": "[core]\nengine = mysql\n"})) is None
    assert TOOL.find(MemoryFiles({"x/sqitch.plan": _PLAN})) == "x"
    with pytest.raises(UsageError):
        TOOL.read(MemoryFiles({}), ".")


def test_the_registry_says_who_and_when() -> None:
    source = read()
    at = datetime(2026, 11, 28, 6, tzinfo=UTC)
    first, orders = source.migrations[:2]
    script_hash = hashlib.sha1(_FILES["deploy/users@v1.sql"].encode(), usedforsecurity=False).hexdigest()
    changes = [
        (_IDS[1], _IDS[1], "shop", "orders", at, "Ann", "ann@example.com"),
        (_IDS[0], script_hash, "shop", "users", at, "Ann", "ann@example.com"),
        ("x" * 40, "y", "other", "foo", at, "Bob", "b@c"),
    ]
    events = [
        (_IDS[1], "shop", "orders", "deploy", at),
        (_IDS[2], "shop", "sub/third", "fail", at),
        ("z" * 40, "other", "foo", "fail", at),
    ]
    history = TOOL.history.read([changes, events], source)
    assert [(one.id, one.by, one.at) for one in history.applied] == [
        (_IDS[0], "Ann <ann@example.com>", at),
        (_IDS[1], "Ann <ann@example.com>", at),
    ]
    files = MemoryFiles(_FILES)
    assert TOOL.matches(history.applied[0], first, source, files) is True
    assert TOOL.matches(history.applied[1], orders, source, files) is None  # as old versions recorded it
    assert ["other" in note or "sub/third" in note for note in history.notes] == [True, True]


def test_a_plan_that_was_edited_is_matched_by_names() -> None:
    source = read(**{"sqitch.plan": _PLAN.replace("# n3", "# better")})
    at = datetime(2026, 11, 28, 6, tzinfo=UTC)
    rows = [(_IDS[2], "h", "shop", "sub/third", at, "Ann", "a@b"), ("w" * 40, "h", "shop", "gone", at, "Ann", "a@b")]
    history = TOOL.history.read([rows], source)
    assert [one.id for one in history.applied] == [source.migrations[2].id, "w" * 40]
    assert len(history.notes) == 1


def test_a_reworked_change_in_a_plan_that_was_edited_is_matched_in_order() -> None:
    source = read(**{"sqitch.plan": _PLAN.replace("%project=shop", "%project=shop\n%uri=https://example.com/")})
    at = datetime(2026, 11, 28, 6, tzinfo=UTC)
    rows = [(number * 40, "h", "shop", "users", at, "Ann", "a@b") for number in ("1", "2")]
    assert not {number * 40 for number in ("1", "2")} & {one.id for one in source.migrations}
    history = TOOL.history.read([rows], source)
    assert [one.id for one in history.applied] == [source.migrations[0].id, source.migrations[3].id]


def test_other_projects_of_a_registry_are_none_of_this_one_without_its_plan() -> None:
    rows = [(name[0] * 40, "h", name, "users", None, "Ann", "a@b") for name in ("shop", "other")]
    known = SourceMigration("s" * 40, "users", None)
    history = TOOL.history.read([rows], Source("sqitch", "", (known,)))
    assert [one.id for one in history.applied] == ["s" * 40]
    edited = SourceMigration("e" * 40, "users", None)  # of a plan that was edited before it was imported
    assert [one.id for one in TOOL.history.read([rows[:1]], Source("sqitch", "", (edited,))).applied] == ["e" * 40]
    assert len(TOOL.history.read([rows], Source("sqitch", "", ())).applied) == 2


def test_events_are_asked_for_where_there_are_any() -> None:
    place = Place("sqitch", "changes", "d", frozenset(), tables={"sqitch.events": frozenset()})
    assert len(TOOL.history.queries(place)) == 2
    assert len(TOOL.history.queries(Place("sqitch", "changes", "d", frozenset()))) == 1
