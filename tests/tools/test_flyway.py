"""What zmig reads of a project of Flyway, and of its table."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.project_files import MemoryFiles
from zmig.errors import UsageError
from zmig.other_tools.flyway.history import java_hash
from zmig.other_tools.flyway.names import Version
from zmig.other_tools.history import AppliedMigration, Place
from zmig.other_tools.registry import tool
from zmig.other_tools.source import Change, Remark, Repeats, Source
from zmig.other_tools.tools.flyway import checksum
from zmig.sql import variables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig.other_tools.history import Row, ToolHistory

_AT = datetime(2024, 2, 1, 12, tzinfo=UTC)
_CONF = "flyway.locations=filesystem:sql\nflyway.url=jdbc:postgresql://h/d?password=hidden\n"
_NINE = "123456789"
_CRC_OF_NINE = "-873187034"
"""0xCBF43926, the check value of CRC-32/ISO-HDLC in every catalogue, as Java shows it."""


def read(contents: dict[str, str | bytes], *, config: str = _CONF, folder: str = "sql") -> Source:
    files = MemoryFiles({"flyway.conf": config, **{f"sql/{name}": text for name, text in contents.items()}})
    assert tool("flyway").find(files) == folder
    return tool("flyway").read(files, folder)


def remarks(source: Source) -> list[tuple[Change, str]]:
    every: list[Remark] = [*source.remarks, *(remark for one in source.migrations for remark in one.remarks)]
    return [(one.change, str(one.location)) for one in every]


def row(rank: int, version: str | None, type: str = "SQL", *, success: bool = True, **other: object) -> Row:
    description = other.get("description", "d")
    return (rank, version, description, type, f"V{version}__d.sql", other.get("crc"), "deploy", _AT, 12, success)


def history(rows: Sequence[Row], source: Source) -> ToolHistory:
    return tool("flyway").history.read([rows], source)


# Names and order


@pytest.mark.parametrize("text", ["1_2", "1.2", "01.2.0", "1_2_0_0"])
def test_versions_with_the_same_numbers_are_one(text: str) -> None:
    version = Version.parse(text)
    assert version is not None
    assert version.numbers == (1, 2)


@pytest.mark.parametrize("text", ["", "x", "1.", "1..2", "1.x", "_1"])
def test_what_is_no_number_is_no_version(text: str) -> None:
    assert Version.parse(text) is None


def test_migrations_are_in_the_order_of_their_versions_and_repeatables_come_last() -> None:
    source = read(
        {
            "R__zebra.sql": "select 1;",
            "V10__ten.sql": "select 1;",
            "a/b/V2__two.sql": "select 1;",
            "V2_1__point.SQL": "select 1;",
            "V99999999999999999999__huge.sql": "select 1;",
            "R__Able_view.sql": "select 1;",
            "V1.sql": "select 1;",
        }
    )
    assert [(one.id, one.number, one.name) for one in source.migrations] == [
        ("1", 1, "V1"),
        ("2", 2, "V2__two"),
        ("2.1", None, "V2_1__point"),
        ("10", 10, "V10__ten"),
        ("99999999999999999999", 99999999999999999999, "V99999999999999999999__huge"),
        ("R__Able view", None, "R__Able_view"),
        ("R__zebra", None, "R__zebra"),
    ]
    assert [one.repeats for one in source.migrations[-3:]] == [None, Repeats.CHANGED, Repeats.CHANGED]
    assert source.migrations[0].up is not None
    assert source.migrations[0].up.is_whole_file
    assert remarks(source) == []


def test_an_undo_file_becomes_the_rollback_of_its_version() -> None:
    source = read({"V1_0__a.sql": "select 1;", "U1__a.sql": "select 2;", "U3__gone.sql": "select 3;"})
    (migration,) = source.migrations
    assert migration.down is not None
    assert migration.down.text == "select 2;"
    assert remarks(source) == [(Change.LEFT_OUT, "sql/U3__gone.sql:1:1")]


def test_a_baseline_is_left_out_where_the_files_below_it_are_there_and_kept_where_they_are_gone() -> None:
    there = read({"V1__a.sql": "select 1;", "B1__all.sql": "select 1;"})
    assert [one.id for one in there.migrations] == ["1"]
    assert remarks(there) == [(Change.LEFT_OUT, "sql/B1__all.sql:1:1")]
    gone = read({"B2__all.sql": "select 1;", "B1__old.sql": "select 1;", "V3__c.sql": "select 3;"})
    assert [one.name for one in gone.migrations] == ["B2__all", "V3__c"]
    assert remarks(gone) == [(Change.LEFT_OUT, "sql/B1__old.sql:1:1"), (Change.KEPT, "sql/B2__all.sql:1:1")]


def test_what_flyway_itself_refuses_or_passes_over_is_said_by_place() -> None:
    source = read(
        {
            "V1__a.sql": "select 1;",
            "V01__b.sql": "select 1;",
            "V1x__c.sql": "select 1;",
            "Readme.sql": "select 1;",
            "seed.sql": "select 1;",
            "notes.txt": "",
        }
    )
    assert [one.id for one in source.migrations] == ["01", "1 (sql/V1__a.sql)"]
    assert remarks(source) == [
        (Change.LEFT_OUT, "sql/Readme.sql:1:1"),
        (Change.LEFT_OUT, "sql/V1x__c.sql:1:1"),
        (Change.LEFT_OUT, "sql/seed.sql:1:1"),
        (Change.REFUSED, "sql/V1__a.sql:1:1"),
    ]


def test_callbacks_are_named_with_what_does_the_same() -> None:
    source = read({"V1__a.sql": "select 1;", "afterMigrate__grants.sql": "select 1;", "beforeClean.sql": "select 1;"})
    assert [one.change for one in source.remarks] == [Change.LEFT_OUT, Change.LEFT_OUT]
    assert "select true" in source.remarks[0].text
    assert "beforeClean" in source.remarks[1].text


def test_code_is_refused_wherever_it_is() -> None:
    contents = {"flyway.conf": _CONF, "sql/V1__a.sql": "select 1;", "sql/V3__load.sh": "", "sql/R__x.sql": "select 1;"}
    java = {"src/main/java/db/migration/V2__Move.java": "", "src/main/java/app/UserService.java": ""}
    source = tool("flyway").read(MemoryFiles({**contents, **java}), "sql")
    assert [(one.id, one.up is None) for one in source.migrations] == [
        ("1", False),
        ("2", True),
        ("3", True),
        ("R__x", False),
    ]
    assert remarks(source) == [
        (Change.REFUSED, "src/main/java/db/migration/V2__Move.java:1:1"),
        (Change.REFUSED, "sql/V3__load.sh:1:1"),
    ]


# The file beside a script


def test_a_script_s_own_configuration_is_carried_over_or_refused_by_place() -> None:
    source = read(
        {
            "V1__a.sql": "create index concurrently i on t (a);",
            "V1__a.sql.conf": "# why\nexecuteInTransaction=false\n",
            "V2__b.sql": "select '${x}';",
            "V2__b.sql.conf": "placeholderReplacement=false\nshouldExecute=${env}==prod\nother=1\n",
        }
    )
    first, second = source.migrations
    assert first.up is not None
    assert second.up is not None
    assert first.up.transactional is False
    assert (second.up.text, second.up.is_whole_file, second.has_variables) == ("select '${x}';", True, False)
    assert remarks(source) == [
        (Change.KEPT, "sql/V1__a.sql.conf:2:1"),
        (Change.REFUSED, "sql/V2__b.sql.conf:2:1"),
        (Change.REFUSED, "sql/V2__b.sql.conf:3:1"),
    ]


def test_a_file_in_another_encoding_becomes_utf_8() -> None:
    source = read({"V1__a.sql": "select 'é';".encode("latin-1")}, config=f"{_CONF}flyway.encoding=ISO-8859-1\n")
    (migration,) = source.migrations
    assert migration.up is not None
    assert (migration.up.text, migration.up.is_whole_file) == ("select 'é';", False)
    assert remarks(source) == [(Change.REWRITTEN, "sql/V1__a.sql:1:1")]


# Placeholders


def test_placeholders_in_whatever_case_become_variables() -> None:
    config = f"{_CONF}flyway.placeholders.App-Role=reader\nflyway.placeholders.secret=${{TOKEN}}\n"
    text = "grant select on t to ${app-role}, ${APP-ROLE}; -- $x $$y$$ ${Unknown} ${secret} ${flyway:defaultSchema}\n"
    source = read({"V1__a.sql": text}, config=config)
    (migration,) = source.migrations
    assert migration.up is not None
    assert migration.has_variables
    assert migration.up.text == (
        "grant select on t to ${App_Role}, ${App_Role}; -- $x $$y$$ ${Unknown} ${secret} ${flyway_defaultSchema}\n"
    )
    assert dict(source.variables) == {
        "App_Role": "reader",
        "Unknown": None,
        "secret": None,
        "flyway_defaultSchema": "public",
    }
    assert remarks(source) == [(Change.KEPT, "flyway.conf:4:1"), (Change.REWRITTEN, "sql/V1__a.sql:1:1")]


def test_what_is_written_alike_already_stays_as_it_is() -> None:
    source = read({"V1__a.sql": "create table ${schema}.t ();"}, config=f"{_CONF}flyway.placeholders.schema=shop\n")
    (migration,) = source.migrations
    assert migration.up is not None
    assert (migration.has_variables, migration.up.is_whole_file) == (True, True)
    assert variables.fill(migration.up.text, {"schema": "shop"}, path="x").text == "create table shop.t ();"


def test_two_placeholders_never_become_one_variable() -> None:
    source = read({"V1__a.sql": "select ${a.b}, ${a-b}, ${1};"})
    assert source.migrations[0].up is not None
    assert source.migrations[0].up.text == "select ${a_b}, ${a_b_2}, ${_1};"


def test_what_flyway_passes_over_or_cannot_end_is_refused_where_zmig_would_read_it() -> None:
    source = read({"V1__a.sql": "select ${a};\nselect '$${b}';\n", "V2__b.sql": "select '${c"})
    refused = [where for change, where in remarks(source) if change is Change.REFUSED]
    assert refused == ["sql/V1__a.sql:2:10", "sql/V2__b.sql:1:9"]
    assert "b" not in source.variables


def test_the_name_of_the_file_and_the_time_of_a_run_are_seen_to() -> None:
    source = read(
        {
            "V1__a.sql": "comment on table t is '${flyway:filename}';",
            "V2__b.sql": "insert into t values ('${flyway:timestamp}');",
            "R__c.sql": "-- ${flyway:timestamp}\nselect 1;",
        }
    )
    first, second, third = source.migrations
    assert first.up is not None
    assert third.up is not None
    assert first.up.text == "comment on table t is 'V1__a.sql';"
    assert [one.change for one in second.remarks if one.location.column == 24] == [Change.REFUSED]
    assert (third.up.text, third.repeats) == ("-- timestamp\nselect 1;", Repeats.ALWAYS)


# Configuration


def test_toml_gives_locations_table_and_placeholders() -> None:
    toml = """[environments.prod]
url = "jdbc:postgresql://h/d"
schemas = ["shop", "other"]

[flyway]
environment = "prod"
locations = ["filesystem:db"]
table = "history"
[flyway.placeholders]
role = "reader"
"""
    files = MemoryFiles({"flyway.toml": toml, "db/V1__a.sql": "grant x to ${ROLE};", "sql/V2__b.sql": "select 1;"})
    assert tool("flyway").find(files) == "db"
    source = tool("flyway").read(files, "db")
    assert source.history_table == "shop.history"
    assert dict(source.variables) == {"role": "reader"}
    assert remarks(source) == [(Change.LEFT_OUT, "flyway.toml:3:1"), (Change.REWRITTEN, "db/V1__a.sql:1:1")]


_SPRING = """server:
  port: 1
spring:
  flyway:
    locations: classpath:db/{vendor}, classpath:more
    default-schema: ${SCHEMA:public}
    placeholders:
      role: reader
---
spring:
  config.activate.on-profile: dev
  flyway.locations: classpath:dev
"""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("application.yml", _SPRING),
        (
            "application.properties",
            "spring.flyway.locations=classpath:db/{vendor},classpath:more\n"
            "spring.flyway.default-schema=${SCHEMA:public}\nspring.flyway.placeholders.role=reader\n",
        ),
    ],
)
def test_the_configuration_of_spring_boot_is_read(name: str, text: str) -> None:
    resources = "src/main/resources"
    files = MemoryFiles(
        {
            f"{resources}/{name}": text,
            f"{resources}/db/postgresql/V1__a.sql": "grant x to ${role};",
            f"{resources}/more/R__b.sql": "select 1;",
            f"{resources}/dev/V3__c.sql": "select 1;",
            "src/test/resources/more/V4__d.sql": "select 1;",
        }
    )
    folder = tool("flyway").find(files) or ""
    assert folder == f"{resources}/db/postgresql"
    source = tool("flyway").read(files, folder)
    assert [one.id for one in source.migrations] == ["1", "R__b"]
    assert source.history_table == "public.flyway_schema_history"
    assert dict(source.variables) == {"role": "reader"}


def test_settings_that_zmig_has_no_key_for_are_said_by_place() -> None:
    config = f"{_CONF}flyway.initSql=set role x\nflyway.group=true\nflyway.resolvers=my.Resolver\n"
    assert remarks(read({"V1__a.sql": "select 1;"}, config=config)) == [
        (Change.LEFT_OUT, "flyway.conf:3:1"),
        (Change.DROPPED, "flyway.conf:4:1"),
        (Change.REFUSED, "flyway.conf:5:1"),
    ]


def test_prefixes_separator_and_suffixes_are_settings() -> None:
    config = (
        f"{_CONF}flyway.sqlMigrationPrefix=M\nflyway.sqlMigrationSeparator=--\n"
        "flyway.sqlMigrationSuffixes=.pgsql,.ddl\nflyway.executeInTransaction=false\n"
    )
    source = read({"M1--a.pgsql": "select 1;", "M2--b.ddl": "select 1;", "V3__c.sql": "select 1;"}, config=config)
    assert [one.id for one in source.migrations] == ["1", "2"]
    assert source.migrations[0].up is not None
    assert source.migrations[0].up.transactional is False


def test_files_that_may_be_another_tool_s_are_not_taken_for_its_own() -> None:
    flyway = tool("flyway")
    assert flyway.find(MemoryFiles({"migrations/V1__a.sql": ""})) is None
    assert flyway.find(MemoryFiles({"migrations/V1__a.sql": "", "pom.xml": "flyway-core"})) == "migrations"
    assert flyway.find(MemoryFiles({"migrations/V1.2.3__a.sql": ""})) == "migrations"
    assert flyway.find(MemoryFiles({"src/main/resources/db/migration/V1__a.sql": ""})) is not None
    assert flyway.find(MemoryFiles({"flyway.conf": _CONF, "sql/readme.txt": ""})) is None
    with pytest.raises(UsageError):
        flyway.read(MemoryFiles({"sql/a.sql": ""}), "sql")


def test_modules_of_one_build_are_not_mixed() -> None:
    files = MemoryFiles({f"{one}/src/main/resources/db/migration/V1__{one}.sql": "select 1;" for one in ("a", "b")})
    folder = tool("flyway").find(files) or ""
    assert folder == "a/src/main/resources/db/migration"
    assert [one.name for one in tool("flyway").read(files, folder).migrations] == ["V1__a"]


@pytest.mark.parametrize(
    ("location", "folder"),
    [
        ("filesystem:./sql/", "sql"),
        ("filesystem:/flyway/sql", "db/sql"),
        ("filesystem:db/**/pg*", "db/a/b/pg15"),
        ("classpath:migrations", "app/src/main/resources/migrations"),
        ("classpath:migrations", "migrations"),
        ("db/migration", "app/src/main/resources/db/migration"),
    ],
)
def test_a_location_is_found_by_its_path(location: str, folder: str) -> None:
    config = f"flyway.locations={location}\n"
    files = {"flyway.conf": config, f"{folder}/V1__a.sql": "", "other/V2__b.sql": "", "x/y/migrations/V3__c.sql": ""}
    assert tool("flyway").find(MemoryFiles(files)) == folder


def test_a_location_that_cannot_be_read_is_refused() -> None:
    source = read({"V1__a.sql": ""}, config="flyway.locations=filesystem:sql,s3:bucket/sql\n")
    assert remarks(source) == [(Change.REFUSED, "flyway.conf:1:1")]


# History


_THREE: dict[str, str | bytes] = {
    "V1__a.sql": "select 1;",
    "V1_1__b.sql": "select 1;",
    "V2__c.sql": "select 1;",
    "R__v_w.sql": "select 1;",
}


def test_rows_are_walked_by_rank_and_versions_compared_as_numbers() -> None:
    source = read(_THREE)
    rows = [
        row(0, None, "SCHEMA", description="<< Flyway Schema Creation >>"),
        row(1, "1.0", crc=-5),
        row(2, "1.1"),
        row(3, None, description="v w", crc=1),
        row(4, "1.1", "UNDO_SQL"),
        row(5, "2"),
        row(6, "1.1"),
        row(7, "2", "DELETE"),
        row(8, None, description="v w", crc=2),
        row(9, "3", "JDBC"),
    ]
    found = history(rows, source)
    assert found.problems == ()
    assert [(one.id, one.checksum, one.by, one.duration_ms, one.was_run) for one in found.applied] == [
        ("1", "-5", "deploy", 12, True),
        ("1.1", None, "deploy", 12, True),
        ("R__v w", "2", "deploy", 12, True),
        ("3", None, "deploy", 12, True),
    ]
    assert len(found.notes) == 1


def test_a_baseline_says_that_all_up_to_its_version_is_there() -> None:
    found = history([row(1, "1.1", "BASELINE"), row(2, "2")], read(_THREE))
    assert [(one.id, one.was_run) for one in found.applied] == [("1", False), ("1.1", False), ("2", True)]
    unknown = history([row(1, "1.1", "BASELINE")], Source("flyway", ".", ()))
    assert [(one.id, one.was_run) for one in unknown.applied] == [("1.1", False)]


def test_a_baseline_that_was_run_is_a_migration() -> None:
    source = read({"B2__all.sql": "select 1;", "V3__c.sql": "select 1;"})
    rows = [(1, "2", "all", "SQL_BASELINE", "B2__all.sql", 4, "me", None, 1, True)]
    found = history(rows, source)
    assert [(one.id, one.checksum) for one in found.applied] == [("2", "4")]


def test_a_baseline_beside_a_migration_of_its_version_says_nothing_of_its_file() -> None:
    source = read({"B2__all.sql": "select 1;", "V1__a.sql": "select 1;", "V2__b.sql": "select 1;"})
    rows = [(1, "2", "all", "SQL_BASELINE", "B2__all.sql", 4, "me", None, 1, True)]
    assert [(one.id, one.checksum) for one in history(rows, source).applied] == [("1", None), ("2", None)]


def test_a_baseline_without_a_migration_of_its_version_is_kept_for_the_record() -> None:
    found = history([row(1, "1", "BASELINE")], read({"V2__b.sql": "select 1;"}))
    assert [(one.id, one.stands_for) for one in found.applied] == [("1", "a baseline")]


def test_a_row_that_failed_is_a_problem_until_it_was_repaired() -> None:
    source = read(_THREE)
    (problem,) = history([row(1, "1"), row(2, "2", success=False)], source).problems
    assert problem.code == "history-unfinished"
    assert history([row(1, "2", success=False), row(2, "2", "DELETE"), row(3, "2")], source).problems == ()


def test_the_lock_is_flyway_and_java_s_number_of_the_table() -> None:
    assert java_hash("hello") == 99162322
    assert java_hash("polygenelubricants") == -2147483648
    place = Place("public", "flyway_schema_history", "shop", frozenset())
    assert tool("flyway").history.lock(place).keys == (77433833903597,)


# Checksums


def test_the_checksum_is_of_the_lines_without_their_ends() -> None:
    assert checksum(_NINE) == _CRC_OF_NINE
    assert checksum("\ufeff1234\r\n56\r789\n") == _CRC_OF_NINE
    assert checksum("") == "0"


@pytest.mark.parametrize(
    ("name", "text", "values", "expected"),
    [
        ("V1__a.sql", f"{_NINE}\n", "", True),
        ("V1__a.sql", f"{_NINE}0\n", "", False),
        ("R__a.sql", "12345${x}\n", "flyway.placeholders.X=6789\n", True),
        ("R__a.sql", "12345${x}\n", "flyway.placeholders.X=678\n", False),
        ("R__a.sql", "12345${x}\n", "", None),
        ("V1__a.sql", "12345${x}\n", "flyway.placeholders.X=6789\n", False),
    ],
)
def test_a_file_is_compared_as_flyway_does(name: str, text: str, values: str, expected: bool | None) -> None:
    contents = {"flyway.conf": _CONF + values, f"sql/{name}": text}
    files = MemoryFiles(contents)
    source = tool("flyway").read(files, "sql")
    (migration,) = source.migrations
    applied = AppliedMigration(migration.id, checksum=_CRC_OF_NINE)
    assert tool("flyway").matches(applied, migration, source, files) is expected


def test_a_checksum_of_a_file_that_is_rewritten_is_of_the_file_as_it_is() -> None:
    text = "select '${x-y}'; -- é"
    content = text.encode("latin-1")
    files = MemoryFiles({"flyway.conf": f"{_CONF}flyway.encoding=ISO-8859-1\n", "sql/V1__a.sql": content})
    source = tool("flyway").read(files, "sql")
    (migration,) = source.migrations
    applied = AppliedMigration("1", checksum=checksum(text))
    assert tool("flyway").matches(applied, migration, source, files) is True
    assert tool("flyway").matches(AppliedMigration("1"), migration, source, files) is None


def as_flyway_sends(text: str, values: dict[str, str], prefix: str, suffix: str) -> str | None:
    """What Flyway's reader hands on: it looks ahead as far as a text agrees with the prefix, and never back."""
    sent, position = "", 0
    while position < len(text):
        ahead = ""
        while position + len(ahead) < len(text) and len(ahead) < len(prefix):
            ahead += text[position + len(ahead)]
            if not prefix.startswith(ahead):
                break
        position += len(ahead)
        if ahead != prefix:
            sent += ahead
            continue
        end = text.find(suffix, position)
        if end < 0 or text[position:end].lower() not in values:
            return None
        sent += values[text[position:end].lower()]
        position = end + len(suffix)
    return sent


_PIECES = st.lists(st.sampled_from(["$", "{", "}", "@", "#", "a", "B", "${a}", "@#aB@", "$a}"]), max_size=6)
_MARKS = [("${", "}"), ("@#", "@"), ("$", "}")]


@example("@@#aB@", ("@#", "@"))
@given(_PIECES.map("".join), st.sampled_from(_MARKS))
@settings(max_examples=200, deadline=None)
def test_zmig_sends_what_flyway_sends_or_refuses(text: str, marks: tuple[str, str]) -> None:
    prefix, suffix = marks
    config = (
        f"{_CONF}flyway.placeholderPrefix={prefix}\nflyway.placeholderSuffix={suffix}\n"
        "flyway.placeholders.a=1\nflyway.placeholders.aB=2\nflyway.placeholders.b=3\n"
    )
    (migration,) = tool("flyway").read(MemoryFiles({"flyway.conf": config, "sql/V1__a.sql": text}), "sql").migrations
    expected = as_flyway_sends(text, {"a": "1", "ab": "2", "b": "3"}, prefix, suffix)
    if expected is None or any(one.change is Change.REFUSED for one in migration.remarks):
        return
    assert migration.up is not None
    values = {"a": "1", "aB": "2", "b": "3"}
    sent = migration.up.text
    assert (variables.fill(sent, values, path="x").text if migration.has_variables else sent) == expected
