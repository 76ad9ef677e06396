"""A number over the last two minutes: points in time, and what they are in equal parts of that time. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Sequence

SECONDS = 120.0
_LEAST_SECONDS = 1.0
"""Between two points: rounds may be quicker than anybody can see."""


@valueclass
class Trend:
    """What a number was, at moments, oldest first."""

    points: tuple[tuple[float, float], ...] = ()

    def adding(self, at: float, value: float) -> Trend:
        """Return the trend with what the number is now; of points that are close together, only the last is kept."""
        points = self.points
        if points and at < points[-1][0]:
            return self
        if len(points) > 1 and at - points[-2][0] < _LEAST_SECONDS:
            points = points[:-1]
        kept = [point for point in points if at - point[0] <= SECONDS + _LEAST_SECONDS]
        if points and len(kept) < len(points):
            kept.insert(0, points[len(points) - len(kept) - 1])  # where the oldest part begins
        return Trend((*kept, (at, value)))

    @property
    def last(self) -> float | None:
        """What it is now; None where that is not known."""
        return self.points[-1][1] if self.points else None


def rates(trend: Trend, now: float, parts: int) -> list[float | None]:
    """Return how quickly a number grew in each of equal parts of the time, None where nothing is known."""
    pairs = list(zip(trend.points, trend.points[1:], strict=False))
    found: list[float | None] = []
    for begin, end in _parts(now, parts):
        grown = seconds = 0.0
        for (before, low), (after, high) in pairs:
            overlap = min(after, end) - max(before, begin)
            if overlap > 0:
                grown += (high - low) * overlap / (after - before)
                seconds += overlap
        found.append(grown / seconds if seconds > 0 else None)
    return found


def levels(trend: Trend, now: float, parts: int) -> list[float | None]:
    """Return the most that a number was in each of equal parts of the time, and in a part without points as before."""
    found: list[float | None] = []
    before: float | None = None
    for begin, end in _parts(now, parts):
        inside = [value for at, value in trend.points if begin < at <= end]
        earlier = [value for at, value in trend.points if at <= begin]
        before = max(inside) if inside else (earlier[-1] if earlier else None)
        found.append(before)
    return found


def _parts(now: float, parts: int) -> Sequence[tuple[float, float]]:
    length = SECONDS / parts
    return [(now - SECONDS + at * length, now - SECONDS + (at + 1) * length) for at in range(parts)]
