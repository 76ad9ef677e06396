"""A script read as its octets: the same statements at the same places as of its text, large ones in UTF-8."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.support.scripts import Cut, cut, scripts
from zmig.sql import octets, script
from zmig.sql.chunk import Chunk, chunks, member
from zmig.sql.encoding import UTF8
from zmig.sql.message import Message, compose, of_large_script
from zmig.sql.prescan import scan
from zmig.sql.statement import Statement

LARGE = "insert into t values ('" + "ä\n😀" * octets.LARGE + "')"


def pieces(text: str, size: int = 1 << 16) -> list[str]:
    content = octets.from_bytes(text.encode())
    return [content[start : start + size] for start in range(0, len(content), size)]


def without_offsets(found: Cut) -> Cut:
    return Cut([(replace(one, offset=0), rows) for one, rows in found.statements], found.problem)


@given(scripts, st.integers(1, 40))
def test_octets_are_cut_as_their_text_is(text: str, size: int) -> None:
    assert without_offsets(cut(pieces(text, size), is_octets=True)) == without_offsets(cut([text]))


@given(scripts, st.integers(1, 40))
def test_so_they_are_where_every_statement_counts_as_large(text: str, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(octets, "LARGE", 0)
        found = cut(pieces(text, size), is_octets=True)
    texts = [(replace(one, source=one.text), rows) for one, rows in found.statements]
    of_text = without_offsets(cut([text]))
    assert without_offsets(Cut(texts, None)).statements == of_text.statements
    # No line is so short that it is shown.
    assert (found.problem or "").partition(" ")[0] == (of_text.problem or "").partition(" ")[0]


@given(scripts, st.integers(1, 40))
def test_chunks_of_octets_hold_every_statement_once(text: str, size: int) -> None:
    whole = cut([text])
    assume(whole.problem is None)
    found: list[Statement] = []
    for one in chunks(pieces(text, size), path="a.sql", size=20, is_octets=True):
        if isinstance(one, Chunk):
            found += [part for index in range(one.statements) if (part := member(one, index))]
        else:
            found.append(one)
    assert [replace(one, offset=0, copy_data=None) for one in found] == [
        replace(one, offset=0) for one, _ in whole.statements
    ]


@given(st.text(st.sampled_from("aä€😀\n\r"), max_size=60), st.data())
def test_a_place_in_octets_is_that_of_the_character(text: str, data: st.DataObject) -> None:
    splits = [index for index in range(len(text) + 1) if text[index - 1 : index + 1] != "\r\n"]
    index = data.draw(st.sampled_from(splits))
    content = text.encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(octets, "_BLOCK", data.draw(st.integers(1, 20)))
        assert octets.offset(content, index) == len(text[:index].encode())
        statement = Statement(1, content, 0, 3, 5)
        assert script.locate(statement, index + 1) == script.locate(replace(statement, source=text), index + 1)


@pytest.mark.parametrize(("text", "holds"), [("aWORD", True), ("WOR D", False), ("x" * 13 + "word", True), ("", False)])
def test_a_word_is_found_in_whatever_case_and_block(text: str, *, holds: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(octets, "_BLOCK", 16)
    assert octets.holds(text.encode(), b"word") is holds


def test_a_large_statement_is_held_in_utf8_and_says_what_its_text_does() -> None:
    before, one, after = script.split_stream(pieces(f"select 'ä'; {LARGE};\nselect 3"), path="a.sql", is_octets=True)
    small = Statement(2, LARGE, 13, 1, 13)
    assert (before.is_large, one.is_large, after.is_large) == (False, True, False)
    assert (one.number, one.line, one.column) == (2, 1, 13)
    assert (one.text, one.content, one.summary) == (LARGE, LARGE.encode(), small.summary)
    assert (after.line, after.column) == (octets.LARGE + 2, 1)
    of_small, of_large = small.command, one.command
    assert (of_large.verb, of_large.is_short, of_large.runs_alone) == ("insert", of_small.is_short, False)
    assert of_large.controls_transaction is None


def test_what_defines_something_is_text_however_large_it_is() -> None:
    (one,) = script.split_stream(pieces("comment on table t is" + LARGE[22:-1]), path="a.sql", is_octets=True)
    assert not one.is_large


def test_a_large_statement_is_a_message_of_its_own() -> None:
    script_of = f"select 1; select 2; {LARGE}; select 3; select 4;"
    assert scan(pieces(script_of), path="a.sql", is_octets=True).statements == 5
    sent = list(of_large_script(iter(pieces(script_of)), path="a.sql"))
    assert [getattr(one, "is_large", None) for one in sent] == [False, True, False]
    assert isinstance(sent[1], Message)
    composed = compose(sent[1], (), (), name="m", total=5)
    assert composed.content is sent[1].statements[0].content


def test_a_summary_of_a_large_statement_shows_no_password_whose_end_is_far_away() -> None:
    secret = "postgres://u:" + "p" * (1 << 17) + "@h"
    for text in (f"select '{secret}'", f"select '{secret}', 'x'"):
        assert "ppp" not in Statement(1, text, 0, 1, 1).summary
        assert "ppp" not in Statement(1, text.encode(), 0, 1, 1).summary


def test_the_encoding_is_not_asked_where_the_server_counts_characters() -> None:
    assert not UTF8.counts_octets


@given(st.binary(max_size=50))
def test_octets_are_taken_as_they_are(content: bytes) -> None:
    text = octets.from_bytes(content)
    for start, end in pairwise((0, len(text) // 2, len(text))):
        assert octets.taken(text, start, end) == content[start:end]
