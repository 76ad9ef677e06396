"""What zmig reads of a project of graphile-migrate. The hashes are what version 1.4.1 wrote for these texts."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.support.project_files import MemoryFiles
from zmig.errors import UsageError
from zmig.other_tools import json5
from zmig.other_tools.history import Place
from zmig.other_tools.registry import tool
from zmig.other_tools.source import Change

TOOL = tool("graphile-migrate")
_CONFIGURATION = """{
  // a comment with "quotes"
  "connectionString": "postgres://localhost/app", /* another, */
  placeholders: { ":APP_USER": "postgres", ':OTHER_ONE': '!ENV', },
  afterCurrent: ["seed.sql"],
}
"""
_FIRST_HASH = "sha1:dbf1915e982f8bdc5daf2ec58b5df91f2937050c"
_FIRST = f"""--! Previous: -
--! Hash: {_FIRST_HASH}
--! Message: first one

create table if not exists t (id int);
grant select on t to :APP_USER;
comment on table t is ':OTHER_ONE of :DATABASE_NAME owned by :DATABASE_OWNER ::text ${{x}}';
"""
_SECOND_HASH = "sha1:6e8fd38c6de575507a80b7bb471514731cc0d1d1"
_SECOND = f"""--! Previous: {_FIRST_HASH}
--! Hash: {_SECOND_HASH}

--! no-transaction
create index concurrently if not exists ti on t (id);
"""


def project(**changed: str) -> MemoryFiles:
    contents = {
        ".gmrc": _CONFIGURATION,
        "migrations/committed/000001-first-one.sql": _FIRST,
        "migrations/committed/000002.sql": _SECOND,
        "migrations/current.sql": "-- nothing yet\n",
    }
    return MemoryFiles(contents | changed)


def test_committed_files_are_migrations_without_their_headers() -> None:
    files = project()
    assert TOOL.find(files) == "migrations/committed"
    source = TOOL.read(files, "migrations/committed")
    first, second = source.migrations
    assert (first.id, first.name, first.number, first.description) == ("000001.sql", "000001-first-one", 1, "first one")
    assert first.up is not None
    assert second.up is not None
    assert (first.up.line, first.up.transactional) == (5, None)
    assert second.up.text == "create index concurrently if not exists ti on t (id);\n"
    assert (second.up.line, second.up.transactional) == (5, False)
    assert (first.checksums, second.checksums) == ((_FIRST_HASH,), (_SECOND_HASH,))


def test_placeholders_become_variables() -> None:
    source = TOOL.read(project(), "migrations/committed")
    (first, second) = source.migrations
    assert source.variables == {
        "APP_USER": "postgres",
        "OTHER_ONE": None,
        "DATABASE_NAME": None,
        "DATABASE_OWNER": None,
    }
    assert first.up is not None
    assert "grant select on t to ${APP_USER};\n" in first.up.text
    assert "'${OTHER_ONE} of ${DATABASE_NAME} owned by ${DATABASE_OWNER} ::text $${x}'" in first.up.text
    assert (first.has_variables, second.has_variables) == (True, False)
    assert [(one.change, str(one.location)) for one in first.remarks] == [
        (Change.KEPT, f"migrations/committed/000001-first-one.sql:7:{column}") for column in (38, 62, 24)
    ]


def test_names_of_placeholders_are_found_in_code_too() -> None:
    code = 'module.exports = { placeholders: { ":APP_USER": process.env.APP_USER } };\n'
    files = project(**{".gmrc": "{}", ".gmrc.js": code})
    files = MemoryFiles({path: files.read(path) for path in files.paths if path != ".gmrc"})
    source = TOOL.read(files, "migrations/committed")
    assert set(source.variables) == {"APP_USER", "DATABASE_NAME", "DATABASE_OWNER"}


@pytest.mark.parametrize(
    "text",
    [
        _SECOND.replace(_FIRST_HASH, "sha1:other"),
        _SECOND.replace("\n\n", "\n"),
        _SECOND.replace("--! Hash", "--! Other"),
        "--! Hash: sha1:a\n" + _SECOND,
        _SECOND.replace("\n", "\r\n"),
    ],
)
def test_what_the_tool_itself_refuses_is_refused(text: str) -> None:
    source = TOOL.read(project(**{"migrations/committed/000002.sql": text}), "migrations/committed")
    assert [(one.change, one.location.line) for one in source.migrations[1].remarks] == [(Change.REFUSED, 1)]


def test_an_edited_file_is_seen_unless_the_project_allows_that() -> None:
    row = TOOL.history.read([[("000002.sql", _SECOND_HASH, None)]], TOOL.read(project(), "migrations")).applied[0]
    for text, expected in (
        (_SECOND, True),
        (_SECOND.replace("\n\n", "\n\n\n") + "\n", True),
        (_SECOND.replace("ti on", "tj on"), False),
        (_SECOND.replace("\n\n", "\n--! AllowInvalidHash\n\n"), None),
    ):
        files = project(**{"migrations/committed/000002.sql": text})
        source = TOOL.read(files, "migrations/committed")
        assert TOOL.matches(row, source.migrations[1], source, files) is expected


def test_work_that_is_not_committed_is_left_out() -> None:
    files = project(**{"migrations/current.sql": "-- begun\nselect 1;\n"})
    about = TOOL.read(files, "migrations").remarks
    assert [(one.change, one.location.path) for one in about] == [
        (Change.LEFT_OUT, "migrations/current.sql"),
        (Change.LEFT_OUT, ".gmrc"),
    ]
    assert [one.location.path for one in TOOL.read(project(), "migrations").remarks] == [".gmrc"]


def test_the_table_says_when_and_what_is_not_committed() -> None:
    at = datetime(2024, 1, 2, tzinfo=UTC)
    rows = [[("000001.sql", _FIRST_HASH, at)], [("current.sql",)]]
    history = TOOL.history.read(rows, TOOL.read(project(), "migrations"))
    assert [(one.id, one.at, one.checksum) for one in history.applied] == [("000001.sql", at, _FIRST_HASH)]
    assert len(history.notes) == 1
    here = Place("graphile_migrate", "migrations", "d", frozenset())
    assert len(TOOL.history.queries(here)) == 1
    beside = Place("graphile_migrate", "migrations", "d", frozenset(), tables={"graphile_migrate.current": frozenset()})
    assert len(TOOL.history.queries(beside)) == 2


def test_a_folder_without_committed_files_is_refused() -> None:
    assert TOOL.find(MemoryFiles({"committed/000001.sql": "select 1;\n"})) is None
    assert TOOL.find(MemoryFiles({"committed/000001.sql": _FIRST})) == "committed"
    with pytest.raises(UsageError):
        TOOL.read(MemoryFiles({"committed/a.sql": _FIRST}), "committed")


def test_json5_is_read_as_json() -> None:
    text = '{a: \'it\\\'s "x"\', $b: [1, 2, /* c */], "u//r": "http://x", // end\n}'
    assert json5.loads(text) == {"a": 'it\'s "x"', "$b": [1, 2], "u//r": "http://x"}
    assert json5.loads("{a: [1, // ]\n 2, /* ] */ 3]}") == {"a": [1, 2, 3]}
    with pytest.raises(ValueError, match="object"):
        json5.loads("[1]")
    for odd in ("{a: 'b}", '{a: "b}', "{a: 1} /* b"):
        with pytest.raises(ValueError, match="not closed"):
            json5.loads(odd)
