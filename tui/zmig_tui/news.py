"""What the console's threads tell the screen: frozen values, carried by one message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from zmig.database.activity import Blocking
    from zmig.errors import Problem
    from zmig.planning.plan import Plan
    from zmig.running.result import RunResult
    from zmig.session.watcher import Observation
    from zmig_tui.columns import Widths
    from zmig_tui.detail import Detail
    from zmig_tui.elsewhere import Place
    from zmig_tui.intent import Intent
    from zmig_tui.rows import Row


@valueclass
class Observed:
    """The manifest and the database were looked at."""

    observation: Observation
    rows: tuple[Row, ...]
    widths: Widths
    """What the table's columns would take if there were room."""
    place: Place | None
    """Which statement of its file the backend at work is running, where that can be told."""


@valueclass
class NotObserved:
    """They could not be looked at."""

    problems: tuple[Problem, ...]
    is_unreachable: bool
    """Whether it is the database that does not answer; else the manifest cannot be used."""


@valueclass
class Gathered:
    """Everything about one migration."""

    detail: Detail


@valueclass
class Planned:
    """A plan stands, and waits for somebody to agree."""

    intent: Intent
    plan: Plan
    is_dry: bool


@valueclass
class Ended:
    """The run is over."""

    result: RunResult | None
    """None where it did not come to its end."""
    problems: tuple[Problem, ...] = ()
    is_cancelled: bool = False


@valueclass
class Told:
    """Something was done, in one sentence."""

    text: str


@valueclass
class Refused:
    """Something could not be done."""

    what: str
    problems: tuple[Problem, ...]
    question: object = None
    """What was asked, if a dialog waits for the answer."""


@valueclass
class Blockers:
    """Who blocks the run was looked up."""

    question: object
    found: Blocking


News = Observed | NotObserved | Gathered | Planned | Ended | Told | Refused | Blockers


class Heard(Message):
    """News has come in from another thread."""

    def __init__(self, news: News) -> None:
        super().__init__()
        self.news = news
