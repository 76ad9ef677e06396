"""What a plan is made from: the state of every migration at one moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.planning import state
from zmig.planning.state import State
from zmig.valueclass import replace, valueclass

if TYPE_CHECKING:
    from zmig.planning.state import Entry


@valueclass
class Snapshot:
    """Every migration that is declared or recorded, with its state at one moment."""

    entries: tuple[Entry, ...]
    is_first: bool = False
    """Whether the database has no facts at all."""
    awaited: frozenset[str] = frozenset()
    """The names of what was not completed when the same command first asked, before it waited for the lock."""

    @property
    def current_version(self) -> int:
        """The highest applied version."""
        return state.current_version(self.entries)

    @property
    def is_someone_running(self) -> bool:
        """Whether another run is at work on one of the migrations."""
        return any(entry.state is State.STARTED for entry in self.entries)

    def after(self, earlier: Snapshot) -> Snapshot:
        """Return the same snapshot, of a command whose first was `earlier`."""
        return replace(self, awaited=frozenset(one.name for one in earlier.entries if one.state is not State.DONE))
