"""The log of a run as lines: each with its time, and what is searched for marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.presentation import words
from zmig.presentation.spans import Line, Span, Tone, plain
from zmig.text.secrets import redact
from zmig_tui.text import line, span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from zmig_tui.models.run_log import LogEntry, RunLog

    WallClock = Callable[[float], datetime]

_NO_TIME = " " * 10


def log_lines(log: RunLog, wall: WallClock, now: float | None) -> list[Line]:
    """Return a line for each entry; `wall` turns a run's moments into local time, `now` is None once it is over."""
    shown: list[Line] = []
    if log.dropped:
        shown.append(line(Span(_NO_TIME), span(f"{words.counted(log.dropped, 'earlier line')} dropped", Tone.WARN)))
    running = _running(log.entries) if now is not None else None
    for entry in log.entries:
        time = Span(f" {wall(entry.at):%H:%M:%S} ", Tone.QUIET)
        clock = (span(f"  {words.clock(now - entry.at)} …", Tone.BUSY),) if now is not None and entry is running else ()
        shown.append((time, *entry.line, *clock))
    return shown


def _running(entries: Sequence[LogEntry]) -> LogEntry | None:
    """Return the statement that is not over, if nothing else was reported as done since."""
    for entry in reversed(entries):
        if entry.quoted:
            return entry if not entry.took else None
        if entry.lasts and entry.tone in (Tone.GOOD, Tone.BAD):
            return None
    return None


def problem_lines(lines: Iterable[Line]) -> list[Line]:
    """Return what is wrong, below the entries and in line with them."""
    return [(Span(_NO_TIME), *one) for one in lines]


def matches(lines: Sequence[Line], needle: str) -> list[int]:
    """Return which lines hold a text, in whatever case."""
    wanted = needle.casefold()
    return [at for at, one in enumerate(lines) if wanted in plain(one).casefold()] if wanted else []


def marked(shown: Line, needle: str) -> Line:
    """Return a line in which each place of a text is marked."""
    text, wanted = plain(shown).lower(), needle.lower()
    # A letter that is longer in lower case would shift all places after it.
    if not wanted or len(text) != len(plain(shown)):
        return shown
    places: set[int] = set()
    start = text.find(wanted)
    while start >= 0:
        places.update(range(start, start + len(wanted)))
        start = text.find(wanted, start + len(wanted))
    return tuple(_split(shown, places)) if places else shown


def _split(shown: Line, places: set[int]) -> Iterable[Span]:
    at = 0
    for part in shown:
        start = 0
        for index in range(1, len(part.text) + 1):
            is_end = index == len(part.text)
            if is_end or (at + index in places) != (at + index - 1 in places):
                tone = Tone.MARK if at + start in places else part.tone
                yield Span(part.text[start:index], tone)
                start = index
        at += len(part.text)


def file_text(title: str, log: RunLog, wall: WallClock, ending: Iterable[Line]) -> str:
    """Return a log as the text of a file, without secrets: its times have a date and an offset."""
    dropped = [f"({words.counted(log.dropped, 'earlier line')} dropped)"] if log.dropped else []
    entries = [f"{wall(entry.at).astimezone().isoformat(' ', 'seconds')}  {plain(entry.line)}" for entry in log.entries]
    return redact("\n".join([title, "", *dropped, *entries, *map(plain, ending)])) + "\n"
