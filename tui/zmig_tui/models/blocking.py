"""Who blocks a run, for the key that terminates a blocker: remembered through the pauses between attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.presentation import words
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zmig.database.activity import Backend, Blocker, Blocking
    from zmig.session.watcher import Observation


@valueclass
class KnownBlockers:
    """Who was seen last to block a run."""

    holder_pid: int | None = None
    """The backend of the run."""
    migration: str | None = None
    blockers: tuple[Blocker, ...] = ()


def update_blockers(before: KnownBlockers, observation: Observation) -> KnownBlockers:
    """Return who blocked the migration that runs, last; whoever blocked another one, or another run, is forgotten."""
    holder, work = observation.status.holder, observation.work
    if holder is None:
        return KnownBlockers()
    # Between two attempts, what failed is not said to run.
    migration = holder.migration or before.migration
    if work is not None and work.blockers:
        return KnownBlockers(holder.pid, migration, work.blockers)
    is_same = (holder.pid, migration) == (before.holder_pid, before.migration or migration)
    return before if is_same else KnownBlockers(holder.pid, migration)


@valueclass
class BackendChoice:
    """A backend that may be ended, since it blocks the run."""

    backend: Backend
    why: str

    @property
    def text(self) -> str:
        """The backend in one line."""
        return f"{words.backend(self.backend.pid, self.backend)}; it {self.why}"


def choices(blocking: Blocking) -> list[BackendChoice]:
    """Return the backends that may be ended, the likeliest first; a prepared transaction has none."""
    return [*_choices(blocking.now, "blocks {}"), *_choices(blocking.before, "blocked {} before")]


def _choices(blockers: Iterable[Blocker], why: str) -> Iterator[BackendChoice]:
    for blocker in blockers:
        if blocker.backend is not None:
            yield BackendChoice(blocker.backend, why.format(blocker.waiting_pid))
