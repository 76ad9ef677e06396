"""Projects: a manifest with the manifests it includes and the files they name, opened and checked.

`load` tells every problem of all of them at once, or gives a `Project` whose migrations are ready to be planned.
No code is run, and no database is needed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TYPE_CHECKING

from zmig import manifest as manifests
from zmig import meaning, textfile, yamltext
from zmig.choice import find
from zmig.declaration import Database, EmbeddedDatabase, Manifest, Tracking
from zmig.errors import Location, ManifestError, Problem
from zmig.migrationfile import Folder, nearest, shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zmig.declaration import Declaration, Include
    from zmig.model import Environment, Migration

__all__ = ["Project", "find", "load", "read_text"]


@dataclass(frozen=True, slots=True)
class Project:
    """One manifest and everything it brings with it."""

    path: Path
    name: str
    environment: Environment
    database: Database | None
    tracking: Tracking
    migrations: tuple[Migration, ...]
    """In the order they run in."""
    manifests: tuple[Path, ...]
    """The manifest itself, then those it includes."""

    def require_database(self) -> Database:
        """Return the declared database. Raises ManifestError that says what to write where there is none."""
        if self.database is None:
            raise ManifestError(_no_database(self.path))
        return self.database


def _no_database(path: Path) -> Problem:
    return Problem(
        "database-missing",
        f"manifest `{path}` names no database",
        Location(str(path)),
        facts=(
            'a PostgreSQL server: `database: {url: "${DATABASE_URL}"}`',
            "a private PostgreSQL in a folder: `database: {embedded: ../.zmig/postgres}`",
        ),
        hint="add one of these lines to the manifest, or give `--database-url`",
    )


def load(path: Path, *, environ: Mapping[str, str]) -> Project:
    """Return the project of the manifest at `path`. Raises ManifestError with everything that is wrong with it."""
    with yamltext.collector_paused():
        loading = _Loading(environ)
        loading.read_manifests(path)
        return loading.project()


def read_text(path: Path) -> str:
    """Return the text of a migration's file without its byte order mark. Raises ManifestError where it is none."""
    return textfile.read(path)


@dataclass(frozen=True, slots=True)
class _Pending:
    """A manifest that is still to be read."""

    path: Path
    include: Include | None = None
    """What asked for it; None for the one that was given."""
    chain: tuple[str, ...] = ()
    """The real paths of the manifests it is included by."""


class _Loading:
    """Reads manifests and files, and gathers problems instead of stopping at the first."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._manifests: dict[str, Manifest] = {}
        self._paths: list[Path] = []
        self._problems: list[Problem] = []

    def read_manifests(self, root: Path) -> None:
        """Read a manifest and those it includes, each once."""
        stack = [_Pending(root)]
        while stack:
            pending = stack.pop()
            real = os.path.realpath(pending.path)
            if pending.include is not None and real in pending.chain:
                self._problems.append(_cycle(pending.include))
            elif real not in self._manifests:
                stack += reversed(self._read(pending, real))

    def _read(self, pending: _Pending, real: str) -> list[_Pending]:
        path = shown(pending.path)
        try:
            text = _manifest_text(path)
        except ManifestError as error:
            self._problems += (_of_manifest(problem, path, pending.include) for problem in error.problems)
            return []
        is_included = pending.include is not None
        manifest = manifests.read(text, label=str(path), environ=self._environ, is_included=is_included)
        self._manifests[real] = manifest
        self._paths.append(path)
        self._problems += manifest.problems
        chain = (*pending.chain, real)
        return [_Pending(Folder(path.parent).path(item.path), item, chain) for item in manifest.includes]

    def project(self) -> Project:
        """Return what was read, with the files it names. Raises ManifestError with all problems."""
        migrations = self._migrations()
        if self._problems:
            raise ManifestError(*self._in_order(self._problems))
        path, root = self._paths[0], next(iter(self._manifests.values()))
        database = root.database
        if isinstance(database, EmbeddedDatabase):
            database = EmbeddedDatabase(Folder(path.parent).path(str(database.folder)))
        return Project(
            path,
            root.name or path.stem,
            root.environment,
            database,
            root.tracking,
            tuple(sorted(migrations, key=attrgetter("order"))),
            tuple(self._paths),
        )

    def _migrations(self) -> list[Migration]:
        declarations: list[Declaration] = []
        migrations: list[Migration] = []
        for path, manifest in zip(self._paths, self._manifests.values(), strict=True):
            folder = Folder(path.parent)
            for declaration in manifest.declarations:
                declarations.append(declaration)
                migration = folder.migration(declaration, self._problems)
                if migration is not None:
                    migrations.append(migration)
        self._problems += meaning.repeated(declarations)
        return migrations

    def _in_order(self, problems: list[Problem]) -> list[Problem]:
        """Return problems by manifest and line; those inside other files stand last."""
        files = {str(path): number for number, path in enumerate(self._paths)}

        def place(problem: Problem) -> tuple[int, int, int]:
            location = problem.location or Location("")
            return (files.get(location.path, len(files)), location.line, location.column)

        return sorted(problems, key=place)


def _manifest_text(path: Path) -> str:
    size = textfile.size(path)
    if size > yamltext.SIZE_LIMIT:
        raise ManifestError(yamltext.too_large(str(path), size))
    return textfile.read(path)


def _of_manifest(problem: Problem, path: Path, include: Include | None) -> Problem:
    """Return the problem of a manifest's file in terms of what asked for it."""
    where = None if include is None else include.declared_at
    if problem.code != "file-missing":
        return replace(problem, location=problem.location or where or Location(str(path)))
    found = nearest(path)
    message = f"the manifest `{path}` does not exist"
    facts = () if found is None else (f"nearest file: {path.parent / found}",)
    if found is None:
        hint = f"create `{path}`"
    elif include is None:
        hint = f"name `{path.parent / found}`"
    else:
        hint = f"write `{include.path.removesuffix(path.name)}{found}`"
    return Problem("manifest-missing", message, where, facts, hint=hint)


def _cycle(include: Include) -> Problem:
    message = f"the manifest includes itself through `{include.path}`"
    return Problem("include-cycle", message, include.declared_at, hint="remove this line of `include`")
