"""Opens a manifest, those it includes and the files they name, for checks that want all of it at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zmig import inclusion, textfile, yamltext
from zmig.errors import ManifestError
from zmig.lint import sqlfile
from zmig.lint.entry import Entry
from zmig.model import Language
from zmig.source import Source

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zmig.declaration import Declaration
    from zmig.errors import Problem
    from zmig.inclusion import Opened
    from zmig.lint.sqlfile import SqlFile
    from zmig.model import Migration


@dataclass(slots=True)
class Files:
    """SQL files that were read; each is read once, however many manifests name it."""

    _known: dict[tuple[str, bool], SqlFile | None] = field(default_factory=dict[tuple[str, bool], "SqlFile | None"])

    def sql(self, path: Path, *, has_variables: bool) -> SqlFile | None:
        """Return the SQL file at `path`; None where it cannot be read, which is told elsewhere."""
        key = (str(path), has_variables)
        if key not in self._known:
            self._known[key] = self._read(path, has_variables=has_variables)
        return self._known[key]

    def _read(self, path: Path, *, has_variables: bool) -> SqlFile | None:
        try:
            text = textfile.read(path)
        except ManifestError:
            return None
        return sqlfile.read(text, path=str(path), has_variables=has_variables)


@dataclass(frozen=True, slots=True)
class Gathered:
    """One manifest, with everything that was read for it."""

    path: Path
    opened: tuple[Opened, ...]
    """The manifest itself, then those it includes."""
    entries: tuple[Entry, ...]
    """By version; those that could be read at all."""
    problems: tuple[Problem, ...]
    """What `zmig apply` would refuse the manifest for."""


def gather(path: Path, *, environ: Mapping[str, str], files: Files) -> Gathered:
    """Read the manifest at `path`. Raises ManifestError where there is nothing that could be read."""
    with yamltext.collector_paused():
        read = inclusion.read(path, environ=environ)
        if not read.opened:
            read.refuse()
        entries: list[Entry] = []
        for opened in read.opened:
            for declaration in opened.manifest.declarations:
                migration = opened.folder.migration(declaration, read.problems)
                entries.append(_entry(declaration, migration, opened, files))
    entries.sort(key=lambda entry: (entry.is_repeatable, entry.version))
    return Gathered(path, tuple(read.opened), tuple(entries), tuple(read.problems))


def _entry(declaration: Declaration, migration: Migration | None, opened: Opened, files: Files) -> Entry:
    rollback = None
    if declaration.rollback is not None and declaration.rollback.lower().endswith(".sql"):
        path = opened.folder.path(declaration.rollback)
        rollback = files.sql(path, has_variables=declaration.has_variables)
    if migration is None or migration.file is None:
        return Entry(declaration, rollback=rollback)
    if declaration.language is Language.PYTHON:
        python = Source(str(migration.file), textfile.read(migration.file))
        return Entry(declaration, None, python, rollback, migration.has_code_rollback)
    sql = files.sql(migration.file, has_variables=declaration.has_variables)
    return Entry(declaration, sql, None, rollback)
