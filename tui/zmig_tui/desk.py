"""Everything the console does besides drawing: two threads, one that watches and one that runs the engine.

Nothing here touches the screen; what there is to tell goes out as news, and a run's progress waits in a queue that
the screen empties when it has time.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from zmig.errors import ConnectionFailed, ManifestError, Problem, ServerError, ZmigError
from zmig.migrator import Migrator
from zmig.running.cancellation import Cancellation, Cancelled
from zmig.valueclass import valueclass
from zmig_tui import columns, gather, rows
from zmig_tui.lane import WorkerThread
from zmig_tui.news import Blockers, Ended, Gathered, News, NotObserved, Observed, Planned, Refused, Told

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from zmig.database.activity import Backend, Blocker
    from zmig.invocation import Invocation
    from zmig.planning.plan import Plan
    from zmig.planning.state import Entry
    from zmig.progress import Observer, Progress
    from zmig_tui.intent import Intent
    from zmig_tui.rows import Row

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


@valueclass
class Subject:
    """What the console is about, as it was named on the command line."""

    manifest: Path
    database_url: str | None
    invocation: Invocation
    environ: Mapping[str, str]

    def migrator(self, observer: Observer | None = None, cancellation: Cancellation | None = None) -> Migrator:
        """Return the engine."""
        return Migrator(
            self.manifest,
            database_url=self.database_url,
            observer=observer,
            environ=self.environ,
            interrupts=cancellation,
            invocation=self.invocation,
        )


class Controller:
    """The console's threads."""

    def __init__(self, subject: Subject, tell: Callable[[News], None], clock: Callable[[], float]) -> None:
        self._subject = subject
        self._tell = tell
        self._clock = clock
        self._watcher = subject.migrator().watcher()
        self._rows = rows.RowCache()
        self._made_of: Sequence[Entry] = ()
        self._made: tuple[Row, ...] = ()
        self._widths = columns.Widths()
        self._watching = WorkerThread("zmig watching", self._look, self._watcher.close)
        self._engine = WorkerThread("zmig engine")
        self._heard: deque[tuple[Progress, float]] = deque(maxlen=_QUEUE_LIMIT)
        self._cancellation: Cancellation | None = None
        self._asks_repeatables = False
        self._failures = 0
        self._planned: Intent | None = None
        self._wanted: Entry | None = None
        self._gathered_at = 0.0

    def start(self) -> None:
        """Begin to watch."""
        self._watching.start()
        self._engine.start()

    def stop(self) -> None:
        """End both threads. A run that is under way is waited for, so that no way out of the console ends it unasked.

        One that was asked to end gets some seconds to record that.
        """
        self._watching.stop(wait_seconds=_SECONDS_TO_CLOSE)
        while (run := self._cancellation) is not None and not run.is_requested:
            self._engine.wait(_SECONDS_BETWEEN_LOOKS_FOR_THE_END)
        self._engine.stop(wait_seconds=_SECONDS_TO_RECORD)

    @property
    def is_running(self) -> bool:
        """Whether a run of this console is under way."""
        return self._cancellation is not None

    @property
    def is_cancelling(self) -> bool:
        """Whether the run of this console was asked to end, and has not yet."""
        run = self._cancellation
        return run is not None and run.is_requested

    def look(self, *, ask_repeatables: bool = False) -> None:
        """Look at the manifest and the database soon; on request ask the conditions of repeatables too."""
        self._asks_repeatables = self._asks_repeatables or ask_repeatables
        self._watching.wake()

    def drained(self) -> list[tuple[Progress, float]]:
        """Return what was heard of the run since the last time, with the moments."""
        heard: list[tuple[Progress, float]] = []
        while self._heard:
            heard.append(self._heard.popleft())
        return heard

    def gather(self, entry: Entry, *, is_urgent: bool) -> None:
        """Gather everything about one migration; of several asked for in a row, only about the last.

        Where that is not urgent, about once a second: a migration with rounds changes with each of them.
        """
        self._wanted = entry
        if is_urgent or self._gathers_again():
            self._watching.put(self._gather)

    def _gathers_again(self) -> bool:
        return time.monotonic() - self._gathered_at >= _SECONDS_BETWEEN_GATHERINGS

    def _gather(self) -> None:
        entry, self._wanted = self._wanted, None
        if entry is not None:
            self._gathered_at = time.monotonic()
            self._tell(Gathered(gather.detail(entry, self._watcher, self._subject.invocation)))

    def plan(self, intent: Intent, *, is_dry: bool = False) -> None:
        """Find out what an intent would run; of several asked for in a row, only what the last would."""
        self._planned = intent

        def job() -> News:
            return Planned(intent, intent.plan(self._subject.migrator()), is_dry)

        def plan() -> None:
            if self._planned is intent:
                self._attempt(intent.verb, job, intent)

        self._engine.put(plan)

    def run(self, intent: Intent, plan: Plan) -> None:
        """Run a plan that somebody agreed to."""
        self._cancellation = cancellation = Cancellation()
        self._engine.put(lambda: self._tell(self._run(intent, plan, cancellation)))

    def cancel(self) -> None:
        """Ask the run of this console to end."""
        if self._cancellation is not None:
            self._cancellation.request()

    def resolve(self, name: str, verdict: str, reason: str) -> None:
        """Record an operator's word."""

        def job() -> News:
            resolved = self._subject.migrator().resolve(name, verdict, reason=reason)
            self.look()
            return Told(f"{resolved} is recorded as {verdict}")

        self._engine.put(lambda: self._attempt(f"resolve {name}", job))

    def pause(self, name: str) -> None:
        """Let a batched migration wait between two rounds, in whatever process it runs."""

        def job() -> News:
            paused = self._subject.migrator().pause(name, reason="by the console")
            return Told(f"{paused} waits after its current round, until z is pressed again")

        self._watching.put(lambda: self._attempt(f"pause {name}", job))

    def resume(self, name: str) -> None:
        """Let a paused migration go on."""

        def job() -> News:
            return Told(f"{self._subject.migrator().resume(name)} goes on")

        self._watching.put(lambda: self._attempt(f"resume {name}", job))

    def end_statement(self, backend: Backend) -> None:
        """Cancel the statement of another process's backend."""

        def job() -> News:
            done = self._watcher.cancel(backend)
            what = "is asked to cancel its statement" if done else "was gone already"
            return Told(f"backend {backend.pid} {what}")

        self._watching.put(lambda: self._attempt(f"cancel backend {backend.pid}", job))

    def terminate(self, backend: Backend) -> None:
        """End a backend."""

        def job() -> News:
            done = self._watcher.terminate(backend)
            return Told(f"backend {backend.pid} {'is terminated' if done else 'was gone already'}")

        self._watching.put(lambda: self._attempt(f"terminate backend {backend.pid}", job))

    def find_blockers(self, question: object, remembered: Sequence[Blocker]) -> None:
        """Look who blocks the run now, and who of those `remembered` still could.

        `question` comes back with the answer.
        """

        def job() -> News:
            return Blockers(question, self._watcher.blocking(remembered))

        self._watching.put(lambda: self._attempt("look who blocks the run", job, question))

    def terminate_blocker(self, backend: Backend) -> None:
        """End a backend, but for the one that runs the migration."""

        def job() -> News:
            done = self._watcher.terminate_blocker(backend)
            if done is None:
                return Told(f"backend {backend.pid} runs the migration now, and was left alone")
            return Told(f"backend {backend.pid} {'is terminated' if done else 'was gone already'}")

        self._watching.put(lambda: self._attempt(f"terminate backend {backend.pid}", job))

    def _attempt(self, what: str, job: Callable[[], News], question: object = None) -> None:
        try:
            self._tell(job())
        except ZmigError as error:
            self._tell(Refused(what, error.problems, question))
        except Exception as error:
            self._tell(Refused(what, (_bug(error),), question))

    def _run(self, intent: Intent, plan: Plan, cancellation: Cancellation) -> News:
        def hear(progress: Progress) -> None:
            self._heard.append((progress, self._clock()))

        try:
            return Ended(intent.run(self._subject.migrator(hear, cancellation), plan))
        except Cancelled as error:
            return Ended(None, (error.problem,) if error.problem is not None else (), is_cancelled=True)
        except ZmigError as error:
            return Ended(None, error.problems, is_cancelled=cancellation.is_requested)
        except Exception as error:
            return Ended(None, (_bug(error),))
        finally:
            self._cancellation = None
            self.look()

    def _look(self) -> float:
        asks, self._asks_repeatables = self._asks_repeatables, False
        began, cpu_began = time.monotonic(), time.thread_time()
        try:
            observation = self._watcher.poll(ask_repeatables=asks)
        except ZmigError as error:
            return self._missed(error)
        except Exception as error:
            self._tell(NotObserved((_bug(error),), is_unreachable=False))
            return _LONGEST_SECONDS_BETWEEN_CONNECTIONS
        self._failures = 0
        if observation.status.migrations is not self._made_of:
            self._made_of = observation.status.migrations
            self._made = self._rows(self._made_of)
            self._widths = columns.measured(self._made)
        place = None if self.is_running else gather.place(observation)
        self._tell(Observed(observation, self._made, self._widths, place))
        pause = _BUSY_SECONDS if self.is_running or observation.status.holder is not None else _IDLE_SECONDS
        if self._gathers_again():
            self._gather()
        # A slow look, over a long line or at ten thousand migrations, must leave the others their time.
        cpu_seconds = time.thread_time() - cpu_began
        return max(pause, 2 * (time.monotonic() - began), cpu_seconds / _PROCESSOR_SHARE)

    def _missed(self, error: ZmigError) -> float:
        is_unreachable = isinstance(error, ConnectionFailed | ServerError)
        self._tell(NotObserved(error.problems, is_unreachable))
        if isinstance(error, ManifestError):
            return _IDLE_SECONDS
        self._failures += 1
        return min(_BUSY_SECONDS * 2 ** min(self._failures, 6), _LONGEST_SECONDS_BETWEEN_CONNECTIONS)


def _bug(error: Exception) -> Problem:
    return Problem("internal-error", f"internal error: {type(error).__name__}: {error}; this is a bug in zmig")
