"""Which rows of another tool's table were imported, and which entries of a manifest its other rows are of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.facts import EventType
from zmig.other_tools import registry
from zmig.other_tools.source import Source, SourceMigration, on_one_line
from zmig.other_tools.tool import Language
from zmig.planning import decisions, tool_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig.database.imported_facts import ImportedRow
    from zmig.other_tools.history import AppliedMigration, HistoryTable
    from zmig.planning.state import Entry

_FIRST_MOMENT = 10**9
"""From which on a version is a moment, as tools write it, and no count."""


class KnownRows:
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


def _number(id: str) -> int | None:
    return int(id) if id.isdecimal() else None
