"""Reads what facts say of other tools' histories: which of their rows were imported, and from which tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from zmig.facts import EventType
from zmig.sql.quoting import operator

if TYPE_CHECKING:
    from zmig.database.types import Questioning

_ORIGIN = f"event_data {operator('->')} 'origin'"
_ROWS = f"""
select origin {operator("->>")} 'tool', origin {operator("->>")} 'table', origin {operator("->>")} 'id',
    (pg_catalog.array_agg(aggregate_id order by position desc)
        filter (where event_type {operator("=")} '{EventType.BASELINED.value}'))[1],
    (pg_catalog.array_agg(event_data {operator("->>")} 'reason' order by position desc))[1],
    (pg_catalog.array_agg(origin {operator("->>")} 'name' order by position desc))[1]
from (select position, event_type, aggregate_id, event_data, {_ORIGIN} as origin from {{events}}
    where (event_type {operator("=")} '{EventType.BASELINED.value}'
        or event_type {operator("=")} '{EventType.IMPORTED.value}')
    and pg_catalog.jsonb_typeof({_ORIGIN}) {operator("=")} 'object') as imported
group by 1, 2, 3 order by pg_catalog.min(position)
"""


LEFT_OUT, NO_FILE, CODE, IN_BASELINE = "left out", "no file", "code", "what it did is in"
"""Reasons for which a row is kept for the record alone, until there is an entry for it; how the last one begins."""


class ImportedRow(NamedTuple):
    """One row of another tool's history that was imported."""

    tool: str
    table: str
    id: str | None
    """What the tool calls the migration; None where its history was empty, and for a baseline in place of code."""
    name: str | None
    """The entry that counted as applied by it; None where it was kept for the record alone."""
    reason: str | None = None
    """Why the last fact is there, such as `no file`."""
    called: str | None = None
    """The name by which an entry is one for it, where that is another than its id."""

    @property
    def lacks_entry(self) -> bool:
        """Whether an entry would count as applied by it, if there were one."""
        return self.name is None and (self.reason or "").startswith((LEFT_OUT, NO_FILE, CODE, IN_BASELINE))


def rows(connection: Questioning, events: str) -> list[ImportedRow]:
    """Return the rows that were imported into a table of facts, in their order, each once."""
    found = connection.execute(_ROWS.format(events=events).encode()).fetchall()
    return [
        ImportedRow(*cast("tuple[str, str, str | None, str | None, str | None, str | None]", row))
        for row in found
        if row[0] and row[1]
    ]
