"""Notices that a server was promoted, or restored from a backup, since a run wrote its facts.

Each promotion and each such restore begins a new timeline, a higher number (PostgreSQL documentation, "Timelines").
What the last runs had written on the old one may be missing on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from zmig.database.fact_reader import FactReader
    from zmig.database.server import Identity


@valueclass
class TimelineChange:
    """The last run on record was on another timeline than the server is now."""

    run_id: str
    before: int
    """The timeline on which that run wrote its facts."""
    now: int

    def as_dict(self) -> dict[str, object]:
        """Return the contents as JSON types."""
        return {"run_id": self.run_id, "before": self.before, "now": self.now}

    @property
    def message(self) -> str:
        """What it means, in a sentence."""
        written = f"the facts of run {self.run_id} were written on timeline {self.before}, this server is on {self.now}"
        if self.now < self.before:
            return f"{written}: it has gone back to an older history, and newer facts may be on another server"
        return f"{written}: it was promoted or restored since, and what had not reached it is not recorded here"


def change(facts: FactReader, identity: Identity | None) -> TimelineChange | None:
    """Return how the timeline differs from that of the last run on record, on the same server or a copy of it.

    On another system, as after a restored dump or pg_upgrade, timelines are counted anew, and say nothing.
    """
    if identity is None or identity.timeline is None:
        return None
    last = facts.last_server()
    if last is None:
        return None
    run_id, system, before = last
    if system != identity.system or before == identity.timeline:
        return None
    return TimelineChange(run_id, before, identity.timeline)
