"""Everything about one migration, as lines: where it stands, its files, its events."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from zmig.frozen import frozen
from zmig_tui import code, eventspage, failing, overview, plantext
from zmig_tui.text import Line, Tone, line, span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig.errors import Problem
    from zmig.events import Fact
    from zmig.invocation import Invocation
    from zmig.model import Migration
    from zmig.planning.plan import Plan
    from zmig.planning.state import Entry


class Tab(StrEnum):
    """The pages about a migration."""

    OVERVIEW = "overview"
    FILE = "file"
    ROLLBACK = "rollback"
    EVENTS = "events"


@frozen
class File:
    """A migration's file as it was read, or why it was not."""

    text: str | None = None
    problems: tuple[Problem, ...] = ()
    is_cut: bool = False
    """Whether it is so large that `text` is only its beginning."""
    is_outside: bool = False
    """Whether a link leads to it, out of the project, so that its text is not to be shown."""


@frozen
class Running:
    """Where in a file the statement begins that runs now."""

    tab: Tab
    line: int
    """1-based."""


@frozen
class Detail:
    """What was gathered about one migration."""

    entry: Entry
    invocation: Invocation
    file: File | None = None
    """None for a migration without a file."""
    rollback: File | None = None
    facts: tuple[Fact, ...] = ()
    """The last ones, oldest first."""
    plan: Plan | None = None
    """What applying would do with this migration alone."""
    plan_problems: tuple[Problem, ...] = ()
    statements: int | None = None
    """How many its file has; None where that is not known."""

    def lines(self, tab: Tab, running: Running | None = None) -> Sequence[Line]:
        """Return one page; `running` is marked in its file."""
        match tab:
            case Tab.OVERVIEW:
                return list(overview.lines(self))
            case Tab.FILE:
                return _file(self, self._mark(tab, running))
            case Tab.ROLLBACK:
                return _rollback(self, self._mark(tab, running))
            case Tab.EVENTS:
                return list(eventspage.lines(self.facts))

    def marked_line(self, tab: Tab, running: Running | None = None) -> int | None:
        """Return the 0-based line of a page that should be seen first, if any is marked."""
        mark = self._mark(tab, running)
        return mark.line - 1 if mark is not None else None

    def _mark(self, tab: Tab, running: Running | None) -> code.Mark | None:
        if running is not None and running.tab is tab:
            return code.Mark(running.line, tone=Tone.BUSY)
        return failing.mark(self) if tab is Tab.FILE else None


def _file(detail: Detail, mark: code.Mark | None) -> Sequence[Line]:
    migration = detail.entry.migration
    if migration is None:
        return [line(span("no longer declared, so its file is not known", Tone.QUIET))]
    return _contents(detail.file, migration, mark)


def _rollback(detail: Detail, mark: code.Mark | None) -> Sequence[Line]:
    migration = detail.entry.migration
    if migration is None or not migration.is_reversible:
        return [line(span("no rollback is declared", Tone.QUIET))]
    if migration.rollback_file is None:
        return [line(span("`rollback(ctx)` stands in the file itself: press 2", Tone.QUIET))]
    return _contents(detail.rollback, migration, mark)


def _contents(file: File | None, migration: Migration, mark: code.Mark | None) -> Sequence[Line]:
    if file is None:
        return [line(span("defined in code, so there is no file", Tone.QUIET))]
    if file.is_outside:
        return [line(span("a link leads to this file, out of the project: what is in it is not shown", Tone.QUIET))]
    if file.text is None:
        return plantext.problems(file.problems)
    shown = code.lines(file.text, migration.language, mark)
    return [*shown, line(span("the file is large: only its beginning is shown", Tone.WARN))] if file.is_cut else shown
