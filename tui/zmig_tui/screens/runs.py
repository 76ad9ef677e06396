"""The list of all runs; enter shows what one of them did when."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer

from zmig.presentation.spans import Tone
from zmig_tui.models.recorded_run import Outcome
from zmig_tui.models.run_list import same_run
from zmig_tui.pages.runs import run_lines
from zmig_tui.screens.timeline import TimelineScreen
from zmig_tui.text import line, span
from zmig_tui.widgets.banner import Banner
from zmig_tui.widgets.choices import Choices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from zmig_tui.controller import Controller
    from zmig_tui.models.console import ConsoleModel
    from zmig_tui.models.run_list import ListedRun

_SECONDS_BETWEEN_DRAWINGS = 0.5
_SECONDS_BETWEEN_READINGS = 1.0


class RunsScreen(Screen[str | None]):
    """Shows a line for each run, the newest first; is dismissed with the key of a migration to go to."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,v", "leave", "Back", key_display="esc", id="runs.leave"),
        Binding("m", "more", "Earlier runs", id="runs.more"),
    ]

    def __init__(self, controller: Controller, model: ConsoleModel) -> None:
        super().__init__()
        self._controller = controller
        self._model = model
        self._runs: Sequence[ListedRun] = ()
        self._chosen: str | None = None
        """The run under the cursor, wherever it is in the next list."""
        self._read_at: object = None
        """What was on record when the list was read last."""
        self._asked_at = float("-inf")
        self._is_complete = True
        self._drawn: object = None
        """What the lines were made of."""

    def compose(self) -> ComposeResult:
        """Put a title and a head above the list."""
        yield Banner(id="runs-head")
        yield Choices(id="runs")
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Begin at the newest run."""
        self.choices.focus()
        self.draw()
        self.set_interval(_SECONDS_BETWEEN_DRAWINGS, self.draw)

    @property
    def choices(self) -> Choices:
        """The list."""
        return self.query_one(Choices)

    def on_resize(self) -> None:
        """Draw for the new width."""
        self.draw()

    def on_screen_resume(self) -> None:
        """Draw what has changed while a timeline was there."""
        self.draw()

    def draw(self) -> None:
        """Show what is known; ask for what is new, and for earlier runs once the cursor is at the end."""
        observation, runs = self._model.observation, self._model.run_list
        if not self.is_current:
            return
        if observation is None:
            self.query_one("#runs-head", Banner).show(
                [line(span(" runs ", Tone.MARK), span("  connecting …", Tone.QUIET))]
            )
            return
        on_record = self._model.runs.on_record
        is_due = self._model.clock() - self._asked_at >= _SECONDS_BETWEEN_READINGS
        if not runs.is_read or (on_record != self._read_at and is_due):
            self._read_at, self._asked_at = on_record, self._model.clock()
            self._controller.request_runs(after=runs.newest_from)
        is_moving = any(run.outcome is Outcome.IN_PROGRESS for run in self._runs)
        drawn = (runs.revision, observation.status.holder, observation.status.stuck, self.size)
        if drawn == self._drawn and not is_moving:
            self._read_on()
            return
        self._drawn = drawn
        place = min(self.choices.index, max(len(self._runs) - 1, 0))
        self._chosen = self._runs[place].run_id if self._runs and place else None  # at the top it stays there
        self._runs = runs.runs(observation)
        head, lines = run_lines(self._runs, observation.now, self.size.width)
        more = span("  and earlier ones (m)", Tone.QUIET) if runs.more_before is not None else ""
        count = f"  {len(self._runs):,}" if runs.is_read else "  reading …"
        title = line(span(" runs ", Tone.MARK), span(count, Tone.QUIET), more)
        self.query_one("#runs-head", Banner).show([title, line(""), head])
        if (runs.more_before is None) != self._is_complete:
            self._is_complete = runs.more_before is None
            self.refresh_bindings()
        self.choices.show(lines or [line(span("  no run is on record", Tone.QUIET))] if runs.is_read else [])
        self.choices.action_go_to(same_run(self._runs, self._chosen, place))
        self._read_on()

    def _read_on(self) -> None:
        """Read earlier runs once the cursor is at the end."""
        if self.choices.index and self.choices.index == len(self._runs) - 1:
            self.action_more()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer earlier runs where there are any."""
        return action != "more" or self._model.run_list.more_before is not None

    def action_more(self) -> None:
        """Read earlier runs."""
        before = self._model.run_list.more_before
        if before is not None:
            self._controller.request_runs(before=before)

    @on(Choices.Chosen)
    def show_timeline(self, event: Choices.Chosen) -> None:
        """Show what a run did when."""
        if event.index < len(self._runs):
            run = self._runs[event.index]
            self.app.push_screen(TimelineScreen(self._controller, self._model, run), self._go_on)  # pyright: ignore[reportUnknownMemberType] - a bare App

    def _go_on(self, key: str | None) -> None:
        if key is not None:
            self.dismiss(key)

    def action_leave(self) -> None:
        """Go back to the table."""
        self.dismiss(None)
