"""Who blocks a run, for the key that terminates a blocker: remembered through the pauses between attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.valueclass import valueclass

if TYPE_CHECKING:
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
        one = self.backend
        return f"{one.pid}  {self.why}: {one.database_user or '?'}, {one.application_name or '?'}, {one.state or '?'}"


def choices(found: Blocking) -> list[BackendChoice]:
    """Return the backends that may be ended, the likeliest first; a prepared transaction has none."""
    now = [BackendChoice(one.backend, f"blocks {one.waiting_pid}") for one in found.now if one.backend is not None]
    before = [
        BackendChoice(one.backend, f"blocked {one.waiting_pid} before")
        for one in found.before
        if one.backend is not None
    ]
    return [*now, *before]
