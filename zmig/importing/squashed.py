"""Migrations of another tool that are in a squash by now: their files are there still, and their entries are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zmig.importing import numbering
from zmig.other_tools.source import on_one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zmig.importing.declared import Declared
    from zmig.other_tools.source import SourceMigration


class Squashed(NamedTuple):
    """What squashes have, and what they may have."""

    inside: Mapping[str, str]
    """The ids of migrations that are in a squash, each with the name of it."""
    unclear: Mapping[str, str]
    """Those of which nobody can say, since the tool's numbers are not the versions."""


def find(migrations: Sequence[SourceMigration], declared: Declared, tool: str) -> Squashed:
    """Return which migrations without an entry are in a squash of the manifest."""
    squashes = [entry for entry in declared.entries.values() if entry.declaration.replaces is not None]
    if not squashes:
        return Squashed({}, {})
    ids = declared.ids(tool)
    names = numbering.names_of(migrations)
    known = [
        name in declared.entries or on_one_line(one.id) in ids for one, name in zip(migrations, names, strict=True)
    ]
    numbers = numbering.own_numbers(migrations)
    inside: dict[str, str] = {}
    unclear: dict[str, str] = {}
    last = max((index for index, is_known in enumerate(known) if is_known), default=len(known))
    for index, one in enumerate(migrations):
        if known[index] or one.repeats is not None:
            continue
        if numbers is None:
            if index < last:
                unclear[one.id] = squashes[-1].name
            continue
        for squash in squashes:
            if squash.declaration.replaces is not None and numbers[index] in squash.declaration.replaces:
                inside[one.id] = squash.name
    return Squashed(inside, unclear)
