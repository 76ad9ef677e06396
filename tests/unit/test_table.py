"""Columns, shortened names and durations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zmig.cli import table
from zmig.text.terminal import display_width


def test_columns_are_as_wide_as_their_widest_cell_and_numbers_stand_right() -> None:
    rows = [("state", "no", "name"), ("done", "1", "users"), ("done", "100", "表")]
    assert table.lines(rows, right=frozenset({1})) == [
        "state   no  name",
        "done     1  users",
        "done   100  表",
    ]


def test_cells_are_one_line_and_cannot_steer_the_terminal() -> None:
    assert table.lines([("a\nb\tc\x1b[31m", "d")]) == ["a b c\\x1b[31m  d"]


@pytest.mark.parametrize(
    ("text", "width", "short"),
    [
        ("0001_users", 10, "0001_users"),
        ("0001_create_users_table", 11, "0001_…table"),
        ("表表表表", 5, "表…表"),
    ],
)
def test_long_text_loses_its_middle(text: str, width: int, short: str) -> None:
    assert table.shortened(text, width) == short


@given(st.text(), st.integers(min_value=3, max_value=40))
def test_shortened_text_fits_and_keeps_its_ends(text: str, width: int) -> None:
    short = table.shortened(text, width)
    assert display_width(short) <= width
    assert short == text or text.startswith(short.partition("…")[0])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0004, "0 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (125, "2 min 05 s"),
    ],
)
def test_durations_are_told_in_the_unit_that_suits_them(seconds: float, text: str) -> None:
    assert table.duration(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(3599.6, "1 h 00 min"), (7_500, "2 h 05 min"), (90_000, "25 h 00 min")])
def test_long_durations_leave_the_seconds_out(seconds: float, text: str) -> None:
    assert table.duration(seconds) == text


def test_one_thing_has_no_s() -> None:
    assert [table.counted(number, "step") for number in (0, 1, 2)] == ["0 steps", "1 step", "2 steps"]
