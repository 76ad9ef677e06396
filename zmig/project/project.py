"""Projects: a manifest with the manifests it includes and the files they name, opened and checked.

`load` reports every problem of all of them at once, or gives a `Project` whose migrations are ready to be planned.
No code is run, and no database is needed.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from zmig.errors import Location, ManifestError, Problem
from zmig.manifest import yaml_parser
from zmig.manifest.declaration import Database, EmbeddedDatabase, Tracking, VerifySettings
from zmig.manifest.lint_keys import Level, LintSettings
from zmig.model import Settings
from zmig.project import inclusion
from zmig.valueclass import field, replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from dataclasses import KW_ONLY
    from pathlib import Path

    from zmig.catalog.scope import Scope
    from zmig.model import Environment, Migration
    from zmig.project.inclusion import LoadedManifest


@valueclass
class Project:
    """One manifest and everything it brings with it."""

    path: Path
    name: str
    _: KW_ONLY
    environment: Environment
    database: Database | None
    tracking: Tracking
    migrations: tuple[Migration, ...]
    """In the order they run in."""
    manifests: tuple[Path, ...]
    """The manifest itself, then those it includes."""
    defaults: Settings = field(default_factory=Settings)
    """What the manifest says for migrations that say nothing else; those registered in code, too."""
    declares_migrations: bool = True
    """Whether one of its manifests has `migrations`, be it without an entry."""
    reports_undeclared: bool = True
    """Whether files that look like migrations, and that no entry names, are to be reported."""
    verify: VerifySettings = VerifySettings()
    """What counts when schemas are compared."""
    schema_file: Path | None = None
    """The file that `zmig schema` keeps."""
    lint: LintSettings = LintSettings()
    """What the manifest itself says of checks."""
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    """Values of variables that come from the environment."""

    @property
    def scope(self) -> Scope:
        """What of the database's schema is looked at."""
        from zmig.catalog.scope import Scope

        return Scope(self.tracking.schema, self.verify.schemas, self.verify.ignore)

    def require_database(self) -> Database:
        """Return the declared database. Raises ManifestError that says what to write where there is none."""
        if self.database is None:
            raise ManifestError(_no_database(self.path))
        return self.database

    def database_url(self, given: str | None, *, environ: Mapping[str, str]) -> str:
        """Return the URL that was given, else that of the declared database; a private server is started.

        Raises:
            ManifestError: no database is declared, or its URL names an unset variable.
            ServerError: the private server does not start.
        """
        if given is not None:
            return given
        declared = self.require_database()
        if isinstance(declared, EmbeddedDatabase):
            from zmig.embedded import EmbeddedServer

            return EmbeddedServer(declared.folder).start()
        return declared.resolve(environ)


def load(path: Path, *, environ: Mapping[str, str], before_files: Callable[[Project], None] | None = None) -> Project:
    """Return the project of the manifest at `path`. Raises ManifestError with everything that is wrong with it.

    `before_files` is called with the project as it is without its migrations, before their files are read, unless
    something is wrong with the manifests.
    """
    with yaml_parser.collector_paused():
        # The trees are gone when this returns, so that the collector, once on again, need not walk them.
        return _load(path, environ, before_files)


def _load(path: Path, environ: Mapping[str, str], before_files: Callable[[Project], None] | None) -> Project:
    read = inclusion.read(path, environ=environ)
    if before_files is not None and not read.problems:
        before_files(_project(read.opened, ()))
    migrations: list[Migration] = []
    for opened in read.opened:
        for declaration in opened.manifest.declarations:
            migration = opened.folder.migration(declaration, read.problems)
            if migration is not None and declaration.has_variables:
                migration = replace(migration, variables=opened.variables(read.opened[0]))
            if migration is not None:
                migrations.append(migration)
    read.raise_for_problems()
    return _project(read.opened, tuple(sorted(migrations, key=attrgetter("order"))))


def without_migrations(path: Path, *, environ: Mapping[str, str]) -> Project:
    """Return the project of the manifest at `path` for what runs none of its migrations, whose files are not opened.

    Raises:
        ManifestError: with everything that is wrong with its manifests.
    """
    read = inclusion.read(path, environ=environ)
    read.raise_for_problems()
    return _project(read.opened, ())


def database(path: Path, *, environ: Mapping[str, str]) -> tuple[Path, Database]:
    """Return the path of a manifest as it is shown, and the database it names; what else is wrong with it is no matter.

    Raises:
        ManifestError: it cannot be read, or names no database.
    """
    read = inclusion.read(path, environ=environ)
    declared = _database(read.opened[0]) if read.opened else None
    if declared is None:
        read.raise_for_problems()
        raise ManifestError(_no_database(path))
    return read.opened[0].path, declared


def _database(root: LoadedManifest) -> Database | None:
    declared = root.manifest.database
    if isinstance(declared, EmbeddedDatabase):
        return EmbeddedDatabase(root.folder.path(str(declared.folder)))
    return declared


def _project(opened: list[LoadedManifest], migrations: tuple[Migration, ...]) -> Project:
    root = opened[0]
    undeclared = root.manifest.lint.choice("name/undeclared", "name")
    return Project(
        root.path,
        root.manifest.name or root.path.stem,
        environment=root.manifest.environment,
        database=_database(root),
        tracking=root.manifest.tracking,
        migrations=migrations,
        manifests=tuple(item.path for item in opened),
        defaults=root.manifest.defaults,
        declares_migrations=any(item.manifest.declares_migrations for item in opened),
        reports_undeclared=undeclared is None or undeclared.level is not Level.OFF,
        verify=root.manifest.verify,
        schema_file=None if root.manifest.schema_file is None else root.folder.path(root.manifest.schema_file),
        lint=root.manifest.lint,
        secrets=frozenset(one.value for item in opened for one in item.manifest.variables.values() if one.is_secret),
    )


def no_migrations(project: Project) -> Problem:
    """Return the problem of a project none of whose manifests says which migrations there are."""
    return Problem(
        "migrations-missing",
        f"manifest `{project.path}` has no `migrations`",
        Location(str(project.path)),
        effect="nothing was run",
        hint="add `migrations:` with an entry for each, or `migrations: []` where there are none yet",
    )


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
