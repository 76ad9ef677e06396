"""Follows runs by the facts that become visible: which one is in progress, and which ended last. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.valueclass import replace, valueclass
from zmig_tui.models.recorded_run import RunBuilder, belongs_to_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from zmig.facts import Fact
    from zmig.session.watcher import Observation
    from zmig_tui.models.recorded_run import RecordedRun

_MOST_AFTER_A_PAUSE = 5
"""How many runs are looked at that ended while nobody observed, the latest ones."""


@valueclass
class SeenRuns:
    """What facts say of runs."""

    current: RecordedRun | None = None
    """The one that holds the lock, once it has begun something."""
    ended: RecordedRun | None = None
    """The one that ended last, since the console was opened."""


class RunTracker:
    """Takes one observation after another."""

    def __init__(self, read: Callable[[str], Iterable[Fact]]) -> None:
        """`read` returns the facts of a run from the database, for one whose beginning was not observed."""
        self._read = read
        self._builders: dict[str, RunBuilder] = {}
        """Of runs that may not have ended, and of the one that ended last."""
        self._highest: int | None = None
        self._ended: RecordedRun | None = None

    def follow(self, observation: Observation) -> SeenRuns:
        """Return what is known of runs now."""
        holding = _holding(observation)
        news = [fact for fact in observation.new_facts if belongs_to_run(fact)]
        if observation.is_fresh and self._highest is not None:
            # What has happened meanwhile is there only as far as it still matters.
            self._read_again(fact.run_id for fact in news if fact.position > (self._highest or 0))
        elif self._highest is not None:
            self._add(news)
        self._highest = max((fact.position for fact in observation.new_facts), default=self._highest or 0)
        if holding is not None and holding not in self._builders:
            self._read_again([holding])
        return self._seen(observation, holding)

    def _add(self, facts: Iterable[Fact]) -> None:
        for fact in facts:
            run_id = fact.run_id or ""
            if run_id not in self._builders:
                self._builders[run_id] = RunBuilder(run_id)
            self._builders[run_id].add(fact)

    def _read_again(self, run_ids: Iterable[str | None]) -> None:
        latest = list(dict.fromkeys(run_id for run_id in run_ids if run_id))[-_MOST_AFTER_A_PAUSE:]
        for run_id in latest:
            self._builders[run_id] = RunBuilder(run_id, self._read(run_id))

    def _seen(self, observation: Observation, holding: str | None) -> SeenRuns:
        current: RecordedRun | None = None
        for run_id, builder in list(self._builders.items()):
            run = builder.run
            if run_id == holding:
                current = replace(run, is_held=True) if run is not None else None
                continue
            if run is None:
                del self._builders[run_id]
                continue
            if self._ended is not None and run.position < self._ended.position:
                del self._builders[run_id]
                continue
            is_stuck = run.is_open and run.steps[-1].name in observation.status.stuck
            self._ended = replace(run, is_stuck=is_stuck)
        return SeenRuns(current, self._ended)


def _holding(observation: Observation) -> str | None:
    """Return the run that holds the lock; None where nobody does, or it is not known."""
    holder = observation.status.holder
    if holder is None or holder.run_id is not None:
        return holder.run_id if holder is not None else None
    # A migration has changed the session's name.
    entry = next((one for one in observation.status.migrations if one.name == holder.migration), None)
    begun = entry.record.open if entry is not None and entry.record is not None else None
    return begun.run_id if begun is not None else None
