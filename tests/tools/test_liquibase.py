"""What zmig reads of a project of Liquibase. Checksums of version 8 are what Liquibase 4.4.0 wrote for these texts."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.support.project_files import MemoryFiles
from zmig.errors import UsageError
from zmig.other_tools.delimiters import with_semicolons
from zmig.other_tools.history import Place
from zmig.other_tools.registry import tool
from zmig.other_tools.source import Change, Repeats, Source, SourceMigration

TOOL = tool("liquibase")
HEADER = "--liquibase formatted sql\n"


def read(contents: dict[str, str], folder: str | None = None) -> Source:
    files = MemoryFiles(contents)
    found = folder or TOOL.find(files)
    assert found is not None
    return TOOL.read(files, found)


def one(text: str) -> SourceMigration:
    (migration,) = read({"db/a.sql": HEADER + text}).migrations
    return migration


def remarks(migration: SourceMigration | Source) -> list[tuple[str, int, int]]:
    return [(str(each.change), each.location.line, each.location.column) for each in migration.remarks]


def test_a_file_is_parted_at_its_changesets() -> None:
    text = (
        "\n--changeset bob:1\n--comment: the table\ncreate table t (\n  id int primary key,\n  name text\n);\n"
        "insert into t values (1, 'a;b');\n--rollback drop table t;\n--rollback select 1;\n"
        '--changeset "ann b":"two words"\nselect 2;\n--rollback not required\n'
    )
    first, second = read({"db/a.sql": HEADER + text}).migrations
    assert (first.id, first.name, first.description) == ("db/a.sql::1::bob", "a-1", "the table")
    assert (second.id, second.name) == ("db/a.sql::two words::ann b", "a-two-words")
    assert first.up is not None
    assert first.down is not None
    assert first.up.text.startswith("create table t (\n")
    assert (first.up.line, first.down.line) == (5, 10)
    assert first.down.text == "drop table t;\nselect 1;\n"
    assert second.down is not None
    assert second.down.text == ""
    assert not first.remarks + second.remarks


def test_a_file_with_one_changeset_stays_as_it_is() -> None:
    migration = one("--changeset bob:1\nselect 1;\n")
    assert migration.up is not None
    assert migration.up.is_whole_file
    assert migration.up.text == HEADER + "--changeset bob:1\nselect 1;\n"
    assert migration.name == "a-1"  # as it would be with another one beside it
    assert one("--changeset bob:a\nselect 1;\n").name == "a"
    rolled_back = one("--changeset bob:1\nselect 1;\n--rollback select 2;\n")
    assert rolled_back.up is not None
    assert not rolled_back.up.is_whole_file


def test_attributes_become_what_zmig_has_for_them() -> None:
    assert one("--changeset b:1 runOnChange:true\nselect 1;").repeats is Repeats.CHANGED
    assert one("--changeset b:1 runOnChange:true runAlways:TRUE\nselect 1;").repeats is Repeats.ALWAYS
    outside = one("--changeset b:1 runInTransaction:false\nselect 1;").up
    assert outside is not None
    assert outside.transactional is False
    assert one("--changeset b:1 runWith:psql\nselect 1;").uses_psql
    assert one("--changeset b:1 logicalFilePath:other/x.sql\nselect 1;").id == "other/x.sql::1::b"
    assert remarks(one("--changeset b:1 dbms:oracle,postgresql\nselect 1;")) == [("dropped", 2, 1)]


@pytest.mark.parametrize(
    "attribute", ["context:test", 'contextFilter:"a and b"', "labels:x", "failOnError:false", "runWith:sqlplus"]
)
def test_attributes_that_zmig_has_nothing_for_are_refused(attribute: str) -> None:
    assert remarks(one(f"--changeset b:1 {attribute}\nselect 1;")) == [("refused", 2, 1)]


def test_what_is_not_for_postgresql_is_left_out() -> None:
    text = "--changeset b:1 dbms:mysql\nselect 1;\n--changeset b:2 ignore:true\nselect 2;\n--changeset b:3\nselect 3;\n"
    source = read({"a.sql": HEADER + text})
    assert [each.id for each in source.migrations] == ["a.sql::3::b"]
    assert remarks(source) == [("left-out", 2, 1), ("left-out", 4, 1)]


@pytest.mark.parametrize(
    "line",
    [
        "--preconditions onFail:MARK_RAN",
        "--precondition-sql-check expectedResult:0 select count(*) from t",
        "-rollback drop table t",
        "--changeset nobody",
        "-comment no",
        "--include file:other.sql",
        "--ignoreLines:all",
        "--rollback changesetId:1 changesetAuthor:b",
    ],
)
def test_lines_that_cannot_be_carried_over_are_refused_by_place(line: str) -> None:
    assert remarks(one(f"--changeset b:2\nselect 1;\n{line}\n")) == [("refused", 4, 1)]


def test_lines_that_liquibase_leaves_out_are_left_out() -> None:
    text = "--changeset b:1\n--ignoreLines:start\nnonsense\n--ignoreLines:end\nselect 1;\n"
    migration = one(f"{text}--ignoreLines:1\nmore\nselect 2;\n")
    assert migration.up is not None
    assert migration.up.text == "select 1;\n\n\nselect 2;\n"
    assert migration.up.line == 6
    assert remarks(migration) == [("dropped", 3, 1), ("dropped", 7, 1)]


def test_a_rollback_may_be_in_a_comment() -> None:
    migration = one("--changeset b:1\nselect 1;\n/* liquibase rollback\ndrop function\n  f(); */\nselect 2;\n")
    assert migration.down is not None
    assert (migration.down.text, migration.down.line) == ("drop function\n  f();\n", 5)
    assert migration.up is not None
    assert migration.up.text == "select 1;\n\n\n\nselect 2;\n"
    assert remarks(one("--changeset b:1\nselect 1;\n/* liquibase rollback\nx\n")) == [("refused", 4, 1)]


@pytest.mark.parametrize(
    ("text", "delimiter", "expected"),
    [
        ("select 1\n/\nselect '/'\n/\n", "/", "select 1\n;\nselect '/'\n;\n"),
        ("select 1 @@\nselect '@@'; @@", "@@", "select 1 ;\nselect '@@'; "),
        ("select 1\nGO\nselect $$\nGO\n$$\ngo", "\\nGO", "select 1\n;\nselect $$\nGO\n$$\n;"),
        ("select 1 # 2; -- #\n#", "#", "select 1 ; 2; -- #\n;"),
        ("select /* 1 @@\n$a$ '@@' @@", "@@", "select /* 1 ;\n$a$ '@@' ;"),
        ("select $a$ @@ $b$ @@ $a$ @@ /* @@ */ $b$ @@", "@@", "select $a$ @@ $b$ @@ $a$ ; /* @@ */ $b$ ;"),
        ("select 1;\ngo\nselect a.go\n/\n", None, "select 1;\n\nselect a.go\n;\n"),
        ("select 1/2; select 3 ; /* ; */", ";", "select 1/2; select 3 ; /* ; */"),
    ],
)
def test_other_delimiters_become_semicolons(text: str, delimiter: str | None, expected: str) -> None:
    assert with_semicolons(text, delimiter).text == expected


def test_a_delimiter_that_is_a_pattern_is_refused() -> None:
    assert remarks(one("--changeset b:1 endDelimiter:\\s*GO\nselect 1\nGO\n")) == [("refused", 2, 1)]
    assert remarks(one("--changeset b:1 endDelimiter:@@ splitStatements:false\nselect '@@'")) == []


def test_parameters_become_variables() -> None:
    text = (
        "--property name:app.schema value:shop\n--property name:app.schema value:second\n"
        "--property name:tables value:${app.schema}_tables\n--property name:mode value:x context:test\n"
        "--changeset b:1\ncreate table ${app.schema}.a (t text default '${other}');\nselect '${tables}', '${mode}';\n"
    )
    source = read({"a.sql": HEADER + text})
    (migration,) = source.migrations
    assert migration.has_variables
    assert source.variables == {"app_schema": "shop", "other": None, "tables": "shop_tables", "mode": None}
    assert migration.up is not None
    assert migration.up.text.startswith("create table ${app_schema}.a (t text default '${other}');\n")
    assert remarks(migration) == [("kept", 7, 47), ("kept", 8, 22)]
    assert migration.checksums == ()


def test_what_zmig_would_take_for_a_parameter_is_refused() -> None:
    assert remarks(one("--property name:x value:1\n--changeset b:1\nselect ${x}, '${-}';")) == [("refused", 4, 15)]
    assert ("refused", 3, 1) in remarks(one("--changeset b:1\nselect ${a${b}};"))


_XML = """<?xml version="1.0"?>
<databaseChangeLog xmlns="http://www.liquibase.org/xml/ns/dbchangelog">
  <property name="owner" value="app"/>
  <include file="sql/z.sql" relativeToChangelogFile="true"/>
  <changeSet id="7" author="ann">
    <createTable tableName="t"/>
  </changeSet>
  <includeAll path="db/more"/>
  <include file="other.sql" relativeToChangelogFile="true" context="test"/>
</databaseChangeLog>
"""
_YAML = """databaseChangeLog:
  - property:
      name: owner
      value: app
  - include:
      file: sql/z.sql
      relativeToChangelogFile: true
  - changeSet:
      id: 7
      author: ann
      changes:
        - createTable:
            tableName: t
  - includeAll:
      path: db/more
  - include: {file: other.sql, relativeToChangelogFile: true, context: test}
"""
_JSON = """{"databaseChangeLog": [
\t{"property": {"name": "owner", "value": "app"}},
\t{"include": {"file": "sql/z.sql", "relativeToChangelogFile": true}},
\t{"changeSet": {"id": "7", "author": "ann", "changes": [{"createTable": {"tableName": "t"}}]}},
\t{"includeAll": {"path": "db/more"}},
\t{"include": {"file": "other.sql", "relativeToChangelogFile": true, "context": "test"}}
]}
"""


@pytest.mark.parametrize(("name", "root", "line"), [("r.xml", _XML, 6), ("r.yaml", _YAML, 12), ("r.json", _JSON, 4)])
def test_the_root_changelog_gives_the_order(name: str, root: str, line: int) -> None:
    source = read(
        {
            f"db/{name}": root,
            "db/sql/z.sql": f"{HEADER}--changeset b:1\nselect '${{owner}}';\n",
            "db/more/b.sql": "select 'plain';\nselect 2;\n",
            "db/more/a.sql": f"{HEADER[:-1]} logicalFilePath:logical/a.sql\n--changeset ann:1\nselect 'a';\n",
            "db/other.sql": f"{HEADER}--changeset b:2\nselect 1;\n",
            "db/unused.sql": f"{HEADER}--changeset b:9\nselect 1;\n",
        }
    )
    assert source.folder == "db"
    assert [each.id for each in source.migrations] == [
        "db/sql/z.sql::1::b",
        f"db/{name}::7::ann",
        "logical/a.sql::1::ann",
        "db/more/b.sql::raw::includeAll",
        "db/other.sql::2::b",
    ]
    code = source.migrations[1]
    assert code.up is None
    assert [each[:2] for each in remarks(code)] == [("refused", line)]
    assert [each[0] for each in remarks(source.migrations[4])] == ["refused"]
    assert source.variables == {"owner": "app"}
    assert [(each.change, each.location.path) for each in source.remarks] == [(Change.LEFT_OUT, "db/unused.sql")]


def test_spring_says_where_the_root_is() -> None:
    resources = "src/main/resources"
    source = read(
        {
            f"{resources}/application.yml": "spring:\n  liquibase:\n    change-log: classpath:/db/start.yaml\n",
            f"{resources}/db/start.yaml": "databaseChangeLog:\n- include:\n    file: classpath:db/sql/a.sql\n",
            f"{resources}/db/unrelated.xml": "<databaseChangeLog/>",
            f"{resources}/db/sql/a.sql": f"{HEADER}--changeset b:1\nselect 1;\n",
        }
    )
    assert [each.id for each in source.migrations] == ["db/sql/a.sql::1::b"]


def test_properties_name_the_table_and_values() -> None:
    said = "changeLogFile=a.sql\nliquibase-schema-name: log\nparameter.who = ann\n"
    source = read({"liquibase.properties": said, "a.sql": f"{HEADER}--changeset b:1\nselect '${{who}}';\n"})
    assert source.history_table == "log.databasechangelog"
    assert source.variables == {"who": "ann"}


def test_several_roots_are_not_chosen_from() -> None:
    contents = {"a/x.xml": "<databaseChangeLog/>", "a/y.yaml": "databaseChangeLog:\n- include:\n    file: z.sql\n"}
    with pytest.raises(UsageError) as caught:
        read(contents, "a")
    assert caught.value.code == "changelog-ambiguous"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('<!DOCTYPE x [<!ENTITY e "eeee">]>\n<databaseChangeLog>&e;</databaseChangeLog>', "r.xml:1:"),
        ("<databaseChangeLog>\n<include>", "r.xml:2:"),
        ("<databaseChangeLog>\n<include file='r.xml'/></databaseChangeLog>", "r.xml:1:1"),
    ],
)
def test_xml_that_cannot_be_read_is_refused_by_place(text: str, place: str) -> None:
    with pytest.raises(UsageError) as caught:
        read({"r.xml": text}, ".")
    assert caught.value.code == "import-unreadable"
    assert str(caught.value.problems[0].location).startswith(place)


_CHECKED = [
    ("--changeset bob:3 splitStatements:false stripComments:false", "8:9911c6337c13022bfa3bd20720f4f68b"),
    ("--changeset bob:4 endDelimiter:/", "8:b5deaa9da59c048aefa443f7ed8d3b60"),
    ("--changeset bob:5 endDelimiter:@@", "8:9e8451117cb37af852fa84e86149901d"),
]
_BODIES = [
    "-- keep this\ncreate function f() returns int language sql as $$ select 1; $$;\n"
    "/* liquibase rollback\ndrop function\n  f();\n*/\n",
    "create view v as select 1 as one\n/\ncomment on view v is 'x;y'\n/",
    "select 1 @@\nselect ';' @@",
]


@pytest.mark.parametrize(("line", "checksum", "body"), [(*a, b) for a, b in zip(_CHECKED, _BODIES, strict=True)])
def test_checksums_are_those_of_liquibase(line: str, checksum: str, body: str) -> None:
    files = MemoryFiles({"db/a.sql": f"{HEADER}{line}\n{body}\n"})
    source = TOOL.read(files, "db")
    (migration,) = source.migrations
    rows = [(migration.id.split("::")[1], "bob", "a.sql", None, "EXECUTED", checksum)]
    (row,) = TOOL.history.read([rows], source).applied
    assert row.id == migration.id
    assert TOOL.matches(row, migration, source, files) is True
    files = MemoryFiles({"db/a.sql": f"{HEADER}{line}\n{body} -- edited\n"})
    source = TOOL.read(files, "db")
    assert TOOL.matches(row, source.migrations[0], source, files) is False


def test_a_plain_file_has_a_checksum_too() -> None:
    files = MemoryFiles(
        {"r.yaml": "databaseChangeLog:\n- include:\n    file: b.sql\n", "b.sql": "select 'plain';\nselect 2;\n"}
    )
    (migration,) = TOOL.read(files, ".").migrations
    assert "8:988390006411a2ef2bc6d1aa495d01cb" in migration.checksums


def test_rows_say_what_was_run_and_what_was_not() -> None:
    text = "".join(f"--changeset b:{number}\nselect {number};\n" for number in range(1, 5))
    source = read({"db/a.sql": HEADER + text})
    at = datetime(2024, 1, 2, tzinfo=UTC)
    rows = [
        ("1", "b", "classpath:db/a.sql", at, "EXECUTED", "9:x"),
        ("2", "b", "/app/db/a.sql", at, "MARK_RAN", None),
        ("3", "b", "a.sql", at, "FAILED", None),
        ("4", "b", "a.sql", at, "SKIPPED", None),
        ("5", "b", "gone.sql", at, "RERAN", "7:old"),
    ]
    history = TOOL.history.read([rows], source)
    assert [(each.id, each.was_run, each.checksum) for each in history.applied] == [
        ("db/a.sql::1::b", True, "9:x"),
        ("db/a.sql::2::b", False, None),
        ("gone.sql::5::b", True, "7:old"),
    ]
    assert [each.message for each in history.problems] == ["`db/a.sql::3::b` failed in Liquibase"]
    assert len(history.notes) == 1


@pytest.mark.parametrize(("id", "author"), [('"two', '"bob the b"'), ("two words", "bob the b"), ('"two', "bob the b")])
def test_names_in_quotes_are_found_as_old_versions_recorded_them(id: str, author: str) -> None:
    """Version 4.4.0 wrote the first of these."""
    source = read({"db/a.sql": f'{HEADER}--changeset "bob the b":"two words"\nselect 1;\n--changeset b:2\nselect 2;\n'})
    (row,) = TOOL.history.read([[(id, author, "db/a.sql", None, "EXECUTED", None)]], source).applied
    assert row.id == source.migrations[0].id


def test_its_lock_is_a_row_of_another_table() -> None:
    tables = {"log.databasechangeloglock": frozenset({"id", "locked"})}
    lock = TOOL.history.lock(Place("log", "databasechangelog", "d", frozenset(), tables=tables))
    assert lock.tables == ('"log"."databasechangeloglock"',)
    assert lock.query is not None
    assert TOOL.history.lock(Place("log", "databasechangelog", "d", frozenset())).query is None
