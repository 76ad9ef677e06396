"""`${name}` in SQL files: what is replaced, what is refused, and where a place in the result was written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zmig.errors import ManifestError
from zmig.sql import variables
from zmig.text.substitution import Part, substitute

VALUES = {"schema": "shop", "reader": "app_reader"}


def filled(source: str) -> str:
    return variables.fill(source, VALUES, path="a.sql").text


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("create table ${schema}.users ()", "create table shop.users ()"),
        ("grant select on ${schema}.users to ${reader}", "grant select on shop.users to app_reader"),
        ("select '${schema}', \"${schema}\", $$${schema}$$ -- ${schema}", "select 'shop', \"shop\", $$shop$$ -- shop"),
        ("select '$${schema}'", "select '${schema}'"),
        ("select $1, '$', '{}', $a$ {schema} $a$", "select $1, '$', '{}', $a$ {schema} $a$"),
        ("${schema}${schema}", "shopshop"),
    ],
)
def test_references_are_replaced_and_nothing_else_is(source: str, expected: str) -> None:
    assert filled(source) == expected


def test_every_reference_without_a_value_is_told_with_its_place() -> None:
    with pytest.raises(ManifestError) as caught:
        filled("select 1;\ncreate table ${schem}.a ();\nselect '${}', $${\"a\": 1}$$")
    assert [(str(problem.location), problem.message, problem.hint) for problem in caught.value.problems] == [
        ("a.sql:2:14", "the manifest has no variable `schem`", "write `${schema}`"),
        (
            "a.sql:3:9",
            "`${` begins no reference to a variable: a name and `}` must follow",
            "write `${name}`; where a dollar quote begins with `{`, put a blank or a line end between the two",
        ),
        (
            "a.sql:3:16",
            "`${` begins no reference to a variable: a name and `}` must follow",
            "write `${name}`; where a dollar quote begins with `{`, put a blank or a line end between the two",
        ),
    ]


def test_the_value_of_no_variable_is_in_a_repr() -> None:
    assert "shop" not in repr(variables.fill("${schema}", VALUES, path="a.sql"))


@given(st.lists(st.tuples(st.text("ab\n", max_size=4), st.text("xyz", max_size=5), st.text("XYZ", max_size=5))))
def test_a_place_in_the_result_leads_back_to_what_was_written(pieces: list[tuple[str, str, str]]) -> None:
    source, parts = "", list[Part]()
    for kept, replaced, by in pieces:
        start = len(source) + len(kept)
        source += kept + replaced
        parts.append(Part(start, start + len(replaced), by))
    result = substitute(source, parts)
    for offset, character in enumerate(result.text):
        origin = result.source_offset(offset)
        if character in "ab\n":
            assert source[origin] == character
        else:
            assert any(part.start == origin for part in parts)
    assert result.source_offset(len(result.text)) <= len(source)


def test_a_file_of_faults_is_told_by_its_first_ones() -> None:
    with pytest.raises(ManifestError) as caught:
        variables.fill("${" * 300, {}, path="a.sql")
    assert len(caught.value.problems) == 100
