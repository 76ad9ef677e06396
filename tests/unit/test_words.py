"""Words for times and numbers, glyphs for any encoding, and text that is cut to a width."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zmig.planning.state import State
from zmig.presentation import words
from zmig.text.terminal import display_width, first_cells, shortened


@pytest.mark.parametrize(
    ("text", "width", "short"),
    [
        ("0001_users", 10, "0001_users"),
        ("0001_create_users_table", 11, "0001_…table"),
        ("表表表表", 5, "表…表"),
    ],
)
def test_long_text_loses_its_middle(text: str, width: int, short: str) -> None:
    assert shortened(text, width) == short


@given(st.text(), st.integers(min_value=3, max_value=40))
def test_shortened_text_fits_and_keeps_its_ends(text: str, width: int) -> None:
    short = shortened(text, width)
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
    assert words.duration(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(3599.6, "1 h 00 min"), (7_500, "2 h 05 min"), (90_000, "25 h 00 min")])
def test_long_durations_leave_the_seconds_out(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


def test_one_thing_has_no_s() -> None:
    assert [words.counted(number, "step") for number in (0, 1, 2)] == ["0 steps", "1 step", "2 steps"]


def test_days_leave_the_minutes_out() -> None:
    assert [words.duration(hours * 3600) for hours in (47, 48, 55.5)] == ["47 h 00 min", "2 d 0 h", "2 d 7 h"]


def test_a_time_that_goes_on_is_told_to_the_second() -> None:
    assert [words.clock(seconds) for seconds in (-1, 7, 75, 3675)] == ["0:00", "0:07", "1:15", "1:01:15"]


def test_large_numbers_are_grouped() -> None:
    assert words.counted(12_000, "step") == "12,000 steps"


def test_moments_are_in_utc_without_what_a_column_has_no_room_for() -> None:
    value = datetime(2026, 3, 14, 15, 9, 26, 535897, timezone(timedelta(hours=2)))
    assert words.moment(value) == "2026-03-14 13:09:26"
    assert words.day_and_minute(value) == "2026-03-14 13:09"
    assert words.age(value, value + timedelta(minutes=3)) == "3 min 00 s"
    assert words.age(None, datetime.now(UTC)) == "an unknown time"


def test_declared_limits_are_as_short_as_one_writes_them() -> None:
    assert [words.limit(seconds) for seconds in (3, 0.5, 90, 900, 7200)] == ["3 s", "0.5 s", "90 s", "15 min", "2 h"]


def test_every_state_has_a_glyph_with_another_one_in_ascii() -> None:
    glyphs = {state: words.GLYPHS[state] for state in State}
    assert len(set(glyphs.values())) == len(State)
    assert len({words.in_ascii(glyph) for glyph in glyphs.values()}) == len(State)
    assert all(words.in_ascii(glyph).isascii() for glyph in glyphs.values())


def test_the_spinner_turns_so_often_a_second() -> None:
    turns = [words.spinner(step / 8, per_second=8) for step in range(len(words.SPINNER) + 1)]
    assert "".join(turns) == words.SPINNER + words.SPINNER[0]


@given(st.text(), st.integers(min_value=0, max_value=40))
def test_the_first_cells_of_a_text_are_its_beginning_and_all_that_fits(text: str, cells: int) -> None:
    first = first_cells(text, cells)
    assert text.startswith(first)
    assert display_width(first) <= cells
    assert first == text or display_width(text[: len(first) + 1]) > cells
