"""What the console's threads tell the screen: frozen values, carried by one message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from zmig.database.activity import Blocking
    from zmig.errors import Problem
    from zmig.planning.plan import Plan, RunResult
    from zmig.session.watcher import Observation
    from zmig_tui.models.columns import Widths
    from zmig_tui.models.details import Detail
    from zmig_tui.models.intent import Intent
    from zmig_tui.models.remote_run import StatementPosition
    from zmig_tui.models.rows import Row


@valueclass
class Observed:
    """The manifest and the database were looked at."""

    observation: Observation
    rows: tuple[Row, ...]
    widths: Widths
    """What the table's columns would take if there were room."""
    position: StatementPosition | None
    """Which statement of its file the backend at work is running, where that can be told."""


@valueclass
class ObservationFailed:
    """They could not be looked at."""

    problems: tuple[Problem, ...]
    is_unreachable: bool
    """Whether it is the database that does not answer; else the manifest cannot be used."""


@valueclass
class DetailReady:
    """Everything about one migration."""

    detail: Detail


@valueclass
class PlanReady:
    """A plan stands, and waits for somebody to agree."""

    intent: Intent
    plan: Plan
    is_dry: bool


@valueclass
class RunEnded:
    """The run is over."""

    result: RunResult | None
    """None where it did not come to its end."""
    problems: tuple[Problem, ...] = ()
    is_cancelled: bool = False


@valueclass
class ActionDone:
    """Something was done, in one sentence."""

    text: str


@valueclass
class ActionRefused:
    """Something could not be done."""

    what: str
    problems: tuple[Problem, ...]
    question: object = None
    """What was asked, if a dialog waits for the answer."""


@valueclass
class BlockersFound:
    """Who blocks the run was looked up."""

    question: object
    blocking: Blocking


ConsoleEvent = (
    Observed | ObservationFailed | DetailReady | PlanReady | RunEnded | ActionDone | ActionRefused | BlockersFound
)


class EventReceived(Message):
    """News has come in from another thread."""

    def __init__(self, event: ConsoleEvent) -> None:
        super().__init__()
        self.event = event
