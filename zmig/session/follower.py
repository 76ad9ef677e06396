"""Follows the facts of a live event store and loses none.

Positions are handed out before commit, so a lower one can become visible after a higher one. Positions that were
passed over are asked for again until every transaction that might still hold them has ended.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, cast

from zmig.facts import EventType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zmig.database.store import Store
    from zmig.database.types import Connection
    from zmig.facts import Fact

OPEN = frozenset({EventType.STARTED, EventType.ROLLBACK_STARTED})
"""What begins something that another fact has to end."""

_WINDOW = 10_000
"""How far below the highest position gaps are looked for at the beginning."""

_SNAPSHOT = "select pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint from pg_current_snapshot() s"
"""Below the first number every transaction has ended; from the second on none has begun yet."""


class EventFollower:
    """A place in one event store."""

    def __init__(self, connection: Connection, store: Store) -> None:
        self._connection = connection
        self._store = store
        self._highest: int | None = None
        self.latest: dict[tuple[object, ...], Fact] = {}
        """The latest fact of each slot."""
        self.revision = 0
        """Grows with every fact that is read."""
        self._last: dict[str, Fact] = {}
        self._gaps: dict[int, int | None] = {}
        """Each with the transaction id below which all must have ended before it counts as never used.

        The bound is taken one reading after the gap was seen: by then a statement that had been handed the
        position has its transaction id.
        """

    def read(self) -> list[Fact]:
        """Return the facts that have become visible since the last reading.

        The first reading returns the latest fact of each slot, which is all that folding needs.
        """
        if self._highest is None:
            seen = sorted(self._store.positions(_WINDOW))
            self._highest = seen[0] - 1 if seen else 0
            self._advance(seen)
            facts = sorted(self._store.latest_facts(), key=attrgetter("position"))
        else:
            gaps = self._open_gaps()
            facts = list(self._store.facts_after(self._highest, self._gaps))
            self._gaps = gaps
        self._advance(fact.position for fact in facts)
        for fact in facts:
            self.revision += 1
            if _is_later(fact, self.latest.get(fact.superseding_key)):
                self.latest[fact.superseding_key] = fact
            if _is_later(fact, self._last.get(fact.name)):
                self._last[fact.name] = fact
        return facts

    def open(self) -> Iterator[Fact]:
        """Yield the facts by which something is started and not ended."""
        return (fact for fact in self._last.values() if fact.type in OPEN)

    def _advance(self, positions: Iterable[int]) -> None:
        for position in sorted(positions):
            highest = self._highest or 0
            if position > highest:
                passed = range(max(highest, position - _WINDOW) + 1, position)
                self._gaps.update(dict.fromkeys(passed))
                self._highest = position
            else:
                self._gaps.pop(position, None)

    def _open_gaps(self) -> dict[int, int | None]:
        """Return the gaps that a transaction of this moment may still fill; asked before the facts are read."""
        if not self._gaps:
            return {}
        row = self._connection.execute(_SNAPSHOT).fetchone()
        oldest, following = cast("tuple[int, int]", row)
        return {
            position: following if bound is None else bound
            for position, bound in self._gaps.items()
            if bound is None or oldest < bound
        }


def _is_later(fact: Fact, known: Fact | None) -> bool:
    return known is None or known.position < fact.position
