"""Which version and which name each migration of another tool gets. What a manifest has already stays as it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from zmig.manifest.declaration import LARGEST_VERSION
from zmig.other_tools.source import on_one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from zmig.other_tools.source import SourceMigration

_LONGEST_NAME = 200
_BLANKS = re.compile(" {2,}")
_FEWEST_DIGITS = 4
_TIMESTAMP_DIGITS = 10
"""Numbers of so many digits are moments, which do not get a digit more for centuries."""


class Identity(NamedTuple):
    """What a manifest calls a migration."""

    version: int
    name: str


def identities(
    migrations: Sequence[SourceMigration], declared: Mapping[str, int], called: Sequence[str] | None = None
) -> list[Identity]:
    """Return what each migration is called; `declared` are the versions of a manifest's entries, by name.

    `called` are their names where some have others in the manifest than `names_of` would give them.

    The tool's own numbers stay where all can be versions, in the tool's own order; else they are counted from 1.
    Repeatables come after a gap that no other version will reach.
    """
    names = list(called if called is not None else names_of(migrations))
    taken = set(declared.values())
    numbers = own_numbers(migrations)
    versions: dict[int, int] = {}
    for is_repeatable in (False, True):
        alike = [index for index, one in enumerate(migrations) if (one.repeats is not None) is is_repeatable]
        known = [declared[names[index]] for index in alike if names[index] in declared]
        if is_repeatable:
            floor = max([*known, first_repeatable(max(versions.values(), default=0)) - 1])
        else:
            floor = max(known, default=0)
        for index in alike:
            version = declared.get(names[index])
            if version is None:
                number = None if numbers is None or is_repeatable else numbers[index]
                version = number if number is not None and number not in taken else _free(floor, taken)
                floor = max(floor, version)
                taken.add(version)
            versions[index] = version
    return [Identity(versions[index], name) for index, name in enumerate(names)]


def own_numbers(migrations: Sequence[SourceMigration]) -> dict[int, int] | None:
    """Return the tool's own numbers, by index, where all can be versions; None where they cannot.

    A first one of 0 becomes 1: that is where some tools begin, and many have their own first migration.
    """
    numbers: dict[int, int] = {}
    before = 0
    for index, one in enumerate(migrations):
        if one.repeats is not None:
            continue
        number = 1 if one.number == 0 and not numbers else one.number
        if number is None or not before < number <= LARGEST_VERSION:
            return None
        numbers[index] = before = number
    return numbers


def first_repeatable(highest: int) -> int:
    """Return the first version for repeatables, where `highest` is that of the others."""
    digits = len(str(highest))
    if digits < _TIMESTAMP_DIGITS:
        digits = max(digits + 2, _FEWEST_DIGITS)
    first = 9 * 10 ** (digits - 1) + 1
    if first <= highest:
        first = 10**digits + 1
    return first if first <= LARGEST_VERSION - 10**6 else highest + 1


def _free(floor: int, taken: Iterable[int]) -> int:
    """Return the first version above another one that is free."""
    version = floor + 1
    while version in taken:
        version += 1
    return version


def names_of(migrations: Sequence[SourceMigration]) -> list[str]:
    """Return a name for each that no other has, and that a manifest takes."""
    names: list[str] = []
    taken: set[str] = set()
    for one in migrations:
        name = fitting(one.name) or fitting(one.id) or "unnamed"
        if name in taken:
            name = fitting(f"{name} {one.id}")
        number = 2
        while name in taken:
            name = f"{fitting(one.name)[: _LONGEST_NAME - 10]}_{number}"
            number += 1
        taken.add(name)
        names.append(name)
    return names


def fitting(name: str) -> str:
    """Return a name as a manifest takes it, as near to the given one as can be."""
    plain = on_one_line(name)
    return (plain if plain == name else _BLANKS.sub(" ", plain)).strip()[:_LONGEST_NAME].strip()
