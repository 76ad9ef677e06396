"""What is found out about a plan that somebody looks at: itself, its files, what it locks and does, a rehearsal of it.

Each has the thread that fits: the watcher's knows nearly all that planning takes, a rehearsal takes the run's lock, and
what statements do is worked out in a process of its own.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from zmig.errors import ZmigError
from zmig.planning.plan import Direction
from zmig.running.cancellation import Cancellation, Cancelled
from zmig_tui import detail_reader
from zmig_tui.effects_process import EffectsProcess
from zmig_tui.events import (
    ActionRefused,
    EffectsReady,
    EstimatesReady,
    PlanReady,
    RehearsalEnded,
    StepFileRead,
)
from zmig_tui.plan_watch import PlanWatch
from zmig_tui.run_process.problems import internal
from zmig_tui.target import READ_ONLY
from zmig_tui.worker import WorkerThread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zmig.database.table_estimates import TableName
    from zmig.planning.plan import Plan, Step
    from zmig.planning.request import Apply, Request, Retry
    from zmig.session.watcher import Watcher
    from zmig_tui.events import ConsoleEvent
    from zmig_tui.poller import Poller
    from zmig_tui.target import Target

_SECONDS_TO_CLOSE = 2.0


class PlanWork:
    """Does what the plan's screen asks for; every answer names the question that it is about. No method waits."""

    def __init__(
        self,
        target: Target,
        send: Callable[[ConsoleEvent], None],
        watcher: Watcher,
        poller: Poller,
        *,
        watching: WorkerThread,
        engine: WorkerThread,
        may_run: Callable[[], None],
    ) -> None:
        """`may_run` is called in the engine's thread when there is a plan that somebody may agree to."""
        self._target = target
        self._send = send
        self._watcher = watcher
        self._poller = poller
        self._watching = watching
        self._engine = engine
        self._may_run = may_run
        self._question: object = None
        """What was asked about last; None where nobody looks at a plan."""
        self._rehearsal: Cancellation | None = None
        self.effects = EffectsProcess(target.environ)
        self._effects_thread = WorkerThread("zmig effects")

    def start(self) -> None:
        """Start the thread that waits for the process."""
        self._effects_thread.start()

    def stop(self) -> None:
        """End it, and a rehearsal, which leaves nothing."""
        self.cancel_rehearsal()
        self.effects.close()
        self._effects_thread.stop(wait_seconds=_SECONDS_TO_CLOSE)

    def plan(self, question: object, request: Request) -> None:
        """Plan what a request would run; of several requested in a row, only the last."""
        self._question = question
        self.effects.end()

        def plan() -> None:
            if self._question is question:
                self._send(self._planned(question, request))

        self._watching.put(plan)

    def _planned(self, question: object, request: Request) -> ConsoleEvent:
        try:
            made = self._target.open_migrator().plan_watched(request, self._watcher)
        except ZmigError as error:
            return ActionRefused(request.title, error.problems, question)
        except Exception as error:
            return ActionRefused(request.title, (internal(error),), question)
        self._poller.watch_plan(PlanWatch(question, request, made))
        if made.steps and not made.refusals and not self._target.is_read_only:
            self._engine.put(self._may_run)
        return PlanReady(question, made)

    def forget(self) -> None:
        """Find out no more: nobody looks at the plan any more."""
        self._question = None
        self._poller.watch_plan(None)
        self.effects.end()
        self.cancel_rehearsal()

    def work_out_effects(self, question: object, plan: Plan) -> None:
        """Work out what the steps of a plan do."""
        versions = tuple(step.migration.version for step in plan.steps)
        is_rollback = plan.direction is Direction.ROLLBACK

        def work_out() -> None:
            if self._question is not question:
                return
            known = self.effects.ask(self._target.manifest, versions, is_rollback=is_rollback)
            said = EffectsReady(question, None, known) if isinstance(known, str) else EffectsReady(question, known)
            self._send(said)

        self._effects_thread.put(work_out)

    def estimate(self, question: object, tables: Sequence[TableName]) -> None:
        """Ask the server about how large tables are; where it does not answer, nobody misses that."""

        def estimate() -> None:
            with contextlib.suppress(ZmigError):
                self._send(EstimatesReady(question, self._watcher.estimates(tables)))

        self._watching.put(estimate)

    def read_file(self, question: object, step: Step) -> None:
        """Read the file that a step of a plan runs."""

        def read() -> None:
            if self._question is question:
                self._send(StepFileRead(question, step.migration.version, detail_reader.read_step_file(step)))

        self._watching.put(read)

    @property
    def is_rehearsing(self) -> bool:
        """Whether a rehearsal is in progress, which holds the run's lock."""
        return self._rehearsal is not None

    def rehearse(self, question: object, request: Apply | Retry) -> None:
        """Run what a request asks for in one transaction, and roll it back; a console that only reads refuses."""
        if self._target.is_read_only:
            self._send(ActionRefused("rehearse", (READ_ONLY,), question))
            return
        self._rehearsal = cancellation = Cancellation()
        self._engine.put(lambda: self._send(self._rehearsed(question, request, cancellation)))

    def cancel_rehearsal(self) -> None:
        """Ask the rehearsal to end early; it is rolled back in any case."""
        rehearsal = self._rehearsal
        if rehearsal is not None:
            rehearsal.request()

    def _rehearsed(self, question: object, request: Apply | Retry, cancellation: Cancellation) -> ConsoleEvent:
        try:
            return RehearsalEnded(question, self._target.open_migrator(None, cancellation).rehearse_request(request))
        except Cancelled as error:
            problems = (error.problem,) if error.problem is not None else ()
            return RehearsalEnded(question, None, problems, is_cancelled=True)
        except ZmigError as error:
            return RehearsalEnded(question, None, error.problems, is_cancelled=cancellation.is_requested)
        except Exception as error:
            return RehearsalEnded(question, None, (internal(error),))
        finally:
            self._rehearsal = None
            self._watching.wake()
