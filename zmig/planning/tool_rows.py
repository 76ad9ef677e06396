"""Rows of another tool's history beside the entries of a manifest: what is said of both, wherever they are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from zmig.planning.state import Entry


def by_origin(entries: Iterable[Entry], tool: str) -> dict[str, Entry]:
    """Return the entries by everything that they say the tool calls them, or has called them."""
    return {
        id: entry for entry in entries if entry.migration is not None for id in entry.migration.origin.get(tool, ())
    }


def taken_back(
    counted: Mapping[str, str | None], rows: Collection[str], covered: Collection[str], entries: Iterable[Entry]
) -> Iterator[str]:
    """Yield the names of what was imported as applied, and is not any more in the tool's history.

    `counted` are the foreign ids that were imported, each with the entry that counted as applied by it; `rows` those
    that the tool has as applied now, and `covered` the names of entries that those are of. What zmig has run itself
    since then is none of the tool's, which has nothing to take back there.
    """
    there = {*covered, *(name for id, name in counted.items() if id in rows)}
    gone = {name for id, name in counted.items() if name is not None and id not in rows} - there
    return (entry.name for entry in entries if entry.name in gone and entry.is_applied and entry.origin)
