"""The query that is asked once a migration has run: read, and looked at, before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.errors import Location, ManifestError, Problem
from zmig.project import text_file
from zmig.sql import script, token_reader, variables
from zmig.text.substitution import Substitution
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from zmig.model import Migration, VerifyQuery
    from zmig.sql.statement import Statement

_HINT = "write one query that returns one boolean, such as `select count(*) = 3 from roles`"


@valueclass
class PreparedVerify:
    """A query as it is asked."""

    statement: Statement
    path: str | None
    """What messages call the file that holds it; None where the manifest does."""
    filled: Substitution
    """How its text came from what is written, where variables were replaced."""
    declared: VerifyQuery

    @property
    def text(self) -> str:
        """What the server is sent."""
        return self.statement.text

    def location(self, position: int | None = None) -> Location | None:
        """Return its place: of what is at `position` in its text, from 1 on, where a file holds it."""
        if self.path is None:
            return _place(self.declared)
        return variables.location(self.filled, self.statement.offset + (position or 1) - 1, path=self.path)


def read(migration: Migration, *, conforming: bool) -> PreparedVerify | None:
    """Return the query that a migration declares; None where it declares none.

    Raises:
        ManifestError: its file cannot be read, or it is not one query.
    """
    declared = migration.verify
    if declared is None:
        return None
    path = None if declared.file is None else str(declared.file)
    written = text_file.read(declared.file) if declared.file is not None else declared.query or ""
    filled = Substitution(written, written)
    if path is not None and migration.variables is not None:
        filled = variables.fill(written, migration.variables, path=path)
    statements = _statements(migration, filled, path, conforming=conforming)
    if len(statements) != 1:
        place = Location(path) if path is not None else _place(declared)
        raise ManifestError(_unfit(migration, f"it has {len(statements)} statements", place))
    found = PreparedVerify(statements[0], path, filled, declared)
    if not token_reader.is_query(found.text):
        raise ManifestError(_unfit(migration, "it is not a query", found.location()))
    return found


def _statements(
    migration: Migration, filled: Substitution, path: str | None, *, conforming: bool
) -> tuple[Statement, ...]:
    try:
        return tuple(script.split(filled.text, path=path or "", conforming=conforming))
    except ManifestError as error:
        if path is not None:
            raise ManifestError(*(variables.as_written(problem, filled) for problem in error.problems)) from None
        why, place = error.problems[0].message, migration.verify and _place(migration.verify)
        raise ManifestError(_unfit(migration, why, place)) from None


def _place(declared: VerifyQuery) -> Location | None:
    return None if declared.locate is None else declared.locate()


def _unfit(migration: Migration, why: str, place: Location | None) -> Problem:
    message = f"the verify query of `{migration.name}` is of no use: {why}"
    return Problem("verify-invalid", message, place, effect="nothing was run", hint=_HINT)
