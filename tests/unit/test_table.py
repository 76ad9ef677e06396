"""Columns of text."""

from __future__ import annotations

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
