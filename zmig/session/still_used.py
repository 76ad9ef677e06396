"""What the tools have done since whose histories were imported: applied more, or taken something back.

Reads only, and never keeps anybody from anything: a table that is gone, or that cannot be read, says nothing. Rows are
found to be of migrations by the same rules as where a history is imported: those of the tool, `HistoryTable.read`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.database import tool_history, user_objects
from zmig.other_tools import registry
from zmig.other_tools.history import came_later, highest_number
from zmig.other_tools.history_tables import MARKS
from zmig.planning import tool_rows
from zmig.session.imported_rows import KnownRows
from zmig.session.tool_use import Done, NotImported, StillUsed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.database.imported_facts import ImportedRow
    from zmig.database.types import Questioning
    from zmig.other_tools.history import ToolHistory
    from zmig.planning.state import Entry

LIMITED = "set local lock_timeout = '1s'"
"""With which a transaction does not wait for whoever has locked the other tool's table."""


def not_imported(connection: Questioning) -> NotImported | None:
    """Return whose history is in a database on which zmig has not run yet; None where there is none.

    Raises:
        psycopg.Error, libpq.Unavailable: the catalogs cannot be read.
    """
    found = user_objects.tool_history(connection)
    return None if found is None else NotImported(found[1], found[0])


def read(connection: Questioning, imported: Sequence[ImportedRow], entries: Sequence[Entry]) -> tuple[StillUsed, ...]:
    """Return what the tools have done since, of whose histories some rows are `imported`.

    Raises:
        psycopg.Error, libpq.Unavailable: a table cannot be read.
    """
    return tuple(one for known in _all_known(imported, entries) if (one := _use(known, _history(connection, known))))


def of_facts(imported: Sequence[ImportedRow], entries: Sequence[Entry]) -> tuple[StillUsed, ...]:
    """Return as much of that as facts alone say."""
    return tuple(one for known in _all_known(imported, entries) if (one := _use(known, None)))


def _all_known(imported: Sequence[ImportedRow], entries: Sequence[Entry]) -> Iterator[KnownRows]:
    for tool, table in dict.fromkeys((row.tool, row.table) for row in imported):
        if tool in registry.NAMES:
            rows = [row for row in imported if (row.tool, row.table) == (tool, table)]
            yield KnownRows(tool, table, rows, entries)


def _use(known: KnownRows, history: ToolHistory | None) -> StillUsed | None:
    """Return what a tool has done, as its history says, where that can be read; None where it is nothing."""
    rows = {} if history is None else _new(known, history)
    done = {id: entry for id, entry in rows.items() if known.would_run(entry)}
    for id, called in known.without_entry.items():
        entry = known.entry_of(id, called)
        if known.would_run(entry, is_recorded=True) and entry not in done.values():
            done[id] = entry
    covered = {entry.name for entry in rows.values() if entry is not None}
    back = () if history is None else tuple(_taken_back(known, history, covered))
    if not (rows or back or done):
        return None
    return StillUsed(
        known.tool,
        known.table,
        ids=tuple(rows),
        taken_back=back,
        done=tuple(Done(entry.version or 0, id) for id, entry in done.items() if entry is not None),
    )


def _new(known: KnownRows, history: ToolHistory) -> dict[str, Entry | None]:
    """Return the rows that were not imported, by what the tool calls them, with the entries that they are of."""
    highest = highest_number(known.ids)
    rows = {row.id: known.entry(row) for row in history.applied if not came_later(row, highest)}
    rows |= {id: known.entry_of(id) for id in history.begun}
    return {id: entry for id, entry in rows.items() if id not in known.ids}


def _taken_back(known: KnownRows, history: ToolHistory, covered: set[str]) -> Iterator[str]:
    """Yield the names of what was imported as applied, and is not any more, where the history says what is."""
    if history.problems and not history.applied:
        return
    rows = {row.id for row in history.applied}
    yield from tool_rows.taken_back(known.ids, rows, covered, known.entries)


def _history(connection: Questioning, known: KnownRows) -> ToolHistory | None:
    """Return what a tool's table says; None where that is not there, or not as the tool makes it."""
    schema, _, name = known.table.partition(".")
    seen = tool_history.tables(connection, schema)
    if (schema, name) not in seen or not MARKS[known.tool].has_columns(seen[schema, name]):
        return None
    at = tool_history.place(connection, schema, name, seen)
    if tool_history.runs_code(connection, at, known.tool):
        return None
    return known.history.read(tool_history.rows(connection, known.history, at), known.source())
