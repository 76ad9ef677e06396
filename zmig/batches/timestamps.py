"""Dates and times as the server writes them, in the order that it gives them. Pure.

Python has no years before Christ or after 9999, no `infinity` and no 24:00, and compares two times of one zone by what
its clocks show, which they show twice where summer time ends.
"""

from __future__ import annotations

from zmig.text.lazy_pattern import LazyPattern

_DAY, _CLOCK = r"(?:(\d+)-(\d\d)-(\d\d))?", r"(?:(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?)?"
_PATTERN = LazyPattern(rf"{_DAY} ?{_CLOCK}([+-]\d\d(?::\d\d)*)?( BC)?")
_END = 1 << 80
"""Of time."""


class Moment(int):
    """A moment as microseconds since some day; not to be shown to anybody, only compared."""


def parse(text: str) -> Moment:
    """Return the moment of a date, a time of day, or both, in the ISO style. Raises ValueError for other text."""
    if text in ("infinity", "-infinity"):
        return Moment(_END if text == "infinity" else -_END)
    written = _PATTERN.fullmatch(text)
    if written is None:
        raise ValueError(f"not a date or a time as the server writes it: {text}")
    year, month, day, hour, minute, second, fraction, offset, before_christ = written.groups()
    days = 0 if year is None else _days(1 - int(year) if before_christ else int(year), int(month), int(day))
    seconds = 0 if hour is None else int(hour) * 3600 + int(minute) * 60 + int(second)
    microseconds = int((fraction or "").ljust(6, "0"))
    return Moment((days * 86_400 + seconds - _offset(offset)) * 1_000_000 + microseconds)


def _offset(text: str | None) -> int:
    """Return how many seconds a zone's clocks are ahead."""
    if text is None:
        return 0
    seconds = sum(int(part) * unit for part, unit in zip(text[1:].split(":"), (3600, 60, 1), strict=False))
    return -seconds if text[0] == "-" else seconds


def _days(year: int, month: int, day: int) -> int:
    """Return the number of a day: years begin in March here, so that a leap day is the last of its year."""
    year -= month <= 2
    before_month = (153 * ((month + 9) % 12) + 2) // 5
    return 365 * year + year // 4 - year // 100 + year // 400 + before_month + day
