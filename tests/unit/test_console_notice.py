"""What the window's title says, and which ends of runs are worth a bell."""

from __future__ import annotations

import pytest
from zmig_tui import window
from zmig_tui.models import columns, notice, rows
from zmig_tui.models.console import ConsoleModel
from zmig_tui.models.databases import summaries
from zmig_tui.models.key_hints import KeyHints
from zmig_tui.models.notice import EndingWatch, Mood, Title
from zmig_tui.models.run import Run
from zmig_tui.pages.databases import database_lines
from zmig_tui.screens import keys

from tests.support import scenes
from zmig.errors import Problem
from zmig.presentation.hints import CommandLine
from zmig.presentation.spans import plain


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def _model(scene: scenes.Scene | None, clock: Clock) -> ConsoleModel:
    model = ConsoleModel("prod.yaml", KeyHints(CommandLine("prod.yaml"), keys.KEYS), clock)
    if scene is not None:
        observation = scene.observation()
        made = rows.RowCache()(observation.status.migrations)
        model.observe(observation, made, columns.measure(made), None, is_running=False)
    return model


def test_the_title_says_what_matters_most() -> None:
    clock = Clock()
    assert notice.title(_model(None, clock)) == Title("zmig prod.yaml", Mood.IDLE)
    failed = _model(scenes.failed(), clock)
    name = failed.observation.status.failed[0] if failed.observation is not None else ""
    assert notice.title(failed) == Title(f"✗ shop PRODUCTION {name} failed", Mood.BAD)
    failed.runs.begin("apply", 3)
    assert notice.title(failed) == Title("▶ shop PRODUCTION apply 0 of 3", Mood.BUSY)
    failed.note_failure((), is_unreachable=True)
    assert notice.title(failed) == Title("? shop PRODUCTION does not answer", Mood.BAD)


@pytest.mark.parametrize(
    ("seconds", "is_watched", "rings"), [(3, True, False), (3, False, True), (12, True, True), (12, False, True)]
)
def test_the_end_of_a_run_rings_once_unless_it_was_short_and_watched(
    seconds: float, is_watched: bool, rings: bool
) -> None:
    clock = Clock()
    model = _model(scenes.failed(), clock)
    watch = EndingWatch(model)
    assert watch.look(is_watched=is_watched) is None
    model.runs.begin("apply", 1)
    assert watch.look(is_watched=is_watched) is None
    clock.now += seconds
    model.runs.end("failed", (Problem("migration-failed", "it failed"),))
    ending = watch.look(is_watched=is_watched)
    assert (ending is not None) == rings
    if ending is not None:
        assert ending.is_bad
        assert ending.text.startswith("✗ shop PRODUCTION apply: ")
        assert ending.text.endswith(f"failed, after 0:{seconds:02}")
    assert watch.look(is_watched=is_watched) is None


def test_the_end_of_a_run_that_nobody_saw_rings_too() -> None:
    clock = Clock()
    model = _model(scenes.failed(), clock)
    watch = EndingWatch(model)
    assert watch.look(is_watched=False) is None
    model.runs.remote = Run("a run", 98.0).ending("1 done", (), 99.0)
    ending = watch.look(is_watched=False)
    assert ending is not None
    assert ending.text == "✓ shop PRODUCTION a run: 1 done, after 0:01"
    assert watch.look(is_watched=False) is None
    model.runs.clear()
    assert watch.look(is_watched=False) is None


def test_nothing_in_a_title_acts_on_the_terminal() -> None:
    for made in (window.title("a\x1b]0;b\x07\nc\x9d"), window.notification("a\x1b\\\x07\n9;4")):
        inside = made.removeprefix("\x07").removeprefix("\x1b]").removesuffix("\x1b\\")
        assert inside.isprintable()
    assert len(window.title("x" * 1000)) < 200


def test_databases_are_compared_by_what_they_have_in_common() -> None:
    clock = Clock()
    models = [_model(scenes.failed(), clock), _model(scenes.failed(), clock), _model(None, clock)]
    found = summaries(models, 1)
    assert [one.lacking for one in found] == [None, None, None]
    assert [one.is_shown for one in found] == [False, True, False]
    assert [one.failed for one in found] == [1, 1, 0]
    for cells in (40, 80, 200):
        head, lines = database_lines(found, cells)
        shown = [plain(line) for line in (head, *lines)]
        assert all(len(text) <= cells for text in shown)
        assert "prod.yaml" in shown[1]
    assert shown[2].startswith("▸ prod.yaml")
    assert shown[3].rstrip().endswith("connecting …")
