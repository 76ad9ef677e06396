"""What the facts look like where nothing is left to do, as a line for each migration: a quick way to know it.

Pure. Reading every fact and folding it takes longer than all else of a run that has nothing to do. A database that
folds its facts to exactly these lines itself needs none of that; one that does not says nothing yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from zmig.model import Migration


def expected_lines(migrations: Iterable[Migration]) -> list[str] | None:
    """Return a line for each migration with its version, its checksum and its name; None where they do not say."""
    lines: list[str] = []
    for migration in migrations:
        if migration.checksum is None or migration.is_conditional:
            return None
        lines.append(f"{migration.version} {migration.checksum} {migration.name}")
    return lines


def is_same(lines: Collection[str], expected: Collection[str]) -> bool:
    """Whether a database folds its facts to the lines that are expected, in whatever order."""
    return len(lines) == len(expected) and set(lines) == set(expected)
