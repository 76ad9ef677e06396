"""The main screen: the heading, the table beside the detail, the run below."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, assert_never

from textual import on
from textual.containers import Horizontal
from textual.widgets import Footer, Input

from zmig_tui.events import (
    ActionDone,
    ActionRefused,
    BlockersFound,
    DetailReady,
    EventReceived,
    ObservationFailed,
    Observed,
    PlanReady,
    RunEnded,
)
from zmig_tui.models import availability
from zmig_tui.models.details import RunningStatement, Tab
from zmig_tui.pages import plan_text, run_panel
from zmig_tui.pages.heading import Heading
from zmig_tui.pages.help import help_lines
from zmig_tui.screens import keys
from zmig_tui.screens.dialog import Reading
from zmig_tui.screens.quitting import Quitting
from zmig_tui.screens.watching import Watching
from zmig_tui.text import Tone, line
from zmig_tui.widgets.banner import Banner
from zmig_tui.widgets.detail_pane import DetailPane
from zmig_tui.widgets.lines import Lines
from zmig_tui.widgets.table import MigrationTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from zmig.errors import Problem
    from zmig_tui.controller import Controller
    from zmig_tui.screens.stage import Stage

_TICK_SECONDS = 0.25
_PANEL_LINES = range(4, 12)


class MainScreen(Watching):
    """Shows where everything stands, and hears what the threads tell."""

    BINDINGS: ClassVar[list[BindingType]] = [*keys.RUNNING, *keys.LOOKING]

    def __init__(
        self, stage: Stage, controller: Controller, manifest: str, clock: Callable[[], float], *, reading_seconds: float
    ) -> None:
        """`reading_seconds` is how long a question stands on the screen before a key may agree to it."""
        super().__init__()
        self.stage = stage
        self.controller = controller
        self.clock = clock
        self.manifest = manifest
        self.reading_seconds = reading_seconds
        """How the manifest was named."""
        self._problems: tuple[Problem, ...] = ()
        self._offered: frozenset[str] = frozenset()

    def compose(self) -> ComposeResult:
        """Put the parts in their places."""
        yield Banner(id="heading")
        yield Lines(id="problems")
        with Horizontal(id="body"):
            yield MigrationTable(id="table")
            yield DetailPane(id="detail")
        yield Banner(id="panel")
        yield Input(id="filter", placeholder="text   state:failed   kind:sql   has:drift")
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Begin to look."""
        self.table.focus()
        self.redraw()
        self.set_interval(_TICK_SECONDS, self.tick)
        self.controller.start()

    @property
    def detail(self) -> DetailPane:
        """The pages about the migration under the cursor."""
        return self.query_one(DetailPane)

    def on_resize(self) -> None:
        """Draw the heading and the panel for the new width."""
        self.call_after_refresh(self.redraw)

    @on(EventReceived)
    def receive(self, message: EventReceived) -> None:
        """Take in what a thread tells."""
        event = message.event
        match event:
            case Observed():
                self.note(event)
            case ObservationFailed():
                self._miss(event)
            case DetailReady():
                self.detail.show(event.detail)
            case PlanReady():
                self.answer(event.intent, lambda: self.show_plan(event))
            case RunEnded():
                self._end(event)
            case ActionDone():
                self.say(event.text)
                self.controller.refresh()
            case BlockersFound():
                self.answer(event.question, lambda: self.show_blockers(event.blocking))
            case ActionRefused():
                self._refuse(event)
            case _:
                assert_never(event)

    def _miss(self, event: ObservationFailed) -> None:
        self.catch_up()
        if event.is_unreachable and self.unreachable_since is None:
            self.unreachable_since = self.clock()
        if not event.is_unreachable or self.observation is None:
            self.show_problems(event.problems)
        self.redraw()

    def _refuse(self, event: ActionRefused) -> None:
        dialog = Reading(f"{event.what}: refused", plan_text.problem_lines(event.problems), tone=Tone.BAD)
        if event.question is not None:
            self.answer(event.question, lambda: self.stage.push_screen(dialog))
        else:
            self.stage.push_screen(dialog)

    def _end(self, event: RunEnded) -> None:
        self.catch_up()
        if self.run is not None:
            self.run = self.run.ending(_outcome(event), event.problems, self.clock())
        self.stage.tell_page(is_running=False)
        for screen in self.stage.screen_stack:
            if isinstance(screen, Quitting):
                screen.tell_end(_outcome(event))
        if self.leaves_after_run:
            self.stage.exit(self.exit_code)
        self.redraw()
        self.controller.refresh()

    def show_problems(self, problems: tuple[Problem, ...]) -> None:
        """Show what is wrong with the manifest."""
        if problems == self._problems:
            return
        self._problems = problems
        shown = self.query_one("#problems", Lines)
        shown.show(plan_text.problem_lines(problems))
        shown.display = bool(problems)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only keys that have something to act on; the others stay out of the footer."""
        return availability.is_available(action, self.row, self.observation, is_running=self.controller.is_running)

    def redraw(self) -> None:
        """Draw the heading and the panel again."""
        if not self.is_mounted:
            return
        now, run = self.clock(), self.shown_run
        since = self.unreachable_since
        heading = Heading(
            manifest=self.manifest,
            observation=self.observation,
            counts=self.counts,
            shown=len(self.table.rows),
            filter=self.filter.text,
            held_seconds=run.seconds(now) if run is not None and run.holds_lock else None,
            silent_seconds=max(now - since, 0.1) if since is not None else 0.0,
        )
        self.query_one("#heading", Banner).show(heading.lines(self.size.width))
        self._redraw_panel()
        self.detail.point_at(self._at_work())
        self._refresh_keys()

    def _at_work(self) -> RunningStatement | None:
        """Return where the statement begins that runs now, if it is the shown migration's."""
        run, row = self.shown_run, self.row
        current = run.current if run is not None else None
        if current is None or current.line is None or row is None or row.entry.name != current.name:
            return None
        return RunningStatement(Tab.ROLLBACK if current.is_rollback else Tab.FILE, current.line)

    def _refresh_keys(self) -> None:
        """Put other keys into the footer, only where they are others: it is built anew each time."""
        offered = availability.offered(self.row, self.observation, is_running=self.controller.is_running)
        if offered != self._offered:
            self._offered = offered
            self.refresh_bindings()

    def _redraw_panel(self) -> None:
        shown, run = self.query_one("#panel", Banner), self.shown_run
        shown.display = run is not None
        if run is not None:
            height = min(max(self.size.height // 5, _PANEL_LINES.start), _PANEL_LINES.stop)
            now = self.clock()
            shown.show(run_panel.panel_lines(run, self.observation, now, cells=self.size.width, height=height))

    @on(MigrationTable.Moved)
    def show_other(self, event: MigrationTable.Moved) -> None:
        """Show what belongs to the row under the cursor."""
        if event.by_hand:
            self.follows = False
        is_urgent = self.detail.expect(event.row, at_once=not self.is_following)
        self._refresh_keys()
        if event.row is not None:
            self.controller.request_detail(event.row.entry, is_urgent=is_urgent)

    @on(MigrationTable.Chosen)
    def action_detail(self) -> None:
        """Show the detail: beside the table where there is room, else in its place."""
        if self.row is not None:
            self.add_class("-detail")
            self.detail.page.focus()

    def action_turn_to(self, tab: str) -> None:
        """Show one page of the detail."""
        self.action_detail()
        self.detail.turn_to(Tab(tab))

    def action_back(self) -> None:
        """Close what was opened last."""
        if self.has_class("-detail"):
            self.remove_class("-detail")
            self.table.focus()
        elif self.filter.text or self.query_one("#filter").display:
            self.narrow_to("")
            self.close_filter()
        elif self.shown_run is not None and self.shown_run.is_over:
            self.run, self.remote_run = None, None
            self.redraw()

    def action_log(self) -> None:
        """Show everything that was heard of the run."""
        run = self.shown_run
        if run is None:
            self.say("there was no run yet", is_warning=True)
            return
        text = [*run.log, *plan_text.problem_lines(run.problems)] or [line("only its own process hears what it says")]
        self.stage.push_screen(Reading(f"log: {run.verb}", text))

    def action_refresh_now(self) -> None:
        """Look again, at everything."""
        self.controller.refresh(ask_repeatables=True)

    def action_help(self) -> None:
        """List every key."""
        self.stage.push_screen(Reading("keys", help_lines([*keys.RUNNING, *keys.LOOKING])))


def _outcome(event: RunEnded) -> str:
    if event.is_cancelled:
        return "cancelled"
    if event.result is None:
        return "failed"
    done, skipped = len(event.result.completed), len(event.result.skipped)
    return f"{done} done" + (f", {skipped} not due" if skipped else "")
