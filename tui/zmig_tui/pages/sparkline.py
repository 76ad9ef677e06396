"""Numbers over the last two minutes as rows of bars: rows per second of a batched migration, and its replica's lag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.presentation.spans import Line, Span, Tone
from zmig_tui.models import trend
from zmig_tui.text import line, span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig_tui.models.run import CurrentStep

_BARS = "▁▂▃▄▅▆▇█"
_LEAST_CELLS = 100
"""A narrower screen has other things to show."""
_PARTS = range(20, 61)
_LEAST_POINTS = 2


def sparkline(values: Sequence[float | None], most: float) -> str:
    """Return a bar for each value, up to `most`, and a blank where nothing is known."""
    return "".join(" " if value is None else _BARS[_height(value, most)] for value in values)


def _height(value: float, most: float) -> int:
    return max(0, min(round(value / most * (len(_BARS) - 1)), len(_BARS) - 1)) if most > 0 else 0


def trend_line(current: CurrentStep, now: float, cells: int) -> Line | None:
    """Return how quick the rounds were, and how far the slowest replica was behind; None where there is no room."""
    rows, lag = current.rows_trend, current.lag_trend
    if cells < _LEAST_CELLS or len(rows.points) < _LEAST_POINTS:
        return None
    is_lag_known = lag.last is not None and bool(current.max_lag_seconds)
    room = (cells - 62) // 2 if is_lag_known else cells - 30
    parts = max(_PARTS.start, min(room, _PARTS.stop - 1))
    rates = trend.rates(rows, now, parts)
    most = max((rate for rate in rates if rate is not None), default=0.0)
    shown: list[Span] = [span("rows/s ", Tone.QUIET), Span(sparkline(rates, most), Tone.ACCENT)]
    shown.append(span(f" at most {most:,.0f}", Tone.QUIET))
    if is_lag_known and lag.last is not None and current.max_lag_seconds:
        limit = current.max_lag_seconds
        tone = Tone.WARN if lag.last > limit else Tone.ACCENT
        shown.append(span("   replica lag ", Tone.QUIET))
        shown.append(Span(sparkline(trend.levels(lag, now, parts), max(limit, *_known(lag))), tone))
        shown.append(span(f" {lag.last:.1f} s of {limit:g} s", Tone.QUIET))
    return line(*shown)


def _known(values: trend.Trend) -> list[float]:
    return [value for _, value in values.points]
