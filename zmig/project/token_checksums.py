"""The second checksum of a migration's file, over its tokens: what shows that an edit made no difference.

Not every file has one. A Python file has none; a file with `${name}` in it has none, since what its tokens are depends
on values that no fact holds; and a large one has none: to look at each of its tokens takes longer than to send it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.errors import ManifestError
from zmig.model import Language
from zmig.project import text_file
from zmig.sql import octets, script, token_checksum

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zmig.model import Migration
    from zmig.sql.statement import Statement


def of_migration(migration: Migration, *, conforming: bool = True) -> str | None:
    """Return the checksum of the tokens of a migration's file as it was planned with; None where it has none.

    `conforming` is how its strings are read: as with `standard_conforming_strings`.
    """
    if migration.file is None or migration.checksum is None or migration.language is not Language.SQL:
        return None
    try:
        text = text_file.read_small(migration.file)
        if text is None:
            return None
        text_file.check_unchanged(migration.file, text, migration.checksum)
        statements = script.split(text, path=str(migration.file), conforming=conforming)
        return of_statements(text, statements, has_variables=migration.variables is not None)
    except ManifestError:
        return None


def of_text(text: str, *, has_variables: bool) -> str | None:
    """Return the checksum of the tokens of a file's text; None where it has none."""
    if len(text) >= octets.LARGE:
        return None
    try:
        return of_statements(text, script.split(text, path=""), has_variables=has_variables)
    except ManifestError:
        return None


def of_statements(text: str, statements: Iterable[Statement], *, has_variables: bool) -> str | None:
    """Return the checksum of the tokens of a small file's statements; None where it has none."""
    return None if has_variables and "${" in text else token_checksum.of_statements(statements)
