"""What the screen asks for, done in two threads: one observes, the other runs migrations.

Nothing here touches the screen. Results are sent as events; a run's progress waits in a queue, which the screen empties
when it has time.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from zmig.errors import ZmigError
from zmig.running.cancellation import Cancellation, Cancelled
from zmig_tui.events import ActionDone, ActionRefused, BlockersFound, ConsoleEvent, PlanReady, RunEnded, bug
from zmig_tui.poller import Poller
from zmig_tui.worker import WorkerThread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zmig.database.activity import Backend, Blocker
    from zmig.planning.plan import Plan
    from zmig.planning.request import Request
    from zmig.planning.state import Entry
    from zmig.progress import Progress
    from zmig_tui.target import Target

_QUEUE_LIMIT = 20_000
_SECONDS_TO_CLOSE = 2.0
_SECONDS_TO_RECORD = 10.0
_SECONDS_BETWEEN_CHECKS_FOR_THE_END = 0.1


class Controller:
    """Takes what the screen asks for, and has one of its threads do it. No method waits, but for `stop`.

    What takes the run's lock is done in the engine's thread, one after another; what must be possible beside a run is
    done in the watcher's.
    """

    def __init__(self, target: Target, send: Callable[[ConsoleEvent], None], clock: Callable[[], float]) -> None:
        """`send` is called in the threads; `clock` gives the seconds that progress is timed in."""
        self._target = target
        self._send = send
        self._clock = clock
        self._watcher = target.open_migrator().watcher()
        self._poller = Poller(self._watcher, send, is_running=lambda: self.is_running)
        self._watcher_thread = WorkerThread("zmig watching", self._poller.poll, self._watcher.close)
        self._engine_thread = WorkerThread("zmig engine")
        self._progress: deque[tuple[Progress, float]] = deque(maxlen=_QUEUE_LIMIT)
        self._cancellation: Cancellation | None = None
        self._planned: Request | None = None

    def start(self) -> None:
        """Start both threads."""
        self._watcher_thread.start()
        self._engine_thread.start()

    def stop(self) -> None:
        """End both threads. A run in progress is waited for, so that no way out of the console ends it unasked.

        A run that was asked to end gets some seconds to record that.
        """
        self._watcher_thread.stop(wait_seconds=_SECONDS_TO_CLOSE)
        while (run := self._cancellation) is not None and not run.is_requested:
            self._engine_thread.wait(_SECONDS_BETWEEN_CHECKS_FOR_THE_END)
        self._engine_thread.stop(wait_seconds=_SECONDS_TO_RECORD)

    @property
    def is_running(self) -> bool:
        """Whether a run of this console is in progress."""
        return self._cancellation is not None

    @property
    def is_cancelling(self) -> bool:
        """Whether the run of this console was asked to end, and has not yet."""
        run = self._cancellation
        return run is not None and run.is_requested

    def refresh(self, *, ask_repeatables: bool = False) -> None:
        """Observe soon; on request ask the conditions of repeatables too."""
        if ask_repeatables:
            self._poller.request_repeatables()
        self._watcher_thread.wake()

    def request_detail(self, entry: Entry, *, is_urgent: bool) -> None:
        """Read everything about one migration; at once where it is urgent, else about once a second."""
        if self._poller.request_detail(entry, is_urgent=is_urgent):
            self._watcher_thread.put(self._poller.send_detail)

    def take_progress(self) -> list[tuple[Progress, float]]:
        """Return the progress reported since the last call, with the moments on the clock."""
        taken: list[tuple[Progress, float]] = []
        while self._progress:
            taken.append(self._progress.popleft())
        return taken

    def plan(self, request: Request, *, is_dry: bool = False) -> None:
        """Plan what a request would run; of several requested in a row, only the last."""
        self._planned = request

        def job() -> ConsoleEvent:
            return PlanReady(request, self._target.open_migrator().plan_request(request), is_dry)

        def plan() -> None:
            if self._planned is request:
                self._do(request.title, job, request)

        self._engine_thread.put(plan)

    def run(self, request: Request, plan: Plan) -> None:
        """Run a plan that was agreed to."""
        self._cancellation = cancellation = Cancellation()
        self._engine_thread.put(lambda: self._send(self._run(request, plan, cancellation)))

    def cancel(self) -> None:
        """Ask the run of this console to end."""
        if self._cancellation is not None:
            self._cancellation.request()

    def resolve(self, name: str, verdict: str, reason: str) -> None:
        """Record an operator's decision about a migration, given by name or version."""

        def job() -> ConsoleEvent:
            resolved = self._target.open_migrator().resolve(name, verdict, reason=reason)
            self.refresh()
            return ActionDone(f"{resolved} is recorded as {verdict}")

        self._engine_thread.put(lambda: self._do(f"resolve {name}", job))

    def pause(self, name: str) -> None:
        """Let a migration with rounds wait between two of them, in whatever process it runs."""

        def job() -> ConsoleEvent:
            paused = self._target.open_migrator().pause(name, reason="by the console")
            return ActionDone(f"{paused} waits after its current round, until z is pressed again")

        self._watcher_thread.put(lambda: self._do(f"pause {name}", job))

    def resume(self, name: str) -> None:
        """Let a paused migration go on."""

        def job() -> ConsoleEvent:
            return ActionDone(f"{self._target.open_migrator().resume(name)} goes on")

        self._watcher_thread.put(lambda: self._do(f"resume {name}", job))

    def cancel_statement(self, backend: Backend) -> None:
        """Cancel the statement of another process's backend."""

        def job() -> ConsoleEvent:
            done = self._watcher.cancel(backend)
            what = "is asked to cancel its statement" if done else "was gone already"
            return ActionDone(f"backend {backend.pid} {what}")

        self._watcher_thread.put(lambda: self._do(f"cancel backend {backend.pid}", job))

    def terminate(self, backend: Backend) -> None:
        """Terminate a backend."""

        def job() -> ConsoleEvent:
            return _terminated(backend, self._watcher.terminate(backend))

        self._watcher_thread.put(lambda: self._do(f"terminate backend {backend.pid}", job))

    def terminate_blocker(self, backend: Backend) -> None:
        """Terminate a backend, unless it is the one that runs the migration."""

        def job() -> ConsoleEvent:
            done = self._watcher.terminate_blocker(backend)
            if done is None:
                return ActionDone(f"backend {backend.pid} runs the migration now, and was left alone")
            return _terminated(backend, done)

        self._watcher_thread.put(lambda: self._do(f"terminate backend {backend.pid}", job))

    def find_blockers(self, question: object, known: Sequence[Blocker]) -> None:
        """Ask the server who blocks the run now, and who of those `known` still could.

        `question` comes back with the answer.
        """

        def job() -> ConsoleEvent:
            return BlockersFound(question, self._watcher.blocking(known))

        self._watcher_thread.put(lambda: self._do("look who blocks the run", job, question))

    def _do(self, what: str, job: Callable[[], ConsoleEvent], question: object = None) -> None:
        """Send what a job returns, or why it was refused."""
        try:
            self._send(job())
        except ZmigError as error:
            self._send(ActionRefused(what, error.problems, question))
        except Exception as error:
            self._send(ActionRefused(what, (bug(error),), question))

    def _run(self, request: Request, plan: Plan, cancellation: Cancellation) -> ConsoleEvent:
        def observe(progress: Progress) -> None:
            self._progress.append((progress, self._clock()))

        try:
            return RunEnded(self._target.open_migrator(observe, cancellation).run(request, confirmed=plan))
        except Cancelled as error:
            return RunEnded(None, (error.problem,) if error.problem is not None else (), is_cancelled=True)
        except ZmigError as error:
            return RunEnded(None, error.problems, is_cancelled=cancellation.is_requested)
        except Exception as error:
            return RunEnded(None, (bug(error),))
        finally:
            self._cancellation = None
            self.refresh()


def _terminated(backend: Backend, done: bool) -> ActionDone:
    return ActionDone(f"backend {backend.pid} {'is terminated' if done else 'was gone already'}")
