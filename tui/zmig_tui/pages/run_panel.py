"""The lines about a run, of this console or of another process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.presentation import narration, words
from zmig.presentation.hints import written
from zmig.presentation.spans import Line, Span, Tone
from zmig_tui.models import batch_progress, wait_tree
from zmig_tui.models.wait_tree import is_anybody_waiting
from zmig_tui.pages import backend_view
from zmig_tui.pages.sparkline import trend_line
from zmig_tui.pages.wait_tree import summary_line
from zmig_tui.text import EMPTY, bar, fitted, line, span, spread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.presentation.hints import HintStyle
    from zmig.session.watcher import Observation
    from zmig_tui.models.durations import EarlierDuration
    from zmig_tui.models.run import CurrentStep, Run

_TURNS_PER_SECOND = 4
_MOST_BLOCKERS = 5
_LEAST_LINES = 4
_SPARKLINE_HEIGHT = 6


def panel_lines(
    run: Run,
    observation: Observation | None,
    now: float,
    *,
    hints: HintStyle,
    cells: int,
    height: int,
    expected: EarlierDuration | None = None,
) -> list[Line]:
    """Return the panel in about `height` lines of `cells`, more if somebody blocks; `now` is on the run's clock.

    `expected` is how long the migration that runs took before.
    """
    work = observation.work if observation is not None else None
    if work is not None and not run.is_over and is_anybody_waiting(observation):
        height += min(len(work.blockers), _MOST_BLOCKERS) + 1
    body = [_title(run, now, cells), *_body(run, observation, now, hints, expected)]
    sparkline = trend_line(run.current, now, cells) if run.current is not None and height >= _SPARKLINE_HEIGHT else None
    if sparkline is not None:
        body.append((Span("   "), *sparkline))
    body = body[:height]
    shown = height - len(body)
    if shown > 0:
        body += [(Span(" "), *line) for line in run.log.tail(shown)]
    if not run.is_over:
        # What a run waits for comes and goes several times a second; the table must not move each time.
        body += [EMPTY] * (_LEAST_LINES - len(body))
    return [fitted(line, cells) for line in body]


def _title(run: Run, now: float, cells: int) -> Line:
    if run.is_over:
        tone, glyph = (Tone.BAD, "✗") if run.has_failed else (Tone.GOOD, "✓")
        right = line(span("l log   esc close ", Tone.QUIET))
        who = f" by {run.who}" if run.who else ""
        left = line(
            span(f" {glyph} {run.verb}{who}: {run.outcome}", tone),
            span(f"  {words.clock(run.seconds(now))}", Tone.QUIET),
        )
        return spread(left, right, cells)
    where = " in another process" if run.is_remote else ""
    left = line(span(f" {words.spinner(now, per_second=_TURNS_PER_SECOND)} {run.verb}{where}", Tone.BUSY))
    if run.is_cancelling:
        left = (*left, Span("  cancelling …", Tone.WARN))
    if not run.total:
        return spread(left, line(span(f"{words.clock(run.seconds(now))} ", Tone.QUIET)), cells)
    count = span(f" {run.finished:,} of {run.total:,}  {run.finished / run.total:.0%}  ")
    clock = span(f"{words.clock(run.seconds(now))} ", Tone.QUIET)
    room = cells - sum(piece.width for piece in left) - count.width - clock.width - 2
    return line(*left, "  ", *bar(run.finished / run.total, max(room, 4)), count, clock)


def _body(
    run: Run, observation: Observation | None, now: float, hints: HintStyle, expected: EarlierDuration | None
) -> Iterator[Line]:
    if run.is_over:
        for problem in run.problems:
            yield line(span(f"   {problem.message}", Tone.BAD))
            if problem.hint is not None:
                yield line(span(f"   {written(problem.hint, hints)}", Tone.QUIET))
        return
    if run.waiting is not None and run.current is None:
        yield line(span(f"   {narration.waiting_for(run.waiting.holder)}", Tone.WARN))
    if run.current is not None:
        yield from _current(run.current, now, expected)
    is_between_tries = run.current is not None and run.current.retry_at is not None
    if observation is not None and observation.work is not None and not is_between_tries:
        tree = wait_tree.wait_tree(observation, run)
        waits = summary_line(tree, observation.work.backend.wait or "Lock") if tree.is_anybody_waiting else ()
        for shown in backend_view.backend_lines(observation.work, observation.now, waits):
            yield (Span("   "), *shown)


def _tries(current: CurrentStep) -> list[str]:
    """Return which try it is, of this run as far as that is known, else of all."""
    if current.tries > 1 and current.most_tries is not None:
        return [f"try {current.tries} of {current.most_tries}"]
    return [f"attempt {current.attempt}"] if current.attempt > 1 else []


def _expectation(current: CurrentStep, now: float, expected: EarlierDuration) -> str:
    """Return how long it took before and, unless its rounds say that better, how long it may take yet."""
    took = f"took {words.duration(expected.seconds)} {expected.where}"
    left = expected.seconds - (now - current.began)
    if current.retry_at is not None or current.rounds is not None:
        return took
    return f"{took}, about {words.clock(left)} left" if left > 0 else f"{took}, less than now"


def _current(current: CurrentStep, now: float, expected: EarlierDuration | None) -> Iterator[Line]:
    facts = _tries(current)
    if current.statement is not None and current.retry_at is None:
        number = narration.statement_number(current.statement, current.statements)
        facts.append(number + (f", line {current.line}" if current.line else ""))
    facts.append(words.clock(now - current.began))
    if expected is not None:
        facts.append(_expectation(current, now, expected))
    yield line("   ", span(current.name, Tone.STRONG), span(f"  {' · '.join(facts)}", Tone.QUIET))
    if current.retry_at is not None:
        why = f"{current.setback}; " if current.setback else ""
        again = f"{narration.TRIES_AGAIN_IN} {words.clock(current.retry_at - now + 0.9)}"
        yield line(span(f"   ↻ {why}{again}", Tone.WARN))
    if current.held:
        yield line(span(f"   ‖ waits between two rounds: {current.held}", Tone.WARN))
    if current.rounds is not None:
        yield (Span("   "), *batch_progress.batch_line(current.rounds, is_paused=current.is_paused))
    elif current.done is not None and current.total:
        numbers = f" {current.done / current.total:4.0%}  {current.done:,} of {current.total:,}  "
        yield line("   ", *bar(current.done / current.total, 24), numbers, span(current.text, Tone.QUIET))
    elif current.text:
        yield line("   ", span(current.text, Tone.ACCENT))
