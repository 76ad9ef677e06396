"""What to expect of a migration that runs: how long the same one took before."""

from __future__ import annotations

from dataclasses import replace

import pytest
from zmig_tui.models.durations import HERE, Durations, EarlierDuration
from zmig_tui.models.run import CurrentStep, Run
from zmig_tui.pages import run_panel

from tests.support.scenes import HINTS, MIGRATIONS, NOW
from zmig.facts import EventType, Fact
from zmig.planning.history import fold
from zmig.planning.state import Entry, State
from zmig.presentation.spans import plain


def _entries(seconds: float, *more: EventType, **data: object) -> list[Entry]:
    migration = MIGRATIONS[0]
    known = {"version": 1, "checksum": migration.checksum, "duration_ms": round(seconds * 1000), "attempt": 1}
    facts = [
        Fact(position, migration.name, type, created_at=NOW, data=known | data)
        for position, type in enumerate((EventType.STARTED, EventType.DONE, *more), start=1)
    ]
    return [Entry(migration, fold(facts).records[1], State.PENDING)]


def test_what_was_rolled_back_here_is_known_and_comes_before_longer_ones_elsewhere() -> None:
    migration, durations = MIGRATIONS[0], Durations()
    durations.take("on test", _entries(3))
    durations.take("on staging", _entries(250))
    assert durations.earlier(migration.name, migration.checksum) == EarlierDuration(250, "on staging")
    durations.take(HERE, _entries(200, EventType.ROLLBACK_STARTED, EventType.ROLLED_BACK))
    assert durations.earlier(migration.name, migration.checksum) == EarlierDuration(200, HERE)
    assert durations.earlier(migration.name, "another checksum") is None
    assert durations.earlier("another name", migration.checksum) is None
    assert durations.earlier(migration.name, None) is None


@pytest.mark.parametrize(
    "entries",
    [
        _entries(1.5),  # too short to matter
        _entries(90, attempt=2, rows=5000),  # a part of its rounds
        [Entry(MIGRATIONS[0], None, State.PENDING)],
        _entries(90, duration_ms="long"),
        _entries(90, checksum=5),
    ],
)
def test_what_says_nothing_is_not_expected(entries: list[Entry]) -> None:
    durations = Durations()
    durations.take("on staging", entries)
    assert durations.earlier(MIGRATIONS[0].name, MIGRATIONS[0].checksum) is None


def test_the_panel_says_how_long_it_took_and_how_long_it_may_take_yet() -> None:
    current = CurrentStep("one", 1, 0.0)
    run = replace(Run("apply", 0.0), current=current)

    def shown(run: Run, now: float) -> str:
        expected = EarlierDuration(250, "on staging")
        lines = run_panel.panel_lines(run, None, now, hints=HINTS, cells=120, height=8, expected=expected)
        return "\n".join(map(plain, lines))

    assert "took 4 min 10 s on staging, about 2:30 left" in shown(run, 100)
    assert "took 4 min 10 s on staging, less than now" in shown(run, 300)
    waiting = replace(run, current=replace(current, retry_at=400.0))
    assert shown(waiting, 300).splitlines()[1].endswith("took 4 min 10 s on staging")
