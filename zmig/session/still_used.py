"""Whether somebody still runs the tool whose history was imported: its table has more than was imported from it.

Reads only, and never keeps anybody from anything: a table that is gone, or that cannot be read, says nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.database import imported_facts, tool_history, user_objects
from zmig.other_tools import registry
from zmig.other_tools.history_tables import MARKS
from zmig.other_tools.source import Source, SourceMigration
from zmig.text import listing
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zmig.database.imported_facts import ImportedRow
    from zmig.database.types import Questioning

LIMITED = "set local lock_timeout = '1s'"
"""With which a transaction does not wait for whoever has locked the other tool's table."""
_SHOWN = 3


@valueclass
class StillUsed:
    """A tool that has applied something since its history was imported."""

    tool: str
    table: str
    ids: tuple[str, ...]
    """What it has applied since, as it calls migrations."""

    @property
    def message(self) -> str:
        """What is to be known: lower case, no final period."""
        shown = listing.quoted(self.ids, _SHOWN)
        title = MARKS[self.tool].title
        verb = "was" if len(self.ids) == 1 else "were"
        return f"somebody still runs {title}: `{self.table}` has {shown}, which {verb} not imported"

    def as_dict(self) -> dict[str, object]:
        """Return the contents as JSON types."""
        return {"tool": self.tool, "table": self.table, "not_imported": list(self.ids)}


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


def read(connection: Questioning, events: str) -> tuple[StillUsed, ...]:
    """Return the tools that are still used.

    Raises:
        psycopg.Error, libpq.Unavailable: a table cannot be read.
    """
    return tuple(of_imported(connection, imported_facts.rows(connection, events)))


def of_imported(connection: Questioning, imported: Sequence[ImportedRow]) -> Iterator[StillUsed]:
    """Yield the tools that are still used, where it is known what was imported. Raises like `read`."""
    for tool, table in dict.fromkeys((row.tool, row.table) for row in imported):
        if tool in registry.NAMES:
            known = {
                row.id: row.name or row.id
                for row in imported
                if (row.tool, row.table) == (tool, table) and row.id is not None
            }
            if new := _new(connection, tool, table, known):
                yield StillUsed(tool, table, new)


def _new(connection: Questioning, tool: str, table: str, known: Mapping[str, str]) -> tuple[str, ...]:
    """Return what a tool's table has that is not known; what is known, with names, stands for the project's files."""
    schema, _, name = table.partition(".")
    seen = tool_history.tables(connection, schema)
    if (schema, name) not in seen or not MARKS[tool].has_columns(seen[schema, name]):
        return ()
    history = registry.tool(tool).history
    at = tool_history.place(connection, schema, name, seen)
    if tool_history.runs_code(connection, at, tool):
        return ()
    migrations = tuple(
        SourceMigration(id, name, None, number=int(id) if id.isdecimal() else None) for id, name in known.items()
    )
    found = history.read(tool_history.rows(connection, history, at), Source(tool, "", migrations))
    return tuple(id for id in (*(row.id for row in found.applied), *found.begun) if id not in known)
