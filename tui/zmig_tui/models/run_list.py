"""All runs on record, the newest first, as far as they were asked for. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.facts import EventType
from zmig.valueclass import replace, valueclass
from zmig_tui.models.recorded_run import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence
    from dataclasses import KW_ONLY
    from datetime import datetime

    from zmig.database.run_reader import RunPage, RunSummary
    from zmig.facts import Fact
    from zmig.session.watcher import Observation

MOST_RUN_FACTS = 4000
"""How many facts of one run are shown: each migration leaves two, and all bars are drawn twice a second."""
_FAILURES = (EventType.FAILED, EventType.ROLLBACK_FAILED)
_BEGINNINGS = (EventType.STARTED, EventType.ROLLBACK_STARTED)


@valueclass
class ListedRun:
    """One run of the list."""

    run_id: str
    _: KW_ONLY
    first: int
    """The position of its first fact."""
    last: int
    outcome: Outcome
    began: datetime
    ended: datetime | None
    """None while it is in progress."""
    who: str
    done: int
    failed: int
    rolled_back: int

    def seconds(self, now: datetime) -> float:
        """Return how long it took, or has taken by `now`."""
        return max(((self.ended or now) - self.began).total_seconds(), 0.0)


@valueclass
class RunFacts:
    """What one run has recorded, with the pauses of its time."""

    run_id: str
    facts: Sequence[Fact]


class RunList:
    """Puts pages of runs together."""

    def __init__(self) -> None:
        self._pages: list[RunPage] = []
        self.revision = 0
        """Grows with every page that is taken over."""

    @property
    def is_read(self) -> bool:
        """Whether anything was read."""
        return bool(self._pages)

    @property
    def newest_from(self) -> int | None:
        """From where on there may be news: the latest run may go on, and there may be later ones. None at first."""
        if not self._pages:
            return None
        newest = next(iter(self._pages[0].runs), None)
        return newest.first - 1 if newest is not None else self._pages[0].after

    @property
    def more_before(self) -> int | None:
        """Up to where there may be earlier runs; None where all are known."""
        return self._pages[-1].after or None if self._pages else None

    def take(self, page: RunPage) -> None:
        """Take a page over: the latest runs, or news of them, or those before all that are known."""
        self.revision += 1
        if page.before is None and self._pages and page.after >= self._pages[0].after:
            first = self._pages[0]
            kept = (run for run in first.runs if run.last <= page.after)
            self._pages[0] = replace(first, runs=(*page.runs, *kept))
        elif page.before is None:
            self._pages = [page]
        elif page.before == self.more_before:
            self._pages.append(page)

    def runs(self, observation: Observation) -> Sequence[ListedRun]:
        """Return the runs as they are now, the newest first; those whose beginning is on no page yet are left out."""
        found: dict[str, RunSummary] = {}
        for page in self._pages:
            for summary in page.runs:
                later = found.get(summary.run_id)
                found[summary.run_id] = summary if later is None else later.joined(summary)
        holder = observation.status.holder
        held = holder.run_id if holder is not None else None
        stuck = _stuck_runs(observation)
        return [_listed(one, held=held, stuck=stuck) for one in found.values() if one.begun]


def _stuck_runs(observation: Observation) -> frozenset[str | None]:
    """Return the runs that left a migration stuck."""
    stuck = set(observation.status.stuck)
    entries = (entry for entry in observation.status.migrations if stuck and entry.name in stuck)
    return frozenset(
        entry.record.last.run_id for entry in entries if entry.record is not None and entry.record.last is not None
    )


def _listed(summary: RunSummary, *, held: str | None, stuck: frozenset[str | None]) -> ListedRun:
    outcome = _outcome(summary, held=held, stuck=stuck)
    return ListedRun(
        summary.run_id,
        first=summary.first,
        last=summary.last,
        outcome=outcome,
        began=summary.began,
        ended=None if outcome is Outcome.IN_PROGRESS else summary.last_at,
        who="@".join(part for part in (summary.database_user, summary.host) if part),
        done=summary.done,
        failed=summary.failed,
        rolled_back=summary.rolled_back,
    )


def _outcome(summary: RunSummary, *, held: str | None, stuck: frozenset[str | None]) -> Outcome:
    if summary.run_id == held:
        return Outcome.IN_PROGRESS
    if summary.run_id in stuck:
        return Outcome.STUCK
    if summary.last_type in _BEGINNINGS or summary.will_retry or summary.is_interrupted:
        return Outcome.INTERRUPTED
    return Outcome.FAILED if summary.last_type in _FAILURES else Outcome.DONE


def same_run(runs: Sequence[ListedRun], run_id: str | None, otherwise: int) -> int:
    """Return where a run is in the list; where it is not in it, the place it had."""
    return next((place for place, run in enumerate(runs) if run.run_id == run_id), otherwise)
