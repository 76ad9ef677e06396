"""Messages: which statements travel together, and how their places are found again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zmig.sql import message, script
from zmig.sql.message import ChunkMessage, Message

if TYPE_CHECKING:
    from zmig.sql.statement import Statement

BRIEF = (
    "create table t (id bigint generated always as identity primary key)",
    "create temp table t (n int)",
    "CREATE OR REPLACE FUNCTION f() returns int language sql as $$ select 1 $$",
    "create type mood as enum ('a')",
    "create view v as select * from t",
    "comment on table t is 'as select'",
    "grant select on t to public",
    "set search_path = ''",
    "insert into t (a, b) values (1, 'x'), (2, 'y')",
    "insert into s.t values (1)",
    "insert into t default values",
)
LONG = (
    "create table t as select * from u",
    "create table t as (with u as (select 1) select * from u)",
    "create index on t (a)",
    "create materialized view v as select 1",
    "insert into t select * from u",
    "insert into t values ((select max(n) from u))",
    "update t set a = 1",
    "alter table t add column b int",
    "delete from t",
    "insert into t (a) overriding system value select 1",
    "select f()",
    "do $$ begin end $$",
    "call p()",
    "refresh materialized view v",
)


def _statements(*texts: str) -> list[Statement]:
    return list(script.split(";\n".join(texts), path="x.sql"))


@pytest.mark.parametrize("text", BRIEF)
def test_what_only_makes_or_names_things_is_short(text: str) -> None:
    assert _statements(text)[0].command.is_short


@pytest.mark.parametrize("text", LONG)
def test_what_may_read_or_rewrite_a_table_is_not(text: str) -> None:
    assert not _statements(text)[0].command.is_short


@pytest.mark.parametrize(
    "text",
    [
        "set standard_conforming_strings = off",
        "set /* c */ standard_conforming_strings = off",
        'set "standard_conforming_strings" = off',
        "set session -- c\n standard_conforming_strings = off",
        'set u&"\\0073tandard_conforming_strings" = off',
        "SET LOCAL Backslash_Quote TO off",
        "reset standard_conforming_strings",
        "insert into u values (1)",
        "comment on table t is 'x'",
        "table v",
        "set constraints all immediate",
        "rollback to a",
        "reset /* c */ all",
        "insert into t values (set_config('standard_conforming_strings', 'off', true))",
        "insert into t (a) values (1), (f(2))",
    ],
)
def test_what_may_change_how_text_is_read_does_not_travel_before_a_backslash(text: str) -> None:
    assert _numbers("create table t (a text)", text, "insert into t values ('a\\b')", "create table u ()")[-1] == [3, 4]


def test_a_backslash_travels_behind_what_changes_nothing() -> None:
    texts = ["set lock_timeout = 1", "set local role a", "comment on table t is 'a\\b'"]
    assert _numbers(*texts) == [[1, 2, 3]]


@pytest.mark.parametrize(
    "text", ["comment on table t is E'a\\b'", "comment on table t is $$a\\b$$", 'comment on table "\\" is null']
)
def test_a_backslash_that_no_setting_gives_a_meaning_travels_behind_anything(text: str) -> None:
    assert _numbers("insert into t values (1)", text) == [[1, 2]]


@pytest.mark.parametrize("text", ["comment on table t is u&'a'", "comment on table t is E'\\'a'"])
def test_a_constant_that_a_setting_forbids_does_not_travel_behind_what_may_set_it(text: str) -> None:
    assert _numbers("insert into t values (1)", text) == [[1], [2]]


def test_a_backslash_travels_behind_statements_that_run_no_code() -> None:
    texts = _statements("comment on table t is 'x'", "comment on table t is 'a\\b'")
    assert len(list(message.of_statements(texts, runs_no_code=True))) == 1


def _numbers(*texts: str) -> list[list[int]]:
    return [
        [one.number for one in sent.statements] if isinstance(sent, Message) else [sent.number]
        for sent in message.of_statements(_statements(*texts))
    ]


def test_a_message_ends_behind_a_statement_that_may_take_long() -> None:
    assert _numbers(BRIEF[0], LONG[2], BRIEF[3], BRIEF[5], LONG[6]) == [[1, 2], [3, 4, 5]]


def test_brief_statements_at_the_end_are_sent_too() -> None:
    assert _numbers(LONG[0], BRIEF[0], BRIEF[3]) == [[1], [2, 3]]


def test_rows_behind_a_copy_are_sent_by_themselves() -> None:
    text = "create table t (n int);\ncopy t from stdin;\n1\n\\.\ncomment on table t is 'x';\n"
    kinds = [type(sent).__name__ for sent in message.of_statements(script.split(text, path="x.sql"))]
    assert kinds == ["Message", "Statement", "Message"]


def test_a_message_does_not_grow_without_end() -> None:
    insert = f"insert into t values ('{'x' * 40_000}')"
    assert _numbers(insert, insert, insert, insert) == [[1, 2], [3, 4]]


@given(st.lists(st.sampled_from([*BRIEF, *LONG]), min_size=1, max_size=8))
def test_every_member_stands_where_it_is_said_to(texts: list[str]) -> None:
    for sent in message.of_statements(_statements(*texts)):
        assert isinstance(sent, Message)
        for index, one in enumerate(sent.statements):
            found = sent.member(index)
            assert found is not None
            assert sent.text[found[1] :].startswith(one.text)
        assert sent.member(len(sent.statements)) is None
        assert sent.member(-1) is None


@given(st.lists(st.sampled_from(BRIEF), min_size=1, max_size=8))
def test_every_member_of_a_chunk_stands_where_it_is_said_to(texts: list[str]) -> None:
    text = ";\n".join(texts) + ";\n"
    whole = list(script.split(text, path="x.sql"))
    number = 0
    for sent in message.of_large_script([text], path="x.sql"):
        count = sent.chunk.statements if isinstance(sent, ChunkMessage) else 1
        for index in range(count):
            assert isinstance(sent, Message | ChunkMessage)
            found = sent.member(index)
            assert found is not None
            assert found[0] == whole[number]
            assert sent.text[found[1] :].startswith(found[0].text)
            number += 1
    assert number == len(whole)


@pytest.mark.parametrize(
    ("where", "number"),
    [
        ("007_a, statement 12 of 20, line 3", 12),
        ("a, statement 9 of 9, line 1, statements 3 to 5 of 9", 3),
        ("007_a, its end", None),
    ],
)
def test_the_head_of_a_message_tells_the_statements_number(where: str, number: int | None) -> None:
    assert (
        message.statement_number(message.query_tag("select 'a, statement 7 of 8'", where) + "begin; insert") == number
    )
    assert message.statement_number(f"select 1 -- {where}") is None
    assert message.statement_number(None) is None


def test_the_head_of_a_message_is_read_again() -> None:
    query = message.query_tag("select ' -- x'", "007_a, statement 1 of 2") + "begin; insert"
    assert message.query_of(query) == "select ' -- x'"
    assert message.query_of("select 1") == "select 1"
    assert message.query_of(None) is None
