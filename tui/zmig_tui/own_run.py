"""The run of this console: begun here or attached to, in a process of its own; in a thread where it can have none."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from zmig.errors import ManifestError, ZmigError
from zmig.observer import lengthening
from zmig.running.cancellation import Cancellation, Cancelled
from zmig_tui.events import ActionDone, RunAttached, RunEnded
from zmig_tui.run_process import attachment, messages, places, starting
from zmig_tui.run_process.problems import internal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zmig.planning.plan import Plan
    from zmig.planning.request import Request
    from zmig.progress import Progress
    from zmig_tui.events import ConsoleEvent
    from zmig_tui.run_process.attachment import Attachment
    from zmig_tui.run_process.messages import Outcome
    from zmig_tui.target import Target

_QUEUE_LIMIT = 20_000


class _Run:
    """One run in progress."""

    def __init__(self, title: str, *, is_begun_here: bool) -> None:
        self.title = title
        self.is_begun_here = is_begun_here
        self.is_cancelling = False
        self.outlives = False
        """Whether it goes on without the console."""
        self._cancel: Callable[[], None] | None = None
        self._turn = threading.Lock()

    def cancel_with(self, cancel: Callable[[], None]) -> None:
        """Say how it is cancelled, from now on; it may be that somebody asked for that already."""
        with self._turn:
            self._cancel = cancel
            is_cancelling = self.is_cancelling
        if is_cancelling:
            cancel()

    def cancel(self) -> None:
        with self._turn:
            self.is_cancelling, cancel = True, self._cancel
        if cancel is not None:
            cancel()


class OwnRun:
    """Begins runs, finds those of other consoles, and passes on what they report."""

    def __init__(
        self,
        target: Target,
        send: Callable[[ConsoleEvent], None],
        clock: Callable[[], float],
        *,
        ended: Callable[[], None],
        uses_processes: bool,
    ) -> None:
        """`ended` is called, in any thread, when a run has ended; without `uses_processes` all runs end with us."""
        self._target = target
        self._send = send
        self._clock = clock
        self._ended = ended
        self._uses_processes = uses_processes
        self._starter = starting.Starter()
        self._progress: deque[tuple[Progress, float]] = deque(maxlen=_QUEUE_LIMIT)
        self._run: _Run | None = None
        self._claiming = threading.Lock()
        self._attachment: Attachment | None = None
        self._found: tuple[_Run, Attachment] | None = None
        """A run that was found, and that nobody listens to yet."""
        self._known: set[object] = set()
        """Sockets and tokens of runs that this console has seen."""
        self._identity: str | None = None
        self._stamp: tuple[int, int] | None = None

    @property
    def is_running(self) -> bool:
        """Whether a run is in progress."""
        return self._run is not None

    @property
    def is_cancelling(self) -> bool:
        """Whether the run was asked to end, and has not yet."""
        run = self._run
        return run is not None and run.is_cancelling

    @property
    def is_begun_here(self) -> bool:
        """Whether the run in progress was begun by this console."""
        run = self._run
        return run is not None and run.is_begun_here

    @property
    def outlives(self) -> bool:
        """Whether the run in progress goes on without this console."""
        run = self._run
        return run is not None and run.outlives

    def take_progress(self) -> list[tuple[Progress, float]]:
        """Return the progress reported since the last call, with the moments on the clock."""
        taken: list[tuple[Progress, float]] = []
        while self._progress:
            taken.append(self._progress.popleft())
        return taken

    def prepare(self) -> None:
        """Have a process ready for a run that somebody may agree to. In the engine's thread."""
        if self._uses_processes:
            self._starter.prepare()

    def announce(self, request: Request) -> bool:
        """Count as running from now on, as the engine's thread is about to begin; False where a run goes on already."""
        return self._claim(_Run(request.title, is_begun_here=True))

    def _claim(self, run: _Run) -> bool:
        """Make a run the one in progress, unless there is another: one may be begun and one found at the same time."""
        with self._claiming:
            if self._run is not None:
                return False
            self._run = run
            return True

    def begin(self, request: Request, plan: Plan) -> None:
        """Run a plan that was agreed to, and announced. In the engine's thread."""
        run = self._run
        assert run is not None
        reason = self._begin_in_process(run, request, plan) if self._uses_processes else None
        if run.outlives:
            return
        if reason is not None:
            self._send(ActionDone(f"this run ends with the console: {reason}"))
        cancellation = Cancellation()
        run.cancel_with(cancellation.request)
        self._end(run, self._run_here(request, plan, cancellation))

    def _begin_in_process(self, run: _Run, request: Request, plan: Plan) -> str | None:
        """Run a plan in a process of its own; return why it has none."""
        try:
            connection = self._starter.start(self._job(request, plan))
        except starting.CannotStart as error:
            return str(error)
        except ManifestError as error:
            return error.problems[0].message
        run.outlives = True
        attached = attachment.Attachment(connection, self._clock)
        self._listen(run, attached, greet=True)
        return None

    def _job(self, request: Request, plan: Plan) -> messages.Job:
        target = self._target
        return messages.Job(
            identity=places.identity(target.manifest, target.database_url, target.environ),
            manifest=str(target.manifest),
            database_url=target.database_url,
            environ=target.own_environ,
            request=request,
            plan=plan,
        )

    def _run_here(self, request: Request, plan: Plan, cancellation: Cancellation) -> RunEnded:
        def observe(progress: Progress) -> None:
            self._progress.append((progress, self._clock()))

        try:
            return RunEnded(self._target.open_migrator(lengthening(observe), cancellation).run(request, confirmed=plan))
        except Cancelled as error:
            return RunEnded(None, (error.problem,) if error.problem is not None else (), is_cancelled=True)
        except ZmigError as error:
            return RunEnded(None, error.problems, is_cancelled=cancellation.is_requested)
        except Exception as error:
            return RunEnded(None, (internal(error),))

    def _listen(self, run: _Run, attached: Attachment, *, greet: bool = False) -> None:
        """Pass on what a run's process sends, in a thread of its own."""
        self._attachment = attached
        run.cancel_with(attached.cancel)

        def hear(progress: Progress, moment: float) -> None:
            self._progress.append((progress, moment))

        def listen() -> None:
            if greet:
                attached.greet()
            if attached.hello is not None:
                self._known.add(attached.hello.token)
            outcome = attached.listen(run.title, hear)
            if outcome is not None:
                self._end(run, _ended(outcome))

        threading.Thread(target=listen, name="zmig run", daemon=True).start()

    def _end(self, run: _Run, ended: RunEnded) -> None:
        if self._run is run:
            self._run = self._attachment = None
        self._send(ended)
        self._ended()

    def cancel(self) -> None:
        """Ask the run in progress to end."""
        run = self._run
        if run is not None:
            run.cancel()

    def look(self) -> None:
        """Attach to a run that another console has begun, or this one before it was ended; in a thread of its own."""
        if not self._uses_processes or self.is_running or starting.why_not() is not None:
            return
        identity = self._current_identity()
        if identity is None:
            return
        found = [one for one in map(self._attached, places.sockets(identity)) if one is not None]
        found.sort(key=lambda one: one.began)
        if found and self._take(found[-1]):
            found.pop()
        for other in found:
            other.leave()

    def _current_identity(self) -> str | None:
        """Return what runs of this manifest and database are found by; None where that is not known now."""
        try:
            status = self._target.manifest.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if stamp != self._stamp:
                target = self._target
                self._identity = places.identity(target.manifest, target.database_url, target.environ)
                self._stamp = stamp
        except (OSError, ManifestError):
            self._identity = self._stamp = None
        return self._identity

    def _attached(self, path: Path) -> Attachment | None:
        """Return the attachment to a run that this console has not seen yet; None for any other."""
        try:
            key = (path, path.stat().st_ctime_ns)
        except OSError:
            return None
        if key in self._known:
            return None
        found = attachment.attach(path, self._clock)
        if found is None:
            return None
        attached, hello = found
        if hello.token in self._known or not hello.is_understood:
            self._known.add(key)
            attached.leave()
            if not hello.is_understood:
                self._send(ActionDone(f"a run of zmig {hello.version} goes on in process {hello.pid}; facts show it"))
            return None
        return attached

    def _take(self, attached: Attachment) -> bool:
        """Make a run that was found the one in progress, unless there is another."""
        hello = attached.hello
        assert hello is not None
        run = _Run(hello.title, is_begun_here=False)
        run.outlives = True
        run.cancel_with(attached.cancel)
        if not self._claim(run):
            return False
        self._attachment = attached
        self._found = run, attached
        self._send(RunAttached(hello.title, hello.steps, attached.began))
        return True

    def listen_to_found(self) -> None:
        """Pass on what a run that was found reports: whoever takes that has heard of the run."""
        if self._found is not None:
            self._listen(*self._found)
            self._found = None

    def leave(self) -> None:
        """Listen no more to a run that goes on, and have nothing ready."""
        attached = self._attachment
        if attached is not None:
            attached.leave()

    def close(self) -> None:
        """Have nothing ready any more. In the engine's thread."""
        self._starter.close()


def _ended(outcome: Outcome) -> RunEnded:
    return RunEnded(outcome.result, outcome.problems, outcome.is_cancelled, at=outcome.at)
