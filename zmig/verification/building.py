"""Builds on a scratch database what the migrations of a manifest make, by the engine that builds every other one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg

from zmig.errors import MigrationFailed, Problem, ZmigError
from zmig.migrator import Migrator
from zmig.process.interrupts import Interrupted
from zmig.valueclass import replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from zmig.model import Migration
    from zmig.project.project import Project
    from zmig.verification.scratch import Scratch

_EFFECT = "it was run on a scratch database, which is gone; nothing else was touched"
_MISSING_ROLE = re.compile(r'\Arole "(.*)" does not exist\Z')


@valueclass
class Built:
    """A database that was built."""

    url: str
    migrator: Migrator


class _Selected(Migrator):
    """An engine for which a manifest has only some of its migrations."""

    def __init__(
        self,
        manifest: Path,
        only: Callable[[Migration], bool] | None,
        *,
        database_url: str,
        environ: Mapping[str, str],
    ) -> None:
        super().__init__(manifest, database_url=database_url, environ=environ)
        self._only = only

    def _load(
        self, before_files: Callable[[Project], None] | None, *, with_files: bool
    ) -> tuple[Project, Sequence[Migration]]:
        loaded, migrations = super()._load(before_files, with_files=with_files)
        only = self._only
        return loaded, migrations if only is None else [one for one in migrations if only(one)]


class Builder:
    """Builds databases of one manifest on one scratch server, on which the roles that it names are made."""

    def __init__(
        self, scratch: Scratch, *, environ: Mapping[str, str], report: Callable[[str], None] = lambda _: None
    ) -> None:
        """`report` is called with a line for each role that was made."""
        self._scratch = scratch
        self._environ = environ
        self._report = report
        self.made_roles: set[str] = set()
        """The roles that were made here, and not by the migrations."""

    def build(self, manifest: Path, project: Project, *, only: Callable[[Migration], bool] | None = None) -> Built:
        """Return a new database in which everything is applied, or only some of the migrations. Raises ZmigError.

        A role that the migrations only name is made, and the database begun anew: on a private server nobody else did.
        """
        self._make_roles(project)
        roles = self._scratch.roles()
        while True:
            url = self._scratch.create()
            migrator = _Selected(manifest, only, database_url=url, environ=self._environ)
            try:
                migrator.migrate()
            except MigrationFailed as error:
                missing = _missing_role(error)
                if missing is None or not self._scratch.add_role(missing):
                    raise _on_scratch(error) from error
                self._scratch.drop(url)
                roles.add(missing)
                self._scratch.keep_roles(roles)
                self.made_roles.add(missing)
                self._report(f"role `{missing}` is not made by the migrations; it was made on the scratch server")
            except ZmigError as error:
                raise _on_scratch(error) from error
            except Interrupted as error:
                hint = "run the same command again"
                error.problem = Problem("interrupted", f"interrupted by {error}", effect=_EFFECT, hint=hint)
                raise
            else:
                return Built(url, migrator)

    def _make_roles(self, project: Project) -> None:
        """Make the roles that migrations run as."""
        named = {project.defaults.run_as, *(migration.settings.run_as for migration in project.migrations)}
        for role in sorted(name for name in named if name is not None):
            if role not in self._scratch.roles() and self._scratch.add_role(role, may_all=True):
                self.made_roles.add(role)


def _missing_role(error: BaseException | None) -> str | None:
    """Return the role that a migration failed for the want of; None where it failed for another reason."""
    while error is not None:
        if isinstance(error, (psycopg.errors.UndefinedObject, psycopg.errors.InvalidParameterValue)):
            found = _MISSING_ROLE.match(error.diag.message_primary or "")
            return found and found[1]
        error = error.__cause__
    return None


def _on_scratch(error: ZmigError) -> ZmigError:
    """Return an error that says where it happened: nothing but a scratch database was touched."""
    return type(error)(*map(_moved, error.problems))


def _moved(problem: Problem) -> Problem:
    hint = "correct it, then run the same command again" if problem.code == "migration-failed" else problem.hint
    return replace(problem, message=f"on a scratch database, {problem.message}", effect=_EFFECT, hint=hint)
