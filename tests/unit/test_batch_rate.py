from __future__ import annotations

from zmig.batches.rate import RoundRate


def test_the_rate_is_that_of_the_last_rounds_and_a_pause_does_not_count() -> None:
    rate = RoundRate(0, 0.0)
    assert rate.rows_per_second == 0
    assert rate.seconds_left(100) is None
    now, rows = 0.0, 0
    for _ in range(30):
        now, rows = now + 10, rows + 100
        rate.add(rows, now)
    assert rate.rows_per_second == 10
    for _ in range(20):
        now, rows = now + 1, rows + 100
        rate.add(rows, now)
    assert rate.rows_per_second == 100
    now += 3600
    rate.leave_out(3600)
    now, rows = now + 1, rows + 100
    rate.add(rows, now)
    assert rate.rows_per_second == 100
    assert rate.seconds_left(rows + 500) == 5
    assert rate.seconds_left(rows - 5) == 0
    assert rate.seconds_left(None) is None
