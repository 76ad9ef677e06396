"""Runs, made of their facts: folded, followed, and shown by the panel whoever ran them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from zmig_tui.models import columns
from zmig_tui.models.console import ConsoleModel
from zmig_tui.models.key_hints import KeyHints
from zmig_tui.models.recorded_run import Outcome, recorded_run
from zmig_tui.models.rows import RowCache
from zmig_tui.models.run_tracker import RunTracker
from zmig_tui.pages import run_panel
from zmig_tui.screens import keys

from zmig.database.lock_holder import LockHolder
from zmig.facts import EventType, Fact
from zmig.manifest.declaration import Tracking
from zmig.model import Environment, Kind, Language, Migration
from zmig.planning import state
from zmig.planning.history import fold
from zmig.planning.plan import Direction, Plan
from zmig.planning.state import Liveness
from zmig.presentation.hints import CommandLine
from zmig.presentation.spans import plain
from zmig.progress import RunStarted
from zmig.project.project import Project
from zmig.session import status
from zmig.session.watcher import Observation

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = datetime(2026, 3, 14, 15, 9, tzinfo=UTC)
MIGRATIONS = tuple(
    Migration(version, name, Kind.SQL, Language.SQL, file=Path(f"{name}.sql"))
    for version, name in enumerate(("one", "two", "three"), start=1)
)
STARTED, DONE, FAILED = EventType.STARTED, EventType.DONE, EventType.FAILED
LOCK_TIMEOUT = {"message": "canceling statement due to lock timeout", "sqlstate": "55P03"}
NIGHTLY = [{"pid": 4690, "application_name": "nightly-report", "depth": 0, "seen": 3}]


class Story:
    """Facts, as they become visible, and what a console makes of them; each second one observation."""

    def __init__(self, pid: int = 4711) -> None:
        self.facts: list[Fact] = []
        self.second = 0.0
        self.tracker = RunTracker(lambda run_id: [fact for fact in self.facts if fact.run_id == run_id])
        self.model = ConsoleModel("prod.yaml", KeyHints(CommandLine("prod.yaml"), keys.KEYS), lambda: self.second)
        self._seen = 0
        self._pid = pid

    def add(self, run: str, name: str, type: EventType, **data: object) -> None:
        version = next(one.version for one in MIGRATIONS if one.name == name)
        known: dict[str, object] = {"version": version, "run_id": run, "backend_pid": self._pid}
        self.facts.append(
            Fact(
                len(self.facts) + 1,
                name,
                type,
                created_at=NOW + timedelta(seconds=self.second),
                data=known | data,
                database_user="deploy",
                run_id=run,
                host="ci",
            )
        )

    def observe(
        self, run: str | None = None, at: str | None = None, *, is_fresh: bool = False, is_own: bool = False
    ) -> bool:
        """Observe while the lock is held by a run, which is at a migration; return whether a run has just failed."""
        holder = LockHolder(self._pid, f"zmig/{run}", migration=at) if run is not None else None
        now = NOW + timedelta(seconds=self.second)
        liveness = Liveness(now, self._pid if run else None, holder_run=run)
        entries = state.evaluate(MIGRATIONS, fold(self.facts), liveness)
        new, self._seen = self.facts[0 if is_fresh else self._seen :], len(self.facts)
        observation = Observation(
            _status(entries, holder), project=_PROJECT, server="db1", now=now, new_facts=tuple(new), is_fresh=is_fresh
        )
        rows = RowCache()(entries)
        seen = self.tracker.follow(observation)
        return self.model.observe(observation, rows, columns.measure(rows), None, is_running=is_own, seen=seen)

    @property
    def panel(self) -> str:
        run = self.model.runs.shown
        if run is None:
            return ""
        hints = CommandLine("prod.yaml")
        lines = run_panel.panel_lines(run, self.model.observation, self.second, hints=hints, cells=120, height=8)
        return "\n".join(plain(one) for one in lines)


_PROJECT = Project(
    Path("prod.yaml"),
    "shop",
    environment=Environment.STAGING,
    database=None,
    tracking=Tracking(),
    migrations=MIGRATIONS,
    manifests=(),
)


def _status(entries: Sequence[state.Entry], holder: LockHolder | None) -> status.Status:
    def names(wanted: state.State) -> list[str]:
        return [entry.name for entry in entries if entry.state is wanted]

    return status.Status(
        manifest="shop",
        environment=Environment.STAGING,
        database="shop",
        current_version=state.current_version(entries),
        applied=names(state.State.DONE),
        pending=names(state.State.PENDING),
        running=names(state.State.STARTED),
        failed=names(state.State.FAILED),
        stuck=names(state.State.STUCK),
        due=[],
        migrations=entries,
        holder=holder,
    )


@pytest.fixture
def story() -> Story:
    made = Story()
    made.observe()
    return made


def test_a_run_that_nobody_saw_holding_the_lock_is_shown_with_its_end(story: Story) -> None:
    story.second = 5
    story.add("a", "one", STARTED)
    story.second = 5.7
    story.add("a", "one", DONE)
    story.add("a", "two", STARTED)
    story.add("a", "two", FAILED, error={"message": "no luck"}, will_retry=False)
    story.second = 6
    assert story.observe()
    assert "✗ a run by deploy@ci: 1 done, then failed  0:00" in story.panel
    assert "`two`: no luck" in story.panel
    assert not story.observe()
    story.model.runs.clear()
    story.observe()
    assert story.panel == ""


def test_a_decision_is_no_run(story: Story) -> None:
    story.observe("a")
    assert story.panel == ""
    story.add("a", "one", EventType.RESOLVED, **{"as": "done", "reason": "by hand"})
    story.observe("a")
    story.observe()
    assert story.panel == ""


def test_what_ended_last_is_shown_whosever_run_it_is(story: Story) -> None:
    runs = story.model.runs
    runs.begin("retry one", 1)
    runs.advance([(RunStarted("own", Plan(Direction.FORWARD), "shop"), 0.0)])
    story.add("own", "one", STARTED)
    story.add("own", "one", DONE)
    story.second = 3
    runs.end("1 done", ())
    assert not story.observe()
    assert "✓ retry one: 1 done" in story.panel
    story.second = 8
    story.add("ci", "two", STARTED)
    story.add("ci", "two", FAILED, error={"message": "no luck"})
    assert story.observe()
    assert "✗ a run by deploy@ci: failed" in story.panel
    story.second = 9
    runs.begin("retry two", 1)
    assert not story.observe(is_own=True)
    story.second = 10
    runs.end("1 done", ())
    assert not story.observe()  # the failure before is no news
    assert "✓ retry two: 1 done" in story.panel


def test_the_clock_of_a_run_elsewhere_goes_on_through_its_attempts_and_says_what_it_waits_for(story: Story) -> None:
    for number in range(1, 4):
        story.add("a", "one", STARTED, attempt=number + 5)
        story.second += 4
        story.add(
            "a",
            "one",
            FAILED,
            attempt=number + 5,
            error=LOCK_TIMEOUT,
            will_retry=True,
            blocked_by=NIGHTLY,
            next_try={"number": number + 1, "of": 5, "in_ms": 6000},
        )
        story.second += 2
    story.observe("a", at="one")
    assert "0:18" in story.panel.splitlines()[0]
    assert "one  try 4 of 5" in story.panel
    assert "↻ lock timeout, blocked by pid 4690 nightly-report; tries again in 0:04" in story.panel
    assert story.model.held_seconds == 18
    story.second = 22
    story.add("a", "one", STARTED, attempt=9)
    story.second = 23
    story.observe("a", at="one")
    assert "0:23" in story.panel.splitlines()[0]
    assert "one  try 4 of 5 · 0:01" in story.panel
    assert "tries again" not in story.panel
    story.add("a", "one", FAILED, attempt=9, error=LOCK_TIMEOUT, blocked_by=NIGHTLY)
    story.second = 25.5
    story.observe()
    assert "failed  0:23" in story.panel
    assert "lock timeout; blocked by pid 4690 nightly-report" in story.panel


def test_a_run_that_was_in_progress_when_the_console_was_opened_is_read_from_its_beginning() -> None:
    story = Story()
    story.add("a", "one", STARTED)
    story.second = 7
    story.add("a", "one", DONE)
    story.add("a", "two", STARTED)
    story.observe("a", at="two")
    assert "1 of 3" in story.panel
    assert "0:07" in story.panel.splitlines()[0]


def test_runs_while_nothing_could_be_observed_are_read_again_and_older_ones_are_no_news(story: Story) -> None:
    story.add("a", "one", STARTED)
    story.add("a", "one", DONE)
    story.observe()
    story.model.runs.clear()
    story.add("b", "two", STARTED)
    story.add("b", "two", DONE)
    story.add("b", "three", STARTED)
    story.add("b", "three", DONE)
    story.observe(is_fresh=True)
    assert "✓ a run by deploy@ci: 2 done" in story.panel
    story.model.runs.clear()
    story.observe(is_fresh=True)
    assert story.panel == ""


_ENDS: list[tuple[list[tuple[EventType, dict[str, object]]], Outcome, int]] = [
    ([(STARTED, {}), (DONE, {})], Outcome.DONE, 1),
    ([(STARTED, {}), (FAILED, {"error": {"message": "no"}})], Outcome.FAILED, 0),
    ([(STARTED, {}), (FAILED, {"error": {"message": "no", "interrupted": "SIGTERM"}})], Outcome.INTERRUPTED, 0),
    ([(STARTED, {})], Outcome.INTERRUPTED, 0),
    ([(STARTED, {}), (FAILED, {"will_retry": True, "error": 7})], Outcome.INTERRUPTED, 0),
    ([(EventType.ROLLBACK_STARTED, {}), (EventType.ROLLED_BACK, {})], Outcome.DONE, 1),
    # What another run records of one that died is not its own.
    ([(STARTED, {}), (FAILED, {"run_id": "another"}), (DONE, {})], Outcome.DONE, 1),
]


@pytest.mark.parametrize(("facts", "outcome", "completed"), _ENDS)
def test_how_a_run_ended(facts: list[tuple[EventType, dict[str, object]]], outcome: Outcome, completed: int) -> None:
    story = Story()
    for type, data in facts:
        story.add("a", "one", type, **data)
    run = recorded_run("a", story.facts)
    assert run is not None
    assert (run.outcome, run.completed) == (outcome, completed)
    assert replace(run, is_held=True).outcome is Outcome.IN_PROGRESS


def test_who_is_taken_back_with_another_step_has_not_failed_itself() -> None:
    story = Story()
    story.add("a", "one", STARTED)
    story.add("a", "one", FAILED, error={"message": "rolled back with `two`", "code": "rolled-back-with"})
    story.add("a", "two", STARTED)
    story.add("a", "two", FAILED, error={"message": "no luck"})
    run = recorded_run("a", story.facts)
    assert run is not None
    assert run.failed is not None
    assert run.failed.name == "two"
