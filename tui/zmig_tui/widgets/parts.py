"""The parts of the main screen that only show the model: the heading, what is wrong with the manifest, the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig_tui.pages import plan_text, run_panel
from zmig_tui.pages.heading import Heading
from zmig_tui.widgets.banner import Banner
from zmig_tui.widgets.lines import Lines

if TYPE_CHECKING:
    from zmig.errors import Problem
    from zmig_tui.models.console import ConsoleModel

LOW_ROWS = 16
"""On a lower screen the heading and the run take what they must, so that rows are left."""
_RUN_LINES = range(4, 12)
_LOW_RUN_LINES = 2
_LOW_HEADING_LINES = 2


class HeadingBar(Banner):
    """The manifest, its database, the states, and who holds the lock."""

    def draw(self, model: ConsoleModel) -> None:
        """Show the heading at the screen's width."""
        heading = Heading(
            manifest=model.manifest,
            observation=model.observation,
            counts=model.table.counts,
            findings=model.table.findings,
            refusals=model.refusals,
            shown=len(model.table.shown),
            filter=model.table.filter.text,
            held_seconds=model.held_seconds,
            silent_seconds=model.silent_seconds,
            is_unusable=bool(model.problems) and not model.silent_seconds,
            is_read_only=model.is_read_only,
        )
        screen = self.screen.size
        if screen.height < LOW_ROWS:
            self.show(heading.lines(screen.width, most=_LOW_HEADING_LINES))
        else:
            self.show(heading.lines(screen.width))


class ProblemList(Lines):
    """What is wrong with the manifest; hidden where nothing is."""

    _drawn: tuple[Problem, ...] = ()

    def draw(self, model: ConsoleModel) -> None:
        """Show the problems, if they are others than before."""
        if model.problems != self._drawn:
            self._drawn = model.problems
            self.show(plan_text.problem_lines(model.problems, model.hints))
            self.display = bool(model.problems)


class RunPanel(Banner):
    """The run, in progress or over; hidden before there is one."""

    def draw(self, model: ConsoleModel) -> None:
        """Show the run, in a fifth of the screen's height."""
        run, screen = model.runs.shown, self.screen.size
        self.display = run is not None
        if run is not None:
            is_low = screen.height < LOW_ROWS
            height = _LOW_RUN_LINES if is_low else min(max(screen.height // 5, _RUN_LINES.start), _RUN_LINES.stop)
            lines = run_panel.panel_lines(
                run,
                model.observation,
                model.clock(),
                hints=model.hints,
                cells=screen.width,
                height=height,
                expected=model.expected,
            )
            self.show(lines[:_LOW_RUN_LINES] if is_low else lines)
