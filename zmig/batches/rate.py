"""How quick rounds are: measured over the last ones alone, since what the first ones took says little of the next."""

from __future__ import annotations

from collections import deque

_ROUNDS = 20


class RoundRate:
    """Rows per second of the last rounds. Moments are seconds of one clock."""

    def __init__(self, rows: int, at: float) -> None:
        """Begin with the rows that were done by a moment."""
        self._ends = deque([(rows, at)], maxlen=_ROUNDS + 1)

    def add(self, rows: int, at: float) -> None:
        """Take the end of a round, with all rows that are done by then."""
        self._ends.append((rows, at))

    def leave_out(self, seconds: float) -> None:
        """Do not count a pause that comes now: who made it did not make the rounds slower."""
        for place, (rows, at) in enumerate(self._ends):
            self._ends[place] = rows, at + seconds

    @property
    def rows_per_second(self) -> float:
        """The rate; 0 where nothing is known."""
        (rows_before, began), (rows, ended) = self._ends[0], self._ends[-1]
        return (rows - rows_before) / (ended - began) if ended > began else 0.0

    def seconds_left(self, total: int | None) -> float | None:
        """Return how long the rest will take of `total` rows; None where that cannot be known."""
        rate = self.rows_per_second
        return None if total is None or not rate else max(total - self._ends[-1][0], 0) / rate
