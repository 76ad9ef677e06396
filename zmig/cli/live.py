"""A run on a terminal: finished steps as lines, below them a bar over the plan and what is running now.

Rich is imported when there is something to draw, so a run with nothing to do never pays for it. Everything is
shown as plain text: SQL and names may hold `[...]`, which must not be taken for markup.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from zmig.cli import sentences, table
from zmig.progress import (
    Blocked,
    Held,
    LockWaiting,
    Notice,
    Reported,
    RetryScheduled,
    RoundFinished,
    RunFinished,
    RunStarted,
    ServerReported,
    StatementFinished,
    StatementStarted,
    StepFailed,
    StepFinished,
    StepSkipped,
    StepStarted,
)
from zmig.text.terminal import display_width
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from rich.console import Console, RenderableType
    from rich.live import Live as Display
    from rich.text import Text

    from zmig.cli.output import Output
    from zmig.progress import Progress

_PER_SECOND = 8
_BAR_CELLS = 30
_WIDEST = 1000
_BEFORE_HEADLINE = 2
"""The cells that the spinner takes."""
_SHORTEST_HEADLINE = 24
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


@valueclass
class _Now:
    """What is going on; replaced as a whole, because the display reads it from another thread."""

    began: float
    headline: str = ""
    detail: str = ""
    statement: str = ""
    ends: float | None = None
    """When a pause is over."""
    finished: int = 0
    total: int = 0

    def clock(self) -> str:
        if self.ends is not None:
            return table.duration(max(self.ends - time.monotonic(), 0))
        return table.duration(time.monotonic() - self.began)


class Live:
    """An observer that draws on the terminal that stderr is."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._now = _Now(time.monotonic())
        self._display: Display | None = None
        self._can_draw = output.stderr.can_show(_SPINNER + "✓✗…")

    def __enter__(self) -> Self:
        """Draw nothing yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the display away; the lines stay."""
        if self._display is not None:
            self._display.stop()
            self._display = None

    def __call__(self, progress: Progress) -> None:
        """Show what a progress says."""
        if self._display is None:
            self._display = self._started()
        self._now = self._after(progress)
        line, style = self._line(progress)
        if line:
            self._display.console.print(self._text(line, style), soft_wrap=True)

    def _started(self) -> Display:
        from rich.live import Live as Display

        display = Display(
            console=_console(self._output),
            get_renderable=self._drawn,
            refresh_per_second=_PER_SECOND,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),
        )
        display.start()
        return display

    def _line(self, progress: Progress) -> tuple[str, str]:
        """Return the line that stays of a progress, with its style; an empty one for what is only passing."""
        done, failed = ("✓", "✗") if self._can_draw else ("+", "x")
        match progress:
            case RunStarted():
                return sentences.run_started(progress), "bold"
            case StepFinished(step=step):
                took = table.duration(progress.duration_seconds)
                return f"{done} {step.migration.version} {step.migration.name}  {took}", "green"
            case StepSkipped():
                return f"- {sentences.skipped(progress)}", "dim"
            case StepFailed():
                return f"{failed} {sentences.failed(progress)}", "red"
            case RetryScheduled():
                return f"  {sentences.retry(progress)}", "yellow"
            case Notice():
                return f"  {sentences.notice(progress)}", ""
            case StatementStarted():
                return (f"  {sentences.statement(progress)}", "dim") if self._output.is_verbose else ("", "")
            case RunFinished():
                return sentences.run_finished(progress), "bold"
            case _:
                return "", ""

    def _after(self, progress: Progress) -> _Now:
        now = time.monotonic()
        match progress:
            case RunStarted():
                return _Now(now, total=len(progress.plan.steps))
            case LockWaiting():
                return _Now(now - progress.waited_seconds, sentences.waiting_for(progress))
            case StepStarted():
                name = sentences.step_started(progress)
                return _Now(now, name, finished=progress.number - 1, total=progress.total)
            case RetryScheduled():
                return replace(self._now, detail="tries again in", ends=now + progress.delay_seconds, statement="")
            case StepFinished() | StepSkipped():
                return _Now(now, finished=progress.number, total=progress.total)
            case StatementFinished() | Notice() | StepFailed() | RunFinished():
                return self._now
            case _:
                return self._within_step(progress)

    def _within_step(
        self, progress: StatementStarted | Reported | Blocked | ServerReported | RoundFinished | Held
    ) -> _Now:
        match progress:
            case StatementStarted():
                return replace(self._now, detail=sentences.statement_number(progress), statement=progress.text)
            case Reported():
                return replace(self._now, detail=sentences.reported(progress), statement="")
            case Blocked():
                return replace(self._now, detail=sentences.blocked(progress))
            case RoundFinished():
                return replace(self._now, detail=sentences.round_finished(progress))
            case Held():
                return replace(self._now, detail=sentences.held(progress))
            case ServerReported():
                return replace(self._now, detail=sentences.server_reported(progress))
            case _:
                assert_never(progress)

    def _drawn(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        now = self._now
        rows: list[RenderableType] = []
        if now.total:
            bar = Table.grid(padding=(0, 1))
            count = self._text(f"{now.finished} of {now.total}", "")
            done = ProgressBar(
                now.total, now.finished, width=_BAR_CELLS, complete_style="green", finished_style="green"
            )
            bar.add_row(done, count)
            rows.append(bar)
        if now.headline:
            rows.append(self._text(f"{self._spinner()} {self._fitted(now)}", "cyan"))
        if now.statement:
            rows.append(self._text(f"  {now.statement}", "dim"))
        return Group(*rows)

    def _fitted(self, now: _Now) -> str:
        """Return what is going on, with its time; where the terminal is too narrow, long words give way to both."""
        headline, detail, clock = (sentences.one_line(text) for text in (now.headline, now.detail, now.clock()))
        width = self._display.console.width if self._display is not None else _WIDEST
        room = width - _BEFORE_HEADLINE - sum(display_width(part) + 2 for part in (detail, clock) if part)
        if room < _SHORTEST_HEADLINE:
            detail = table.shortened(detail, max(display_width(detail) + room - _SHORTEST_HEADLINE, 1))
            room = _SHORTEST_HEADLINE
        return "  ".join(part for part in (table.shortened(headline, room), detail, clock) if part)

    def _spinner(self) -> str:
        return _SPINNER[int(time.monotonic() * _PER_SECOND) % len(_SPINNER)] if self._can_draw else "*"

    def _text(self, text: str, style: str) -> Text:
        from rich.text import Text

        shown = sentences.one_line(self._output.redact(text))
        style = style if self._output.has_color else ""
        return Text(shown, style=style, no_wrap=True, overflow="ellipsis" if self._can_draw else "crop")


def _console(output: Output) -> Console:
    from rich.console import Console

    class Steady(Console):
        def show_cursor(self, show: bool = True) -> bool:
            """Leave the cursor as it is: a process that is killed could not bring it back."""
            return False

    return Steady(file=output.stderr.file, no_color=not output.has_color, markup=False, highlight=False, emoji=False)
