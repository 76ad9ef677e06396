"""How the objects of two snapshots differ, as values and as text. Pure.

Which of the two is right is for the caller to say: the first one is what is expected, the second what is there.
"""

from __future__ import annotations

from difflib import unified_diff
from enum import StrEnum
from typing import TYPE_CHECKING

from zmig.catalog.objects import Kind
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zmig.catalog.objects import Key, SchemaSnapshot

_MAINTAIN_SINCE = 170000


class Change(StrEnum):
    """What became of an object."""

    MISSING = "missing"
    EXTRA = "extra"
    CHANGED = "changed"


@valueclass
class Difference:
    """One object that is not as it was expected."""

    kind: Kind
    identity: str
    expected: str | None
    """Its definition; None where it was not expected."""
    found: str | None
    """The same of the one that is there; None where none is."""

    @property
    def change(self) -> Change:
        """What became of it."""
        if self.found is None:
            return Change.MISSING
        return Change.EXTRA if self.expected is None else Change.CHANGED

    @property
    def is_note(self) -> bool:
        """Whether it is a note, and no finding."""
        return self.kind.is_note

    @property
    def lines(self) -> Iterator[str]:
        """The definitions as a unified diff, without its heading: each line begins with ` `, `-` or `+`."""
        before, after = ((text or "").splitlines() for text in (self.expected, self.found))
        size = len(before) + len(after)
        for number, line in enumerate(unified_diff(before, after, n=size, lineterm="")):
            if number > 2:  # the names of both files, and the one range
                yield line


def differences(expected: SchemaSnapshot, found: SchemaSnapshot) -> list[Difference]:
    """Return what differs, in order of kind and identity.

    What only follows from the servers' major versions is left out.
    """
    before, after = (_comparable(one, other) for one, other in ((expected, found), (found, expected)))
    kinds = list(Kind)
    keys = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    ordered = sorted(keys, key=lambda key: (kinds.index(key[0]), key[1]))
    return [Difference(kind, name, before.get((kind, name)), after.get((kind, name))) for kind, name in ordered]


def _comparable(one: SchemaSnapshot, other: SchemaSnapshot) -> Mapping[Key, str]:
    """Return the objects of a snapshot without what the other one's server does not know."""
    if min(one.server_version, other.server_version) >= _MAINTAIN_SINCE:
        return one.objects
    return {
        (kind, name): _without_maintain(text) if kind in (Kind.PRIVILEGES, Kind.DEFAULT_PRIVILEGES) else text
        for (kind, name), text in one.objects.items()
    }


def _without_maintain(text: str) -> str:
    return "\n".join(line for line in text.split("\n") if not line.partition(": ")[2].startswith("maintain"))
