"""The names that the server chooses for constraints, indexes and sequences."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MOST_OCTETS = 63


def choose(table: str, columns: Sequence[str], suffix: str, is_taken: Callable[[str], bool]) -> str:
    """Return the name for something of a table that has none, such as `orders_user_id_fkey`."""
    middle = ""
    for column in columns:
        middle = f"{middle}_{column}" if middle else column
        if len(middle.encode()) >= _MOST_OCTETS:
            break
    for number in count():
        name = _put_together(table, middle, f"{suffix}{number or ''}")
        if not is_taken(name):
            return name
    raise AssertionError("numbers do not end")


def _put_together(first: str, second: str, suffix: str) -> str:
    """Shorten the longer of two parts until all fits, as the server does."""
    one, two = first.encode(), second.encode()
    room = _MOST_OCTETS - len(suffix.encode()) - (1 if suffix else 0) - (1 if second else 0)
    while len(one) + len(two) > room:
        if len(one) > len(two):
            one = one[:-1]
        else:
            two = two[:-1]
    parts = [one.decode(errors="ignore"), two.decode(errors="ignore") if second else "", suffix]
    return "_".join(part for part in parts if part)
