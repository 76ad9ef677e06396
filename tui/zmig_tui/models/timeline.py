"""What a run did when: a bar for each migration on one axis of time, made of attempts, waits and pauses. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from zmig.facts import EventType
from zmig.valueclass import valueclass
from zmig_tui.models.recorded_run import LOCK_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from dataclasses import KW_ONLY
    from datetime import datetime

    from zmig.facts import Fact
    from zmig.session.watcher import Observation
    from zmig_tui.models.recorded_run import Attempt, RecordedRun, Step


class Part(StrEnum):
    """What a stretch of time was spent with."""

    WORK = "work"
    FAILED = "failed"
    """An attempt that came to nothing."""
    LOCK = "waits for a lock"
    BETWEEN = "waits for the next try"
    PAUSED = "paused"
    """By an operator."""


class Mark(StrEnum):
    """How a migration ended in a run."""

    DONE = "done"
    FAILED = "failed"
    RUNNING = "running"
    LEFT = "left"
    """Its run ended without a word."""


@valueclass
class Stretch:
    """A part of a bar, in seconds since the run began."""

    part: Part
    began: float
    ended: float


@valueclass
class Bar:
    """What a run did with one migration."""

    name: str
    version: int | None
    _: KW_ONLY
    is_rollback: bool
    mark: Mark
    tries: int
    seconds: float
    stretches: tuple[Stretch, ...]
    """In order; later ones lie over earlier ones."""
    message: str = ""
    """Why it failed."""


@valueclass
class Timeline:
    """A run on one axis of time."""

    bars: tuple[Bar, ...] = ()
    seconds: float = 0.0
    """How long it took, or has taken."""


def timeline(
    run: RecordedRun,
    facts: Iterable[Fact],
    observation: Observation | None,
    lock_timeouts: Mapping[str, float],
) -> Timeline:
    """Return what a run did when.

    `facts` hold the pauses of its time; `observation` says of a run in progress what it waits for now; `lock_timeouts`
    how long each migration waits for a lock, since facts say only that a wait was too long.
    """
    now = observation.now if run.is_held and observation is not None else run.last_at
    pauses = _pauses(facts, now)
    bars = [_bar(step, run, now, lock_timeouts.get(step.name), pauses.get(step.name, ())) for step in run.steps]
    if run.is_held and bars and observation is not None and (waits := _wait_now(run, observation)) is not None:
        last = bars[-1]
        bars[-1] = Bar(
            last.name,
            last.version,
            is_rollback=last.is_rollback,
            mark=last.mark,
            tries=last.tries,
            seconds=last.seconds,
            stretches=(*last.stretches, waits),
        )
    return Timeline(tuple(bars), max((now - run.began).total_seconds(), 0.0))


def _wait_now(run: RecordedRun, observation: Observation) -> Stretch | None:
    """Return how long the statement that runs now has been waiting for a lock."""
    work, last = observation.work, run.steps[-1].last
    if work is None or not work.blockers or last.ended is not None:
        return None
    since = [moment for moment in (last.began, work.backend.query_since) if moment is not None]
    began = max(since, default=observation.now)
    return Stretch(Part.LOCK, _at(began, run), _at(observation.now, run))


def _at(moment: datetime, run: RecordedRun) -> float:
    return max((moment - run.began).total_seconds(), 0.0)


def _bar(
    step: Step, run: RecordedRun, now: datetime, lock_timeout: float | None, pauses: Sequence[tuple[datetime, datetime]]
) -> Bar:
    stretches = [part for attempt in step.attempts for part in _attempt(attempt, run, now, lock_timeout)]
    for before, after in zip(step.attempts, step.attempts[1:], strict=False):
        if before.ended is not None and after.began is not None:
            stretches.append(Stretch(Part.BETWEEN, _at(before.ended, run), _at(after.began, run)))
    last = step.last
    if run.is_held and last.will_retry and last.ended is not None and step is run.steps[-1]:
        stretches.append(Stretch(Part.BETWEEN, _at(last.ended, run), _at(now, run)))
    began = min((stretch.began for stretch in stretches), default=0.0)
    ended = max((stretch.ended for stretch in stretches), default=0.0)
    for paused, resumed in pauses:
        if _at(resumed, run) > began and _at(paused, run) < ended:
            stretches.append(Stretch(Part.PAUSED, max(_at(paused, run), began), min(_at(resumed, run), ended)))
    return Bar(
        step.name,
        step.version,
        is_rollback=step.is_rollback,
        mark=_mark(step, run),
        tries=len(step.attempts),
        seconds=ended - began,
        stretches=tuple(stretches),
        message=last.setback if last.has_failed else "",
    )


def _attempt(attempt: Attempt, run: RecordedRun, now: datetime, lock_timeout: float | None) -> Iterator[Stretch]:
    ended = attempt.ended or now
    began = attempt.began or ended
    part = Part.FAILED if attempt.has_failed else Part.WORK
    yield Stretch(part, _at(began, run), _at(ended, run))
    if attempt.sqlstate == LOCK_TIMEOUT:
        waited = (ended - began).total_seconds()
        yield Stretch(Part.LOCK, _at(ended, run) - min(lock_timeout or waited, waited), _at(ended, run))


def _mark(step: Step, run: RecordedRun) -> Mark:
    last = step.last
    if last.ended is None or last.will_retry:
        return Mark.RUNNING if run.is_held else Mark.LEFT
    return Mark.DONE if last.is_completed else Mark.FAILED


def _pauses(facts: Iterable[Fact], now: datetime) -> dict[str, list[tuple[datetime, datetime]]]:
    """Return from when to when migrations were paused, by name."""
    found: dict[str, list[tuple[datetime, datetime]]] = {}
    open_since: dict[str, datetime] = {}
    for fact in facts:
        if fact.type is EventType.PAUSED:
            open_since.setdefault(fact.name, fact.created_at)
        elif fact.type is EventType.RESUMED and (since := open_since.pop(fact.name, None)) is not None:
            found.setdefault(fact.name, []).append((since, fact.created_at))
    for name, since in open_since.items():
        found.setdefault(name, []).append((since, now))
    return found
