"""What a database holds before zmig's first run on it, as values and words: objects of others, another tool's history.

Pure. A database is empty if no user's table, view, sequence, type or function is in it. Schemas, extensions with
what belongs to them, roles and rights may be prepared by an administrator; they are nothing a migration could harm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.other_tools.history_tables import MARKS
from zmig.text import listing
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHOWN = 5


@valueclass
class Existing:
    """What is in a database that has no facts."""

    count: int
    """How many objects there are that are not zmig's."""
    first: tuple[str, ...]
    """Some of them, as `table public.users`."""
    history: tuple[str, str] | None = None
    """The table in which another tool keeps its history, and the tool, by its key in `MARKS`."""
    active: tuple[str, ...] = ()
    """Migrations of pgroll's that are begun, and neither completed nor rolled back."""

    @property
    def words(self) -> Iterator[str]:
        """What is there, a sentence each."""
        yield f"it holds {listing.first(self.first, _SHOWN, count=self.count)}"
        if self.history is not None:
            table, tool = self.history
            yield f"`{table}` is where {MARKS[tool].title} keeps its history: what is there was made by it"
        if self.active:
            named = listing.quoted(self.active, _SHOWN)
            yield f"{named} is active in pgroll: run `pgroll complete`, or `pgroll rollback`, first"
