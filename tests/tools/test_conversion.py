"""What becomes of the scripts of other tools: the same statements, without what only the other tool knew."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.project_files import MemoryFiles
from zmig.errors import Location
from zmig.importing import conversion
from zmig.importing.traced import Edit, Origin, Traced
from zmig.other_tools.source import Change, Script, Source, SourceMigration
from zmig.sql import script as sql_script
from zmig.sql import token_checksum, variables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zmig.importing.conversion import ConvertedMigration


def convert(
    text: str,
    down: str | None = None,
    *,
    files: Mapping[str, str] | None = None,
    values: Mapping[str, str | None] | None = None,
    uses_psql: bool = False,
    has_variables: bool = False,
    transactional: bool | None = None,
    down_transactional: bool | None = None,
) -> ConvertedMigration:
    migration = SourceMigration(
        "1",
        "one",
        Script(text, "deploy/1.sql", is_whole_file=True, transactional=transactional),
        down=None if down is None else Script(down, "revert/1.sql", transactional=down_transactional),
        uses_psql=uses_psql,
        has_variables=has_variables,
    )
    source = Source("tool", "deploy", (migration,), variables=values or {})
    return conversion.convert(migration, source, MemoryFiles(files or {}))


def up(found: ConvertedMigration) -> str:
    assert found.up is not None
    return found.up.text


def refused(found: ConvertedMigration) -> list[str]:
    return [f"{one.location}: {one.text}" for one in found.remarks if one.change is Change.REFUSED]


def tokens(text: str) -> str | None:
    return token_checksum.of_statements(sql_script.split(text, path=""))


_BODIES = (
    "create table a (id int);\ninsert into a values (1);\n",
    "select 'begin; commit;';\n-- begin;\n/* commit; */ select $$begin; commit;$$;\n",
    "create function f() returns int language sql begin atomic select 1; end;\n",
    'create table "commit" (n int); -- commit\n',
    "copy a from stdin;\nbegin;\ncommit;\n\\.\n",
    "do $$ begin perform 1; end $$;\n",
)
_PAIRS = (
    ("begin;\n", "commit;\n"),
    ("BEGIN;", "END;"),
    ("START TRANSACTION;\n", "COMMIT WORK;"),
    ("-- a comment\nbegin transaction; -- why\n", "-- after\nend"),
    ("/* begin */ begin work;", " commit;\n-- the end\n"),
    ("set client_min_messages = warning;\nbegin;\n", "commit;"),
)


@pytest.mark.parametrize("body", _BODIES)
@pytest.mark.parametrize(("first", "last"), _PAIRS)
def test_a_pair_around_everything_is_taken_out_and_nothing_else(first: str, last: str, body: str) -> None:
    found = convert(first + body + last)
    before = first[: first.lower().rindex("begin" if "begin" in first.lower() else "start")]
    assert not refused(found)
    assert tokens(up(found)) == tokens(before.replace("/* begin */", "") + body)
    assert found.transaction is None
    assert [one.change for one in found.remarks] == [Change.REWRITTEN]
    assert found.up is not None
    assert found.up.is_changed


@pytest.mark.parametrize("body", _BODIES)
def test_a_script_without_any_stays_as_it_is(body: str) -> None:
    found = convert(body)
    assert up(found) == body
    assert found.up is not None
    assert not found.up.is_changed
    assert (found.transaction, found.remarks, found.has_variables) == (None, (), False)


def test_a_commit_at_the_very_end_is_taken_out() -> None:
    found = convert("create table a ();\ncommit; -- done\n")
    assert up(found) == "create table a ();\n -- done\n"
    assert [one.change for one in found.remarks] == [Change.REWRITTEN]
    assert (found.transaction, refused(found)) == (None, [])


_PARTED = {
    "a value of an enum": (
        "alter type t add value 'x';\n\ncommit;\n\ninsert into a values ('x');\n",
        "begin; alter type t add value 'x'; commit; insert into a values ('x');",
    ),
    "several statements": (
        "-- one\nselect 1; commit; select 2; select 3 -- end",
        "begin; select 1; commit; begin; select 2; select 3; commit;",
    ),
    "rows at the end": (
        "select 1; commit; select 2; copy a from stdin;\n1\n\\.\n",
        "begin; select 1; commit; begin; select 2; copy a from stdin;\n1\n\\.\ncommit;",
    ),
    "one that begins": (
        "select 1; commit; begin; select 2; commit;",
        "begin; select 1; commit; begin; select 2; commit;",
    ),
    "two commits": ("select 1; commit; select 2; commit;", "begin; select 1; commit; begin; select 2; commit;"),
    "a commit of nothing": ("begin; select 1; commit; commit;", "begin; select 1; commit;"),
    "a begin in a transaction": ("begin; begin; select 1; commit;", "begin; select 1; commit;"),
    "what no transaction may hold": (
        "select 1; commit; create index concurrently on a (x); select 2;",
        "begin; select 1; commit; create index concurrently on a (x); select 2;",
    ),
}


@pytest.mark.parametrize(("text", "expected"), _PARTED.values(), ids=_PARTED)
def test_a_commit_in_the_middle_makes_whole_transactions(text: str, expected: str) -> None:
    found = convert(text)
    assert not refused(found)
    assert tokens(up(found)) == tokens(expected)
    assert found.transaction is False


@pytest.mark.parametrize("text", ["select 1;\ncommit;\nselect 2;", "begin; select 1; commit;\ncommit;\nselect 2;"])
def test_a_commit_where_nothing_is_open_is_refused(text: str) -> None:
    assert [one.partition(": ")[0] for one in refused(convert(text, uses_psql=True))] == ["deploy/1.sql:2:1"]
    assert [one.partition(": ")[0] for one in refused(convert(text, transactional=False))] == ["deploy/1.sql:2:1"]


def test_lines_of_their_own_go_with_what_is_taken_out() -> None:
    text = "-- head\nbegin;\n\ncreate table a ();\n\ncommit;\n"
    assert up(convert(text)) == "-- head\n\ncreate table a ();\n\n"
    assert up(convert("begin; select 1; commit;")) == " select 1; "
    assert up(convert("begin;\r\nselect 1;\r\ncommit;\r\n")) == "select 1;\r\n"


@pytest.mark.parametrize(
    "text",
    [
        "begin; select 1; commit; begin; select 2; commit;",
        "begin; select 1; commit; select 2;",
        "select 1; begin; select 2; commit;",
        "begin isolation level serializable; select 1; commit;",
        "start transaction read only; select 1; commit;",
    ],
)
def test_whole_transactions_stay_under_transaction_false(text: str) -> None:
    found = convert(text)
    assert up(found) == text
    assert found.transaction is False
    assert [one.change for one in found.remarks] == [Change.KEPT]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("begin;\nselect 1;", 1),
        ("select 1;\ncommit and chain;", 2),
        ("begin;\nselect 1;\nrollback;", 3),
        ("begin;\nselect 1;\ncommit;\nbegin;\nselect 2;", 4),
        ("begin;\nselect 1;\ncommit and chain;\nselect 2;\ncommit;", 3),
        ("begin;\nprepare transaction 'x';", 2),
        ("begin;\nselect 1;\ncommit;\nabort;", 4),
    ],
)
def test_half_a_transaction_is_refused_where_it_is(text: str, line: int) -> None:
    (only,) = refused(convert(text))
    assert only.startswith(f"deploy/1.sql:{line}:1: ")


def test_the_transactions_that_pg_dump_writes_around_large_objects_stay() -> None:
    text = "BEGIN;\n\nSELECT pg_catalog.lo_open('1', 131072);\nSELECT pg_catalog.lo_close(0);\n\nCOMMIT;\n"
    found = convert(text)
    assert (up(found), found.remarks) == (text, ())


def test_savepoints_are_nobody_elses() -> None:
    text = "savepoint a; select 1; rollback to a; release a;"
    assert convert(text).remarks == ()


def test_the_word_of_the_tool_decides_where_statements_do_not() -> None:
    assert convert("create table a ();", transactional=False).transaction is False
    assert convert("create index concurrently on a (x);", transactional=False).transaction is False
    assert convert("create index concurrently on a (x);").transaction is None
    assert convert("create table a ();", transactional=True).transaction is None
    assert convert("-- nothing\n", transactional=False).transaction is None
    assert convert("begin; create table a (); commit;", transactional=False).transaction is None


def test_code_that_commits_is_in_no_transaction_where_the_tool_has_none() -> None:
    does = "do $$ begin insert into a values (1); commit; end $$;"
    assert convert(does).transaction is False
    assert convert(f"select 1; {does}", uses_psql=True).transaction is False
    assert convert("call p();\nselect 1;", uses_psql=True).transaction is False
    assert convert(f"select 1; {does}").transaction is None
    assert convert(does, transactional=True).transaction is None
    assert convert("do $$ begin perform 1; end $$;", uses_psql=True).transaction is None


def test_what_undoes_may_not_take_the_transaction_from_what_migrates() -> None:
    found = convert("create table a ();", "drop table a;", down_transactional=False)
    assert found.transaction is None
    assert [one.change for one in found.remarks] == [Change.DROPPED]
    found = convert("create index concurrently on a (x);", "drop table a;", down_transactional=False)
    assert (found.transaction, found.remarks) == (False, ())
    found = convert("create table a ();", "begin; drop table a; commit; select 1;")
    assert found.transaction is False
    assert [one.change for one in found.remarks] == [Change.KEPT, Change.KEPT]


@pytest.mark.parametrize(
    "text", ["", "-- this is an empty migration\n", ";;", "begin;\ncommit;\n", "/* x */", "commit;commit;"]
)
def test_a_script_without_a_statement_is_empty(text: str) -> None:
    found = convert(text, "-- nothing to undo\n")
    assert found.up is not None
    assert found.up.is_empty
    assert found.down is None
    assert not any(one.change in (Change.REFUSED, Change.DROPPED) for one in found.remarks)


def test_what_is_no_script_is_refused_where_it_ends() -> None:
    assert refused(convert("select 1;\n  select 'open;\n")) == [
        "deploy/1.sql:2:10: the string that begins here never ends"
    ]
    assert refused(convert("select 1;\n\\set a 1\n")) == [
        "deploy/1.sql:2:1: `\\set` is a command of psql, which the server does not know"
    ]
    assert len(refused(convert("<<<<<<< a\nselect 1;\n=======\n>>>>>>> b\n"))) == 1
    assert len(refused(convert("select 1;\n-- +goose Down\nselect 2;\n"))) == 1


def test_places_are_those_of_the_file_that_a_part_is_of() -> None:
    migration = SourceMigration("1", "one", Script("\nbegin;\nselect 1;\n", "a.sql", line=7))
    found = conversion.convert(migration, Source("tool", ".", (migration,)), MemoryFiles({}))
    assert refused(found)[0].startswith("a.sql:8:1: ")


def test_what_uses_the_other_tools_own_table_is_remarked() -> None:
    text = "-- history\nselect 'history';\nrevoke all on public.\"History\" from crud;\n"
    migration = SourceMigration("1", "one", Script(text, "a.sql"))
    found = conversion.convert(migration, Source("tool", ".", (migration,)), MemoryFiles({}), own_table="history")
    assert [(one.change, str(one.location)) for one in found.remarks] == [(Change.KEPT, "a.sql:3:22")]


def test_a_migration_without_a_part_that_migrates_is_refused() -> None:
    migration = SourceMigration("1", "one", None, down=Script("select 1;", "a.sql"))
    found = conversion.convert(migration, Source("tool", ".", (migration,)), MemoryFiles({}))
    assert len(refused(found)) == 1


class TestVariables:
    def test_what_only_looks_like_one_stays_as_it_is(self) -> None:
        found = convert("select '${a} $${b} ${';")
        assert (up(found), found.has_variables) == ("select '${a} $${b} ${';", False)

    def test_they_are_filled_in_before_the_script_is_read(self) -> None:
        found = convert("begin; select ${q}a;b${q}; commit;", values={"q": "'"}, has_variables=True)
        assert up(found) == " select ${q}a;b${q}; "
        assert (found.has_variables, found.variables) == (True, frozenset({"q"}))

    def test_places_are_those_before_they_are_filled_in(self) -> None:
        text = "select '${long}'; select ${long};\nrollback;"
        assert refused(convert(text, values={"long": "x" * 100}, has_variables=True))[0].startswith("deploy/1.sql:2:1:")

    def test_one_that_the_project_does_not_know_is_refused(self) -> None:
        assert refused(convert("select 1;\nselect ${a};", values={"b": None}, has_variables=True)) == [
            "deploy/1.sql:2:8: the manifest has no variable `a`"
        ]

    @pytest.mark.parametrize("value", ["", "two\nlines"])
    def test_a_value_that_no_manifest_can_have_is_put_where_it_is_used(self, value: str) -> None:
        found = convert("select '${a}', '${b}';", values={"a": value, "b": "x"}, has_variables=True)
        assert up(found) == f"select '{value}', '${{b}}';"
        assert found.variables == {"b"}

    def test_none_are_said_where_none_are_used(self) -> None:
        found = convert("select 1;", values={"a": "b"}, has_variables=True)
        assert (found.has_variables, found.variables) == (False, frozenset())


_PSQL = {
    "what a script sets": (
        "\\set t users\nselect * from :t where n = :'t' and :\"t\" = 1;",
        "select * from users where n = 'users' and \"users\" = 1;",
    ),
    "quotes": ("\\set q 'it''s \\n' \"b\"\nselect :'q';", "select 'it''s \n\"b\"';"),
    "backslashes": ("\\set q 'a\\\\b'\nselect :'q';", "select  E'a\\\\b';"),
    "one of another": ("\\set a 1\n\\set b :a 2\nselect :b;", "select 12;"),
    "unset": ("\\set a 1\n\\unset a\nselect x[1:a];", "select x[1:a];"),
    "not in strings": ("\\set a 1\nselect ':a', $$ :a $$, \":a\"; -- :a\n", "select ':a', $$ :a $$, \":a\"; -- :a\n"),
    "casts": ("\\set int 1\nselect a::int, b := 2, c :: int;", "select a::int, b := 2, c :: int;"),
    "slices": ("select a[1:2], a[n:m], a[:2];", "select a[1:2], a[n:m], a[:2];"),
    "slices of its own": ("\\set m 5\nselect a[n:m];", "select a[n5];"),
    "tests": ("\\set a 1\nselect :{?a}, :{?b};", "select TRUE, FALSE;"),
    "what prints": ("\\echo it's :x\n\\pset pager off\nselect 1;\n\\d users\n\\timing on\n", "select 1;\n"),
    "settings of psql": ("\\set ON_ERROR_STOP on\n\\set QUIET 1\n\\set VERBOSITY verbose\nselect 1;", "select 1;"),
    "semicolons": ("select 1 \\g\nselect 2\\;select 3;", "select 1 ;\nselect 2;select 3;"),
    "the end": ("select 1;\n\\q\n-- done\n", "select 1;\n-- done\n"),
    "encodings": ("\\encoding UTF8\nselect 1;", "select 1;"),
    "rows": (
        "copy t from stdin;\n\\N\t:a\t\\x41\n\\.\nselect 1;",
        "copy t from stdin;\n\\N\t:a\t\\x41\n\\.\nselect 1;",
    ),
    "rows of a variable": ("\\set t a\ncopy :t from stdin;\n:t\n\\.\n", "copy a from stdin;\n:t\n\\.\n"),
    "rows after restrict": (
        "\\restrict abc\ncopy a from stdin;\n\\N\n\\.\n\\unrestrict abc\n",
        "\\restrict abc\ncopy a from stdin;\n\\N\n\\.\n\\unrestrict abc\n",
    ),
    "several in a line": ("\\set a 1 \\set b 2\nselect :a, :b;", "select 1, 2;"),
    "a pair around it": ("\\set a 1\nbegin;\nselect :a;\ncommit;\n", "select 1;\n"),
}


@pytest.mark.parametrize(("text", "expected"), _PSQL.values(), ids=_PSQL)
def test_what_psql_understood_is_sql(text: str, expected: str) -> None:
    found = convert(text, uses_psql=True)
    assert not refused(found)
    assert up(found).strip() == expected.strip()
    assert not found.has_variables


@pytest.mark.parametrize(
    "command",
    [
        "\\if :a", "\\gexec", "\\gset", "\\copy a from b.csv", "\\c other", "\\! rm x", "\\o out", "\\prompt x",
        "\\set ON_ERROR_STOP off", "\\set AUTOCOMMIT off", "\\set ON_ERROR_ROLLBACK on", "\\encoding latin1",
        "\\set a `date`", "\\i gone.sql", "\\watch", "\\set a 'open", "\\q", "\\g out.txt", "\\i",
    ],
)  # fmt: skip
def test_what_only_psql_can_do_is_refused_where_it_is(command: str) -> None:
    found = convert(f"select 1;\n  {command}\nselect 2;\n", uses_psql=True)
    assert [one.partition(": ")[0] for one in refused(found)] == ["deploy/1.sql:2:3"]


class TestOutsideVariables:
    def test_one_is_a_variable_of_the_manifest(self) -> None:
        found = convert("create table :schema.t (a text default :'word');", values={"schema": "shop"}, uses_psql=True)
        assert up(found) == "create table ${schema}.t (a text default '${word}');"
        assert (found.has_variables, found.variables) == (True, frozenset({"schema", "word"}))

    def test_a_value_with_a_quote_in_it_is_put_where_it_is_used(self) -> None:
        found = convert("select :'a', :\"b\", :a;", values={"a": "it's", "b": 'x"y'}, uses_psql=True)
        assert up(found) == "select 'it''s', \"x\"\"y\", ${a};"

    def test_what_is_no_variable_is_escaped_beside_one(self) -> None:
        found = convert("select :'a', '${b}';", "select '${c}';", values={"a": "x"}, uses_psql=True)
        assert up(found) == "select '${a}', '$${b}';"
        assert found.down is not None
        assert found.down.text == "select '$${c}';"
        assert variables.fill(up(found), {"a": "x"}, path="").text == "select 'x', '${b}';"

    @pytest.mark.parametrize("text", ["'${'", "'$${b}'", "$${a}$$", "'${1}'"])
    def test_what_cannot_be_escaped_is_refused(self, text: str) -> None:
        assert len(refused(convert(f"select :'a', {text};", values={"a": "x"}, uses_psql=True))) == 1


class TestIncludes:
    def test_a_file_is_put_where_it_is_included(self) -> None:
        files = {"deploy/parts/a.sql": "create table a ();\n\\ir b.sql\n", "deploy/parts/b.sql": "select :n;"}
        found = convert("\\set n 5\n\\ir parts/a.sql\nselect 1;\n", files=files, uses_psql=True)
        assert not refused(found)
        assert tokens(up(found)) == tokens("create table a (); select 5; select 1;")

    def test_i_begins_at_the_project_or_where_its_migrations_are(self) -> None:
        files = {"a.sql": "select 1;", "deploy/b.sql": "select 2;"}
        found = convert("\\i a.sql\n\\i b.sql\n", files=files, uses_psql=True)
        assert tokens(up(found)) == tokens("select 1; select 2;")

    def test_a_file_may_be_the_value_of_a_variable(self) -> None:
        files = {"a.html": "<p class='x'>\n</p>\n"}
        found = convert("\\set a `cat a.html`\nselect :'a';", files=files, uses_psql=True)
        assert up(found) == "select '<p class=''x''>\n</p>';"

    @pytest.mark.parametrize("command", ["cat gone", "cat a.sql b.sql", "cat a.sql; id", "date", "cat $(id)"])
    def test_nothing_else_of_the_shell_is_carried_over(self, command: str) -> None:
        found = convert(f"\\set a `{command}`\nselect :'a';", files={"a.sql": "x", "b.sql": "y"}, uses_psql=True)
        assert len(refused(found)) == 1
        assert not found.variables

    def test_what_is_included_may_set_variables(self) -> None:
        found = convert("\\i a.sql\nselect :x;", files={"a.sql": "\\set x 3\n"}, uses_psql=True)
        assert tokens(up(found)) == tokens("select 3;")

    def test_places_are_those_of_the_included_file(self) -> None:
        found = convert("select 1;\n\\i a.sql\ncommit;\n", files={"a.sql": "\n select 'open"}, uses_psql=True)
        assert [one.partition(": ")[0] for one in refused(found)] == ["a.sql:2:9"]

    @pytest.mark.parametrize("files", [{"a.sql": "\\i a.sql\n"}, {"a.sql": "\\i b.sql\n", "b.sql": "\\i a.sql\n"}])
    def test_a_circle_is_refused(self, files: dict[str, str]) -> None:
        assert len(refused(convert("\\i a.sql\n", files=files, uses_psql=True))) == 1

    def test_no_file_outside_of_the_project_is_read(self) -> None:
        assert len(refused(convert("\\i ../../etc/passwd\n\\i /etc/passwd\n", uses_psql=True))) == 2


def test_every_character_leads_back_to_where_it_came_from() -> None:
    chance = random.Random(7)
    for _ in range(300):
        origins = [Origin(f"{name}.sql", "".join(chance.choices(f"{name}\n", k=30))) for name in "abc"]
        text = Traced.of(origins[0])
        for other in origins[1:] * 2:
            start = chance.randint(0, len(text.text))
            end = chance.randint(start, min(start + 5, len(text.text)))
            text = text.edited([Edit(start, end, chance.choice(["", Traced.of(other)]))])
        for offset, character in enumerate(text.text):
            place = text.location(offset)
            if character != "\n":
                assert place.path == f"{character}.sql"
                origin = next(one for one in origins if one.path == place.path)
                assert origin.text.split("\n")[place.line - 1][place.column - 1] == character


def test_what_replaces_something_leads_to_what_was_replaced() -> None:
    text = Traced.of(Origin("a.sql", "one\ntwo\nthree", 5)).edited([Edit(4, 7, "a longer text")])
    assert text.text == "one\na longer text\nthree"
    assert [text.location(offset) for offset in (4, 16)] == [Location("a.sql", 6, 1, text="two")] * 2
    assert str(text.location(18)) == "a.sql:7:1"


_ELEMENTS = (
    "begin;", "commit;", "END ;", "start transaction;", "select 1;", "select 'commit;' -- begin;\n;", "/* commit; */",
    "copy a from stdin;\nbegin;\n\\.\n", "create index concurrently on a (x);", "do $$ begin commit; end $$;", "\n",
    "-- begin\n", "rollback;", "savepoint a;", "create function f() returns int begin atomic select 1; end;",
)  # fmt: skip


@settings(max_examples=1000, deadline=None)
@given(st.lists(st.sampled_from(_ELEMENTS), max_size=9), st.booleans(), st.sampled_from([None, True, False]))
def test_no_statement_is_lost_or_changed_whatever_a_script_is_made_of(
    elements: list[str], uses_psql: bool, transactional: bool | None
) -> None:
    text = "\n".join(elements)
    found = convert(text, uses_psql=uses_psql, transactional=transactional)
    if refused(found):
        return
    before, after = (tuple(sql_script.split(one, path="")) for one in (text, up(found)))
    own = [one for one in after if not one.command.controls_transaction]
    assert token_checksum.of_statements(own) == token_checksum.of_statements(
        one for one in before if not one.command.controls_transaction
    )
    controls = [str(one.command.controls_transaction) for one in after if one.command.controls_transaction]
    assert all(one in ("BEGIN", "START TRANSACTION") for one in controls[::2])
    assert all(one in ("COMMIT", "END") for one in controls[1::2])
    assert len(controls) % 2 == 0
    assert (found.transaction is False) or not controls
    assert found.up is not None
    assert found.up.is_empty == (not after)
