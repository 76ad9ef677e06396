"""What the main screen's keys do to the database: planned, shown, agreed to, and only then done."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from textual.screen import Screen

from zmig.model import Environment
from zmig.presentation import words
from zmig_tui.models import availability, blocking
from zmig_tui.models.blocking import KnownBlockers
from zmig_tui.models.intent import Apply, Intent, Retry, Rollback
from zmig_tui.models.run import Run
from zmig_tui.pages import backend_view, heading, plan_text
from zmig_tui.screens.dialog import Confirming, Reading
from zmig_tui.screens.picking import Picking
from zmig_tui.screens.quitting import Leaving, Quitting
from zmig_tui.screens.resolving import Resolution, Resolving
from zmig_tui.screens.waiting import Waiting
from zmig_tui.text import EMPTY, Line, Tone, line, one_line, span

if TYPE_CHECKING:
    from collections.abc import Callable

    from zmig.database.activity import Blocking
    from zmig.planning.plan import Plan
    from zmig.planning.state import Entry
    from zmig.session.watcher import Observation
    from zmig_tui.controller import Controller
    from zmig_tui.events import PlanReady
    from zmig_tui.models.blocking import BackendChoice
    from zmig_tui.models.table import Row
    from zmig_tui.screens.stage import Stage


class RunActions(Screen[None]):
    """The half of the main screen that acts."""

    stage: Stage
    """The application, for dialogs and for the end."""
    controller: Controller
    clock: Callable[[], float]
    observation: Observation | None = None
    run: Run | None = None
    """The run of this console, going on or over."""
    follows: bool = False
    """Whether the cursor stays on the running migration."""
    leaves_after_run: bool = False
    reading_seconds: float
    """How long a question stands on the screen before a key may agree to it."""
    exit_code: int = 0
    """What the console ends with."""
    known_blockers: KnownBlockers = KnownBlockers()
    """Who was seen last to block the run."""
    _waiting: Waiting | None = None
    _question: object = None
    """What the dialog that waits waits for."""

    @property
    def row(self) -> Row | None:
        """The row under the cursor."""
        raise NotImplementedError

    @property
    def shown_run(self) -> Run | None:
        """The run that the panel shows."""
        raise NotImplementedError

    def redraw(self) -> None:
        """Draw what depends on the run again."""
        raise NotImplementedError

    def say(self, text: str, *, is_warning: bool = False) -> None:
        """Tell something in passing."""
        self.notify(text, severity="warning" if is_warning else "information", markup=False)

    def action_apply(self) -> None:
        """Plan an apply, and ask."""
        self._ask_for(Apply())

    def action_apply_here(self) -> None:
        """Plan an apply up to the cursor, and ask."""
        version = self.row.version if self.row is not None else None
        if version is not None:
            self._ask_for(Apply(to=version))

    def action_plan(self) -> None:
        """Show what an apply would do."""
        self._plan(Apply(), is_dry=True)

    def action_retry(self) -> None:
        """Plan to retry the migration under the cursor, and ask."""
        row = self.row
        if row is None or not row.is_troubled:
            self.say("only a failed or stuck migration can be retried", is_warning=True)
        else:
            self._ask_for(Retry((row.entry.name,)))

    def action_retry_all(self) -> None:
        """Plan to retry everything that failed or is stuck, and ask."""
        self._ask_for(Retry())

    def action_rollback(self) -> None:
        """Plan to undo the last migration, and ask."""
        self._ask_for(Rollback())

    def action_rollback_here(self) -> None:
        """Plan to undo everything above the cursor, and ask."""
        version = self.row.version if self.row is not None else None
        if version is not None:
            self._ask_for(Rollback(to=version))

    def _ask_for(self, intent: Intent) -> None:
        if self.controller.is_running:
            self.say("a run is under way; press c to cancel it", is_warning=True)
        else:
            self._plan(intent)

    def _plan(self, intent: Intent, *, is_dry: bool = False) -> None:
        self._wait_for(intent, intent.verb, "planning …")
        self.controller.plan(intent, is_dry=is_dry)

    def _wait_for(self, question: object, title: str, text: str) -> None:
        """Open the dialog that stands until `question` is answered."""
        waiting = self._waiting = Waiting(title, text)
        self._question = question

        def forget(_: None) -> None:
            if self._waiting is waiting:
                self._waiting = self._question = None

        self.stage.push_screen(waiting, forget)

    def answer(self, question: object, follow: Callable[[], object]) -> None:
        """Show with `follow` the answer to a question, unless nobody waits for it any more."""
        if self._waiting is not None and self._question is question:
            self._waiting.give_way(follow)

    def show_plan(self, planned: PlanReady) -> None:
        """Show a plan; unless it is a dry run, ask whether it is to be run."""
        intent, plan = planned.intent, planned.plan
        title = f"{intent.verb}: {plan_text.plan_summary(plan)}"
        shown = [
            *plan_text.step_lines(plan),
            *([EMPTY] if plan.steps and plan.refusals else []),
            *plan_text.refusal_lines(plan),
        ]
        if planned.is_dry or plan.refusals or not plan.steps:
            tone = Tone.BAD if plan.refusals else Tone.ACCENT
            self.stage.push_screen(Reading(title, shown or [line("nothing to do")], tone=tone))
            return

        def answer(is_agreed: bool | None) -> None:
            if is_agreed:
                self._begin(intent, plan)

        self._confirm(title, shown, answer, is_destructive=intent.is_destructive)

    def _confirm(
        self, title: str, shown: list[Line], answer: Callable[[bool | None], None], *, is_destructive: bool
    ) -> None:
        """Ask; in production enter does not agree, and something destructive asks for the database's name."""
        status = self.observation.status if self.observation is not None else None
        is_production = status is not None and status.environment is Environment.PRODUCTION
        must_type = status.database if status is not None and is_production and is_destructive else None
        where = None
        if status is not None:
            environment = heading.environment_badge(status.environment)
            where = line(environment, " ", span(status.database, Tone.STRONG))
        question = Confirming(
            title,
            shown,
            must_type=must_type,
            must_press_y=is_production,
            reading_seconds=self.reading_seconds,
            tone=Tone.BAD if is_destructive else Tone.ACCENT,
            where=where,
        )
        self.stage.push_screen(question, answer)

    def _begin(self, intent: Intent, plan: Plan) -> None:
        if self.controller.is_running:
            return
        self.run = Run(verb=intent.verb, began=self.clock(), total=len(plan.steps))
        self.follows = True
        self.controller.run(intent, plan)
        self.stage.tell_page(is_running=True)
        self.redraw()

    def action_resolve(self) -> None:
        """Ask what the migration under the cursor is to be recorded as."""
        row = self.row
        if row is None or self.controller.is_running:
            return
        facts = [line("it is ", span(f"{row.glyph} {words.state(row.state)}", row.tone), " now; nothing is run.")]

        def decide(resolution: Resolution | None) -> None:
            if resolution is not None:
                self._resolve(row, resolution)

        self.stage.push_screen(Resolving(row.name, facts), decide)

    def _resolve(self, row: Row, resolution: Resolution) -> None:
        def answer(is_agreed: bool | None) -> None:
            if is_agreed:
                self.controller.resolve(subject, resolution.verdict, resolution.reason)

        status = self.observation.status if self.observation is not None else None
        twins = [one for one in status.migrations if one.name == row.entry.name] if status is not None else []
        subject = str(row.entry.version) if len(twins) > 1 else row.entry.name
        if status is None or status.environment is not Environment.PRODUCTION:
            answer(True)
            return
        shown = [line("reason: ", resolution.reason)]
        self._confirm(f"resolve {row.name} as {resolution.verdict}", shown, answer, is_destructive=True)

    def action_cancel(self) -> None:
        """Ask whether the running statement is to be cancelled."""
        work = self.observation.work if self.observation is not None else None
        if self.controller.is_running:
            self._cancel_own()
        elif work is not None:
            backend = work.backend

            def answer(is_agreed: bool | None) -> None:
                if is_agreed:
                    self.controller.cancel_statement(backend)

            title = f"cancel the statement of backend {backend.pid}"
            shown = backend_view.worker_lines(backend, self._running_text())
            self._confirm(title, shown, answer, is_destructive=True)
        else:
            self.say("nothing is running", is_warning=True)

    def _cancel_own(self) -> None:
        def answer(is_agreed: bool | None) -> None:
            if is_agreed and self.controller.is_running:
                self._cancel_now()

        text = [line("The running statement is cancelled on the server, and that is recorded.")]
        self._confirm("cancel this run", text, answer, is_destructive=False)

    def _cancel_now(self) -> None:
        self.controller.cancel()
        if self.run is not None and not self.run.is_over:
            self.run = replace(self.run, is_cancelling=True)
        self.redraw()

    def action_pause(self) -> None:
        """Let a migration with rounds wait after its current one, or go on."""
        entry = availability.pausable(self.row, self.observation)
        if entry is None:
            self.say("only a migration with rounds can be paused", is_warning=True)
        elif self._is_paused(entry):
            self.controller.resume(entry.name)
        else:
            self.controller.pause(entry.name)

    def _is_paused(self, entry: Entry) -> bool:
        """Whether a migration is paused: the run of this console knows it before it is observed."""
        current = self.run.current if self.run is not None and not self.run.is_over else None
        if current is not None and current.name == entry.name:
            return current.is_paused
        return entry.record is not None and entry.record.paused is not None

    def action_terminate(self) -> None:
        """Look who blocks the run, whatever it does at this instant, and ask which of them is to be ended."""
        if self.observation is None or self.observation.status.holder is None:
            self.say("nothing is running", is_warning=True)
            return
        question = object()
        self._wait_for(question, "terminate a backend that blocks the run", "looking who blocks it …")
        self.controller.find_blockers(question, self.known_blockers.blockers)

    def show_blockers(self, found: Blocking) -> None:
        """Ask which of those that block the run is to be ended."""
        choices = blocking.choices(found)
        if not choices:
            self.stage.push_screen(Reading("nothing to terminate", backend_view.no_blocker_lines(found)))
        elif len(choices) == 1:
            self._terminate_blocker(choices[0])
        else:

            def pick(index: int | None) -> None:
                if index is not None:
                    self._terminate_blocker(choices[index])

            title, question = "terminate a backend that blocks the run", "Which one? Its transaction is rolled back."
            self.stage.push_screen(Picking(title, question, [one.text for one in choices]), pick)

    def _terminate_blocker(self, choice: BackendChoice) -> None:
        backend = choice.backend

        def answer(is_agreed: bool | None) -> None:
            if is_agreed:
                self.controller.terminate_blocker(backend)

        title = f"terminate backend {backend.pid}, which {choice.why}"
        self._confirm(title, backend_view.blocker_lines(backend), answer, is_destructive=True)

    def action_end_run(self) -> None:
        """Ask whether the backend that runs the migration is to be ended."""
        work = self.observation.work if self.observation is not None else None
        if work is None:
            self.say("nothing is running", is_warning=True)
            return
        backend = work.backend

        def answer(is_agreed: bool | None) -> None:
            if is_agreed:
                self.controller.terminate(backend)

        name = self._running_name()
        runs = f"runs `{name}`" if name else "holds the run's lock"
        shown = [
            *backend_view.worker_lines(backend, self._running_text()),
            EMPTY,
            line("The run loses its connection; its open transaction is rolled back. c cancels it more gently."),
        ]
        self._confirm(f"terminate backend {backend.pid}, which {runs}", shown, answer, is_destructive=True)

    def _running_name(self) -> str | None:
        """Return the name of the migration that runs."""
        current = self.shown_run.current if self.shown_run is not None else None
        holder = self.observation.status.holder if self.observation is not None else None
        return current.name if current is not None else holder.migration if holder is not None else None

    def _running_text(self) -> str:
        """Return the migration's statement that runs."""
        current = self.shown_run.current if self.shown_run is not None else None
        return one_line(current.text) if current is not None else ""

    def action_leave(self) -> None:
        """Quit; in the middle of a run, ask what is to become of it."""
        if not self.controller.is_running:
            self.stage.exit(self.exit_code)
            return
        if any(isinstance(screen, Quitting) for screen in self.stage.screen_stack):
            return

        def answer(choice: Leaving | None) -> None:
            if choice in (None, Leaving.STAY):
                return
            self.leaves_after_run = True
            if not self.controller.is_running:
                self.stage.exit(self.exit_code)
            elif choice is Leaving.CANCEL:
                self._cancel_now()
            else:
                self.say("zmig quits when the run has ended")

        self.stage.push_screen(Quitting(self.run.verb if self.run is not None else "a run"), answer)
