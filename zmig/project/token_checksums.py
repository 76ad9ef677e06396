"""The second checksum of a migration's file, over its tokens: what shows that an edit made no difference.

Not every file has one. A Python file has none, and a file with `${name}` in it has none, since what its tokens are
depends on values that no fact holds. To look at each token of a large file takes longer than to send it: of such a one
everything counts as it is written, but for what is before its first statement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.errors import ManifestError
from zmig.model import Language
from zmig.project import text_file
from zmig.sql import lexer, octets, script, token_checksum

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from zmig.model import Migration
    from zmig.sql.statement import Statement


class LargeChecksum:
    """That of a large file, which comes in pieces of UTF-8."""

    def __init__(self) -> None:
        self._rest = text_file.Checksum()
        self._has_begun = False

    def add(self, piece: bytes) -> None:
        """Let the next piece count; a comment that is longer than the first one counts."""
        self._rest.add(piece if self._has_begun else piece[_end_of_head(octets.from_bytes(piece)) :])
        self._has_begun = True

    def __str__(self) -> str:
        """In hex, once all pieces are added."""
        return str(self._rest)


def _end_of_head(text: str) -> int:
    """Return where the first statement begins, after comments, blanks and semicolons."""
    try:
        return next((token.start for token in lexer.tokens(text) if token.text != ";"), len(text))
    except lexer.UnterminatedError as error:
        return error.offset


def of_migration(migration: Migration, *, conforming: bool = True) -> str | None:
    """Return the checksum of the tokens of a migration's file as it was planned with; None where it has none.

    `conforming` is how its strings are read: as with `standard_conforming_strings`.
    """
    if migration.file is None or migration.checksum is None or migration.language is not Language.SQL:
        return None
    has_variables = migration.variables is not None
    try:
        text = text_file.read_small(migration.file)
        if text is None:
            return None if has_variables else _of_large_file(migration.file, migration.checksum)
        text_file.check_unchanged(migration.file, text, migration.checksum)
        statements = script.split(text, path=str(migration.file), conforming=conforming)
        return of_statements(text, statements, has_variables=has_variables)
    except ManifestError:
        return None


def _of_large_file(file: Path, expected: str) -> str | None:
    checksum, large = text_file.Checksum(), LargeChecksum()
    for piece in text_file.octet_pieces(file):
        checksum.add(piece)
        large.add(piece)
    return str(large) if str(checksum) == expected else None


def of_text(text: str, *, has_variables: bool) -> str | None:
    """Return the checksum of the tokens of a file's text; None where it has none."""
    if len(text) >= octets.LARGE:
        return of_large_text(text, has_variables=has_variables)
    try:
        return of_statements(text, script.split(text, path=""), has_variables=has_variables)
    except ManifestError:
        return None


def of_large_text(text: str, *, has_variables: bool) -> str | None:
    """Return the checksum of a large file that is held; None where it may have variables in it."""
    if has_variables:
        return None
    large = LargeChecksum()
    large.add(text.encode())
    return str(large)


def of_statements(text: str, statements: Iterable[Statement], *, has_variables: bool) -> str | None:
    """Return the checksum of the tokens of a small file's statements; None where it has none."""
    return None if has_variables and "${" in text else token_checksum.of_statements(statements)
