"""Rows per second and a replica's lag over the last two minutes, as values and as bars."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from zmig_tui.models import run as running
from zmig_tui.models import trend
from zmig_tui.models.remote_run import remote_run
from zmig_tui.models.run import Run
from zmig_tui.models.trend import Trend
from zmig_tui.pages import run_panel, sparkline

from tests.support import scenes
from zmig.facts import EventType, Fact
from zmig.model import Batch
from zmig.planning.plan import Action, Step
from zmig.presentation.spans import plain
from zmig.progress import Held, Progress, RoundFinished, StepStarted

if TYPE_CHECKING:
    from zmig.session.watcher import Observation

STEP = Step(replace(scenes.MIGRATIONS[11], batch=Batch(size=10, max_lag_seconds=5)), Action.APPLY, "pending")


def _trend(*points: tuple[float, float]) -> Trend:
    made = Trend()
    for at, value in points:
        made = made.adding(at, value)
    return made


def test_rates_are_those_of_each_part_and_blank_where_nothing_is_known() -> None:
    rows = _trend((60, 0), (90, 300), (100, 400), (120, 400))
    assert trend.rates(rows, 120, 4) == [None, None, 10.0, 100 / 30]
    assert trend.rates(_trend((60, 0)), 120, 2) == [None, None]


def test_a_long_round_counts_for_all_of_its_time() -> None:
    rows = _trend((0, 0), (60, 600), (120, 600))
    assert trend.rates(rows, 120, 4) == [10.0, 10.0, 0.0, 0.0]


def test_levels_are_the_most_of_each_part_and_go_on_until_there_is_another() -> None:
    lag = _trend((31, 1.0), (40, 7.0), (50, 2.0))
    assert trend.levels(lag, 120, 4) == [None, 7.0, 2.0, 2.0]


def test_a_trend_is_bounded_however_quick_rounds_are() -> None:
    made = Trend()
    for round in range(50_000):
        made = made.adding(round / 100, round)
    assert len(made.points) < 130
    assert made.last == 49_999
    assert all(abs((rate or 0) - 100) < 1 for rate in trend.rates(made, 499.99, 10))
    assert made.adding(1.0, 5.0) is made, "what comes late says nothing of now"


def test_bars_are_as_high_as_their_values() -> None:
    assert sparkline.sparkline([None, 0, 50, 100, 200], 100) == " ▁▅██"
    assert sparkline.sparkline([0.0, None], 0) == "▁ "


def _run(*reported: Progress) -> Run:
    run = running.advance(Run("apply", 0.0), StepStarted(STEP, 1, 1, attempt=1, statements=1), 0.0)
    for second, progress in enumerate(reported, start=1):
        run = running.advance(run, progress, second * 10.0)
    return run


def _panel(run: Run, cells: int, height: int = 8) -> str:
    shown = run_panel.panel_lines(run, None, 60.0, hints=scenes.HINTS, cells=cells, height=height)
    return "\n".join(map(plain, shown))


def _round(number: int, lag: float | None = None) -> RoundFinished:
    return RoundFinished(STEP, number, number * 1000, None, 100.0, None, lag_seconds=lag)


def test_the_panel_has_them_where_there_is_room_and_something_is_known() -> None:
    run = _run(_round(1), _round(2), _round(3))
    assert "at most 100" in _panel(run, 120)
    assert "replica lag" not in _panel(run, 120)
    for narrow in (_panel(run, 80), _panel(run, 120, height=5), _panel(_run(_round(1)), 120)):
        assert "at most" not in narrow
        assert "rows/s" in narrow, "the figure stays"
    lagging = _run(
        _round(1, 0.0), _round(2, 1.0), Held(STEP, "the slowest replica is 6 s behind", 1.0, lag_seconds=6.0)
    )
    assert "replica lag" in _panel(lagging, 120)
    assert "6.0 s of 5 s" in _panel(lagging, 120)
    assert max(map(len, _panel(lagging, 120).splitlines())) <= 120


def test_of_a_run_in_another_process_checkpoints_say_when_rows_were_done() -> None:
    scene = scenes.rounds()

    def seen(*rounds: tuple[int, int]) -> Observation:
        facts = [
            Fact(
                9000 + rows,
                scenes.MIGRATIONS[11].name,
                EventType.CHECKPOINT,
                created_at=scenes.NOW - timedelta(seconds=ago),
                data={"version": 12, "rows": rows, "rounds": 1},
                run_id=scenes.RUN_ID,
            )
            for ago, rows in rounds
        ]
        return replace(scene, facts=[*scene.facts, *facts]).observation()

    first = remote_run(seen((20, 1000)), 500.0, None)
    again = remote_run(seen((20, 1000)), 500.5, None, first)
    second = remote_run(seen((20, 1000), (5, 3000)), 501.0, None, again)
    assert second is not None and second.current is not None
    assert second.current.rows_trend.points == ((480.0, 1000), (496.0, 3000))


def test_another_attempt_goes_on_with_what_was_known() -> None:
    run = _run(_round(1), _round(2), StepStarted(STEP, 1, 1, attempt=2, statements=1), _round(3))
    assert run.current is not None
    assert len(run.current.rows_trend.points) == 3
