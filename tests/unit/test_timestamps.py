"""Dates and times that the server writes are put in its order."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zmig.batches import timestamps

ZONES = st.integers(-15 * 60, 15 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.lists(st.datetimes(timezones=ZONES), min_size=2, max_size=2))
def test_moments_have_the_order_of_the_times_they_are_read_from(times: list[datetime]) -> None:
    first, second = times
    distance = timestamps.parse(first.isoformat(" ")) - timestamps.parse(second.isoformat(" "))
    assert distance == (first - second) // timedelta(microseconds=1)


def test_times_that_python_does_not_know_stand_where_the_server_puts_them() -> None:
    ascending = [
        *("-infinity", "4713-01-01 00:00:00 BC", "0044-03-14 23:59:59+00 BC", "0044-03-15 00:53:29+00:53:28 BC"),
        *("0001-12-31 BC", "0001-01-01", "9999-12-31 23:59:59.999999", "10000-01-01 00:00:00-15:59", "infinity"),
    ]
    moments = [timestamps.parse(text) for text in ascending]
    assert moments == sorted(set(moments))
    assert timestamps.parse("23:59:59.5") < timestamps.parse("24:00:00")
    assert timestamps.parse("0001-01-01") - timestamps.parse("0001-12-31 BC") == 86_400_000_000


def test_other_text_is_not_taken_for_a_time() -> None:
    with pytest.raises(ValueError, match="not a date or a time"):
        timestamps.parse("26/11/2026")
