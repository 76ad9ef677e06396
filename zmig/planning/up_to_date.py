"""What the facts look like where nothing is left to do, as a line for each migration: a quick way to know it.

Pure. Reading every fact and folding it takes longer than all else of a run that has nothing to do. A database that
folds its facts to exactly these lines itself needs none of that; one that does not says nothing yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from zmig.model import Migration, Versions


def expected_lines(migrations: Iterable[Migration]) -> list[str] | None:
    """Return a line for each migration with its version, its checksum and its name; None where they do not say."""
    lines: list[str] = []
    squashes: list[tuple[Versions, str, str]] = []
    for migration in migrations:
        if migration.checksum is None or migration.is_conditional:
            return None
        line = f"{migration.version} {migration.checksum} {migration.name}"
        lines.append(line)
        if migration.replaces is not None:
            squashes.append((migration.replaces, line, migration.name))
    return _LinesWithSquashes(lines, squashes) if squashes else lines


def is_same(lines: Collection[str], expected: Collection[str]) -> bool:
    """Whether a database folds its facts to the lines that are expected, in whatever order."""
    if isinstance(expected, _LinesWithSquashes):
        return expected.are_met_by(lines)
    return len(lines) == len(expected) and set(lines) == set(expected)


class _LinesWithSquashes(list[str]):
    """Lines of which some are expected in the place of others: of a squash, or of everything that it replaces."""

    def __init__(self, lines: list[str], squashes: list[tuple[Versions, str, str]]) -> None:
        super().__init__(lines)
        self._squashes = squashes

    def are_met_by(self, lines: Collection[str]) -> bool:
        """Whether a database folds its facts to such lines. A squash inside of another says nothing."""
        found = {_version(line): line for line in lines}
        if None in found or len(found) < len(lines):
            return False
        left = set(self)
        for versions, line, name in self._squashes:
            parts = {version: one for version, one in found.items() if version in versions}
            declared = {one for one in left if _version(one) in versions}
            if [*parts.values()] != [line]:
                is_whole = len(parts) == versions.count and declared - {line} <= set(parts.values())
                if not is_whole or parts[versions.last].endswith(f" {name}"):
                    return False
            left -= declared
            for version in parts:
                del found[version]
        return set(found.values()) == left


def _version(line: str) -> int | None:
    number = line.partition(" ")[0]
    return int(number) if number.isdecimal() else None
