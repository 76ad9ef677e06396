"""Everything the console does besides drawing: two threads, one that watches and one that runs the engine.

Nothing here touches the screen; what there is to tell goes out as news, and a run's progress waits in a queue that
the screen empties when it has time.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from zmig.errors import ConnectionFailed, ManifestError, Problem, ServerError, ZmigError
from zmig.running.cancellation import Cancellation, Cancelled
from zmig_tui.events import (
    ActionDone,
    ActionRefused,
    BlockersFound,
    ConsoleEvent,
    DetailReady,
    ObservationFailed,
    Observed,
    PlanReady,
    RunEnded,
)
from zmig_tui.models import columns, rows
from zmig_tui.models import detail_reader as gather
from zmig_tui.worker import WorkerThread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zmig.database.activity import Backend, Blocker
    from zmig.planning.plan import Plan
    from zmig.planning.state import Entry
    from zmig.progress import Progress
    from zmig_tui.models.intent import Intent
    from zmig_tui.models.rows import Row
    from zmig_tui.target import Target

_BUSY_SECONDS = 0.25
_IDLE_SECONDS = 1.0
_SECONDS_BETWEEN_GATHERINGS = 1.0
_PROCESSOR_SHARE = 0.03
"""How much of a core looking may take."""
_LONGEST_SECONDS_BETWEEN_CONNECTIONS = 5.0
_QUEUE_LIMIT = 20_000
_SECONDS_TO_CLOSE = 2.0
_SECONDS_TO_RECORD = 10.0
_SECONDS_BETWEEN_LOOKS_FOR_THE_END = 0.1


class Controller:
    """The console's threads."""

    def __init__(self, target: Target, send: Callable[[ConsoleEvent], None], clock: Callable[[], float]) -> None:
        self._target = target
        self._send = send
        self._clock = clock
        self._watcher = target.open_migrator().watcher()
        self._row_cache = rows.RowCache()
        self._entries: Sequence[Entry] = ()
        self._rows: tuple[Row, ...] = ()
        self._widths = columns.Widths()
        self._watcher_thread = WorkerThread("zmig watching", self._observe, self._watcher.close)
        self._engine_thread = WorkerThread("zmig engine")
        self._progress: deque[tuple[Progress, float]] = deque(maxlen=_QUEUE_LIMIT)
        self._cancellation: Cancellation | None = None
        self._asks_repeatables = False
        self._failures = 0
        self._planned: Intent | None = None
        self._detail_wanted: Entry | None = None
        self._detail_read_at = 0.0

    def start(self) -> None:
        """Begin to watch."""
        self._watcher_thread.start()
        self._engine_thread.start()

    def stop(self) -> None:
        """End both threads. A run that is under way is waited for, so that no way out of the console ends it unasked.

        One that was asked to end gets some seconds to record that.
        """
        self._watcher_thread.stop(wait_seconds=_SECONDS_TO_CLOSE)
        while (run := self._cancellation) is not None and not run.is_requested:
            self._engine_thread.wait(_SECONDS_BETWEEN_LOOKS_FOR_THE_END)
        self._engine_thread.stop(wait_seconds=_SECONDS_TO_RECORD)

    @property
    def is_running(self) -> bool:
        """Whether a run of this console is under way."""
        return self._cancellation is not None

    @property
    def is_cancelling(self) -> bool:
        """Whether the run of this console was asked to end, and has not yet."""
        run = self._cancellation
        return run is not None and run.is_requested

    def refresh(self, *, ask_repeatables: bool = False) -> None:
        """Look at the manifest and the database soon; on request ask the conditions of repeatables too."""
        self._asks_repeatables = self._asks_repeatables or ask_repeatables
        self._watcher_thread.wake()

    def take_progress(self) -> list[tuple[Progress, float]]:
        """Return what was heard of the run since the last time, with the moments."""
        heard: list[tuple[Progress, float]] = []
        while self._progress:
            heard.append(self._progress.popleft())
        return heard

    def request_detail(self, entry: Entry, *, is_urgent: bool) -> None:
        """Gather everything about one migration; of several asked for in a row, only about the last.

        Where that is not urgent, about once a second: a migration with rounds changes with each of them.
        """
        self._detail_wanted = entry
        if is_urgent or self._is_detail_due():
            self._watcher_thread.put(self._send_detail)

    def _is_detail_due(self) -> bool:
        return time.monotonic() - self._detail_read_at >= _SECONDS_BETWEEN_GATHERINGS

    def _send_detail(self) -> None:
        entry, self._detail_wanted = self._detail_wanted, None
        if entry is not None:
            self._detail_read_at = time.monotonic()
            self._send(DetailReady(gather.read_detail(entry, self._watcher)))

    def plan(self, intent: Intent, *, is_dry: bool = False) -> None:
        """Find out what an intent would run; of several asked for in a row, only what the last would."""
        self._planned = intent

        def job() -> ConsoleEvent:
            return PlanReady(intent, intent.plan(self._target.open_migrator()), is_dry)

        def plan() -> None:
            if self._planned is intent:
                self._attempt(intent.verb, job, intent)

        self._engine_thread.put(plan)

    def run(self, intent: Intent, plan: Plan) -> None:
        """Run a plan that somebody agreed to."""
        self._cancellation = cancellation = Cancellation()
        self._engine_thread.put(lambda: self._send(self._run(intent, plan, cancellation)))

    def cancel(self) -> None:
        """Ask the run of this console to end."""
        if self._cancellation is not None:
            self._cancellation.request()

    def resolve(self, name: str, verdict: str, reason: str) -> None:
        """Record an operator's word."""

        def job() -> ConsoleEvent:
            resolved = self._target.open_migrator().resolve(name, verdict, reason=reason)
            self.refresh()
            return ActionDone(f"{resolved} is recorded as {verdict}")

        self._engine_thread.put(lambda: self._attempt(f"resolve {name}", job))

    def pause(self, name: str) -> None:
        """Let a batched migration wait between two rounds, in whatever process it runs."""

        def job() -> ConsoleEvent:
            paused = self._target.open_migrator().pause(name, reason="by the console")
            return ActionDone(f"{paused} waits after its current round, until z is pressed again")

        self._watcher_thread.put(lambda: self._attempt(f"pause {name}", job))

    def resume(self, name: str) -> None:
        """Let a paused migration go on."""

        def job() -> ConsoleEvent:
            return ActionDone(f"{self._target.open_migrator().resume(name)} goes on")

        self._watcher_thread.put(lambda: self._attempt(f"resume {name}", job))

    def cancel_statement(self, backend: Backend) -> None:
        """Cancel the statement of another process's backend."""

        def job() -> ConsoleEvent:
            done = self._watcher.cancel(backend)
            what = "is asked to cancel its statement" if done else "was gone already"
            return ActionDone(f"backend {backend.pid} {what}")

        self._watcher_thread.put(lambda: self._attempt(f"cancel backend {backend.pid}", job))

    def terminate(self, backend: Backend) -> None:
        """End a backend."""

        def job() -> ConsoleEvent:
            done = self._watcher.terminate(backend)
            return ActionDone(f"backend {backend.pid} {'is terminated' if done else 'was gone already'}")

        self._watcher_thread.put(lambda: self._attempt(f"terminate backend {backend.pid}", job))

    def find_blockers(self, question: object, remembered: Sequence[Blocker]) -> None:
        """Look who blocks the run now, and who of those `remembered` still could.

        `question` comes back with the answer.
        """

        def job() -> ConsoleEvent:
            return BlockersFound(question, self._watcher.blocking(remembered))

        self._watcher_thread.put(lambda: self._attempt("look who blocks the run", job, question))

    def terminate_blocker(self, backend: Backend) -> None:
        """End a backend, but for the one that runs the migration."""

        def job() -> ConsoleEvent:
            done = self._watcher.terminate_blocker(backend)
            if done is None:
                return ActionDone(f"backend {backend.pid} runs the migration now, and was left alone")
            return ActionDone(f"backend {backend.pid} {'is terminated' if done else 'was gone already'}")

        self._watcher_thread.put(lambda: self._attempt(f"terminate backend {backend.pid}", job))

    def _attempt(self, what: str, job: Callable[[], ConsoleEvent], question: object = None) -> None:
        try:
            self._send(job())
        except ZmigError as error:
            self._send(ActionRefused(what, error.problems, question))
        except Exception as error:
            self._send(ActionRefused(what, (_bug(error),), question))

    def _run(self, intent: Intent, plan: Plan, cancellation: Cancellation) -> ConsoleEvent:
        def hear(progress: Progress) -> None:
            self._progress.append((progress, self._clock()))

        try:
            return RunEnded(intent.run(self._target.open_migrator(hear, cancellation), plan))
        except Cancelled as error:
            return RunEnded(None, (error.problem,) if error.problem is not None else (), is_cancelled=True)
        except ZmigError as error:
            return RunEnded(None, error.problems, is_cancelled=cancellation.is_requested)
        except Exception as error:
            return RunEnded(None, (_bug(error),))
        finally:
            self._cancellation = None
            self.refresh()

    def _observe(self) -> float:
        asks, self._asks_repeatables = self._asks_repeatables, False
        began, cpu_began = time.monotonic(), time.thread_time()
        try:
            observation = self._watcher.poll(ask_repeatables=asks)
        except ZmigError as error:
            return self._report_failure(error)
        except Exception as error:
            self._send(ObservationFailed((_bug(error),), is_unreachable=False))
            return _LONGEST_SECONDS_BETWEEN_CONNECTIONS
        self._failures = 0
        if observation.status.migrations is not self._entries:
            self._entries = observation.status.migrations
            self._rows = self._row_cache(self._entries)
            self._widths = columns.measure(self._rows)
        place = None if self.is_running else gather.running_position(observation)
        self._send(Observed(observation, self._rows, self._widths, place))
        pause = _BUSY_SECONDS if self.is_running or observation.status.holder is not None else _IDLE_SECONDS
        if self._is_detail_due():
            self._send_detail()
        # A slow look, over a long line or at ten thousand migrations, must leave the others their time.
        cpu_seconds = time.thread_time() - cpu_began
        return max(pause, 2 * (time.monotonic() - began), cpu_seconds / _PROCESSOR_SHARE)

    def _report_failure(self, error: ZmigError) -> float:
        is_unreachable = isinstance(error, ConnectionFailed | ServerError)
        self._send(ObservationFailed(error.problems, is_unreachable))
        if isinstance(error, ManifestError):
            return _IDLE_SECONDS
        self._failures += 1
        return min(_BUSY_SECONDS * 2 ** min(self._failures, 6), _LONGEST_SECONDS_BETWEEN_CONNECTIONS)


def _bug(error: Exception) -> Problem:
    return Problem("internal-error", f"internal error: {type(error).__name__}: {error}; this is a bug in zmig")
