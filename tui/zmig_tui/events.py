"""What the console's threads send to the screen: values, in one message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

from zmig.valueclass import field, valueclass
from zmig_tui.models.run_tracker import SeenRuns

if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import KW_ONLY

    from zmig.database.activity import Blocking
    from zmig.database.run_reader import RunPage
    from zmig.database.table_estimates import TableEstimate, TableName
    from zmig.errors import Problem
    from zmig.facts import Fact
    from zmig.lint.preview import PlanEffects
    from zmig.planning.plan import Plan, Refusal, RunResult
    from zmig.running.rehearsal import Rehearsal
    from zmig.session.watcher import Observation
    from zmig_tui.models.columns import Widths
    from zmig_tui.models.details import Detail, File
    from zmig_tui.models.plan import PlanChange
    from zmig_tui.models.remote_run import StatementPosition
    from zmig_tui.models.rows import Row


@valueclass
class Observed:
    """The manifest and the database were observed."""

    observation: Observation
    rows: tuple[Row, ...]
    widths: Widths
    """What the table's columns would take if there were room."""
    position: StatementPosition | None
    """Which statement of its file the backend at work is running, where that can be determined."""
    _: KW_ONLY
    refusals: tuple[Refusal, ...] = ()
    """What forbids an apply, as far as the states of migrations say."""
    seen: SeenRuns = field(default_factory=SeenRuns)
    """The runs that facts show."""


@valueclass
class ObservationFailed:
    """They could not be observed."""

    problems: tuple[Problem, ...]
    is_unreachable: bool
    """Whether it is the database that does not answer; else the manifest cannot be used."""


@valueclass
class DetailReady:
    """Everything about one migration."""

    detail: Detail


@valueclass
class PlanReady:
    """A plan was made, for somebody to look at, and perhaps to agree to."""

    question: object
    plan: Plan


@valueclass
class StepFileRead:
    """The file of one step of a plan was read."""

    question: object
    version: int
    file: File | None
    """None for a migration without a file."""


@valueclass
class EffectsReady:
    """It was worked out what the steps of a plan do."""

    question: object
    effects: PlanEffects | None
    unknown: str | None = None
    """Why it could not be."""


@valueclass
class EstimatesReady:
    """It was asked about how large the tables are that a plan locks."""

    question: object
    estimates: Mapping[TableName, TableEstimate]


@valueclass
class PlanChanged:
    """A plan that somebody looks at is another one by now, or again the same."""

    question: object
    change: PlanChange | None
    """None where it is again what it was."""


@valueclass
class RehearsalEnded:
    """A plan was rehearsed, or could not be."""

    question: object
    rehearsal: Rehearsal | None
    problems: tuple[Problem, ...] = ()
    is_cancelled: bool = False


@valueclass
class RunAttached:
    """A run was found that goes on in a process of its own, and this console is attached to it."""

    title: str
    steps: int
    """How many its plan has."""
    began: float
    """On the screen's clock."""


@valueclass
class RunEnded:
    """The run of this console has ended."""

    result: RunResult | None
    """None where it was not completed."""
    problems: tuple[Problem, ...] = ()
    is_cancelled: bool = False
    at: float | None = None
    """When, on the screen's clock; None for now."""

    @property
    def outcome(self) -> str:
        """How it ended, in a few words."""
        if self.is_cancelled:
            return "cancelled"
        if self.result is None:
            return "failed"
        done, skipped = len(self.result.completed), len(self.result.skipped)
        return f"{done} done" + (f", {skipped} not due" if skipped else "")


@valueclass
class ActionDone:
    """An action was done."""

    text: str
    """What was done, in one sentence."""


@valueclass
class ActionRefused:
    """An action could not be done."""

    what: str
    """The action."""
    problems: tuple[Problem, ...]
    question: object = None
    """What was asked, if a dialog waits for the answer."""


@valueclass
class BlockersFound:
    """Who blocks the run was determined."""

    question: object
    """What the screen asked with."""
    blocking: Blocking


@valueclass
class RunsRead:
    """A page of the runs on record."""

    page: RunPage


@valueclass
class RunRead:
    """What one run has recorded, with the pauses of its time."""

    run_id: str
    facts: tuple[Fact, ...]


PlanEvent = PlanReady | StepFileRead | EffectsReady | EstimatesReady | PlanChanged | RehearsalEnded
"""What is about a plan that somebody looks at."""

ConsoleEvent = (
    Observed
    | ObservationFailed
    | DetailReady
    | PlanEvent
    | RunAttached
    | RunEnded
    | ActionDone
    | ActionRefused
    | BlockersFound
    | RunsRead
    | RunRead
)


class EventReceived(Message):
    """An event was sent by another thread."""

    def __init__(self, event: ConsoleEvent) -> None:
        super().__init__()
        self.event = event
