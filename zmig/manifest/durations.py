"""Durations as a manifest writes them: a whole number and one of PostgreSQL's units."""

from __future__ import annotations

import re

from zmig.text.nearest import nearest

LONGEST_SECONDS = 2_147_483.647
"""PostgreSQL holds its timeouts as milliseconds in 31 bits: almost 25 days."""

_DURATION = re.compile(r"([0-9]{1,10})(ms|s|min|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_OTHER_SPELLINGS = {
    "ms": ("msec", "millis", "millisecond", "milliseconds"),
    "s": ("sec", "secs", "second", "seconds"),
    "min": ("m", "mins", "minute", "minutes"),
    "h": ("hr", "hrs", "hour", "hours"),
    "d": ("day", "days"),
}
_UNITS = {spelling: unit for unit, spellings in _OTHER_SPELLINGS.items() for spelling in (unit, *spellings)}


def seconds(value: object) -> float | None:
    """Return how many seconds a manifest's value means, None where it is no duration."""
    if isinstance(value, str):
        match = _DURATION.fullmatch(value)
        if match is not None:
            return int(match[1]) * _SECONDS[match[2]]
        return 0.0 if value == "0" else None
    return 0.0 if type(value) is int and value == 0 else None


def text(value: float) -> str:
    """Return seconds as a manifest writes them, in the largest unit that fits."""
    milliseconds = round(min(value, LONGEST_SECONDS) * 1000)
    for unit in ("d", "h", "min", "s"):
        count, rest = divmod(milliseconds, round(_SECONDS[unit] * 1000))
        if count and not rest:
            return f"{count}{unit}"
    return f"{milliseconds}ms"


def likely(value: object) -> str:
    """Return a duration that someone who wrote `value` may have meant."""
    match = re.fullmatch(r"\s*+([0-9]{1,10})(?:\.([0-9]{1,3}))?\s*+([a-zA-Zµ]*+)\s*+", str(value))
    if match is None:
        return "3s"
    whole, fraction, word = match.groups()
    unit = _UNITS[nearest(word.lower(), _UNITS) or "s"]
    if fraction is None:
        return f"{whole}{unit}"
    return f"{round(float(f'{whole}.{fraction}') * _SECONDS[unit] * 1000)}ms"
