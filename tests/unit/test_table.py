"""Columns of text."""

from __future__ import annotations

import pytest

from zmig.cli import table


def test_columns_are_as_wide_as_their_widest_cell_and_numbers_stand_right() -> None:
    rows = [("state", "no", "name"), ("done", "1", "users"), ("done", "100", "表")]
    assert table.lines(rows, right=frozenset({1})) == [
        "state   no  name",
        "done     1  users",
        "done   100  表",
    ]


def test_cells_are_one_line_and_cannot_steer_the_terminal() -> None:
    assert table.lines([("a\nb\tc\x1b[31m", "d")]) == ["a b c\\x1b[31m  d"]


@pytest.mark.parametrize("count", [0, 1, 3, 4, 7])
def test_rows_come_in_blocks_whose_columns_are_as_wide_as_all_before(count: int) -> None:
    rows = [("a" * (number % 4), str(number), "表" * number) for number in range(1, count + 1)]
    blocks = list(table.blocks(iter(rows), size=3))
    assert [len(block) for block in blocks] == [len(rows[start : start + 3]) for start in range(0, count, 3)]
    for number, block in enumerate(blocks):
        until = (number + 1) * 3
        assert block == table.lines(rows[:until])[number * 3 :]
