"""The words for times, numbers and states, and what marks them: glyphs, tones, the spinner."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from zmig.planning.state import State
from zmig.presentation.spans import Tone

if TYPE_CHECKING:
    from datetime import datetime

    from zmig.database.activity import Backend

GLYPHS = {State.DONE: "✓", State.PENDING: "·", State.STARTED: "▶", State.FAILED: "✗", State.STUCK: "!"}
TONES = {
    State.DONE: Tone.GOOD,
    State.PENDING: Tone.QUIET,
    State.STARTED: Tone.BUSY,
    State.FAILED: Tone.BAD,
    State.STUCK: Tone.WARN,
}

SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"

_NAMES = {State.STARTED: "running"}
_ASCII = str.maketrans("✓·▶✗↻", "+.>x*")


def state(value: State) -> str:
    """Return what people call a state."""
    return _NAMES.get(value, value.value)


def in_ascii(glyph: str) -> str:
    """Return a glyph for terminals whose encoding has only ASCII."""
    return glyph.translate(_ASCII)


def spinner(seconds: float, *, per_second: int) -> str:
    """Return the spinner at a time; it turns by so many steps a second."""
    return SPINNER[int(seconds * per_second) % len(SPINNER)]


def duration(seconds: float) -> str:
    """Return a length of time in the unit that suits it."""
    if seconds < 0.9995:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min"
    return f"{hours // 24} d {hours % 24} h"


def limit(seconds: float) -> str:
    """Return a length of time that was declared, as short as one would write it: 3 s, 15 min, 90 s."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:g} s"


def clock(seconds: float) -> str:
    """Return a time that goes on, to the second: 0:07, 12:34, 1:02:03."""
    minutes, rest = divmod(int(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def age(since: datetime | None, now: datetime) -> str:
    """Return how long ago something was."""
    return duration((now - since).total_seconds()) if since is not None else "an unknown time"


def backend(pid: int, known: Backend | None, *, now: datetime | None = None) -> str:
    """Return which server process it is, in what state, since when or, with `now`, for how long, and for whom."""
    if not pid:
        return "a prepared transaction"
    parts = [f"backend {pid}"]
    if known is None:
        return parts[0]
    if known.state and now is not None:
        parts.append(f"{known.state} for {age(known.since, now)}")
    elif known.state:
        parts.append(known.state + (f" since {known.since:%H:%M:%S %Z}" if known.since is not None else ""))
    if known.application_name:
        parts.append(f"application `{known.application_name}`")
    if known.database_user:
        parts.append(f"user `{known.database_user}`")
    return ", ".join(parts)


def moment(value: datetime) -> str:
    """Return a point in time, in UTC, to the second."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "seconds")


def day_and_minute(value: datetime) -> str:
    """Return a point in time, in UTC, as short as a column allows."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "minutes")


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, which takes an s where it is not one."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
