"""A run on a terminal: finished steps as lines, below them a bar over the plan and what is running now.

Rich is imported when there is something to draw, so a run with nothing to do never pays for it. Everything is
shown as plain text: SQL and names may hold `[...]`, which must not be taken for markup.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from zmig.presentation import words
from zmig.presentation.narration import TRIES_AGAIN_IN, say, statement_number
from zmig.presentation.spans import Tone
from zmig.progress import (
    LockWaiting,
    Reported,
    RetryScheduled,
    RunStarted,
    StatementStarted,
    StepFinished,
    StepSkipped,
    StepStarted,
)
from zmig.text.terminal import display_width, one_line, shortened
from zmig.valueclass import replace, valueclass

if TYPE_CHECKING:
    from dataclasses import KW_ONLY
    from types import TracebackType
    from typing import Self

    from rich.console import Console, RenderableType
    from rich.live import Live as Display
    from rich.text import Text

    from zmig.cli.output import Output
    from zmig.presentation.narration import Saying
    from zmig.progress import Progress

_PER_SECOND = 8
_BAR_CELLS = 30
_WIDEST = 1000
_BEFORE_HEADLINE = 2
"""The cells that the spinner takes."""
_SHORTEST_HEADLINE = 24
_STYLES = {
    Tone.STRONG: "bold",
    Tone.GOOD: "green",
    Tone.BUSY: "cyan",
    Tone.QUIET: "dim",
    Tone.WARN: "yellow",
    Tone.BAD: "red",
}
_GOES_ON = (LockWaiting, StepStarted)
"""What is in the headline until something else happens, and so needs no line."""


@valueclass
class _Now:
    """What is going on; replaced as a whole, because the display reads it from another thread."""

    began: float
    headline: str = ""
    _: KW_ONLY
    detail: str = ""
    statement: str = ""
    ends: float | None = None
    """When a pause is over."""
    finished: int = 0
    total: int = 0

    def clock(self) -> str:
        if self.ends is not None:
            return words.duration(max(self.ends - time.monotonic(), 0))
        return words.duration(time.monotonic() - self.began)


class Live:
    """An observer that draws on the terminal that stderr is."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._now = _Now(time.monotonic())
        self._display: Display | None = None
        self._can_draw = output.stderr.can_show(words.SPINNER + "✓✗↻…")

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
        saying = say(progress)
        self._now = self._after(progress, saying)
        if saying is None or not saying.lasts or isinstance(progress, _GOES_ON):
            return
        if self._output.is_verbose or not saying.is_detail:
            self._display.console.print(self._text(self._line(progress, saying), saying.tone), soft_wrap=True)

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

    def _line(self, progress: Progress, saying: Saying) -> str:
        """Return the line that stays of a progress."""
        text = saying.sentence
        if isinstance(progress, StepFinished):
            text = f"{progress.step.migration.version} {saying.brief}  {saying.took}"
        mark = saying.mark if self._can_draw else words.in_ascii(saying.mark)
        return f"{mark} {text}" if mark else text

    def _after(self, progress: Progress, saying: Saying | None) -> _Now:
        now = time.monotonic()
        text = saying.brief if saying is not None else ""
        match progress:
            case RunStarted():
                return _Now(now, total=len(progress.plan.steps))
            case LockWaiting():
                return _Now(now - progress.waited_seconds, text)
            case StepStarted():
                return _Now(now, text, finished=progress.number - 1, total=progress.total)
            case StepFinished() | StepSkipped():
                return _Now(now, finished=progress.number, total=progress.total)
            case RetryScheduled():
                return replace(self._now, detail=TRIES_AGAIN_IN, ends=now + progress.delay_seconds, statement="")
            case StatementStarted():
                number = statement_number(progress.number, progress.total)
                return replace(self._now, detail=number, statement=progress.text)
            case Reported():
                return replace(self._now, detail=text, statement="")
            case _ if saying is not None and not saying.lasts:
                return replace(self._now, detail=text)
            case _:
                return self._now

    def _drawn(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        now = self._now
        rows: list[RenderableType] = []
        if now.total:
            bar = Table.grid(padding=(0, 1))
            count = self._text(f"{now.finished:,} of {now.total:,}", Tone.PLAIN)
            done = ProgressBar(
                now.total, now.finished, width=_BAR_CELLS, complete_style="green", finished_style="green"
            )
            bar.add_row(done, count)
            rows.append(bar)
        if now.headline:
            spinner = words.spinner(time.monotonic(), per_second=_PER_SECOND) if self._can_draw else "*"
            rows.append(self._text(f"{spinner} {self._fitted(now)}", Tone.BUSY))
        if now.statement:
            rows.append(self._text(f"  {now.statement}", Tone.QUIET))
        return Group(*rows)

    def _fitted(self, now: _Now) -> str:
        """Return what is going on, with its time; where the terminal is too narrow, long words give way to both."""
        headline, detail, clock = (one_line(text) for text in (now.headline, now.detail, now.clock()))
        width = self._display.console.width if self._display is not None else _WIDEST
        room = width - _BEFORE_HEADLINE - sum(display_width(part) + 2 for part in (detail, clock) if part)
        if room < _SHORTEST_HEADLINE:
            detail = shortened(detail, max(display_width(detail) + room - _SHORTEST_HEADLINE, 1))
            room = _SHORTEST_HEADLINE
        return "  ".join(part for part in (shortened(headline, room), detail, clock) if part)

    def _text(self, text: str, tone: Tone) -> Text:
        from rich.text import Text

        shown = one_line(self._output.redact(text))
        style = _STYLES.get(tone, "") if self._output.has_color else ""
        return Text(shown, style=style, no_wrap=True, overflow="ellipsis" if self._can_draw else "crop")


def _console(output: Output) -> Console:
    from rich.console import Console

    class Steady(Console):
        def show_cursor(self, show: bool = True) -> bool:
            """Leave the cursor as it is: a process that is killed could not bring it back."""
            return False

    return Steady(file=output.stderr.file, no_color=not output.has_color, markup=False, highlight=False, emoji=False)
