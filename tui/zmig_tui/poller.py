"""Observes the manifest and the database again and again, at a bounded share of a processor core."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from zmig.errors import ConnectionFailed, ManifestError, ServerError, ZmigError
from zmig.planning import planner
from zmig_tui import detail_reader
from zmig_tui.events import ConsoleEvent, DetailReady, ObservationFailed, Observed, PlanChanged
from zmig_tui.models import columns
from zmig_tui.models.rows import RowCache, refusing_keys
from zmig_tui.models.run_tracker import RunTracker
from zmig_tui.run_process.problems import internal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zmig.planning.plan import Refusal
    from zmig.planning.state import Entry
    from zmig.session.watcher import Watcher
    from zmig_tui.models.rows import Row
    from zmig_tui.plan_watch import PlanWatch

_BUSY_SECONDS = 0.25
"""Between two observations while something runs."""
_IDLE_SECONDS = 1.0
_SECONDS_BETWEEN_DETAILS = 1.0
_PROCESSOR_SHARE = 0.03
"""How much of a core observing may take."""
_LONGEST_SECONDS_BETWEEN_CONNECTIONS = 5.0


class Poller:
    """Sends what it observed, and the details of one migration. All but `request_*` runs in the watcher's thread."""

    def __init__(
        self, watcher: Watcher, send: Callable[[ConsoleEvent], None], *, is_running: Callable[[], bool]
    ) -> None:
        """`is_running` says whether a run of this console is in progress."""
        self._watcher = watcher
        self._send = send
        self._is_running = is_running
        self._row_cache = RowCache()
        self._tracker = RunTracker(watcher.run_facts)
        self._entries: Sequence[Entry] = ()
        self._rows: tuple[Row, ...] = ()
        self._widths = columns.Widths()
        self._refusals: tuple[Refusal, ...] = ()
        self._asks_repeatables = False
        self._failures = 0
        self._plan_watch: PlanWatch | None = None
        self._detail_wanted: Entry | None = None
        self._detail_read_at = 0.0
        self.least_seconds = 0.0
        """Between two observations at least: nobody looks at a database that is not shown."""

    def request_repeatables(self) -> None:
        """Have the next observation ask the conditions of repeatables, too."""
        self._asks_repeatables = True

    def watch_plan(self, watch: PlanWatch | None) -> None:
        """Have each observation compared with a plan that somebody looks at; None for nobody."""
        self._plan_watch = watch

    def request_detail(self, entry: Entry, *, is_urgent: bool) -> bool:
        """Have the details of a migration read; of several requested in a row, only those of the last.

        Return whether that is to be done now, and not with the next observation: where it is not urgent, about once a
        second, since a migration with rounds changes with each of them.
        """
        self._detail_wanted = entry
        return is_urgent or self._is_detail_due()

    def _is_detail_due(self) -> bool:
        return time.monotonic() - self._detail_read_at >= _SECONDS_BETWEEN_DETAILS

    def send_detail(self) -> None:
        """Read the details that were requested, if there are any left to read."""
        entry, self._detail_wanted = self._detail_wanted, None
        if entry is not None:
            self._detail_read_at = time.monotonic()
            self._send(DetailReady(detail_reader.read_detail(entry, self._watcher)))

    def poll(self) -> float:
        """Observe once; return the seconds until the next time."""
        asks, self._asks_repeatables = self._asks_repeatables, False
        began, cpu_began = time.monotonic(), time.thread_time()
        try:
            observation = self._watcher.poll(ask_repeatables=asks)
        except ZmigError as error:
            return self._send_failure(error)
        except Exception as error:
            self._send(ObservationFailed((internal(error),), is_unreachable=False))
            return _LONGEST_SECONDS_BETWEEN_CONNECTIONS
        self._failures = 0
        if observation.status.migrations is not self._entries:
            self._entries = observation.status.migrations
            self._refusals = planner.apply_refusals(self._entries)
            self._rows = self._row_cache(self._entries, refusing_keys(self._refusals))
            self._widths = columns.measure(self._rows)
        is_running = self._is_running()
        try:
            seen = self._tracker.follow(observation)
        except ZmigError as error:
            return self._send_failure(error)
        position = None if is_running else detail_reader.running_position(observation)
        self._send(Observed(observation, self._rows, self._widths, position, refusals=self._refusals, seen=seen))
        self._send_plan_change(self._entries)
        if self._is_detail_due():
            self.send_detail()
        pause = _BUSY_SECONDS if is_running or observation.status.holder is not None else _IDLE_SECONDS
        # A slow observation, over a long line or of ten thousand migrations, must leave the other threads their time.
        cpu_seconds = time.thread_time() - cpu_began
        return max(pause, self.least_seconds, 2 * (time.monotonic() - began), cpu_seconds / _PROCESSOR_SHARE)

    def _send_plan_change(self, entries: Sequence[Entry]) -> None:
        watch = self._plan_watch
        if watch is not None and watch.compare(entries):
            self._send(PlanChanged(watch.question, watch.change))

    def _send_failure(self, error: ZmigError) -> float:
        is_unreachable = isinstance(error, ConnectionFailed | ServerError)
        self._send(ObservationFailed(error.problems, is_unreachable))
        if isinstance(error, ManifestError):
            return max(_IDLE_SECONDS, self.least_seconds)
        self._failures += 1
        pause = min(_BUSY_SECONDS * 2 ** min(self._failures, 6), _LONGEST_SECONDS_BETWEEN_CONNECTIONS)
        return max(pause, self.least_seconds)
