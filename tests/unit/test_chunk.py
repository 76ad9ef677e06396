"""Statements put together: a chunk holds what the statements one by one would have been."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.support.scripts import cut, scripts
from zmig.sql import chunk, script
from zmig.sql.chunk import Chunk
from zmig.sql.statement import Statement

ROWS = "copy t from stdin;\n1\n\\.\n"


def flat(text: str, *, size: int) -> list[Statement]:
    found: list[Statement] = []
    for one in chunk.chunks([text[:7], text[7:]], path="a.sql", size=size):
        if isinstance(one, Chunk):
            found += [member for index in range(one.statements) if (member := chunk.member(one, index))]
        else:
            found.append(replace(one, copy_data=None))
    return found


@given(scripts, st.integers(1, 100))
def test_chunks_hold_every_statement_once(text: str, size: int) -> None:
    whole = cut([text])
    assume(whole.problem is None)
    assert flat(text, size=size) == [statement for statement, _ in whole.statements]


def test_a_chunk_is_verbatim_from_its_first_statement_to_its_last() -> None:
    (first, rows, last) = chunk.chunks(["\n a; -- x\nb ;c;\n" + ROWS + "d;"], path="a.sql", size=100)
    assert first == Chunk(number=1, statements=3, text="a; -- x\nb ;c;", offset=2, line=2, column=2)
    assert isinstance(rows, Statement)
    assert rows.number == 4
    assert last == Chunk(number=5, statements=1, text="d;", offset=40, line=7, column=1)


def test_a_chunk_ends_with_the_statement_that_fills_it() -> None:
    found = list(chunk.chunks(["aaa;bbb;ccc;ddd;"], path="a.sql", size=5))
    assert [one.text for one in found] == ["aaa;bbb;", "ccc;ddd;"]


def test_a_position_in_a_chunk_is_found_in_the_file() -> None:
    (one,) = chunk.chunks(["\n a;\nselect b;"], path="a.sql")
    assert script.locate(one, one.text.index("b") + 1) == (3, 8)
    assert script.locate(one, 1) == (2, 2)


def test_a_chunk_has_no_member_behind_its_last() -> None:
    (one,) = chunk.chunks(["a;b;"], path="a.sql")
    assert isinstance(one, Chunk)
    assert chunk.member(one, 2) is None


@pytest.mark.parametrize(
    "text",
    [
        "insert into t values (1);\ninsert into t values (2);",
        "insert into t values (';'), ($$;$$);\ninsert into t values (2);",
        "insert into t -- ;\n  values (1) ; select 2;",
        f"insert into t values ('{'x' * 100}');\ninsert into t values (2);",
    ],
)
def test_its_summary_is_that_of_its_first_statement(text: str) -> None:
    (one,) = chunk.chunks((text,), path="x.sql")
    assert isinstance(one, chunk.Chunk)
    first = chunk.member(one, 0)
    assert first is not None
    assert one.summary == first.summary


def test_a_backslash_does_not_stand_in_a_chunk_behind_what_may_change_how_it_is_read() -> None:
    plain, escaped = "insert into t values ('x');\n", "insert into t values ('a\\b');\n"
    found = list(chunk.chunks([plain + plain + escaped + plain + escaped], path="a.sql", size=1000))
    assert [one.text.count("insert") for one in found] == [2, 2, 1]


def test_a_backslash_that_no_setting_gives_a_meaning_stands_in_any_chunk() -> None:
    texts = "insert into t values ('x');\ninsert into t values (E'a\\b');\ninsert into t values ($$a\\b$$);\n"
    (together,) = chunk.chunks([texts], path="a.sql", size=1000)
    assert together.text.count("insert") == 3
