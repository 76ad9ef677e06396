"""The list of runs, and one run on an axis of time: values in, lines out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from zmig_tui.models.recorded_run import Outcome, recorded_run
from zmig_tui.models.run_list import RunList
from zmig_tui.models.timeline import Mark, Part, timeline
from zmig_tui.pages import timeline as page
from zmig_tui.pages.runs import run_lines

from tests.support import scenes
from zmig.database.lock_holder import LockHolder
from zmig.database.run_reader import RunPage, RunSummary
from zmig.facts import EventType, Fact
from zmig.presentation.spans import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = scenes.NOW
STARTED, DONE, FAILED = EventType.STARTED, EventType.DONE, EventType.FAILED


def _summary(run_id: str, first: int, last: int, **changes: object) -> RunSummary:
    values: dict[str, object] = {
        "began": NOW - timedelta(seconds=100 - first),
        "last_at": NOW - timedelta(seconds=100 - last),
        "database_user": "deploy",
        "host": "ci",
        "begun": 1,
        "done": 1,
        "failed": 0,
        "rolled_back": 0,
        "last_type": DONE,
        "will_retry": False,
        "is_interrupted": False,
    }
    return RunSummary(run_id, first, last, **(values | changes))  # pyright: ignore[reportArgumentType] - they fit


def test_pages_are_put_together_and_a_run_over_the_edge_of_one_is_one() -> None:
    runs, seen = RunList(), scenes.drifted().observation()
    assert not runs.is_read
    runs.take(RunPage((_summary("c", 90, 95), _summary("b", 51, 60, begun=0)), 50, None))
    assert [run.run_id for run in runs.runs(seen)] == ["c"]
    assert (runs.newest_from, runs.more_before) == (89, 50)
    runs.take(RunPage((_summary("b", 40, 50, begun=2), _summary("a", 1, 20)), 0, 50))
    assert [run.run_id for run in runs.runs(seen)] == ["c", "b", "a"]
    b = runs.runs(seen)[1]
    assert (b.first, b.last, b.done, b.seconds(NOW)) == (40, 60, 2, 20.0)
    assert runs.more_before is None
    runs.take(RunPage((_summary("d", 99, 100), _summary("c", 90, 97, done=2)), 89, None))
    assert [run.run_id for run in runs.runs(seen)] == ["d", "c", "b", "a"]
    assert runs.runs(seen)[1].done == 2
    runs.take(RunPage((_summary("z", 1, 2),), 0, 7))  # a page that was asked for twice
    assert [run.run_id for run in runs.runs(seen)] == ["d", "c", "b", "a"]


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({}, Outcome.DONE),
        ({"last_type": FAILED, "failed": 1}, Outcome.FAILED),
        ({"last_type": FAILED, "failed": 1, "is_interrupted": True}, Outcome.INTERRUPTED),
        ({"last_type": FAILED, "will_retry": True}, Outcome.INTERRUPTED),
        ({"last_type": STARTED}, Outcome.INTERRUPTED),
        ({"last_type": EventType.ROLLED_BACK}, Outcome.DONE),
    ],
)
def test_how_a_listed_run_ended(changes: dict[str, object], outcome: Outcome) -> None:
    runs, seen = RunList(), scenes.drifted().observation()
    runs.take(RunPage((_summary("a", 1, 2, **changes),), 0, None))
    assert runs.runs(seen)[0].outcome is outcome
    held = replace(scenes.drifted(), holder=LockHolder(1, "zmig/a")).observation()
    assert runs.runs(held)[0].outcome is Outcome.IN_PROGRESS


def test_a_run_that_left_something_stuck_says_so_and_all_lines_fit() -> None:
    runs, seen = RunList(), replace(scenes.blocked(), holder=None, work=None).observation()
    runs.take(RunPage((_summary(scenes.RUN_ID, 1, 2, last_type=STARTED), _summary("b" * 12, 0, 1, failed=3)), 0, None))
    for cells in (40, 80, 120, 200):
        head, lines = run_lines(runs.runs(seen), NOW, cells)
        assert all(len(plain(one)) <= cells for one in (head, *lines))
    assert "! stuck" in plain(lines[0])
    assert "deploy@ci" in plain(lines[0])


class _Story:
    """The facts of one run; times are seconds since it began."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []

    def add(self, second: float, name: str, type: EventType, run: str = "r", **data: object) -> None:
        at = datetime(2026, 3, 14, tzinfo=UTC) + timedelta(seconds=second)
        fact = Fact(len(self.facts) + 1, name, type, created_at=at, data=data, run_id=run, database_user="deploy")
        self.facts.append(fact)

    def drawn(self, cells: int) -> Sequence[str]:
        run = recorded_run("r", self.facts)
        assert run is not None
        axis, lines = page.timeline_lines(timeline(run, self.facts, None, {"b": 10.0}), cells)
        return [plain(axis), *map(plain, lines)]


@pytest.fixture
def story() -> _Story:
    made = _Story()
    made.add(0, "a", STARTED)
    made.add(20, "a", DONE)
    made.add(20, "b", STARTED)
    made.add(40, "b", FAILED, error={"message": "lock timeout", "sqlstate": "55P03"}, will_retry=True)
    made.add(50, "b", STARTED)
    made.add(60, "b", EventType.PAUSED, run="of an operator")
    made.add(80, "b", EventType.RESUMED, run="of an operator")
    made.add(90, "b", DONE)
    made.add(90, "c", STARTED)
    made.add(90.001, "c", DONE)
    made.add(90.001, "d", STARTED)
    made.add(100, "d", FAILED, error={"message": "no luck"})
    return made


def test_attempts_waits_and_pauses_are_on_one_axis_with_a_character_for_each(story: _Story) -> None:
    axis, a, b, c, d = story.drawn(8 + 19 + 8 + 50)
    start = axis.index("├")
    assert axis.endswith("1:40┤")
    assert a[start:].rstrip() == "█" * 10
    assert b[start:].rstrip() == " " * 10 + "▓" * 5 + "▒" * 5 + "┄" * 5 + "█" * 5 + "‖" * 10 + "█" * 5
    assert c[start:].rstrip() == " " * 45 + "█"
    assert d[start:].rstrip() == " " * 45 + "▓" * 5
    assert [line.split()[0] for line in (a, b, c, d)] == ["✓", "✓", "✓", "✗"]
    assert "2 tries, 1 min 10 s" in b
    assert story.drawn(160)[-1].endswith("▓  no luck")
    legend = plain(page.legend())
    assert all(character in legend for character in "█▓▒┄‖")


@pytest.mark.parametrize("cells", [40, 79, 119, 199])
def test_a_timeline_fits_any_width(story: _Story, cells: int) -> None:
    assert all(len(line) <= cells for line in story.drawn(cells))


def test_a_run_in_progress_grows_and_says_what_it_waits_for_now() -> None:
    scene = scenes.blocked()
    observation = scene.observation()
    run = recorded_run(scenes.RUN_ID, scene.facts)
    assert run is not None
    shown = timeline(replace(run, is_held=True), scene.facts, observation, {})
    (bar,) = shown.bars
    assert bar.mark is Mark.RUNNING
    assert shown.seconds == 192
    assert bar.stretches[-1].part is Part.LOCK
    assert bar.stretches[-1].ended == 192


def test_a_run_that_died_left_its_migration() -> None:
    story = _Story()
    story.add(0, "a", STARTED)
    (_, line) = story.drawn(80)
    assert line.split()[0] == "!"
