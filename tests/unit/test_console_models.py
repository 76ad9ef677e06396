"""What the console knows, fed with scenes: no terminal, no database."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from zmig_tui.models import columns
from zmig_tui.models.console import ConsoleModel
from zmig_tui.models.details import RunningStatement, Tab
from zmig_tui.models.key_hints import KeyHints
from zmig_tui.models.rows import Order, RowCache
from zmig_tui.models.run_tracker import RunTracker
from zmig_tui.models.table import TableModel
from zmig_tui.screens import keys

from tests.support import scenes
from zmig.errors import Problem
from zmig.planning.plan import Action, Step
from zmig.presentation.hints import CommandLine
from zmig.progress import StatementStarted, StepStarted

if TYPE_CHECKING:
    from tests.support.scenes import Scene

PROBLEM = Problem("no-connection", "the database cannot be reached")


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def model(clock: Clock) -> ConsoleModel:
    return ConsoleModel("prod.yaml", KeyHints(CommandLine("prod.yaml"), keys.KEYS), clock)


def _observe(model: ConsoleModel, scene: Scene, *, is_running: bool = False, tracker: RunTracker | None = None) -> bool:
    observation = scene.observation()
    rows = RowCache()(observation.status.migrations)
    seen = (tracker or RunTracker(lambda _: scene.facts)).follow(observation)
    return model.observe(observation, rows, columns.measure(rows), None, is_running=is_running, seen=seen)


def test_a_table_shows_the_rows_that_pass_its_filter_in_its_order() -> None:
    rows = RowCache()(scenes.failed().observation().status.migrations)
    table = TableModel()
    assert table.replace(rows, columns.measure(rows))
    assert not table.replace(rows, columns.measure(rows))
    assert list(table.shown) == list(rows)
    table.filter_by("customer")
    names = [row.name for row in table.shown]
    assert names == [
        "004_create_customers",
        "008_customer_emails",
        "010_unique_customer_email",
        "011_orders_by_customer",
    ]
    table.reverse()
    assert [row.name for row in table.shown] == names[::-1]
    table.sort_by_next_column()
    assert table.order is Order.STATE
    table.reverse()
    assert next(iter(table.shown)).name == "010_unique_customer_email"


def test_the_database_is_silent_until_it_is_observed_again(model: ConsoleModel, clock: Clock) -> None:
    model.note_failure((PROBLEM,), is_unreachable=True)
    clock.seconds += 5
    model.note_failure((PROBLEM,), is_unreachable=True)
    assert model.silent_seconds == 5
    assert model.problems == (PROBLEM,)
    _observe(model, scenes.failed())
    assert model.silent_seconds == 0
    assert model.problems == ()


def test_that_a_database_is_away_leaves_what_was_observed_on_the_screen(model: ConsoleModel) -> None:
    _observe(model, scenes.failed())
    model.note_failure((PROBLEM,), is_unreachable=True)
    assert model.problems == ()
    invalid = Problem("manifest-invalid", "an entry has no name")
    model.note_failure((invalid,), is_unreachable=False)
    assert model.problems == (invalid,)


def test_a_run_in_another_process_is_followed_until_it_fails(model: ConsoleModel) -> None:
    tracker = RunTracker(lambda _: scenes.blocked().facts)
    assert not _observe(model, scenes.blocked(), tracker=tracker)
    runs = model.runs
    assert runs.shown is runs.remote is not None
    assert runs.is_following
    assert model.running_name == "011_orders_by_customer"
    assert [blocker.pid for blocker in runs.blockers.blockers] == [4690, 4655]
    assert _observe(model, replace(scenes.blocked(), holder=None, work=None), tracker=tracker)
    assert runs.shown is not None
    assert [problem.message for problem in runs.shown.problems] == [
        "`011_orders_by_customer`: it is stuck: its run ended without a word"
    ]
    assert not runs.is_following


def test_the_run_of_this_console_comes_before_one_that_is_over(model: ConsoleModel) -> None:
    _observe(model, scenes.blocked())
    model.runs.begin("apply", 4)
    assert model.runs.shown is model.runs.own
    _observe(model, scenes.running(), is_running=True)
    assert model.runs.remote is None
    model.runs.end("4 done", ())
    assert not model.runs.is_in_progress
    model.runs.clear()
    assert model.runs.shown is None


def test_what_runs_is_known_by_its_line(model: ConsoleModel, clock: Clock) -> None:
    step = Step(scenes.MIGRATIONS[0], Action.APPLY, "pending")
    model.runs.begin("apply", 1)
    model.runs.advance(
        [
            (StepStarted(step, 1, 1, attempt=1, statements=3), clock()),
            (StatementStarted(step, 2, 3, line=7, text="select 1"), clock()),
        ]
    )
    assert model.runs.running_statement(step.migration.name) == RunningStatement(Tab.FILE, 7)
    assert model.runs.running_statement("another") is None
