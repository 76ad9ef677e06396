"""Plans: asked for and shown at once, followed while they are on the screen, rehearsed, and handed over to be run."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from zmig.planning.request import Apply, Request, Retry
from zmig.presentation.spans import Line, Tone
from zmig_tui.events import EffectsReady, EstimatesReady, PlanChanged, PlanReady, RehearsalEnded, StepFileRead
from zmig_tui.models.plan import PlanModel
from zmig_tui.pages import heading, plan_head
from zmig_tui.screens import keys
from zmig_tui.screens.plan import KEYS, PlanScreen
from zmig_tui.text import line, span

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import App

    from zmig.planning.plan import Plan, Step
    from zmig_tui.controller import Controller
    from zmig_tui.events import ActionRefused, PlanEvent
    from zmig_tui.models.console import ConsoleModel
    from zmig_tui.screens.prompts import Prompts


class PlanActions:
    """Opens the plan's screen, and does what its keys ask for. There is one plan at a time."""

    def __init__(
        self,
        app: App[int],
        controller: Controller,
        model: ConsoleModel,
        prompts: Prompts,
        *,
        reading_seconds: float,
        begin: Callable[[Request, Plan], None],
    ) -> None:
        """`begin` begins a run of a plan that was agreed to."""
        self._app = app
        self._controller = controller
        self._model = model
        self._prompts = prompts
        self._reading_seconds = reading_seconds
        self._begin = begin
        self.screen: PlanScreen | None = None
        """The screen that is open."""

    def open(self, request: Request) -> None:
        """Show the screen at once, and have the plan made."""
        plan = PlanModel(request)
        self.screen = screen = PlanScreen(plan, self._model.hints, self, reading_seconds=self._reading_seconds)

        def forget(_: None) -> None:
            if self.screen is screen:
                self.screen = None
                self._controller.plans.forget()

        self._app.push_screen(screen, forget)
        self._controller.plans.plan(plan.question, request)

    def draw(self) -> None:
        """Draw what follows the console's own observations."""
        if self.screen is not None:
            self.screen.draw_head()

    # What the threads send

    def receive(self, event: PlanEvent) -> None:
        """Take what was found out about the plan that is shown."""
        screen = self.screen
        if screen is None or event.question is not screen.model.question:
            return
        model = screen.model
        match event:
            case PlanReady():
                self._take(screen, event.plan)
            case StepFileRead():
                model.files[event.version] = event.file
            case EffectsReady():
                model.effects, model.unknown = event.effects, event.unknown
                if model.locked_tables:
                    self._controller.plans.estimate(model.question, model.locked_tables)
            case EstimatesReady():
                model.estimates = event.estimates
            case PlanChanged():
                model.change = event.change
            case RehearsalEnded():
                self._end_rehearsal(model, event)
            case _:
                assert_never(event)
        screen.draw()

    def refuse(self, event: ActionRefused) -> bool:
        """Show why the plan could not be made, if that is what was refused."""
        screen = self.screen
        if screen is None or event.question is not screen.model.question:
            return False
        screen.model.problems = event.problems
        screen.draw()
        return True

    def _take(self, screen: PlanScreen, plan: Plan) -> None:
        model, observation = screen.model, self._model.observation
        model.take(plan, observation.status.migrations if observation is not None else (), self._model.earlier)
        if plan.steps:
            self._controller.plans.work_out_effects(model.question, plan)
        screen.begin_reading()

    def _end_rehearsal(self, model: PlanModel, event: RehearsalEnded) -> None:
        model.is_rehearsing = False
        model.rehearsal, model.rehearsal_problems = event.rehearsal, event.problems
        if event.is_cancelled:
            self._prompts.notify("the rehearsal was cancelled, and rolled back")

    # Keys

    @property
    def _shown(self) -> PlanScreen:
        assert self.screen is not None, "keys are pressed on the screen that is open"
        return self.screen

    @property
    def is_agreed_to_by_y(self) -> bool:
        """Whether enter does not agree: in production, unless a name is to be typed next."""
        return self._model.is_production and not self._shown.model.request.is_destructive

    @property
    def may_begin(self) -> bool:
        """Whether a run may begin now, from here."""
        controller = self._controller
        return not (controller.is_running or controller.plans.is_rehearsing or controller.is_read_only)

    def agree(self) -> None:
        """Run the plan; in production, what is destructive asks for the database's name first."""
        model = self._shown.model
        plan = model.plan
        if plan is None:
            return

        def begin() -> None:
            screen = self.screen
            if screen is not None and screen.model is model and model.may_run and plan is model.plan:
                screen.dismiss(None)
                self._begin(model.request, plan)

        if self._model.is_production and model.request.is_destructive:
            lines = [line(span(step.migration.name, Tone.STRONG)) for step in plan.steps]
            self._prompts.confirm(f"{model.request.title}: of these", lines, begin, is_destructive=True)
        else:
            begin()

    def rehearse(self) -> None:
        """Ask whether the plan is to be rehearsed, and say what that locks."""
        model, observation = self._shown.model, self._model.observation
        request = model.request
        if observation is None or not isinstance(request, Apply | Retry):
            return

        def rehearse() -> None:
            screen = self.screen
            if screen is not None and screen.model is model and model.may_be_rehearsed and self.may_begin:
                model.is_rehearsing, model.rehearsal, model.rehearsal_problems = True, None, ()
                self._controller.plans.rehearse(model.question, request)
                screen.draw()

        lines = plan_head.rehearsal_question(model, observation.status.database, observation.server)
        self._prompts.confirm(f"rehearse: {request.title}", lines, rehearse, is_destructive=True)

    def cancel_rehearsal(self) -> None:
        """End the rehearsal early."""
        self._controller.plans.cancel_rehearsal()

    def plan_anew(self) -> None:
        """Plan again, as everything is now."""
        screen = self._shown
        screen.model.begin_anew()
        screen.begin_reading()
        screen.draw()
        self._controller.plans.plan(screen.model.question, screen.model.request)

    def read_file(self, step: Step) -> None:
        """Read the file of a step."""
        self._controller.plans.read_file(self._shown.model.question, step)

    def head(self, cells: int) -> list[Line]:
        """Return the heading."""
        model = self._model
        status = model.observation.status if model.observation is not None else None
        where: Line = ()
        if status is not None:
            where = line(heading.environment_badge(status.environment), " ", span(f"{status.database} ", Tone.STRONG))
        return plan_head.head_lines(
            self._shown.model,
            where,
            manifest_problems=model.problems,
            silent_seconds=model.silent_seconds,
            cells=cells,
        )

    def help(self) -> None:
        """List the keys."""
        self._prompts.read("keys of a plan", keys.help_lines([one for one in KEYS if one.tooltip]))

    def leave(self) -> None:
        """Close the screen."""
        if self._controller.plans.is_rehearsing:
            self._prompts.notify("the rehearsal is cancelled, and rolled back")
        self._shown.dismiss(None)
