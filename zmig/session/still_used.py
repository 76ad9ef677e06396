"""What the tools have done since whose histories were imported: applied more, or taken something back.

Reads only, and never keeps anybody from anything: a table that is gone, or that cannot be read, says nothing. Rows are
found to be of migrations by the same rules as where a history is imported: those of the tool, `HistoryTable.read`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zmig.database import tool_history, user_objects
from zmig.facts import EventType
from zmig.other_tools import registry
from zmig.other_tools.history import came_later, highest_number
from zmig.other_tools.history_tables import MARKS
from zmig.other_tools.source import Source, SourceMigration, on_one_line
from zmig.other_tools.tool import Language
from zmig.planning import decisions, tool_rows
from zmig.text import listing
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from dataclasses import KW_ONLY

    from zmig.database.imported_facts import ImportedRow
    from zmig.database.types import Questioning
    from zmig.other_tools.history import AppliedMigration, HistoryTable, ToolHistory
    from zmig.planning.state import Entry

LIMITED = "set local lock_timeout = '1s'"
"""With which a transaction does not wait for whoever has locked the other tool's table."""
_SHOWN = 3
_FIRST_MOMENT = 10**9
"""From which on a version is a moment, as tools write it, and no count."""


class Done(NamedTuple):
    """A migration that is to be applied, and that the tool has applied."""

    version: int
    id: str
    """What the tool calls it."""


@valueclass
class StillUsed:
    """A tool that has done something since its history was imported, or of whose rows some have entries since."""

    tool: str
    table: str
    ids: tuple[str, ...] = ()
    """What it has applied since, as it calls migrations."""
    _: KW_ONLY
    taken_back: tuple[str, ...] = ()
    """The names of migrations that it does not have as applied any more, and zmig has, by an import."""
    done: tuple[Done, ...] = ()
    """What would be done again, if it were applied."""

    @property
    def messages(self) -> Iterator[str]:
        """What is to be known: lower case, no final period."""
        yield from filter(None, (self.more, self.less))

    @property
    def more(self) -> str | None:
        """What is to be known of what it has applied."""
        if not self.ids:
            return None
        shown = listing.quoted(self.ids, _SHOWN)
        verb = "was" if len(self.ids) == 1 else "were"
        title = MARKS[self.tool].title
        return f"somebody still runs {title}: `{self.table}` has {shown}, which {verb} not imported"

    @property
    def less(self) -> str | None:
        """What is to be known of what it has taken back."""
        if not self.taken_back:
            return None
        shown = listing.quoted(self.taken_back, _SHOWN)
        title = MARKS[self.tool].title
        return f"{title} has taken back {shown} since: `{self.table}` does not have that as applied, and zmig has"

    def as_dict(self) -> dict[str, object]:
        """Return the contents as JSON types."""
        return {
            "tool": self.tool,
            "table": self.table,
            "not_imported": list(self.ids),
            "taken_back": list(self.taken_back),
        }


@valueclass
class NotImported:
    """A tool whose history is in a database on which zmig has not run yet."""

    tool: str
    table: str

    @property
    def message(self) -> str:
        """What is to be known: lower case, no final period."""
        return f"`{self.table}` is where {MARKS[self.tool].title} keeps its history, which is not imported"

    @property
    def can_be_imported(self) -> bool:
        """Whether zmig reads this tool's history."""
        return self.tool in registry.NAMES

    def as_dict(self) -> dict[str, object]:
        """Return the contents as JSON types."""
        return {"tool": self.tool, "table": self.table}


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


class _Known:
    """What is known of one table: its rows that were imported, and the manifest's entries."""

    def __init__(self, tool: str, table: str, rows: Sequence[ImportedRow], entries: Sequence[Entry]) -> None:
        self.tool = tool
        self.table = table
        self.history: HistoryTable = registry.tool(tool).history
        self.ids = {row.id: row.name for row in rows if row.id is not None}
        """What was imported, each with the entry that counted as applied by it."""
        self.without_entry = {row.id: row.called for row in rows if row.id is not None and row.lacks_entry}
        """What counts once there is an entry for it, each with the name that one would have."""
        imported = {name for name in self.ids.values() if name is not None}
        self.entries = entries
        self._by_id = tool_rows.by_origin(entries, tool)
        self._by_name: dict[str, Entry] = {}
        is_code = registry.tool(tool).language is Language.CODE
        self._squashes = [one for one in entries if one.migration is not None and one.migration.replaces is not None]
        for one in entries:
            if one.migration is None or one.name in imported:
                continue
            if not one.migration.origin:  # else its name and number are another tool's, or zmig's own
                self._by_name[one.name] = one
                # Where a baseline took the place of code, what comes after it is numbered anew, from 2.
                if not is_code or (one.version or 0) >= _FIRST_MOMENT:
                    self._by_name[str(one.version)] = one

    def source(self) -> Source:
        """Return the project's files as far as facts and entries know them."""
        known = {id: name or id for id, name in self.ids.items()}
        known |= {id: entry.name for id, entry in self._by_id.items() if id not in known}
        found = [SourceMigration(id, name, None, number=_number(id)) for id, name in known.items()]
        if self.history.has_one_number:
            numbers = {str(one.version): one for one in self._by_name.values() if str(one.version) not in known}
            found += [SourceMigration(id, one.name, None, number=one.version) for id, one in numbers.items()]
        return Source(self.tool, "", tuple(found))

    def entry(self, row: AppliedMigration) -> Entry | None:
        """Return the entry that a row is of; None where it is of none, or its entry was imported."""
        return self.entry_of(row.id, row.called)

    def entry_of(self, id: str, called: str | None = None) -> Entry | None:
        """Return the entry that the tool calls by an id, or that is `called` as an import would."""
        plain = on_one_line(id)
        found = self._by_id.get(plain) or self._by_name.get(plain) or self._squash_of(_number(id))
        return found if found is not None or called is None else self._by_name.get(called)

    def _squash_of(self, number: int | None) -> Entry | None:
        """Return the squash that has a migration of this number in it; None where there is none."""
        for one in self._squashes:
            versions = one.migration.replaces if one.migration is not None else None
            if number is not None and versions is not None and number in versions:
                return one
        return None

    def would_run(self, entry: Entry | None, *, is_recorded: bool = False) -> bool:
        """Whether an entry is to be applied once, though the tool has, and nobody has said that this is another one.

        Where the tool's row `is_recorded`, what zmig has taken back is to be applied again; else that row is news.
        """
        if entry is None or entry.is_repeatable or entry.is_applied:
            return False
        if is_recorded:
            return not decisions.was_made_pending(entry)
        by = entry.record.made_pending if entry.record is not None else None
        return by is None or by.type is EventType.ROLLED_BACK


def _all_known(imported: Sequence[ImportedRow], entries: Sequence[Entry]) -> Iterator[_Known]:
    for tool, table in dict.fromkeys((row.tool, row.table) for row in imported):
        if tool in registry.NAMES:
            rows = [row for row in imported if (row.tool, row.table) == (tool, table)]
            yield _Known(tool, table, rows, entries)


def _use(known: _Known, history: ToolHistory | None) -> StillUsed | None:
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


def _new(known: _Known, history: ToolHistory) -> dict[str, Entry | None]:
    """Return the rows that were not imported, by what the tool calls them, with the entries that they are of."""
    highest = highest_number(known.ids)
    rows = {row.id: known.entry(row) for row in history.applied if not came_later(row, highest)}
    rows |= {id: known.entry_of(id) for id in history.begun}
    return {id: entry for id, entry in rows.items() if id not in known.ids}


def _taken_back(known: _Known, history: ToolHistory, covered: set[str]) -> Iterator[str]:
    """Yield the names of what was imported as applied, and is not any more, where the history says what is."""
    if history.problems and not history.applied:
        return
    rows = {row.id for row in history.applied}
    yield from tool_rows.taken_back(known.ids, rows, covered, known.entries)


def _history(connection: Questioning, known: _Known) -> ToolHistory | None:
    """Return what a tool's table says; None where that is not there, or not as the tool makes it."""
    schema, _, name = known.table.partition(".")
    seen = tool_history.tables(connection, schema)
    if (schema, name) not in seen or not MARKS[known.tool].has_columns(seen[schema, name]):
        return None
    at = tool_history.place(connection, schema, name, seen)
    if tool_history.runs_code(connection, at, known.tool):
        return None
    return known.history.read(tool_history.rows(connection, known.history, at), known.source())


def _number(id: str) -> int | None:
    return int(id) if id.isdecimal() else None
