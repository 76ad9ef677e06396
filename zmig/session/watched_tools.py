"""What a watcher knows of other migration tools in a database: looked for now and then, and kept in between."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

import psycopg

from zmig.database import imported_facts
from zmig.session import still_used
from zmig.valueclass import field, valueclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zmig.database.types import Connection
    from zmig.session.snapshot import DatabaseSnapshot
    from zmig.session.tool_use import NotImported, StillUsed

_SECONDS_BETWEEN = 30.0


@valueclass
class ToolsSeen:
    """Other tools, and what they have in a database."""

    used: tuple[StillUsed, ...] = ()
    """Those that have done something since their history was imported."""
    kept: Mapping[str, int] = field(default_factory=dict[str, int])
    """How many rows are in the history for the record alone, by the name of the tool."""
    not_imported: NotImported | None = None
    """The one whose history is there before zmig has run for the first time."""


class WatchedTools:
    """Looks at the start, where something was recorded since, and every half a minute."""

    def __init__(self) -> None:
        self._seen = ToolsSeen()
        self._looked_at = float("-inf")

    def read(self, connection: Connection, events: str, snapshot: DatabaseSnapshot, *, is_news: bool) -> ToolsSeen:
        """Return what there was when that was looked for last; what cannot be read is nothing."""
        if is_news or time.monotonic() - self._looked_at >= _SECONDS_BETWEEN:
            try:
                with connection.transaction():
                    connection.execute(still_used.LIMITED.encode())
                    self._seen = _look(connection, events, snapshot)
            except psycopg.Error:
                self._seen = ToolsSeen()
            self._looked_at = time.monotonic()
        return self._seen


def _look(connection: Connection, events: str, snapshot: DatabaseSnapshot) -> ToolsSeen:
    if not snapshot.inspection.has_events:
        return ToolsSeen(not_imported=still_used.not_imported(connection))
    if not snapshot.may_have_imported:
        return ToolsSeen()
    imported = imported_facts.rows(connection, events)
    kept = Counter(row.tool for row in imported if row.id is not None and row.name is None)
    return ToolsSeen(still_used.read(connection, imported, snapshot.entries), kept)
