"""The main screen: the heading, the table beside the detail, the run below."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, ClassVar, assert_never

from textual import on
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import Input

from zmig.planning.state import State
from zmig.presentation.spans import Tone
from zmig_tui.events import (
    ActionDone,
    ActionRefused,
    BlockersFound,
    DetailReady,
    EffectsReady,
    EstimatesReady,
    EventReceived,
    ObservationFailed,
    Observed,
    PlanChanged,
    PlanReady,
    RehearsalEnded,
    RunAttached,
    RunEnded,
    RunRead,
    RunsRead,
    StepFileRead,
)
from zmig_tui.models import availability, file_changes, rows
from zmig_tui.models.availability import Situation
from zmig_tui.models.details import Tab
from zmig_tui.models.offers import FILTERING, offers
from zmig_tui.models.run_list import RunFacts
from zmig_tui.pages import plan_text
from zmig_tui.pages.empty_table import empty_table_line
from zmig_tui.screens import keys, palette
from zmig_tui.screens.actions import RunActions
from zmig_tui.screens.backend_actions import BackendActions
from zmig_tui.screens.copying import Copying
from zmig_tui.screens.decisions import Decisions
from zmig_tui.screens.editing import FileEditor
from zmig_tui.screens.log import LogScreen
from zmig_tui.screens.palette import KeyChoices
from zmig_tui.screens.prompts import Prompts
from zmig_tui.screens.wait_tree import WaitTreeScreen
from zmig_tui.widgets.detail_pane import DetailPane
from zmig_tui.widgets.filter_field import FilterField
from zmig_tui.widgets.key_bar import KeyBar
from zmig_tui.widgets.parts import HeadingBar, ProblemList, RunPanel
from zmig_tui.widgets.tab_bar import TabBar
from zmig_tui.widgets.table import MigrationTable

if TYPE_CHECKING:
    from textual.app import App, ComposeResult
    from textual.binding import BindingType

    from zmig_tui.controller import Controller
    from zmig_tui.models.console import ConsoleModel
    from zmig_tui.models.rows import Row
    from zmig_tui.screens.actions import ReportRun
    from zmig_tui.screens.palette import Source

_TICK_SECONDS = 0.25
_PROCESSOR_SHARE = 0.03
"""How much of a core drawing what goes on may take; a table that moves with a quick run is expensive."""
_LONGEST_SECONDS_BETWEEN_DRAWINGS = 1.5

_OFFERS = keys.all_offers()


class MainScreen(Screen[None]):
    """Receives what the threads send, draws the model, and passes keys on to whoever acts on them."""

    BINDINGS: ClassVar[list[BindingType]] = [*keys.RUNNING, *keys.LOOKING]

    def __init__(
        self,
        app: App[int],
        controller: Controller,
        model: ConsoleModel,
        *,
        reading_seconds: float,
        report_run: ReportRun,
        detail_share: float | None = None,
    ) -> None:
        """`reading_seconds` is how long a question is on the screen before a key may agree to it.

        `report_run` is called when a run of this console begins or ends. `detail_share` is how much of the width the
        detail has, None for what the style sheet says.
        """
        super().__init__()
        self._detail_share = detail_share
        self.controller = controller
        self.model = model
        self.prompts = Prompts(app, model, reading_seconds=reading_seconds)
        self.actions = RunActions(app, controller, model, self.prompts, redraw=self.redraw, report_run=report_run)
        self.decisions = Decisions(controller, model, self.prompts)
        self.backends = BackendActions(controller, model, self.prompts)
        self.copying = Copying(app, self.prompts, model.hints.commands)
        self.editor = FileEditor(app, self.prompts, os.environ, refresh=controller.refresh)
        self._key_choices = KeyChoices(self.run_action, self.why_not)
        self.sources: list[Source] = [
            self._key_choices.commands,
            lambda: palette.migrations(self.model.table.rows, self._go_to),
            lambda: palette.themes(app),
        ]
        """What the command palette lists."""
        self._pending: Observed | None = None
        """What was observed last, if the model does not know it yet."""
        self._draws_again_at = 0.0

    def compose(self) -> ComposeResult:
        """Put the parts in their places."""
        yield HeadingBar(id="heading")
        yield ProblemList(id="problems")
        with Horizontal(id="body"):
            yield MigrationTable(id="table")
            yield DetailPane(self.model.hints, id="detail")
        yield RunPanel(id="panel")
        yield FilterField(id="filter")
        yield KeyBar(id="keys")

    def on_mount(self) -> None:
        """Show what is known already, and start to observe."""
        self.detail.share = self._detail_share
        self.table.focus()
        if self.model.observation is not None:
            self._show_rows()
            self.table.go_to(rows.first_of_interest(self.table.rows))
        self.redraw()
        self.set_interval(_TICK_SECONDS, self.tick)
        self.controller.start()

    @property
    def table(self) -> MigrationTable:
        """The table of migrations."""
        return self.query_one(MigrationTable)

    @property
    def row(self) -> Row | None:
        """The row under the cursor."""
        return self.table.row

    @property
    def situation(self) -> Situation:
        """What decides which keys have something to act on."""
        model = self.model
        return Situation(
            self.row,
            model.observation,
            is_running=self.controller.is_running,
            has_run=model.runs.shown is not None,
            is_anything_amiss=model.table.is_anything_amiss,
            is_anything_open=self._is_anything_open,
            no_editor=self.editor.why_not,
        )

    @property
    def _is_anything_open(self) -> bool:
        run = self.model.runs.shown
        is_run_over = run is not None and run.is_over
        is_filtered = bool(self.model.table.filter.text) or self.field.display
        return self.has_class("-detail") or self.detail.has_focus_within or is_filtered or is_run_over

    def why_not(self, action: str) -> str | None:
        """Return why an action of this screen can do nothing now; None where it can."""
        if self.controller.is_read_only and action.partition("(")[0] in keys.CHANGING:
            return "this console only reads: it was opened with --read-only"
        return availability.why_not(action, self.situation)

    @property
    def detail(self) -> DetailPane:
        """The pages about the migration under the cursor."""
        return self.query_one(DetailPane)

    @property
    def field(self) -> FilterField:
        """The field for the filter."""
        return self.query_one(FilterField)

    # What the threads send

    @on(EventReceived)
    def receive(self, message: EventReceived) -> None:
        """Handle an event of the controller's threads."""
        event = message.event
        match event:
            case Observed():
                self._pending = event
                self.tick()
            case ObservationFailed():
                self.catch_up()
                self.model.note_failure(event.problems, is_unreachable=event.is_unreachable)
                self.redraw()
            case PlanReady() | StepFileRead() | EffectsReady() | EstimatesReady() | PlanChanged() | RehearsalEnded():
                self.actions.plans.receive(event)
            case RunAttached():
                self.actions.attach(event)
            case RunEnded():
                self.catch_up()
                self.actions.end(event)
            case _:
                self._take_answer(event)

    def _take_answer(
        self, event: DetailReady | ActionDone | BlockersFound | RunsRead | RunRead | ActionRefused
    ) -> None:
        """Show what was asked for."""
        match event:
            case DetailReady():
                self.detail.show(event.detail)
            case ActionDone():
                self.prompts.notify(event.text)
                self.controller.refresh()
            case BlockersFound():
                self.prompts.answer(event.question, lambda: self.backends.show_blockers(event.blocking))
            case RunsRead():
                self.model.run_list.take(event.page)
            case RunRead():
                self.model.run_facts = RunFacts(event.run_id, event.facts)
            case ActionRefused():
                self._refuse(event)
            case _:
                assert_never(event)

    def _refuse(self, event: ActionRefused) -> None:
        def show() -> None:
            lines = plan_text.problem_lines(event.problems, self.model.hints)
            self.prompts.read(f"{event.what}: refused", lines, tone=Tone.BAD)

        if self.actions.plans.refuse(event):
            return
        if event.question is not None:
            self.prompts.answer(event.question, show)
        else:
            show()

    # What is drawn, as often as costs little

    def tick(self) -> None:
        """Show what goes on, unless the last drawing was too recent for what it cost."""
        if time.monotonic() < self._draws_again_at:
            return
        began = time.thread_time()
        if self.catch_up():
            # What a drawing costs is known once it is on the screen.
            self.call_after_refresh(self._postpone_drawing, began)

    def _postpone_drawing(self, began: float) -> None:
        pause = min((time.thread_time() - began) / _PROCESSOR_SHARE, _LONGEST_SECONDS_BETWEEN_DRAWINGS)
        self._draws_again_at = time.monotonic() + pause

    def catch_up(self) -> bool:
        """Pass on to the model what came in; return whether that, or the time that passes, changes the screen."""
        # First what the own run reports: what it has recorded may be observed before that.
        progress = self.controller.take_progress()
        self.model.runs.advance(progress)
        observed, self._pending = self._pending, None
        if observed is not None:
            self._observe(observed)
        is_clock_shown = self.model.runs.is_in_progress or self.model.unreachable_since is not None
        if not (observed or progress or is_clock_shown):
            return False
        self._follow()
        self.redraw()
        return True

    def _observe(self, observed: Observed) -> None:
        is_first = self.model.observation is None
        before = self.model.table.rows
        is_changed = observed.rows is not before
        has_failed = self.model.observe(
            observed.observation,
            observed.rows,
            observed.widths,
            observed.position,
            is_running=self.controller.is_running or self.controller.plans.is_rehearsing,
            refusals=observed.refusals,
            seen=observed.seen,
        )
        if is_changed:
            self._show_rows()
            if changed := file_changes.changed_files(before, observed.rows):
                self.prompts.notify(file_changes.sentence(changed, keys.KEYS))
        if is_first or (has_failed and self.model.runs.follows):
            self.table.go_to(rows.first_of_interest(self.table.rows))

    def _follow(self) -> None:
        """Move the cursor to the running migration, where it follows the run."""
        current = self.model.runs.current
        if current is None or not self.model.runs.is_following:
            return
        key = str(current.version)
        index = next((at for at, row in enumerate(self.table.rows) if row.key == key), None)
        if index is not None:
            self.table.go_to(index)

    def _show_rows(self) -> None:
        table = self.model.table
        self.table.show(
            table.shown,
            table.widths,
            order=table.order,
            is_reversed=table.is_reversed,
            why_empty=empty_table_line(table.filter.text),
        )

    def on_screen_resume(self) -> None:
        """Draw what has changed while another screen was there."""
        self.redraw()

    def on_resize(self) -> None:
        """Share the new width, and draw the heading and the panel for it."""
        self.call_after_refresh(self._lay_out)

    def _lay_out(self) -> None:
        self.detail.share_width(is_alone=self.has_class("-narrow"))
        self.redraw()

    def redraw(self) -> None:
        """Draw everything but the table."""
        self.actions.plans.draw()
        if not self.is_mounted or not self.is_current:
            return
        self.query_one(HeadingBar).draw(self.model)
        self.query_one(ProblemList).draw(self.model)
        self.query_one(RunPanel).draw(self.model)
        self.detail.point_at(self.model.runs.running_statement(self.row.entry.name) if self.row is not None else None)
        if self.model.runs.is_failure_followed and self.row is not None and self.row.is_troubled:
            self.detail.suggest(Tab.FILE if self.row.state is State.FAILED else Tab.OVERVIEW)
        self._refresh_keys()

    def _refresh_keys(self) -> None:
        """Offer the keys that fit what goes on."""
        if self.field.has_focus:
            self.query_one(KeyBar).draw(FILTERING, kept=len(FILTERING))
            return
        at = self.situation
        entry = availability.pausable(at.row, at.observation)
        is_paused = entry is not None and self.model.runs.is_paused(entry)
        self.query_one(KeyBar).draw(offers(_OFFERS, at, self.why_not, is_paused=is_paused), kept=2)

    def on_descendant_focus(self) -> None:
        """Offer other keys where keys mean something else."""
        self._refresh_keys()

    # Keys that change something: see screens/keys.py for what each does

    def action_apply(self) -> None:
        """Apply everything."""
        self.actions.apply()

    def action_apply_here(self) -> None:
        """Apply up to the cursor."""
        self.actions.apply_to(self.row)

    def action_apply_otherwise(self) -> None:
        """Run with an option."""
        self.actions.apply_otherwise()

    def action_plan(self) -> None:
        """Show what an apply would do."""
        self.actions.plan()

    def action_retry(self) -> None:
        """Retry the migration under the cursor."""
        self.actions.retry(self.row)

    def action_retry_all(self) -> None:
        """Retry everything that failed or is stuck."""
        self.actions.retry_all()

    def action_rollback(self) -> None:
        """Undo the last migration."""
        self.actions.roll_back()

    def action_rollback_here(self) -> None:
        """Undo everything above the cursor."""
        self.actions.roll_back_to(self.row)

    def action_resolve(self) -> None:
        """Resolve the migration under the cursor."""
        self.decisions.resolve(self.row, self.detail.detail)

    def action_accept(self) -> None:
        """Accept the file of the migration under the cursor as it is now."""
        self.decisions.accept(self.row)

    def action_baseline(self) -> None:
        """Record everything up to the cursor as applied."""
        self.decisions.baseline(self.row)

    def action_cancel(self) -> None:
        """Cancel the running statement, of this console's run or of another process's."""
        if self.controller.is_running:
            self.actions.cancel()
        else:
            self.backends.cancel_statement()

    def action_pause(self) -> None:
        """Pause a migration with rounds, or let it go on."""
        self.actions.pause(self.row)

    def action_terminate(self) -> None:
        """Terminate a backend that blocks the run."""
        self.backends.terminate_blocker()

    def action_end_run(self) -> None:
        """Terminate the backend that runs the migration."""
        self.backends.end_run()

    def action_leave(self) -> None:
        """Quit."""
        self.actions.leave()

    async def action_databases(self) -> None:
        """List all databases."""
        await self.app.run_action("databases")  # pyright: ignore[reportUnknownMemberType] - a bare App

    def action_detach(self) -> None:
        """Leave a run going on."""
        self.actions.detach()

    # Keys that change nothing in the database

    @on(MigrationTable.Moved)
    def show_other(self, event: MigrationTable.Moved) -> None:
        """Show what belongs to the row under the cursor."""
        if event.by_hand:
            self.model.runs.follows = False
        is_urgent = self.detail.expect(event.row, at_once=not self.model.runs.is_following)
        self._refresh_keys()
        if event.row is not None:
            self.controller.request_detail(event.row.entry, is_urgent=is_urgent)

    @on(MigrationTable.Chosen)
    async def choose(self) -> None:
        """Show the detail, or say that there is none."""
        await self.run_action("detail")

    def action_detail(self) -> None:
        """Show the detail: beside the table where there is room, else in its place."""
        self.add_class("-detail")
        self.detail.page.focus()

    def action_turn_to(self, tab: str) -> None:
        """Show one page of the detail."""
        self.action_detail()
        self.detail.turn_to(Tab(tab))

    def action_back(self) -> None:
        """Close what was opened last."""
        run = self.model.runs.shown
        if self.has_class("-detail") or self.detail.has_focus_within:
            self.remove_class("-detail")
            self.table.focus()
        elif self.model.table.filter.text or self.field.display:
            self._filter_by("")
            self._close_filter()
        elif run is not None and run.is_over:
            self.model.runs.clear()
            self.redraw()

    def action_edit(self) -> None:
        """Open the file that is looked at in the user's editor."""
        migration = self.row.entry.migration if self.row is not None else None
        if self.row is not None and migration is not None:
            tab, line = self.detail.place
            is_rollback = tab is Tab.ROLLBACK
            file = migration.rollback_file if is_rollback else migration.file
            self.editor.edit(self.row, file, line, is_rollback=is_rollback)

    def action_copy(self) -> None:
        """Copy the selected text, or ask what to copy."""
        if self.row is not None:
            self.copying.copy(self.row, self.detail.detail, self.get_selected_text())

    def action_log(self) -> None:
        """Show everything that was reported of the run."""
        self.prompts.open(LogScreen(self.model, self.prompts))

    def action_runs(self) -> None:
        """Show all runs."""
        self.prompts.show_runs(self.controller, self.go_to_key)

    def go_to_key(self, key: str) -> None:
        """Put the cursor on the migration of a row's key, if it is shown."""
        index = next((at for at, row in enumerate(self.table.rows) if row.key == key), None)
        if index is not None:
            self.table.go_to(index, by_hand=True)
        else:
            self.prompts.notify("that migration is not in the table; a filter may hide it", is_warning=True)

    def action_waits(self) -> None:
        """Show who waits for whom."""
        self.prompts.open(WaitTreeScreen(self.model, self.prompts, self.backends, cancel_run=self.action_cancel))

    def action_follow(self) -> None:
        """Keep the cursor on the running migration, or stop that."""
        runs = self.model.runs
        runs.follows = not runs.follows
        self.prompts.notify("the cursor follows the run" if runs.follows else "the cursor stays where it is")
        self._follow()

    def action_filter(self) -> None:
        """Ask for a filter."""
        self.field.open()

    @on(Input.Changed, "#filter")
    def narrow(self, event: Input.Changed) -> None:
        """Show only what matches."""
        self._filter_by(event.value)

    @on(Input.Submitted, "#filter")
    def keep_filter(self) -> None:
        """Go back to the table, which stays filtered."""
        self._close_filter()

    def _filter_by(self, text: str) -> None:
        self.model.table.filter_by(text)
        self._show_rows()
        self.redraw()

    def _close_filter(self) -> None:
        self.field.close(self.model.table.filter.text)
        self.table.focus()

    def action_next_amiss(self, step: int) -> None:
        """Go to the next, or the previous, migration that somebody has to look at."""
        index = rows.next_amiss(self.table.rows, self.table.index, backwards=step < 0)
        if index is None:
            self.prompts.notify("nothing is failed or stuck, and nothing keeps apply from running")
        elif index == self.table.index:
            self.prompts.notify("there is no other one that is failed or stuck, or keeps apply from running")
        else:
            self.table.go_to(index, by_hand=True)

    def action_sort(self) -> None:
        """Sort by the next column."""
        self.model.table.sort_by_next_column()
        self._show_rows()

    @on(MigrationTable.HeadClicked)
    def sort_by_head(self, event: MigrationTable.HeadClicked) -> None:
        """Sort by the column that was clicked on; again, the other way round."""
        if event.order is None:
            self.prompts.notify("the table is sorted by state, version, name, when and took alone")
        else:
            self.model.table.sort_by(event.order)
            self._show_rows()

    @on(TabBar.Clicked)
    def turn_by_click(self, event: TabBar.Clicked) -> None:
        """Turn to the page whose name was clicked on."""
        self.action_turn_to(event.tab.value)

    def action_reverse(self) -> None:
        """Reverse the order."""
        self.model.table.reverse()
        self._show_rows()

    def action_refresh_now(self) -> None:
        """Observe again, and ask the conditions of repeatables."""
        self.prompts.notify("looking again, and asking the conditions of repeatables")
        self.controller.refresh(ask_repeatables=True)

    def action_help(self) -> None:
        """List every key, those first that fit what goes on; typing narrows them, and enter does what is chosen."""
        groups = self._key_choices.help(self.query_one(KeyBar).offers)
        self.prompts.find("keys", list(groups), placeholder="type to narrow; enter does it")

    def action_commands(self) -> None:
        """Have a command, a migration or a theme found by its name."""
        groups = [group for source in self.sources for group in source()]
        self.prompts.find("commands", groups, placeholder="a command, a migration, a theme")

    async def _go_to(self, row: Row) -> None:
        """Put the cursor on a migration, whatever the table is narrowed to."""
        if all(shown.key != row.key for shown in self.table.rows):
            self._filter_by("")
            self._close_filter()
        places = {shown.key: at for at, shown in enumerate(self.table.rows)}
        self.table.go_to(places.get(row.key, self.table.index), by_hand=True)
        self.table.focus()
