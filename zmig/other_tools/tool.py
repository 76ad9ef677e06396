"""What zmig knows of another tool."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import KW_ONLY

    from zmig.other_tools.files import ProjectFiles
    from zmig.other_tools.history import AppliedMigration, HistoryTable, Matches
    from zmig.other_tools.source import Source, SourceMigration


class Language(StrEnum):
    """What the tool's migrations are written in."""

    SQL = "sql"
    """SQL files, which become entries."""
    CODE = "code"
    """Code, of which only the history can be taken over, beside a dump of the schema."""


def matches_checksums(
    row: AppliedMigration, migration: SourceMigration, source: Source, files: ProjectFiles
) -> Matches:
    """Return whether the recorded checksum is one that the file may have; None where either of them has none."""
    return row.checksum in migration.checksums if migration.checksums and row.checksum else None


@valueclass
class Tool:
    """Another migration tool."""

    name: str
    """As `--from` has it."""
    title: str
    """As people write it."""
    _: KW_ONLY
    language: Language
    find: Callable[[ProjectFiles], str | None]
    """The folder of its migrations in a project, relative to it; None where nothing is of this tool for certain."""
    read: Callable[[ProjectFiles, str], Source]
    """The project, with the folder that `find` returned, or that somebody named.

    Raises:
        UsageError: there is no migration of this tool.
    """
    history: HistoryTable
    matches: Callable[[AppliedMigration, SourceMigration, Source, ProjectFiles], Matches] = matches_checksums
    """Whether a migration's file is as it was when it was applied."""
    has_operations: bool = False
    """For code: whether that is a list of operations which the tool alone carries out."""
    render: str | None = None
    """For code: the command by which the tool writes its migrations as SQL, for a folder that can be imported."""
    structure: str | None = None
    """For code: where a project may keep the schema as SQL, relative to it, as `pg_dump` wrote it."""
