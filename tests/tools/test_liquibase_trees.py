"""Changesets of Liquibase in XML, YAML and JSON, as far as they are SQL; checksums are what Liquibase 4.4.0 wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from tests.support.project_files import MemoryFiles
from zmig.errors import UsageError
from zmig.importing.conversion import convert
from zmig.other_tools.liquibase import tree
from zmig.other_tools.registry import tool
from zmig.other_tools.source import Change, Repeats

if TYPE_CHECKING:
    from zmig.other_tools.source import Source, SourceMigration

TOOL = tool("liquibase")


def read(contents: dict[str, str | bytes]) -> Source:
    files = MemoryFiles(contents)
    found = TOOL.find(files)
    assert found is not None
    return TOOL.read(files, found)


def xml(body: str) -> str:
    return f'<databaseChangeLog xmlns="http://www.liquibase.org/xml/ns/dbchangelog">\n{body}\n</databaseChangeLog>\n'


def one(body: str, more: dict[str, str | bytes] | None = None) -> SourceMigration:
    (migration,) = read({"db/r.xml": xml(body), **(more or {})}).migrations
    return migration


def changeset(content: str, attributes: str = "") -> str:
    return f'<changeSet id="1" author="ann" {attributes}>\n{content}\n</changeSet>'


def refused(migration: SourceMigration) -> list[tuple[str, int]]:
    return [
        (str(each.location.path), each.location.line) for each in migration.remarks if each.change is Change.REFUSED
    ]


def texts(migration: SourceMigration) -> tuple[str | None, str | None]:
    up, down = migration.up, migration.down
    return up and up.text, down and down.text


_YAML = """databaseChangeLog:
- changeSet:
    id: 1
    author: ann
    comment: two views
    changes:
    - sql:
        sql: |
          create view a as select 1 as one;
          create view b as select 2 as two
    - sql: create view c as select 3
    rollback:
    - sql:
        sql: drop view c
    - sql: drop view a, b
"""
_JSON = """{"databaseChangeLog": [
\t{"changeSet": {"id": 1, "author": "ann", "comment": "two views", "changes": [
\t\t{"sql": {"sql": "create view a as select 1 as one;\\ncreate view b as select 2 as two"}},
\t\t{"sql": "create view c as select 3"}],
\t\t"rollback": [{"sql": {"sql": "drop view c"}}, {"sql": "drop view a, b"}]}}
]}
"""
_XML = xml(
    '<changeSet id="1" author="ann">\n<comment>two views</comment>\n<sql>create view a as select 1 as one;\n'
    "create view b as select 2 as two</sql>\n<sql><comment>why</comment><![CDATA[create view c as select 3]]></sql>\n"
    "<rollback><sql>drop view c</sql><sql>drop view a, b</sql></rollback></changeSet>"
)


@pytest.mark.parametrize(("name", "text"), [("r.xml", _XML), ("r.yaml", _YAML), ("r.json", _JSON)])
def test_changes_that_are_sql_become_one_script(name: str, text: str) -> None:
    (migration,) = read({f"db/{name}": text}).migrations
    assert migration.id == f"db/{name}::1::ann"
    assert migration.description == "two views"
    assert texts(migration) == (
        "create view a as select 1 as one;\ncreate view b as select 2 as two;\ncreate view c as select 3;\n",
        "drop view c;\ndrop view a, b;\n",
    )
    assert not migration.remarks


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("r.xml", xml(changeset("<sql>\n\n  select 1;\n  select 'open;\n</sql>")), 6),
        ("r.yaml", _YAML.replace("select 2 as two", "select 'open"), 10),
        ("r.yaml", _YAML.replace("create view c as select 3", "select 'open"), 11),
    ],
)
def test_what_is_wrong_in_them_has_its_place(name: str, text: str, line: int) -> None:
    files = MemoryFiles({f"db/{name}": text})
    source = TOOL.read(files, "db")
    remarks = [*source.migrations[0].remarks]
    if source.migrations[0].up is not None:
        remarks += convert(source.migrations[0], source, files).remarks
    assert [each.location.line for each in remarks if each.change is Change.REFUSED] == [line]


_SQL_FILE = '<sqlFile path="sql/a.sql" relativeToChangelogFile="true"/>'


def test_a_file_that_is_run_alone_is_named_where_it_is() -> None:
    text = "create table t ();\n"
    migration = one(
        changeset(f'{_SQL_FILE}<rollback><sqlFile path="db/sql/b.sql"/></rollback>', 'runInTransaction="false"'),
        {"db/sql/a.sql": text, "db/sql/b.sql": "drop table t;\n"},
    )
    up, down = migration.up, migration.down
    assert up is not None
    assert down is not None
    assert (up.path, up.text, up.is_whole_file, up.transactional) == ("db/sql/a.sql", text, True, False)
    assert (down.path, down.is_whole_file) == ("db/sql/b.sql", True)


def test_places_in_files_that_are_run_beside_other_sql_are_theirs() -> None:
    files = MemoryFiles(
        {
            "r.xml": xml(changeset('<sql>select 1</sql><sqlFile path="a.sql"/><sql>select 3</sql>')),
            "a.sql": "select 2 -- two\n;\n\\connect x\n",
        }
    )
    source = TOOL.read(files, ".")
    (migration,) = source.migrations
    assert texts(migration)[0] == "select 1;\nselect 2 -- two\n;\n\\connect x;\nselect 3;\n"
    remarks = convert(migration, source, files).remarks
    assert [(each.location.path, each.location.line) for each in remarks] == [("a.sql", 3)]


def test_parameters_become_variables() -> None:
    source = read(
        {"r.xml": xml('<property name="owner" value="app"/>' + changeset("<sql>alter table t owner to ${owner}</sql>"))}
    )
    assert source.variables == {"owner": "app"}
    assert source.migrations[0].has_variables
    assert texts(source.migrations[0])[0] == "alter table t owner to ${owner}"


def test_delimiters_become_semicolons() -> None:
    migration = one(changeset("<sql endDelimiter=\"@@\">select 1 @@\nselect ';' @@</sql>"))
    assert texts(migration)[0] == "select 1 ;\nselect ';' ;"
    assert texts(one(changeset("<sql>select 1\ngo\nselect 2\n/\n</sql>")))[0] == "select 1\n;\nselect 2\n;"
    whole = one(changeset('<sql splitStatements="false">select 1\n/\n2</sql>'))
    assert texts(whole)[0] == "select 1\n/\n2"


def test_attributes_become_what_zmig_has_for_them() -> None:
    sql = "<sql>select 1</sql>"
    assert one(changeset(sql, 'runOnChange="true"')).repeats is Repeats.CHANGED
    assert one(changeset(sql, 'runAlways="true"')).repeats is Repeats.ALWAYS
    assert one(changeset(sql, 'runWith="psql"')).uses_psql
    assert one(changeset(sql, 'logicalFilePath="x/y.xml"')).id == "x/y.xml::1::ann"
    source = read({"r.xml": xml(changeset(sql, 'dbms="oracle"') + changeset(sql, 'ignore="true"'))})
    assert [each.change for each in source.remarks] == [Change.LEFT_OUT] * 2
    migration = one(changeset(f'<sql dbms="!postgresql">nonsense</sql>{sql}'))
    assert texts(migration)[0] == "select 1"
    assert [each.change for each in migration.remarks] == [Change.DROPPED]


@pytest.mark.parametrize(
    "content",
    [
        "<createTable tableName='t'/>",
        "<sql>select 1</sql>\n<dropTable tableName='t'/>",
        "<sqlFile path='gone.sql'/>",
        "<sqlFile path='latin.sql'/>",
        "<sqlFile path='latin.sql' encoding='klingon'/>",
        "<sql>  </sql>",
        "<sql wrong='x'>select 1</sql>",
        "<sql>select 1</sql><rollback changeSetId='1' changeSetAuthor='ann'/>",
        "<sql>select 1</sql><rollback><dropTable tableName='t'/></rollback>",
        "<preConditions><dbms type='postgresql'/></preConditions><sql>select 1</sql>",
        "<sql>select 1</sql><modifySql><append value='x'/></modifySql>",
    ],
)
def test_what_is_no_sql_is_refused_by_place(content: str) -> None:
    migration = one(changeset(content), {"latin.sql": "select 'é';\n".encode("latin-1")})
    assert migration.up is None
    line = 3 + content.partition("<dropTable tableName='t'/>")[0].count("\n")
    assert refused(migration) == [("db/r.xml", line)]


@pytest.mark.parametrize(
    "attribute", ['context="test"', 'labels="x"', 'failOnError="false"', 'runWith="sqlplus"', 'runOrder="last"']
)
def test_attributes_that_zmig_has_nothing_for_are_refused(attribute: str) -> None:
    assert refused(one(changeset("<sql>select 1</sql>", attribute))) == [("db/r.xml", 2)]


def test_a_file_in_another_encoding_is_read_in_that() -> None:
    migration = one(
        changeset('<sqlFile path="latin.sql" encoding="ISO-8859-1"/>'), {"latin.sql": "select 'é';".encode("latin-1")}
    )
    assert migration.up is not None
    assert (migration.up.text, migration.up.is_whole_file) == ("select 'é';", False)


@pytest.mark.parametrize("content", ["", "<tagDatabase tag='x'/>", "<empty/>"])
def test_what_changes_nothing_is_an_empty_migration(content: str) -> None:
    files = MemoryFiles({"r.xml": xml(changeset(content))})
    source = TOOL.read(files, ".")
    converted = convert(source.migrations[0], source, files)
    assert converted.up is not None
    assert converted.up.is_empty
    assert not any(each.change is Change.REFUSED for each in converted.remarks)


def test_half_letters_of_json_are_put_together() -> None:
    text = '{"databaseChangeLog": [{"changeSet": {"id": "1", "author": "a", "changes": [{"sql": "select \'%s\'"}]}}]}'
    (migration,) = read({"r.json": text % "\\ud83d\\ude00"}).migrations
    assert texts(migration)[0] == "select '\U0001f600'"
    with pytest.raises(UsageError) as caught:
        read({"r.json": text % "\\ud83d"})
    assert caught.value.code == "import-unreadable"


def test_aliases_do_not_make_a_short_text_a_long_one() -> None:
    lines = ["databaseChangeLog:", "- a0: &a0 {x: {y: [{z: {}}]}}"]
    lines += [f"- a{n}: &a{n} {{p: *a{n - 1}, q: *a{n - 1}, r: *a{n - 1}}}" for n in range(1, 24)]
    with pytest.raises(UsageError) as caught:
        TOOL.read(MemoryFiles({"r.yaml": "\n".join(lines)}), ".")
    assert "too large" in caught.value.problems[0].message


def test_nor_do_they_in_a_configuration() -> None:
    lines = [
        "a0: &a0 {x: {}}",
        *(f"a{n}: &a{n} {{{', '.join(f'k{k}: *a{n - 1}' for k in range(20))}}}" for n in range(1, 11)),
    ]
    text = "\n".join([*lines, "spring: {liquibase: {change-log: r.xml}}"])
    source = read({"application.yml": text, "r.xml": xml(changeset("<sql>select 1</sql>"))})
    assert len(source.migrations) == 1


_ENTITIES = (
    '<?xml version="1.0"?>\n<!DOCTYPE databaseChangeLog [<!ENTITY a SYSTEM "file:///etc/passwd">]>\n'
    "<databaseChangeLog><changeSet id='1' author='a'><sql>&a;</sql></changeSet></databaseChangeLog>"
)


def test_no_other_file_is_read_by_an_entity() -> None:
    with pytest.raises(UsageError) as caught:
        read({"r.xml": _ENTITIES})
    assert str(caught.value.problems[0].location).startswith("r.xml:2")


_CHECKED: dict[str, str | bytes] = {
    "db/master.xml": xml(
        """<property name="owner" value="app"/>
<changeSet id="1" author="ann">
  <sql>create table t (
    id int primary key,
      owner text default '${owner}'
  )</sql>
  <sql splitStatements="false" stripComments="true"><comment>why</comment><![CDATA[
    -- a function
    create function f() returns int language sql as $$ select 1; $$;
  ]]></sql>
  <rollback>drop function f(); drop table t</rollback>
</changeSet>
<changeSet id="3" author="ann">
  <sql endDelimiter="/">create view v as select 1 as one
/
comment on view v is 'x;y'
/</sql>
  <sql dbms="oracle">nonsense</sql>
  <sqlFile path="db/sql/param.sql" endDelimiter="@@"/>
</changeSet>
<changeSet id="4" author="ann"><sqlFile path="db/sql/param.sql" splitStatements="true" encoding="UTF-8"/></changeSet>
<changeSet id="5" author="ann"><tagDatabase tag="one"/></changeSet>
<changeSet id="6" author="ann"/>
<include file="more.yaml" relativeToChangelogFile="true"/>"""
    ),
    "db/more.yaml": """databaseChangeLog:
- changeSet:
    id: 10
    author: bob
    changes:
    - sql:
        sql: |
          create view a as select 1 as one;
          create view b as select 2 as two
    - sql:
        comment: x
        splitStatements: false
        sql: create view c as select 3 as three
    - sql: create view d as select 4 as four
- include:
    file: more.json
    relativeToChangelogFile: true
""",
    "db/more.json": """{"databaseChangeLog": [{"changeSet": {"id": "20", "author": "cat", "changes": [
  {"sql": {"sql": "select 'a\\tb \\u00e9 \\ud83d\\ude00';\\nselect 2"}},
  {"sql": "select 3"}]}}]}
""",
    "db/sql/param.sql": "select '${owner}', 1;\nselect 2;\n",
}
_ROWS = [
    ("1", "ann", "db/master.xml", "8:1e1bc7bb13bb3b5f315710cbe69f834f", True),
    ("3", "ann", "db/master.xml", "8:51cfb735b650181ce4f864de9e362c02", True),
    ("4", "ann", "db/master.xml", "8:2ac70981ac0954a34034a29e091bfc01", True),
    ("5", "ann", "db/master.xml", "8:1e346de47fd91285049dafda5968c061", None),
    ("6", "ann", "db/master.xml", "8:d41d8cd98f00b204e9800998ecf8427e", True),
    ("10", "bob", "db/more.yaml", "8:61255eb38291d67c90acff0182adb66d", True),
    ("20", "cat", "db/more.json", "8:52200a9478f3bce74488ccceea1d70d6", True),
]


def test_checksums_are_those_of_liquibase() -> None:
    files = MemoryFiles(_CHECKED)
    source = TOOL.read(files, "db")
    rows = [(id, author, path, None, "EXECUTED", checksum) for id, author, path, checksum, _ in _ROWS]
    history = TOOL.history.read([rows], source)
    for row, (*_, expected) in zip(history.applied, _ROWS, strict=True):
        migration = source.find(row.id)
        assert migration is not None
        assert TOOL.matches(row, migration, source, files) is expected
    edited = MemoryFiles({**_CHECKED, "db/sql/param.sql": "select 3;\n"})
    source = TOOL.read(edited, "db")
    third, fourth = (source.find(history.applied[index].id) for index in (1, 2))
    assert third is not None
    assert fourth is not None
    assert TOOL.matches(history.applied[1], third, source, edited) is False
    assert TOOL.matches(history.applied[2], fourth, source, edited) is False


@pytest.mark.parametrize(("path", "text"), [("r.yaml", _YAML), ("r.json", _JSON)])
def test_a_changelog_is_parsed_once_and_by_the_fast_parser(
    monkeypatch: pytest.MonkeyPatch, path: str, text: str
) -> None:
    tree.parse.cache_clear()
    parsers: list[str] = []
    compose = yaml.compose

    def noted(stream: str, loader: type) -> object:
        parsers.append(loader.__name__)
        return compose(stream, loader)

    monkeypatch.setattr(yaml, "compose", noted)
    read({path: text})
    assert parsers == ["CSafeLoader" if yaml.__with_libyaml__ else "SafeLoader"]
