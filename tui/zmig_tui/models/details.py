"""What was gathered about one migration, as values."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from dataclasses import KW_ONLY

    from zmig.errors import Problem
    from zmig.facts import Fact
    from zmig.planning.plan import Plan
    from zmig.planning.state import Entry

EVENTS_LIMIT = 200
"""How many facts are read and shown; each committed batch leaves one, so there may be far more."""


class Tab(StrEnum):
    """The pages about a migration."""

    OVERVIEW = "overview"
    FILE = "file"
    ROLLBACK = "rollback"
    EVENTS = "events"


@valueclass
class File:
    """A migration's file as it was read, or why it was not."""

    text: str | None = None
    problems: tuple[Problem, ...] = ()
    is_cut: bool = False
    """Whether it is so large that `text` is only its beginning."""
    is_outside: bool = False
    """Whether a link leads to it, out of the project, so that its text is not to be shown."""


@valueclass
class RunningStatement:
    """Where in a file the statement begins that runs now."""

    tab: Tab
    line: int
    """1-based."""


@valueclass
class Detail:
    """What was gathered about one migration."""

    entry: Entry
    _: KW_ONLY
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
