"""Everything the console knows, in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.model import Environment
from zmig_tui.models.durations import HERE, Durations
from zmig_tui.models.remote_log import RemoteLog
from zmig_tui.models.run_list import RunList
from zmig_tui.models.run_log import RunLog
from zmig_tui.models.run_tracker import SeenRuns
from zmig_tui.models.runs import RunModel
from zmig_tui.models.table import TableModel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zmig.database.activity import BackendWork
    from zmig.database.lock_holder import LockHolder
    from zmig.errors import Problem
    from zmig.model import Migration
    from zmig.planning.plan import Refusal
    from zmig.session.watcher import Observation
    from zmig_tui.models.columns import Widths
    from zmig_tui.models.durations import EarlierDuration
    from zmig_tui.models.key_hints import KeyHints
    from zmig_tui.models.remote_run import StatementPosition
    from zmig_tui.models.rows import Row
    from zmig_tui.models.run_list import RunFacts

_NO_RUNS = SeenRuns()


class ConsoleModel:
    """What was observed last, the table, and the runs. The screen draws it; nothing here knows the screen."""

    def __init__(
        self, manifest: str, hints: KeyHints, clock: Callable[[], float], *, is_read_only: bool = False
    ) -> None:
        """`manifest` is how it was named; `clock` gives the seconds that lengths of time are measured in.

        `is_read_only` is whether nothing is changed from this console.
        """
        self.manifest = manifest
        self.hints = hints
        """How commands in hints are written."""
        self.clock = clock
        self.is_read_only = is_read_only
        self.observation: Observation | None = None
        """What was observed last; None before the first observation."""
        self.problems: tuple[Problem, ...] = ()
        """What is wrong with the manifest now."""
        self.unreachable_since: float | None = None
        """When the database ceased to answer; None while it answers."""
        self.refusals: tuple[Refusal, ...] = ()
        """What forbids an apply, as far as the states of migrations say."""
        self.table = TableModel()
        self.runs = RunModel(clock)
        self.neighbours: Sequence[ConsoleModel] = ()
        """What is known of the other databases that the console is open on."""
        self._durations = Durations()
        self.run_list = RunList()
        self.run_facts: RunFacts | None = None
        """What one run has recorded, as it was read last."""
        self.remote_log = RemoteLog()

    def observe(
        self,
        observation: Observation,
        rows: Sequence[Row],
        widths: Widths,
        position: StatementPosition | None,
        *,
        is_running: bool,
        refusals: tuple[Refusal, ...] = (),
        seen: SeenRuns = _NO_RUNS,
    ) -> bool:
        """Take an observation over; return whether a run of another process has just failed.

        `refusals` are what forbids an apply, `seen` the runs that facts show. `is_running` is whether a run of this
        console is in progress.
        """
        self.observation, self.refusals = observation, refusals
        self.problems = observation.manifest_problems
        self.unreachable_since = None
        self.table.replace(rows, widths)
        has_failed = self.runs.observe(observation, position, seen, is_own_in_progress=is_running)
        self.remote_log.observe(observation, self.runs.remote, self.clock())
        return has_failed

    @property
    def log(self) -> RunLog:
        """What was reported of the run that is shown; of one in another process, what can be known of that."""
        run = self.runs.shown
        if run is None:
            return RunLog()
        return self.remote_log.log if run.is_remote else run.log

    def note_failure(self, problems: tuple[Problem, ...], *, is_unreachable: bool) -> None:
        """Note why nothing could be observed: the database does not answer, or the manifest cannot be used."""
        if is_unreachable and self.unreachable_since is None:
            self.unreachable_since = self.clock()
        if not is_unreachable or self.observation is None:
            self.problems = problems

    @property
    def silent_seconds(self) -> float:
        """How long the database has not answered; 0 while it does."""
        return max(self.clock() - self.unreachable_since, 0.1) if self.unreachable_since is not None else 0.0

    @property
    def held_seconds(self) -> float | None:
        """How long the run that holds the lock has been in progress; None where that is not known."""
        run = self.runs.shown
        return run.seconds(self.clock()) if run is not None and run.holds_lock else None

    @property
    def holder(self) -> LockHolder | None:
        """Who holds the run's lock."""
        return self.observation.status.holder if self.observation is not None else None

    @property
    def work(self) -> BackendWork | None:
        """What the backend that holds the run's lock is doing."""
        return self.observation.work if self.observation is not None else None

    @property
    def is_production(self) -> bool:
        """Whether the manifest is for production."""
        return self.observation is not None and self.observation.status.environment is Environment.PRODUCTION

    @property
    def expected(self) -> EarlierDuration | None:
        """How long the migration that runs took before, here or in another database."""
        current, own = self.runs.current, self.observation
        if current is None or own is None or current.is_rollback:
            return None
        entry = next((entry for entry in own.status.migrations if entry.name == current.name), None)
        return self.earlier(entry.migration) if entry is not None and entry.migration is not None else None

    def earlier(self, migration: Migration) -> EarlierDuration | None:
        """Return how long a migration took before, here or in another database."""
        own = self.observation
        if own is None:
            return None
        self._durations.take(HERE, own.status.migrations)
        for other in self.neighbours:
            if (seen := other.observation) is not None:
                is_same = seen.status.environment is own.status.environment
                where = other.manifest if is_same else seen.status.environment.value
                self._durations.take(f"on {where}", seen.status.migrations)
        return self._durations.earlier(migration.name, migration.checksum)

    @property
    def running_name(self) -> str | None:
        """The name of the migration that runs."""
        current, holder = self.runs.current, self.holder
        return current.name if current is not None else holder.migration if holder is not None else None

    def is_ambiguous(self, name: str) -> bool:
        """Return whether several migrations have a name, so that only a version says which is meant."""
        entries = self.observation.status.migrations if self.observation is not None else ()
        return sum(entry.name == name for entry in entries) > 1
