"""Batched statements: what is replaced in them, what a round's result says, how far replicas are behind."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zmig.batches import batch
from zmig.batches import timestamps as moment
from zmig.batches.batch import Answer, Reached, Touched
from zmig.errors import ZmigError
from zmig.running.throttle import Delay
from zmig.sql import script


def rendered(text: str) -> str:
    (one,) = script.split(text, path="a.sql")
    return batch.render(one, size=10, cursor="'k'").text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("delete from a where id > :cursor limit :size", "delete from a where id > 'k' limit 10"),
        ("select :cursor::text, a::size, b [1: size]", "select 'k'::text, a::size, b [1: size]"),
        (
            "select ':size', \":cursor\", $$:size$$ -- :size\n, :size",
            "select ':size', \":cursor\", $$:size$$ -- :size\n, 10",
        ),
        ("select :sizes, :SIZE", "select :sizes, 10"),
    ],
)
def test_placeholders_are_replaced_where_they_are_none_of_sql(text: str, expected: str) -> None:
    assert rendered(text) == expected


def of_keys(*keys: object) -> Answer:
    return Answer("UPDATE", len(keys), 1, [(key,) for key in keys], [str(key) for key in keys])


LATE, EARLY = moment.parse("2026-02-01"), moment.parse("2026-01-31")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (of_keys(), Touched(0)),
        (of_keys(3, 10, 9), Touched(3, 10)),
        (of_keys(UUID(int=2), UUID(int=1)), Touched(2, str(UUID(int=2)))),
        (of_keys(LATE, EARLY), Touched(2, str(LATE))),
        (of_keys("b"), Touched(1, "b")),
        (Answer("SELECT", 1, 2, [("zebra", 7)], ["zebra"]), Touched(7, "zebra")),
        (Answer("SELECT", 1, 2, [(None, 0)], [None]), Touched(0)),
    ],
)
def test_a_round_says_how_many_rows_it_touched_and_its_last_key(answer: Answer, expected: Touched) -> None:
    assert batch.touched(answer, with_cursor=True) == expected


@pytest.mark.parametrize(
    "answer",
    [
        of_keys("a", "B"),
        of_keys(1, None),
        Answer("UPDATE", 3),
        Answer("UPDATE", 1, 2, [(1, 2)], ["1"]),
        Answer("SELECT", 1, 1, [(7,)], ["7"]),
        Answer("SELECT", 2, 2, [(1, 1), (2, 2)], ["1", "2"]),
    ],
)
def test_a_result_that_could_be_misunderstood_is_refused(answer: Answer) -> None:
    with pytest.raises(ZmigError, match="the result of a round cannot be understood"):
        batch.touched(answer, with_cursor=True)


def test_without_a_cursor_the_rows_that_a_command_touched_count() -> None:
    assert batch.touched(Answer("DELETE", 5), with_cursor=False) == Touched(5)
    with pytest.raises(ZmigError):
        batch.touched(Answer("SELECT", 1, 1, [(0,)], ["0"]), with_cursor=False)


def test_rounds_that_would_never_end_are_refused() -> None:
    batch.check_moved(Reached(5), Touched(1, 6))
    for now in (Touched(1, 5), Touched(1, None)):
        with pytest.raises(ZmigError):
            batch.check_moved(Reached(5), now)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 3)), min_size=1, max_size=30), st.integers(0, 150))
def test_the_delay_is_the_age_of_the_oldest_commit_that_was_not_replayed(
    commits: list[tuple[int, int]], replayed: int
) -> None:
    delay, written, now = Delay(), 0, 0.0
    told: list[tuple[int, float]] = []
    for size, seconds in commits:
        written, now = written + size, now + seconds
        delay.note(written, now)
        if not told or written > told[-1][0]:
            told.append((written, now))
    missing = [moment for place, moment in told if place > replayed]
    assert delay.seconds(replayed, now) == (now - missing[0] if missing else 0.0)
