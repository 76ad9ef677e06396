"""What a window's title says of a database, and which ends of runs are worth a bell. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from zmig.model import Environment
from zmig.presentation import words
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from zmig_tui.models.console import ConsoleModel
    from zmig_tui.models.run import Run

SHORT_SECONDS = 10.0
"""A run that took less, before somebody's eyes, has ended where it was looked for."""

_NEWS_SECONDS = 60.0
"""What ended earlier is found when a console is opened, and is no news."""


class Mood(StrEnum):
    """How a database is, in one word."""

    GOOD = "good"
    BUSY = "busy"
    BAD = "bad"
    IDLE = "idle"


@valueclass
class Title:
    """The title of a window or a page."""

    text: str
    mood: Mood


def title(model: ConsoleModel) -> Title:
    """Return what matters most of a database: a run in progress, what is wrong, else how the last run ended."""
    name = subject(model)
    run = model.runs.shown
    if model.silent_seconds:
        return Title(f"? {name} does not answer", Mood.BAD)
    if run is not None and not run.is_over:
        return Title(f"▶ {name} {_how_far(run)}", Mood.BUSY)
    wrong = _wrong(model)
    if wrong:
        return Title(f"✗ {name} {wrong}", Mood.BAD)
    if run is not None:
        glyph, mood = ("✗", Mood.BAD) if run.has_failed else ("✓", Mood.GOOD)
        return Title(f"{glyph} {name} {run.verb}: {run.outcome}", mood)
    pending = len(model.observation.status.pending) if model.observation is not None else 0
    return Title(f"· {name} {pending:,} pending" if pending else name, Mood.IDLE)


def subject(model: ConsoleModel) -> str:
    """Return what a database is called in few words."""
    if model.observation is None:
        return f"zmig {model.manifest}"
    status = model.observation.status
    return f"{status.manifest} PRODUCTION" if status.environment is Environment.PRODUCTION else status.manifest


def _how_far(run: Run) -> str:
    what = run.current.name if run.current is not None else run.verb
    return f"{what} {run.finished:,} of {run.total:,}" if run.total else what


def _wrong(model: ConsoleModel) -> str:
    status = model.observation.status if model.observation is not None else None
    if status is None:
        return "manifest has errors" if model.problems else ""
    for state, names in (("failed", status.failed), ("stuck", status.stuck)):
        if names:
            more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
            return f"{names[0]}{more} {state}"
    return ""


@valueclass
class Ending:
    """The end of a run, for who looks elsewhere."""

    text: str
    is_bad: bool


class EndingWatch:
    """Notices when a run of one database ends."""

    def __init__(self, model: ConsoleModel) -> None:
        self._model = model
        self._before: Run | None = None

    def look(self, *, is_watched: bool) -> Ending | None:
        """Return the end of a run that was not over at the last look, or not known, unless it was short and watched."""
        before, run = self._before, self._model.runs.shown
        self._before = run
        if run is None or run.ended is None or (before is not None and before.ended == run.ended):
            return None
        if self._model.clock() - run.ended > _NEWS_SECONDS:
            return None
        if is_watched and run.seconds(0.0) < SHORT_SECONDS:
            return None
        glyph = "✗" if run.has_failed else "✓"
        wrong = _wrong(self._model) if run.has_failed else ""
        took = words.clock(run.seconds(0.0))
        return Ending(
            f"{glyph} {subject(self._model)} {run.verb}: {wrong or run.outcome}, after {took}", run.has_failed
        )
