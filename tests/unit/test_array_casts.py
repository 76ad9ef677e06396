"""Casts of arrays are where they are after a dump and its restoration."""

from __future__ import annotations

import pytest

from zmig.catalog.array_casts import at_elements


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "CHECK (((code)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])))",
            "CHECK (((code)::text = ANY (ARRAY[('a'::character varying)::text, ('b'::character varying)::text])))",
        ),
        ("(n = ANY ((ARRAY[1, 2])::numeric[]))", "(n = ANY (ARRAY[(1)::numeric, (2)::numeric]))"),
        ("((ARRAY[f(1, 2), x])::numeric(5,2)[])", "(ARRAY[(f(1, 2))::numeric(5,2), (x)::numeric(5,2)])"),
        ('((ARRAY[1])::"a, b"."t]"[])', '(ARRAY[(1)::"a, b"."t]"])'),
        ("((ARRAY[(ARRAY[1, 2])::int[], x])::text[])", "(ARRAY[(ARRAY[(1)::int, (2)::int])::text, (x)::text])"),
        ("a ((ARRAY[1])::x[]) b ((ARRAY[2])::y[])", "a (ARRAY[(1)::x]) b (ARRAY[(2)::y])"),
        ("((ARRAY['a, ]''', E'\\\\'])::text[])", "(ARRAY[('a, ]''')::text, (E'\\\\')::text])"),
        ("((ARRAY[1])::timestamp without time zone[])", "(ARRAY[(1)::timestamp without time zone])"),
    ],
)
def test_a_cast_of_an_array_is_moved_to_its_elements(before: str, after: str) -> None:
    assert at_elements(before) == after
    assert at_elements(after) == after


@pytest.mark.parametrize("text", ["'((ARRAY[1])::text[])'", "(ARRAY[1, 2])", "(ARRAY[1", "x", '"(ARRAY[1])::text[]"'])
def test_what_is_no_cast_of_an_array_stays(text: str) -> None:
    assert at_elements(text) == text
