"""What keys do to the database through zmig: planned, shown, agreed to, and only then done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from zmig.planning.request import Apply, Request, Retry, Rollback
from zmig_tui.models import availability, run_options
from zmig_tui.screens.dialogs import QuitChoice
from zmig_tui.screens.plan_actions import PlanActions
from zmig_tui.text import line

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import App

    from zmig.planning.plan import Plan
    from zmig_tui.controller import Controller
    from zmig_tui.events import RunAttached, RunEnded
    from zmig_tui.models.console import ConsoleModel
    from zmig_tui.models.rows import Row
    from zmig_tui.screens.prompts import Prompts


class ReportRun(Protocol):
    """Takes whether a run of the console is in progress."""

    def __call__(self, *, is_running: bool) -> None:
        """Take it."""
        ...


class RunActions:
    """Begins runs, cancels and pauses them, and leaves the console."""

    def __init__(
        self,
        app: App[int],
        controller: Controller,
        model: ConsoleModel,
        prompts: Prompts,
        *,
        redraw: Callable[[], None],
        report_run: ReportRun,
    ) -> None:
        """`redraw` draws what depends on the run; `report_run` is called when a run begins or ends."""
        self._app = app
        self._controller = controller
        self._model = model
        self._prompts = prompts
        self.plans = PlanActions(
            app, controller, model, prompts, reading_seconds=prompts.reading_seconds, begin=self._begin
        )
        """What the plan's screen shows and does."""
        self._redraw = redraw
        self._report_run = report_run
        self.leaves_after_run = False
        """Whether the console ends when its run does."""

    def apply(self) -> None:
        """Plan an apply, and ask."""
        self._ask_for(Apply())

    def apply_to(self, row: Row | None) -> None:
        """Plan an apply up to a migration, and ask."""
        if row is not None and row.version is not None:
            self._ask_for(Apply(to=row.version))

    def apply_otherwise(self) -> None:
        """Ask for an option that no key of its own stands for, then plan a run with it, and ask."""
        choices = run_options.choices(self._model.observation)
        self._prompts.pick(
            "run with an option",
            "Which one? The plan is shown first.",
            [choice.text for choice in choices],
            lambda index: self._ask_for(choices[index].request),
        )

    def plan(self) -> None:
        """Show what an apply would do, also while a run is in progress."""
        self.plans.open(Apply())

    def retry(self, row: Row | None) -> None:
        """Plan to retry a migration, and ask."""
        if row is None or not row.is_troubled:
            self._prompts.notify("only a failed or stuck migration can be retried", is_warning=True)
        else:
            self._ask_for(Retry((row.entry.name,)))

    def retry_all(self) -> None:
        """Plan to retry everything that failed or is stuck, and ask."""
        self._ask_for(Retry())

    def roll_back(self) -> None:
        """Plan to undo the last migration, and ask."""
        self._ask_for(Rollback())

    def roll_back_to(self, row: Row | None) -> None:
        """Plan to undo everything above a migration, and ask."""
        if row is not None and row.version is not None:
            self._ask_for(Rollback(to=row.version))

    def _ask_for(self, request: Request) -> None:
        if self._controller.is_running:
            self._prompts.notify("a run is under way; press c to cancel it", is_warning=True)
        else:
            self.plans.open(request)

    def _begin(self, request: Request, plan: Plan) -> None:
        if self._controller.is_running:
            return
        if not self._controller.run(request, plan):
            return
        self._model.runs.begin(request.title, len(plan.steps))
        self._report_run(is_running=True)
        self._redraw()

    def attach(self, found: RunAttached) -> None:
        """Show a run that was found."""
        self._model.runs.attach(found.title, found.steps, found.began)
        self._controller.listen_to_found_run()
        self._report_run(is_running=True)
        self._redraw()

    def end(self, ended: RunEnded) -> None:
        """Note the end of the run, and leave the console if it only waited for that."""
        self._model.runs.end(ended.outcome, ended.problems, ended.at)
        self._report_run(is_running=False)
        self._prompts.show_end(ended.outcome)
        if self.leaves_after_run:
            self._app.exit(0)
        self._redraw()
        self._controller.refresh()

    def cancel(self) -> None:
        """Ask whether the console's own run is to be cancelled."""

        def cancel() -> None:
            if self._controller.is_running:
                self._cancel()

        text = [line("The running statement is cancelled on the server, and that is recorded.")]
        self._prompts.confirm("cancel this run", text, cancel, is_destructive=False)

    def _cancel(self) -> None:
        self._controller.cancel()
        self._model.runs.mark_cancelling()
        self._redraw()

    def pause(self, row: Row | None) -> None:
        """Let a migration with rounds wait after its current one, or go on."""
        entry = availability.pausable(row, self._model.observation)
        if entry is None:
            self._prompts.notify("only a migration with rounds can be paused", is_warning=True)
        elif self._model.runs.is_paused(entry):
            self._controller.resume(entry.name)
        else:
            self._controller.pause(entry.name)

    def leave(self) -> None:
        """Quit; in the middle of a run, ask what is to become of it, unless this console has no say in that."""
        if self._controller.is_running and not self._controller.is_read_only:
            own = self._model.runs.own
            verb = own.verb if own is not None else "a run"
            self._prompts.ask_to_quit(verb, self._leave_as, can_outlive=self._controller.run_outlives_console)
        else:
            self._app.exit(0)

    def detach(self) -> None:
        """Quit, and leave a run going on."""
        if not self._controller.is_running:
            self._prompts.notify("no run of this console is under way; q quits", is_warning=True)
        elif not self._controller.run_outlives_console:
            self._prompts.notify("this run would end with the console; q asks what is to become of it", is_warning=True)
        else:
            self._app.exit(0)

    def _leave_as(self, choice: QuitChoice) -> None:
        if choice is QuitChoice.STAY:
            return
        self.leaves_after_run = True
        if not self._controller.is_running:
            self._app.exit(0)
        elif choice is QuitChoice.CANCEL:
            self._cancel()
        elif choice is QuitChoice.DETACH:
            self._app.exit(0)
        else:
            self._prompts.notify("zmig quits when the run has ended")
