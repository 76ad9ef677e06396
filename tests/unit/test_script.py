"""Cutting a script into statements: tables of literals, and properties over arbitrary text."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.support.scripts import cut, scripts
from zmig.errors import Location, ManifestError
from zmig.sql import fast_path, lexer, script, splitter
from zmig.sql.buffer import Window
from zmig.text.places import Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.sql.statement import Statement


def texts(text: str) -> list[str]:
    return [statement.text for statement in script.split(text, path="a.sql")]


def rows(statement: Statement) -> str | None:
    if statement.copy_data is None:
        return None
    return "".join(one if isinstance(one, str) else one.decode() for one in statement.copy_data.blocks)


def problem_of(text: str) -> tuple[str, str]:
    with pytest.raises(ManifestError) as caught:
        texts(text)
    (problem,) = caught.value.problems
    return problem.code, str(problem.location)


ATOMIC = """create or replace function f(begin atomic) returns int begin atomic
  select case when true then 1 end as end;
  select x.end from x;
end"""

CUTS: dict[str, tuple[str, list[str]]] = {
    "a semicolon ends a statement": ("select 1; select 2;", ["select 1", "select 2"]),
    "the last semicolon may be absent": ("select 1;\nselect 2\n", ["select 1", "select 2"]),
    "an empty statement is skipped": (";; select 1 ;;\n; ;", ["select 1"]),
    "a piece of comments alone is skipped": ("-- a\n/* b */ ; -- c", []),
    "an empty file has no statements": ("", []),
    "a comment before a statement is no part of it": ("-- it's\n/* ; */ select 1;", ["select 1"]),
    "a comment behind a statement is no part of it": ("select 1 -- it's;\n;select 2 /* ; */", ["select 1", "select 2"]),
    "a comment inside a statement is part of it": ("select /* ; */ 1 -- ;\n+ 2;", ["select /* ; */ 1 -- ;\n+ 2"]),
    "a lone CR ends a line comment": ("-- a\rselect 1;", ["select 1"]),
    "block comments nest": ("/* a /* b; */ ; */ select 1;", ["select 1"]),
    "a comment mark ends an operator": (
        "select 1 +-- ;\n2; select +/* ; */ 2;",
        ["select 1 +-- ;\n2", "select +/* ; */ 2"],
    ),
    "a string holds semicolons and doubled quotes": ("select 'a;''b;'; select 2;", ["select 'a;''b;'", "select 2"]),
    "a backslash is an ordinary character in a string": (r"select '\'; select ';'", [r"select '\'", "select ';'"]),
    "a backslash escapes in an E string": (r"select E'\';'; select e'\\';", [r"select E'\';'", r"select e'\\'"]),
    "a word that ends in e makes no E string": (
        r"select date'\'; select a$e'\';",
        [r"select date'\'", r"select a$e'\'"],
    ),
    "an E string goes on over a line end": (
        "select E'a' -- b\n '\\';'; select 2",
        ["select E'a' -- b\n '\\';'", "select 2"],
    ),
    "other prefixes escape nothing": (
        r"select U&'\'; select B'\'; select x'\'",
        [r"select U&'\'", r"select B'\'", r"select x'\'"],
    ),
    "a quoted name holds semicolons": (
        'select 1 as "a;""b;", U&";"; select 2',
        ['select 1 as "a;""b;", U&";"', "select 2"],
    ),
    "a dollar quote holds anything": (
        "do $$ ; ' $a$ $$; do $a$ $$ ; $A$ $a$;",
        ["do $$ ; ' $a$ $$", "do $a$ $$ ; $A$ $a$"],
    ),
    "a tag may be in any script": ("select $ä_1$;$ä_1$;", ["select $ä_1$;$ä_1$"]),
    "a dollar inside a name opens nothing": ("select a$b$, c1$d$; select 2", ["select a$b$, c1$d$", "select 2"]),
    "a dollar behind a number opens a quote": ("select 1$$;$$;", ["select 1$$;$$"]),
    "a parameter opens nothing": ("prepare p as select $1,$2; select 2", ["prepare p as select $1,$2", "select 2"]),
    "a name may be in any script": ("select 名前, é'\\'; select 2", ["select 名前, é'\\'", "select 2"]),
    "a rule's actions stay together": (
        "create or replace rule r as on insert to t do (a; (b); c); d",
        ["create or replace rule r as on insert to t do (a; (b); c)", "d"],
    ),
    "a lost parenthesis ends with its statement": (
        "insert into t values (1; select 2;",
        ["insert into t values (1", "select 2"],
    ),
    "a BEGIN ATOMIC body stays together": (f"{ATOMIC}; select 1", [ATOMIC, "select 1"]),
    "an empty BEGIN ATOMIC body ends": (
        "create procedure p() begin atomic end; b",
        ["create procedure p() begin atomic end", "b"],
    ),
    "a transaction is no body": ("begin; end; begin; commit;", ["begin", "end", "begin", "commit"]),
    "pg_dump's restrict lines are skipped": ("\\restrict aB1\nselect 1;\r\n\\unrestrict aB1\r\n", ["select 1"]),
    "a colon is left to the server": ("select :a, x::int;", ["select :a, x::int"]),
}


@pytest.mark.parametrize(("text", "expected"), CUTS.values(), ids=CUTS.keys())
def test_cut(text: str, expected: list[str]) -> None:
    assert texts(text) == expected


COPIES: dict[str, tuple[str, list[tuple[str, str | None]]]] = {
    "rows stand behind the statement": (
        "copy t from stdin;\n1;\t'\n\\N\n\\.\nselect 1;",
        [("copy t from stdin", "1;\t'\n\\N\n"), ("select 1", None)],
    ),
    "there may be no rows": ("copy t from stdin;\n\\.\n", [("copy t from stdin", "")]),
    "the closing line may lack its end": ("copy t from stdin;\n1\n\\.", [("copy t from stdin", "1\n")]),
    "a backslash dot inside a line closes nothing": (
        "copy t from stdin;\na\\.\n\\.b\n\\.\n",
        [("copy t from stdin", "a\\.\n\\.b\n")],
    ),
    "columns and options may follow": (
        'COPY "s"."from" (a, "to") FROM STDIN WITH (FORMAT csv);  -- rows\r\n"x;\r\n"\r\n\\.\r\nselect 1',
        [('COPY "s"."from" (a, "to") FROM STDIN WITH (FORMAT csv)', '"x;\r\n"\r\n'), ("select 1", None)],
    ),
    "two copies follow each other": (
        "copy t from stdin;\n1\n\\.\ncopy u from stdin;\n2\n\\.\n",
        [("copy t from stdin", "1\n"), ("copy u from stdin", "2\n")],
    ),
    "a copy of a file or to the client has no rows": (
        "copy t from 'stdin'; copy t to stdout; copy (select 1 from stdin) to stdout; copy t from program 'x';",
        [
            ("copy t from 'stdin'", None),
            ("copy t to stdout", None),
            ("copy (select 1 from stdin) to stdout", None),
            ("copy t from program 'x'", None),
        ],
    ),
}


@pytest.mark.parametrize(("text", "expected"), COPIES.values(), ids=COPIES.keys())
def test_copy(text: str, expected: list[tuple[str, str | None]]) -> None:
    statements = list(script.split(text, path="a.sql"))
    assert [(statement.text, rows(statement)) for statement in statements] == expected


def test_rows_say_where_they_begin() -> None:
    (statement,) = script.split("\ncopy t from stdin;\nä\n\\.\n", path="a.sql")
    assert statement.copy_data is not None
    assert (statement.copy_data.offset, statement.copy_data.line) == (20, 3)


def test_rows_that_were_not_read_are_skipped() -> None:
    reads = ["copy t from stdin;\n1\n", "2\n\\.\nsel", "ect 1;"]
    assert [statement.text for statement in script.split_stream(reads, path="a.sql")] == [
        "copy t from stdin",
        "select 1",
    ]


PROBLEMS: dict[str, tuple[str, tuple[str, str]]] = {
    "a string never ends": ("select 1;\n  select 'a;\n;", ("sql-unterminated", "a.sql:2:10")),
    "an E string never ends": (r"select E'a\';", ("sql-unterminated", "a.sql:1:8")),
    "a quoted name never ends": ('select "a', ("sql-unterminated", "a.sql:1:8")),
    "a comment never ends": ("select 1;\r\n/* /* */", ("sql-unterminated", "a.sql:2:1")),
    "a dollar quote never ends": ("do $a$ $b$", ("sql-unterminated", "a.sql:1:4")),
    "a rule's parenthesis never ends": (
        "create rule r as on insert to t do (a;\nb;",
        ("sql-unterminated", "a.sql:1:36"),
    ),
    "a BEGIN ATOMIC body never ends": ("create function f()\rbegin atomic a;", ("sql-unterminated", "a.sql:2:1")),
    "rows never end": ("\ncopy t from stdin;\n1\n", ("sql-unterminated", "a.sql:2:1")),
    "rows never begin": ("copy t from stdin", ("sql-unterminated", "a.sql:1:1")),
    "rows are on the statement's line": ("copy t from stdin; 1\n\\.\n", ("sql-copy-rows", "a.sql:1:19")),
    "a psql command stands alone": ("select 1;\n\\copy t from 'x'\n", ("sql-psql-command", "a.sql:2:1")),
    "a psql command ends a statement": ("select 1 \\gset\n", ("sql-psql-command", "a.sql:1:10")),
    "a psql command stands in a statement": ("select E'a' \\; select 2;", ("sql-psql-command", "a.sql:1:13")),
    "restrict stands in a statement": ("select 1\n\\restrict a\n", ("sql-psql-command", "a.sql:2:1")),
}


@pytest.mark.parametrize(("text", "expected"), PROBLEMS.values(), ids=PROBLEMS.keys())
def test_problem(text: str, expected: tuple[str, str]) -> None:
    assert problem_of(text) == expected


def test_a_problem_shows_its_line_and_one_hint() -> None:
    with pytest.raises(ManifestError) as caught:
        list(script.split_stream(["sel", "ect 1;  \\c", "opy t from x\nselect 2"], path="a.sql"))
    (problem,) = caught.value.problems
    assert problem.location == Location("a.sql", 1, 12, text="select 1;  \\copy t from x")
    assert problem.message == "`\\copy` is a command of psql, which the server does not know"
    assert problem.hint is not None
    assert "COPY ... FROM STDIN" in problem.hint


@pytest.mark.parametrize(
    ("line", "is_shown"),
    [
        ("create role r password 'secret'", False),
        ("alter role r PASSWORD E'secret'", False),
        ("create role r password'secret'", False),
        ("create server s options (password 'secret')", False),
        ("select dblink_connect('host=h password=secret')", False),
        ("select dblink_connect('postgresql://u:secret@h/d')", False),
        ("create table users (password text, passwd text)", True),
        ("insert into settings values ('password', 'b')", True),
        ("select 'https://example.com/a:b'", True),
    ],
)
def test_a_line_that_may_spell_a_password_is_not_shown(line: str, is_shown: bool) -> None:
    assert script.location(f"a;\n{line};", 3, path="a.sql").text == (f"{line};" if is_shown else None)


PLACES: dict[str, tuple[str, list[tuple[int, int, int]]]] = {
    "LF": ("a;\n\n  b;c", [(0, 1, 1), (6, 3, 3), (8, 3, 5)]),
    "CRLF": ("a;\r\n\r\n  b;", [(0, 1, 1), (8, 3, 3)]),
    "lone CR": ("a;\r\r  b;", [(0, 1, 1), (6, 3, 3)]),
    "mixed ends": ("a;\n\rb;\r\nc;\rd", [(0, 1, 1), (4, 3, 1), (8, 4, 1), (11, 5, 1)]),
    "wide characters and tabs count one": ("\t/* 名 */ 'ä𝄞';b", [(9, 1, 10), (14, 1, 15)]),
    "behind rows": ("copy t from stdin;\n1\n\n\\.\n b", [(0, 1, 1), (26, 5, 2)]),
}


@pytest.mark.parametrize(("text", "expected"), PLACES.values(), ids=PLACES.keys())
def test_places(text: str, expected: list[tuple[int, int, int]]) -> None:
    statements = script.split(text, path="a.sql")
    assert [(statement.offset, statement.line, statement.column) for statement in statements] == expected


@pytest.mark.parametrize(
    ("marked", "expected"),
    [("a;  sel§ect", (1, 8)), ("a; x\n §y", (2, 2)), ("a; 'ä𝄞'\r\n\r\n§y", (3, 1)), ("a;\n x\r\ty§", (3, 3))],
)
def test_a_server_position_is_found_in_the_file(marked: str, expected: tuple[int, int]) -> None:
    offset = marked.index("§")
    text = marked.replace("§", "")
    statement = list(script.split(text, path="a.sql"))[-1]
    assert script.locate(statement, offset - statement.offset + 1) == expected
    place = script.location(text, offset, path="a.sql")
    assert (place.line, place.column) == expected
    assert place.text == text.replace("\r\n", "\n").replace("\r", "\n").split("\n")[place.line - 1]


SUMMARIES: dict[str, tuple[str, str]] = {
    "blanks become one": ("create  table\n\tt (a int)", "create table t (a int)"),
    "comments are dropped": ("select/* a */1 -- b\n, 2", "select 1 , 2"),
    "a long one is cut at 80 characters": (f"select '{'x' * 200}'", f"select '{'x' * 71}…"),
    "a password is hidden": ("create role r login PASSWORD 'secret'", "create role r login PASSWORD '***'"),
    "a password in a string is hidden before it is cut": (
        f"select dblink_connect('postgresql://user:{'secret' * 20}@host/database')",
        "select dblink_connect('postgresql://user:***@host/database')",
    ),
    "a connection string is hidden": (
        "create subscription s connection 'password=x' publication p",
        "create subscription s connection '***' publication p",
    ),
}


@pytest.mark.parametrize(("text", "expected"), SUMMARIES.values(), ids=SUMMARIES.keys())
def test_summary(text: str, expected: str) -> None:
    (statement,) = script.split(text, path="a.sql")
    assert statement.summary == expected
    assert len(statement.summary) <= 80


@given(scripts)
def test_any_text_ends_in_statements_or_a_problem_with_a_place(text: str) -> None:
    found, problem = cut([text])
    assert problem is None or "a.sql:" in problem
    end = 0
    for statement, data in found:
        between = text[end : statement.offset]
        assert "\\" in between or {token.text for token in lexer.tokens(between)} <= {";"}
        assert statement.text
        assert text.startswith(statement.text, statement.offset)
        end = statement.offset + len(statement.text)
        if data is not None:
            end = text.index(f"\n{data}", end) + len(data) + 1
    if problem is None:
        assert "\\" in text[end:] or {token.text for token in lexer.tokens(text[end:])} <= {";"}


@given(scripts, st.lists(st.integers(0, 200), max_size=12))
@example("create rule r as on insert to t do (a; b);\r\nselect 1", [3, 4, 43, 44, 45])
@example("select E'a' -- b\n'it\\'s; b';\nselect 2", [25, 26, 27, 28, 29])
@example("copy t from stdin;\r\n1\r\n\\.\r\nx", [19, 20, 22, 23, 24, 25, 26])
def test_pieces_of_any_size_give_what_the_whole_text_gives(text: str, cuts: list[int]) -> None:
    places = [0, *sorted(min(place, len(text)) for place in cuts), len(text)]
    reads = [text[start:end] for start, end in pairwise(places)]
    assert cut(reads) == cut([text])
    assert cut(list(text)) == cut([text])


@given(scripts)
def test_a_comment_in_front_changes_nothing_but_places(text: str) -> None:
    comment = "/* it's; */\n"
    before, problem = cut([text])
    after, later_problem = cut([comment + text])
    assert [(item.text, item.offset + len(comment), item.line + 1, item.column, data) for item, data in before] == [
        (item.text, item.offset, item.line, item.column, data) for item, data in after
    ]
    assert (problem is None) == (later_problem is None)


@given(st.lists(st.sampled_from(["select 'a;'", "do $$;$$", "create rule r as on delete to t do (a; b)", ATOMIC])))
def test_statements_come_back_as_they_were_joined(parts: list[str]) -> None:
    assert texts(";\n".join(parts)) == parts


@given(scripts)
def test_a_plain_match_is_what_the_tokens_say(text: str) -> None:
    text = f"select {text};"
    found = fast_path.STATEMENT.match(text)
    assume(found is not None)
    assert found is not None
    window = Window([text], path="a.sql")
    start, end, reads_client = splitter.next_span(window) or (0, 0, True)
    assert (start, text[start:end], reads_client) == (found.start(1), found[1].rstrip(lexer.BLANKS), False)
    assert window.position == found.end()


PLAIN = {
    "INSERT into t values ('a;''b', -1, \"x;\", date'2020-01-01', E'a\\';', $$;$$, $1, a$b) -- x;\n, /* ; */ (2)": True,
    "create table t (\n  a int, -- it's\n  b text /* ; */\n)": True,
    "-- it's\n/* ; */ ;; select 1": True,
    "Create Unlogged table t ()": True,
    "create or replace view v as select 1": False,
    "create /* x */ rule r as on delete to t do (a; b)": False,
    "create\nfunction f() return 1": False,
    "COPY t to stdout": False,
    "select 1 -- x\n": False,
    "select 1 /* x */ -- y\n/* z */": False,
    "select 1 /* /* ; */ */ + 1": False,
    "select $x$;$x$": False,
    "select E'a'\n'b\\';'": False,
}


@pytest.mark.parametrize(("text", "is_plain"), PLAIN.items(), ids=PLAIN.keys())
def test_the_fast_way_takes_what_it_can_cut_and_nothing_else(text: str, is_plain: bool) -> None:
    assert (fast_path.STATEMENT.fullmatch(f"{text};") is not None) is is_plain


def test_a_stream_is_cut_in_flat_memory() -> None:
    def reads() -> Iterator[str]:
        for number in range(30):
            yield f"insert into t values ({number}, 'a;b', '{'x' * 50}');\n" * 100
            yield "copy t from stdin;\n" + f"{number}\n" * 10_000 + "\\.\n"

    tracemalloc.start()
    count = sum(1 for _ in script.split_stream(reads(), path="a.sql"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 3_030
    assert peak < 400_000


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("set app.password to 's3cr3t'", "set app.password to '***'"),
        ("select set_config('app.password', 's3cr3t', false)", "select set_config('app.password', '***', false)"),
        ("alter user mapping for a server b options (add \"password\" 's3cr3t')", None),
        ("select dblink_connect('host=h password=''s3cr3t s3cr3t'' user=u')", None),
        ("do $$ begin execute format('create role a password %L', 's3cr3t'); end $$", None),
        ("copy t from program 'curl -u a:s3cr3t https://example.com'", None),
        (f"select '{'x' * 60}', set_config('app.password', 's3cr3t', true)", None),
    ],
)
def test_a_summary_shows_no_password(text: str, summary: str | None) -> None:
    (one,) = script.split(text, path="a.sql")
    assert "s3cr3t" not in one.summary
    assert summary in (None, one.summary)


@pytest.mark.parametrize(
    "text",
    [
        "create role a\n  password\n  's3cr3t' nonsense",
        "select set_config(\n  'app.password',\n  's3cr3t', nonsense)",
        "select dblink_connect('host=h password=''s3cr3t\ns3cr3t'' nonsense')",
    ],
)
def test_a_line_that_holds_a_secret_by_what_stands_before_it_is_not_shown(text: str) -> None:
    place = script.location(text, text.index("nonsense"), path="a.sql")
    assert (place.line, place.text) == (text.count("\n") + 1, None)
    begun = Source("a.sql", text).location(text.index("nonsense"))
    assert (begun.line, begun.text) == (place.line, None)


def test_a_line_beside_a_secret_is_shown() -> None:
    text = "create role a password 's3cr3t';\nselect 1 nonsense;\n"
    assert script.location(text, text.index("nonsense"), path="a.sql").text == "select 1 nonsense;"
    assert Source("a.sql", text).location(text.index("nonsense")).text == "select 1 nonsense;"
