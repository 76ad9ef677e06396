"""What a run has reported, as entries with their times. It takes bounded memory, and says what it dropped. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.presentation import words
from zmig.presentation.narration import INSIDE, say
from zmig.presentation.spans import Line, Span, Tone
from zmig.progress import Blocked, Held, Notice, Reported, StatementFinished, StatementStarted, StepFailed
from zmig.valueclass import replace, valueclass
from zmig_tui.text import line, span

if TYPE_CHECKING:
    from collections.abc import Hashable
    from dataclasses import KW_ONLY

    from zmig.presentation.narration import Saying
    from zmig.progress import Progress

LOG_LIMIT = 2000
"""How many entries are kept."""
_INDENT = "    "


@valueclass
class LogEntry:
    """One thing that was reported."""

    at: float
    """When, on the run's clock."""
    words: str
    tone: Tone = Tone.PLAIN
    _: KW_ONLY
    quoted: str = ""
    """The statement that follows the words."""
    took: str = ""
    """How long it took; empty while it is not over, and where that makes no sense."""
    key: Hashable = None
    """What is the same in a later entry that takes its place; None where each is worth a line."""
    lasts: bool = True
    """Whether it is still worth a line beside the run when the next thing happens."""

    @property
    def line(self) -> Line:
        """The entry without its time."""
        took = span(f"  {self.took}", Tone.QUIET) if self.took else Span("")
        if self.quoted:
            parts = line(span(f"{self.words}: ", self.tone), self.quoted, took)
        else:
            parts = line(span(self.words, self.tone), took)
        return tuple(part for part in parts if part.text)


@valueclass
class RunLog:
    """The last entries, oldest first."""

    entries: tuple[LogEntry, ...] = ()
    dropped: int = 0
    """How many came before them."""

    def tail(self, most: int) -> list[Line]:
        """Return the last lines that are worth showing beside the run, at most so many."""
        found: list[Line] = []
        for entry in reversed(self.entries):
            if len(found) >= most:
                break
            if entry.lasts:
                found.append(entry.line)
        return found[::-1]

    def adding(self, entry: LogEntry) -> RunLog:
        """Return the log with one more entry; one that only goes on with another takes its place."""
        place = self._place_of_passing(entry.key) if entry.key is not None and not entry.lasts else None
        if place is not None:
            return self._with(place, replace(entry, at=self.entries[place].at))
        entries = (*self.entries, entry)
        excess = max(len(entries) - LOG_LIMIT, 0)
        return RunLog(entries[excess:], self.dropped + excess)

    def finishing(self, key: Hashable, took: str) -> RunLog:
        """Return the log with how long an entry took, if that is still there."""
        places = range(len(self.entries) - 1, -1, -1)
        place = next((at for at in places if self.entries[at].key == key), None)
        return self if place is None else self._with(place, replace(self.entries[place], took=took))

    def _place_of_passing(self, key: Hashable) -> int | None:
        """Return the place of an entry, unless something that lasts has been reported since."""
        for at in range(len(self.entries) - 1, -1, -1):
            if self.entries[at].key == key:
                return at
            if self.entries[at].lasts:
                return None
        return None

    def _with(self, place: int, entry: LogEntry) -> RunLog:
        return RunLog((*self.entries[:place], entry, *self.entries[place + 1 :]), self.dropped)


def advance(log: RunLog, progress: Progress, now: float) -> RunLog:
    """Return the log after one more progress."""
    if isinstance(progress, StatementFinished):
        rows = f", {words.counted(progress.rows, 'row')}" if progress.rows is not None and progress.rows >= 0 else ""
        return log.finishing(_key(progress), words.duration(progress.duration_seconds) + rows)
    saying = say(progress)
    if saying is None:
        return log
    entry = LogEntry(
        now,
        _words(saying),
        _tone(progress, saying),
        quoted=saying.quoted,
        took=saying.took or _took(progress),
        key=_key(progress) or saying.subject,
        lasts=saying.lasts and bool(saying.brief),
    )
    return log.adding(entry)


def _key(progress: Progress) -> Hashable:
    """Return what a progress has in common with one that goes on with it."""
    if isinstance(progress, StatementStarted | StatementFinished):
        return ("statement", progress.step.migration.version, progress.number)
    if isinstance(progress, Reported) and progress.done is not None:
        return ("reported", progress.step.migration.version, progress.message)
    return None


def _words(saying: Saying) -> str:
    mark = _INDENT if saying.mark == INSIDE else f"{saying.mark} " if saying.mark else ""
    return f"{mark}{saying.brief or saying.sentence}"


def _took(progress: Progress) -> str:
    return words.duration(progress.duration_seconds) if isinstance(progress, StepFailed) else ""


def _tone(progress: Progress, saying: Saying) -> Tone:
    """Return the tone of an entry: what the server said by itself, and what holds a run up, is to be found again."""
    if isinstance(progress, Blocked | Held):
        return Tone.WARN
    return Tone.ACCENT if isinstance(progress, Notice) and saying.tone is Tone.PLAIN else saying.tone
