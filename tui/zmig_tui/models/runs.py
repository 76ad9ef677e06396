"""The runs that the console knows: its own, and one in another process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.valueclass import replace
from zmig_tui.models import remote_run
from zmig_tui.models.blocking import KnownBlockers, update_blockers
from zmig_tui.models.details import RunningStatement, Tab
from zmig_tui.models.recorded_run import ABOUT_RUNS
from zmig_tui.models.run import Run, advance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from zmig.errors import Problem
    from zmig.planning.state import Entry
    from zmig.progress import Progress
    from zmig.session.watcher import Observation
    from zmig_tui.models.remote_run import StatementPosition
    from zmig_tui.models.run import CurrentStep
    from zmig_tui.models.run_tracker import SeenRuns


class RunModel:
    """Folds progress into the console's own run, and observations into the run of another process."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` gives the seconds that runs are timed in."""
        self._clock = clock
        self.own: Run | None = None
        """The run of this console, in progress or over."""
        self.remote: Run | None = None
        """The run of another process, in progress or over."""
        self.follows = False
        """Whether the cursor stays on the running migration."""
        self.blockers = KnownBlockers()
        """Who was seen last to block a run."""
        self.on_record: tuple[int, ...] = ()
        """What is another value once runs have recorded something."""
        self._own_ids: set[str] = set()
        """The runs that were this console's, of which its facts say nothing new."""
        self._shown_end: tuple[object, ...] = ()
        """Which end of a run in another process was shown last, as it was then."""
        self._closed: str | None = None
        """The run in another process that somebody has read the end of."""

    @property
    def shown(self) -> Run | None:
        """The run that the panel shows: one in progress, the console's own before another, else what ended last."""
        own, remote = self.own, self.remote
        if own is None or remote is None:
            return own or remote
        if own.ended is None or remote.ended is None:
            return own if own.ended is None else remote
        return own if own.ended >= remote.ended else remote

    @property
    def current(self) -> CurrentStep | None:
        """The step that runs now."""
        return self.shown.current if self.shown is not None else None

    @property
    def is_in_progress(self) -> bool:
        """Whether the run that is shown is in progress."""
        return self.shown is not None and not self.shown.is_over

    @property
    def is_failure_followed(self) -> bool:
        """Whether the run that the cursor followed has failed, and the cursor was not moved since."""
        run = self.shown
        return self.follows and run is not None and run.is_over and run.has_failed

    @property
    def is_following(self) -> bool:
        """Whether the cursor moves with a run."""
        return self.follows and self.is_in_progress

    def begin(self, verb: str, total: int) -> None:
        """Begin a run of this console."""
        self.own = Run(verb=verb, began=self._clock(), total=total)
        self.follows = True

    def attach(self, verb: str, total: int, began: float) -> None:
        """Take over a run that is in progress, and was begun at a moment before."""
        self.own = Run(verb=verb, began=began, total=total)
        self.remote = None
        self.follows = True

    def advance(self, progress: Iterable[tuple[Progress, float]]) -> None:
        """Fold progress, with the moments it was reported at, into the console's own run."""
        for event, moment in progress:
            if self.own is not None and not self.own.is_over:
                self.own = advance(self.own, event, moment)
                if self.own.run_id is not None:
                    self._own_ids.add(self.own.run_id)

    def mark_cancelling(self) -> None:
        """Note that the console's own run was asked to end."""
        if self.own is not None and not self.own.is_over:
            self.own = replace(self.own, is_cancelling=True)

    def end(self, outcome: str, problems: Sequence[Problem], at: float | None = None) -> None:
        """Note that the console's own run has ended, now or at a moment before."""
        if self.own is not None:
            self.own = self.own.ending(outcome, problems, self._clock() if at is None else at)

    def clear(self) -> None:
        """Forget runs that are over."""
        if self.remote is not None:
            self._closed = self.remote.run_id
        self.own = self.remote = None

    def observe(
        self,
        observation: Observation,
        position: StatementPosition | None,
        seen: SeenRuns,
        *,
        is_own_in_progress: bool,
    ) -> bool:
        """Fold what was observed into the run of another process; return whether that run has just failed.

        While the console's own run holds the lock, there is no other.
        """
        self.blockers = update_blockers(self.blockers, observation)
        self.on_record = tuple(run.position if run is not None else 0 for run in (seen.current, seen.ended))
        if is_own_in_progress:
            self.remote = None
            return False
        if self.own is not None and self._is_overtaken(self.own, observation):
            self.own = None
        before, end_before = self.remote, self._shown_end
        after = self.remote = self._observed(observation, position, seen, before)
        if after is not None and not after.is_over and (before is None or before.run_id != after.run_id):
            self.follows = True
        return after is not None and after.has_failed and self._shown_end != end_before

    def _is_overtaken(self, own: Run, observation: Observation) -> bool:
        """Whether another run has recorded something after one that is over, which may have ended long ago."""
        records = [entry.record for entry in observation.status.migrations if entry.record is not None]
        facts = [record.last for record in records if record.last is not None and record.last.type in ABOUT_RUNS]
        own_facts = [fact.position for fact in facts if fact.run_id == own.run_id]
        if not own.is_over or own.run_id is None or not own_facts:
            return False
        return any(fact.position > max(own_facts) for fact in facts if fact.run_id not in self._own_ids)

    def _observed(
        self, observation: Observation, position: StatementPosition | None, seen: SeenRuns, before: Run | None
    ) -> Run | None:
        """Return the run of another process: the one in progress, else the one that ended last."""
        now = self._clock()
        running = remote_run.remote_run(observation, now, position, before, seen.current)
        if running is not None and running.run_id not in self._own_ids:
            return running
        ended = seen.ended
        if ended is None or ended.run_id in self._own_ids or ended.run_id == self._closed:
            return None
        end = (ended.run_id, ended.position, ended.is_stuck)
        if before is not None and before.is_over and self._shown_end == end:
            return before  # as it was: the two clocks drift
        self._shown_end = end
        return remote_run.ended_run(ended, observation, now)

    def running_statement(self, name: str) -> RunningStatement | None:
        """Return where the running statement begins, if it is one of the migration `name`."""
        current = self.current
        if current is None or current.line is None or current.name != name:
            return None
        return RunningStatement(Tab.ROLLBACK if current.is_rollback else Tab.FILE, current.line)

    def is_paused(self, entry: Entry) -> bool:
        """Return whether a migration is paused; the console's own run knows before the facts are read."""
        own = self.own.current if self.own is not None and not self.own.is_over else None
        if own is not None and own.name == entry.name:
            return own.is_paused
        return entry.record is not None and entry.record.paused is not None
