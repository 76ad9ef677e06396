"""What a run did when, over the whole screen; enter goes to the migration of a bar."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer

from zmig.presentation import words
from zmig.presentation.spans import Tone
from zmig.valueclass import replace
from zmig_tui.models.recorded_run import Outcome, recorded_run
from zmig_tui.models.rows import row_key
from zmig_tui.models.run_list import MOST_RUN_FACTS
from zmig_tui.models.timeline import Timeline, timeline
from zmig_tui.pages import timeline as page
from zmig_tui.pages.runs import outcome_span
from zmig_tui.text import EMPTY, line, span
from zmig_tui.widgets.banner import Banner
from zmig_tui.widgets.choices import Choices

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from zmig.presentation.spans import Line
    from zmig_tui.controller import Controller
    from zmig_tui.models.console import ConsoleModel
    from zmig_tui.models.run_list import ListedRun

_SECONDS_BETWEEN_DRAWINGS = 0.5
_SECONDS_BETWEEN_READINGS = 1.0
_PROCESSOR_SHARE = 0.03
"""How much of a core a run in progress may take that only grows longer."""
_FACTS_PER_SECOND = 1000
"""How many are read again and again; of a run with very many, all are read less often."""


class TimelineScreen(Screen[str | None]):
    """Shows a bar for each migration of a run; is dismissed with the key of a migration to go to."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,v", "leave", "Back", key_display="esc", id="timeline.leave"),
    ]

    def __init__(self, controller: Controller, model: ConsoleModel, run: ListedRun) -> None:
        super().__init__()
        self._controller = controller
        self._model = model
        self._run = run
        self._timeline = Timeline()
        self._read_at: object = None
        """What was on record when the run was read last."""
        self._drawn_of: object = None
        self._asks_again_at = self._draws_again_at = float("-inf")

    def compose(self) -> ComposeResult:
        """Put a title and the axis above the bars."""
        yield Banner(id="timeline-head")
        yield Choices(id="timeline")
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Ask for what the run has recorded."""
        self._model.run_facts = None
        self.choices.focus()
        self.draw()
        self.set_interval(_SECONDS_BETWEEN_DRAWINGS, self.draw)

    @property
    def choices(self) -> Choices:
        """The bars."""
        return self.query_one(Choices)

    def on_resize(self) -> None:
        """Draw for the new width."""
        self._drawn_of = None
        self.draw()

    def draw(self) -> None:
        """Show what is known, with what has been recorded meanwhile."""
        observation = self._model.observation
        if not self.is_current or observation is None:
            return
        run_id = self._run.run_id
        holder = observation.status.holder
        is_held = holder is not None and holder.run_id == run_id
        on_record = (self._model.runs.on_record, is_held)
        is_news = on_record != self._read_at and self._run.outcome is Outcome.IN_PROGRESS
        if self._read_at is None or (is_news and self._model.clock() >= self._asks_again_at):
            self._read_at = on_record
            last = None if self._run.outcome is Outcome.IN_PROGRESS else self._run.last
            self._controller.request_run(run_id, first=self._run.first, last=last)
        read = self._model.run_facts
        if read is None or read.run_id != run_id:
            self._show_head(self._run.outcome)
            return
        if self._drawn_of is read and (not is_held or time.monotonic() < self._draws_again_at):
            return
        began = time.thread_time()
        if self._drawn_of is not read:
            pause = max(_SECONDS_BETWEEN_READINGS, len(read.facts) / _FACTS_PER_SECOND)
            self._asks_again_at = self._model.clock() + pause
        self._drawn_of = read
        recorded = recorded_run(run_id, read.facts)
        if recorded is None:
            return
        recorded = replace(
            recorded, began=self._run.began, is_held=is_held, is_stuck=self._run.outcome is Outcome.STUCK
        )
        limits = {
            entry.name: entry.migration.settings.lock_timeout_seconds
            for entry in observation.status.migrations
            if entry.migration is not None
        }
        self._timeline = timeline(recorded, read.facts, observation, limits)
        axis, lines = page.timeline_lines(self._timeline, self.size.width - 1)
        self._show_head(recorded.outcome, axis, is_cut=len(read.facts) >= MOST_RUN_FACTS)
        self.choices.show(lines)
        self._draws_again_at = time.monotonic() + (time.thread_time() - began) / _PROCESSOR_SHARE

    def _show_head(self, outcome: Outcome, axis: Line = EMPTY, *, is_cut: bool = False) -> None:
        run = self._run
        who = f" by {run.who}" if run.who else ""
        title = line(
            span(f" run {run.run_id} ", Tone.MARK),
            "  ",
            outcome_span(outcome),
            span(f"{who}, {words.moment(run.began)} UTC", Tone.PLAIN),
            *page.summary_line(self._timeline, is_cut=is_cut),
        )
        self.query_one("#timeline-head", Banner).show([title, page.legend(), axis])

    @on(Choices.Chosen)
    def go_to_migration(self, event: Choices.Chosen) -> None:
        """Go to the migration of a bar."""
        if event.index < len(self._timeline.bars):
            bar = self._timeline.bars[event.index]
            self.dismiss(row_key(bar.version, bar.name))

    def action_leave(self) -> None:
        """Go back to the list."""
        self.dismiss(None)
