"""What the screen asks for, done in two threads: one observes, the other runs migrations.

Nothing here touches the screen. Results are sent as events; a run's progress waits in a queue, which the screen empties
when it has time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.errors import ZmigError
from zmig.presentation import words
from zmig_tui.events import ActionDone, ActionRefused, BlockersFound, ConsoleEvent, RunRead, RunsRead
from zmig_tui.models.run_list import MOST_RUN_FACTS
from zmig_tui.own_run import OwnRun
from zmig_tui.plan_work import PlanWork
from zmig_tui.poller import Poller
from zmig_tui.run_process.problems import internal
from zmig_tui.target import READ_ONLY
from zmig_tui.worker import WorkerThread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zmig.database.activity import Backend, Blocker
    from zmig.planning.plan import Plan
    from zmig.planning.request import Request
    from zmig.planning.state import Entry
    from zmig.progress import Progress
    from zmig_tui.target import Target

_SECONDS_TO_CLOSE = 2.0
_SECONDS_TO_RECORD = 10.0
_SECONDS_BETWEEN_CHECKS_FOR_THE_END = 0.1
_SECONDS_BETWEEN_LOOKS_FOR_RUNS = 1.0


class Controller:
    """Takes what the screen asks for, and has one of its threads do it. No method waits, but for `stop`.

    What takes the run's lock is done in the engine's thread, one after another; what must be possible beside a run is
    done in the watcher's.
    """

    def __init__(
        self,
        target: Target,
        send: Callable[[ConsoleEvent], None],
        clock: Callable[[], float],
        *,
        uses_processes: bool = True,
    ) -> None:
        """`send` is called in the threads; `clock` gives the seconds that progress is timed in.

        Without `uses_processes` a run is done in a thread, and so ends with the console.
        """
        self._target = target
        self._send = send
        self._run = OwnRun(target, send, clock, ended=self.refresh, uses_processes=uses_processes)
        self._watcher = target.open_migrator().watcher()
        self._poller = Poller(self._watcher, send, is_running=lambda: self.is_running)
        self._watcher_thread = WorkerThread("zmig watching", self._poller.poll, self._watcher.close)
        self._engine_thread = WorkerThread("zmig engine", last=self._run.close)
        self._finder_thread = WorkerThread("zmig finding runs", self._look_for_runs)
        self._being_read: set[str] = set()
        self.plans = PlanWork(
            target,
            send,
            self._watcher,
            self._poller,
            watching=self._watcher_thread,
            engine=self._engine_thread,
            may_run=self._run.prepare,  # a process for the run starts while somebody reads the plan
        )
        """What is found out about a plan that somebody looks at."""
        self._is_started = False

    def start(self) -> None:
        """Start the threads, unless they are at work already."""
        if self._is_started:
            return
        self._is_started = True
        self._finder_thread.start()
        self.plans.start()
        self._watcher_thread.start()
        self._engine_thread.start()

    def stop(self) -> None:
        """End the threads. A run that would end with them is waited for, so that no way out ends it unasked.

        One that was asked to end gets some seconds to record that.
        """
        self.plans.stop()
        self._watcher_thread.stop(wait_seconds=_SECONDS_TO_CLOSE)
        self._finder_thread.stop(wait_seconds=_SECONDS_TO_CLOSE)
        while self.is_running and not (self.run_outlives_console or self.is_cancelling):
            self._engine_thread.wait(_SECONDS_BETWEEN_CHECKS_FOR_THE_END)
        self._run.leave()
        self._engine_thread.stop(wait_seconds=_SECONDS_TO_RECORD)

    def _look_for_runs(self) -> float:
        self._run.look()
        return _SECONDS_BETWEEN_LOOKS_FOR_RUNS

    @property
    def is_running(self) -> bool:
        """Whether a run is in progress that this console began, or is attached to."""
        return self._run.is_running

    @property
    def is_cancelling(self) -> bool:
        """Whether that run was asked to end, and has not yet."""
        return self._run.is_cancelling

    @property
    def is_run_begun_here(self) -> bool:
        """Whether that run was begun by this console."""
        return self._run.is_begun_here

    @property
    def run_outlives_console(self) -> bool:
        """Whether that run goes on when the console ends."""
        return self._run.outlives

    def observe_every(self, seconds: float) -> None:
        """Observe at most so often, and once now: 0 is as often as somebody sees it."""
        self._poller.least_seconds = seconds
        self.refresh()

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
        return self._run.take_progress()

    def run(self, request: Request, plan: Plan) -> bool:
        """Run a plan that was agreed to; return whether that begins."""
        if self._refuses(request.title) or not self._run.announce(request):
            return False
        self._engine_thread.put(lambda: self._run.begin(request, plan))
        return True

    def listen_to_found_run(self) -> None:
        """Take what a run reports that was found, and that the screen has heard of now."""
        self._run.listen_to_found()

    def cancel(self) -> None:
        """Ask the run of this console to end."""
        if not self._refuses("cancel the run"):
            self._run.cancel()

    @property
    def is_read_only(self) -> bool:
        """Whether nothing is changed, and nobody's work ended, from here."""
        return self._target.is_read_only

    def _refuses(self, what: str) -> bool:
        """Whether the console is one that only reads; then that is sent."""
        if self.is_read_only:
            self._send(ActionRefused(what, (READ_ONLY,)))
        return self.is_read_only

    def _act(self, thread: WorkerThread, what: str, job: Callable[[], ConsoleEvent]) -> None:
        """Have a thread do what changes something, unless this console only reads."""
        if not self._refuses(what):
            thread.put(lambda: self._do(what, job))

    def resolve(self, name: str, verdict: str, reason: str) -> None:
        """Record an operator's decision about a migration, given by name or version."""

        def job() -> ConsoleEvent:
            resolved = self._target.open_migrator().resolve(name, verdict, reason=reason)
            self.refresh()
            return ActionDone(f"{resolved} is recorded as {verdict}")

        self._act(self._engine_thread, f"resolve {name}", job)

    def accept(self, name: str, reason: str) -> None:
        """Record that the file of an applied migration, given by name or version, was changed on purpose."""

        def job() -> ConsoleEvent:
            accepted = self._target.open_migrator().accept(name, reason=reason)
            self.refresh()
            return ActionDone(f"the file of {accepted} is accepted as it is now")

        self._act(self._engine_thread, f"accept {name}", job)

    def baseline(self, version: int, reason: str) -> None:
        """Record everything up to a version as applied."""

        def job() -> ConsoleEvent:
            names = self._target.open_migrator().baseline(to=version, reason=reason)
            self.refresh()
            return ActionDone(f"{words.counted(len(names), 'migration')} recorded as applied, nothing was run")

        self._act(self._engine_thread, f"baseline to {version}", job)

    def pause(self, name: str) -> None:
        """Let a migration with rounds wait between two of them, in whatever process it runs."""

        def job() -> ConsoleEvent:
            paused = self._target.open_migrator().pause(name, reason="by the console")
            return ActionDone(f"{paused} waits after its current round, until z is pressed again")

        self._act(self._watcher_thread, f"pause {name}", job)

    def resume(self, name: str) -> None:
        """Let a paused migration go on."""

        def job() -> ConsoleEvent:
            return ActionDone(f"{self._target.open_migrator().resume(name)} goes on")

        self._act(self._watcher_thread, f"resume {name}", job)

    def cancel_statement(self, backend: Backend) -> None:
        """Cancel the statement of another process's backend."""

        def job() -> ConsoleEvent:
            done = self._watcher.cancel(backend)
            what = "is asked to cancel its statement" if done else "was gone already"
            return ActionDone(f"backend {backend.pid} {what}")

        self._act(self._watcher_thread, f"cancel backend {backend.pid}", job)

    def terminate(self, backend: Backend) -> None:
        """Terminate a backend."""

        def job() -> ConsoleEvent:
            return _terminated(backend, self._watcher.terminate(backend))

        self._act(self._watcher_thread, f"terminate backend {backend.pid}", job)

    def terminate_blocker(self, backend: Backend) -> None:
        """Terminate a backend, unless it is the one that runs the migration."""

        def job() -> ConsoleEvent:
            done = self._watcher.terminate_blocker(backend)
            if done is None:
                return ActionDone(f"backend {backend.pid} runs the migration now, and was left alone")
            return _terminated(backend, done)

        self._act(self._watcher_thread, f"terminate backend {backend.pid}", job)

    def find_blockers(self, question: object, known: Sequence[Blocker]) -> None:
        """Ask the server who blocks the run now, and who of those `known` still could.

        `question` comes back with the answer.
        """

        def job() -> ConsoleEvent:
            return BlockersFound(question, self._watcher.blocking(known))

        self._watcher_thread.put(lambda: self._do("look who blocks the run", job, question))

    def request_runs(self, *, after: int | None = None, before: int | None = None) -> None:
        """Read the latest runs, or earlier ones; while that is being done, asking again does nothing."""
        self._read_once("runs", lambda: RunsRead(self._watcher.runs(after=after, before=before)))

    def request_run(self, run_id: str, *, first: int, last: int | None) -> None:
        """Read what a run has recorded between two positions, of very much the last."""

        def read() -> ConsoleEvent:
            return RunRead(run_id, tuple(self._watcher.run_facts(run_id, first=first, last=last, most=MOST_RUN_FACTS)))

        self._read_once("run", read)

    def _read_once(self, what: str, read: Callable[[], ConsoleEvent]) -> None:
        """Send what was read; where that fails, the next observation says why."""
        if what in self._being_read:
            return
        self._being_read.add(what)

        def job() -> None:
            try:
                self._send(read())
            except ZmigError:
                pass
            finally:
                self._being_read.discard(what)

        self._watcher_thread.put(job)

    def _do(self, what: str, job: Callable[[], ConsoleEvent], question: object = None) -> None:
        """Send what a job returns, or why it was refused."""
        try:
            self._send(job())
        except ZmigError as error:
            self._send(ActionRefused(what, error.problems, question))
        except Exception as error:
            self._send(ActionRefused(what, (internal(error),), question))


def _terminated(backend: Backend, done: bool) -> ActionDone:
    return ActionDone(f"backend {backend.pid} {'is terminated' if done else 'was gone already'}")
