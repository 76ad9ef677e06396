"""The log of the run, over the whole screen: it goes on while it is read, and is searched and saved."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer, Input

from zmig.presentation import words
from zmig.presentation.spans import Line, Span, Tone
from zmig_tui import log_file
from zmig_tui.models.run_log import RunLog
from zmig_tui.pages import plan_text
from zmig_tui.pages import run_log as page
from zmig_tui.screens.file_dialog import FileDialog
from zmig_tui.screens.pace import Pace
from zmig_tui.text import line, span, spread
from zmig_tui.widgets.banner import Banner
from zmig_tui.widgets.log_lines import LogLines

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from zmig.presentation.hints import HintStyle
    from zmig_tui.models.console import ConsoleModel
    from zmig_tui.models.run import Run
    from zmig_tui.pages.run_log import WallClock
    from zmig_tui.screens.prompts import Prompts

_SECONDS_BETWEEN_DRAWINGS = 0.25


class LogScreen(Screen[None]):
    """Shows what the run has reported. The end stays in sight until somebody scrolls up."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search", key_display="/", id="log.search"),
        Binding("n", "next_match(1)", "Next", id="log.next"),
        Binding("N", "next_match(-1)", "Previous", id="log.previous"),
        Binding("S", "save", "Save", id="log.save"),
        Binding("escape,q,l", "leave", "Back", key_display="esc", id="log.leave"),
    ]

    def __init__(self, model: ConsoleModel, prompts: Prompts, *, wall: WallClock | None = None) -> None:
        """`wall` turns moments on the model's clock into local time."""
        super().__init__()
        self._model = model
        self._prompts = prompts
        self._wall: WallClock = wall or _local(time.time() - model.clock())
        self._log = RunLog()
        """What is shown of it."""
        self._lines: list[Line] = []
        self._seen = 0
        """How many entries there were when the end was in sight last."""
        self._pace = Pace()
        self._needle = ""
        self._matches: list[int] = []
        self._match: int | None = None
        """The line of the match that was gone to last."""

    def compose(self) -> ComposeResult:
        """Put the log between what it is of and what is new in it."""
        yield Banner(id="log-head")
        yield LogLines(id="log")
        yield Banner(id="log-foot")
        yield Input(id="log-search", placeholder="what to search for; enter keeps it, esc clears it")
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Begin at the end."""
        self.lines.focus()
        self.draw()
        self.set_interval(_SECONDS_BETWEEN_DRAWINGS, lambda: self._pace.draw(self.draw))

    @property
    def lines(self) -> LogLines:
        """The entries."""
        return self.query_one(LogLines)

    @property
    def field(self) -> Input:
        """The field for what is searched."""
        return self.query_one("#log-search", Input)

    @property
    def _run(self) -> Run | None:
        return self._model.runs.shown

    def on_screen_resume(self) -> None:
        """Draw what is new since a question was there."""
        self.draw()

    def on_resize(self) -> None:
        """Draw for the new width."""
        self.draw()

    def draw(self) -> None:
        """Show what is new; while somebody reads further up, nothing is taken away there."""
        if not self.is_mounted or not self.is_current:
            return
        log, run = self._model.log, self._run
        if self.lines.follows or log.dropped == self._log.dropped:
            self._log = log
        now = self._model.clock() if run is not None and not run.is_over else None
        self._lines = [
            *page.log_lines(self._log, self._wall, now),
            *page.problem_lines(self._ending(run, self._model.hints)),
        ]
        if not self._lines:
            self._lines = [line(span(" nothing was reported yet", Tone.QUIET))]
        self._matches = page.matches(self._lines, self._needle)
        self.lines.show([page.marked(one, self._needle) for one in self._lines] if self._needle else self._lines)
        self._draw_edges(log, run)

    def _ending(self, run: Run | None, hints: HintStyle) -> list[Line]:
        return plan_text.problem_lines(run.problems, hints) if run is not None else []

    def _draw_edges(self, log: RunLog, run: Run | None) -> None:
        count = log.dropped + len(log.entries)
        if self.lines.follows:
            self._seen = count
        left = line(span(" log ", Tone.MARK), span(f"  {run.verb if run is not None else 'no run'}", Tone.STRONG))
        if run is not None and run.is_remote:
            left = (*left, span("  in another process: its facts and statements alone are known", Tone.QUIET))
        right = line(span(f"{words.counted(len(log.entries), 'line')} ", Tone.QUIET))
        self.query_one("#log-head", Banner).show([spread(left, right, self.size.width)])
        self.query_one("#log-foot", Banner).show([spread(self._place(count), self._found(), self.size.width)])

    def _place(self, count: int) -> Line:
        if self.lines.follows:
            return line(span(" follows the end", Tone.QUIET))
        new = max(count - self._seen, 0)
        return line(
            span(f" {new:,} new below" if new else " stays here", Tone.WARN if new else Tone.QUIET),
            span(" · end follows again", Tone.QUIET),
        )

    def _found(self) -> Line:
        if not self._needle:
            return ()
        if not self._matches:
            return line(span(f"nothing has `{self._needle}` ", Tone.WARN))
        place = f"{self._matches.index(self._match) + 1} of " if self._match in self._matches else ""
        return line(
            Span(place), span(f"{words.counted(len(self._matches), 'line')} with `{self._needle}` ", Tone.PLAIN)
        )

    def action_search(self) -> None:
        """Ask what to search for."""
        self.field.display = True
        self.field.focus()

    @on(Input.Changed, "#log-search")
    def search(self, event: Input.Changed) -> None:
        """Mark what is searched for, and go to the last place of it."""
        self._needle, self._match = event.value.strip(), None
        self.draw()
        if self._matches:
            self._go_to(self._matches[-1])

    @on(Input.Submitted, "#log-search")
    def close_search(self) -> None:
        """Go back to the log, where the places stay marked."""
        self.field.display = False
        self.lines.focus()

    def action_next_match(self, step: int) -> None:
        """Go to the next, or the previous, place of what is searched for."""
        if not self._needle:
            self.action_search()
        elif not self._matches:
            self._prompts.notify(f"nothing in the log has `{self._needle}`", is_warning=True)
        else:
            at = self._matches.index(self._match) + step if self._match in self._matches else -1
            self._go_to(self._matches[at % len(self._matches)])

    def _go_to(self, number: int) -> None:
        self._match = number
        self.lines.go_to(number)
        self._draw_edges(self._model.log, self._run)

    def action_save(self) -> None:
        """Ask for the name of a file, and write the log into it."""
        run_id = self._run.run_id if self._run is not None else None
        name = run_id or f"{self._wall(self._model.clock()):%Y%m%d-%H%M%S}"
        self._prompts.ask(FileDialog("save the log", f"zmig-{name}.log"), self._write)

    def _write(self, name: str, *, replaces: bool = False) -> None:
        run, observation = self._run, self._model.observation
        of = [run.verb if run is not None else "no run"]
        if run is not None and run.run_id is not None:
            of.append(f"run {run.run_id}")
        if observation is not None:
            of.append(f"manifest {observation.status.manifest}, database {observation.status.database}")
        text = page.file_text(", ".join(of), self._model.log, self._wall, self._ending(run, self._model.hints.commands))
        written = log_file.write(name, text, replaces=replaces)
        if written.is_there:
            self._prompts.confirm(
                "replace the file",
                [line(f"{written.text}: what is in it is lost.")],
                lambda: self._write(name, replaces=True),
                is_destructive=False,
            )
        else:
            self._prompts.notify(written.text, is_warning=not written.is_written)

    def action_leave(self) -> None:
        """Clear the search, else go back to the main screen."""
        if self.field.display or self._needle:
            self.field.value = ""
            self.close_search()
        else:
            self.dismiss(None)


def _local(ahead: float) -> WallClock:
    """Return what turns moments of a clock into local time, which is so many seconds ahead of it."""

    def wall(at: float) -> datetime:
        return datetime.fromtimestamp(at + ahead).astimezone()

    return wall
