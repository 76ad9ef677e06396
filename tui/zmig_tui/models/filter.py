"""What the table is narrowed to by a few words."""

from __future__ import annotations

import re
from operator import ge, gt, le, lt
from typing import TYPE_CHECKING

from zmig.presentation import words
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zmig_tui.models.rows import Row

SYNTAX = "text   state:failed   kind:sql   has:edited   took>5s   -word"
_NOT = "-"
_TOOK = re.compile(r"took([<>]=?)([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|min|h)?")
_COMPARISONS = {"<": lt, ">": gt, "<=": le, ">=": ge}
_MILLISECONDS = {"ms": 1, "s": 1000, None: 1000, "min": 60_000, "h": 3_600_000}


@valueclass
class Filter:
    """What the table is narrowed to."""

    text: str = ""

    def __call__(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Return the rows that fit every word.

        `state:`, `kind:`, `has:` and `by:` look into one column, `took>5s` at how long it took, any other word into all
        that is known of a migration, its description and its error included. After a `-` a word must not fit.
        """
        tests = [_test(word) for word in self.text.lower().split()]
        if not tests:
            return rows
        return [row for row in rows if all(test(row) for test in tests)]


def _test(word: str) -> Callable[[Row], bool]:
    if word.startswith(_NOT) and len(word) > len(_NOT):
        excluded = _test(word.removeprefix(_NOT))
        return lambda row: not excluded(row)
    took = _TOOK.fullmatch(word)
    if took is not None:
        compare, limit = _COMPARISONS[took[1]], float(took[2]) * _MILLISECONDS[took[3]]
        return lambda row: (spent := _milliseconds(row)) is not None and compare(spent, limit)
    key, colon, value = word.partition(":")
    match key if colon else "":
        case "state":
            return lambda row: words.state(row.state).startswith(value)
        case "kind":
            return lambda row: row.kind.startswith(value)
        case "has":
            return lambda row: value in row.findings
        case "by":
            return lambda row: value in row.by.lower()
        case _:
            return lambda row: word in row.haystack


def _milliseconds(row: Row) -> float | None:
    record = row.entry.record
    return record.duration_ms if record is not None else None
