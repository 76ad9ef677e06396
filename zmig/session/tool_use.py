"""What is to be known of another tool whose history is in the database: is it imported, and what was done since."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zmig.other_tools import registry
from zmig.other_tools.history_tables import MARKS
from zmig.text import listing
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator
    from dataclasses import KW_ONLY

_SHOWN = 3


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
