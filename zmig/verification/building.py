"""Builds on a scratch database what the migrations of a manifest make, by the engine that builds every other one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg

from zmig.database.quoting import identifier
from zmig.errors import MigrationFailed, Problem, ZmigError
from zmig.migrator import Migrator
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from zmig.project.project import Project
    from zmig.verification.scratch import Scratch

_MISSING_ROLE = re.compile(r'\Arole "(.*)" does not exist\Z')


class Builder:
    """Builds databases of one manifest on one scratch server, on which the roles that it names are made."""

    def __init__(
        self, scratch: Scratch, *, environ: Mapping[str, str], report: Callable[[str], None] = lambda _: None
    ) -> None:
        """`report` is called with a line for each role that was made."""
        self._scratch = scratch
        self._environ = environ
        self._report = report

    def build(self, manifest: Path, project: Project, *, to: int | None = None) -> Migrator:
        """Return the engine on a new database in which everything up to a version is applied. Raises ZmigError.

        A role that the migrations only name is made, and the database begun anew: on a private server nobody else did.
        """
        self._make_roles(project)
        while True:
            url = self._scratch.create()
            migrator = Migrator(manifest, database_url=url, environ=self._environ)
            try:
                migrator.migrate(to=to)
            except MigrationFailed as error:
                missing = _missing_role(error)
                if missing is None or not self._scratch.add_role(missing):
                    raise _on_scratch(error) from error
                self._scratch.drop(url)
                self._report(f"role `{missing}` is not made by the migrations; it was made on the scratch server")
            except ZmigError as error:
                raise _on_scratch(error) from error
            else:
                return migrator

    def _make_roles(self, project: Project) -> None:
        """Make the roles that migrations run as, with the rights of who owns the database."""
        named = {project.defaults.run_as, *(migration.settings.run_as for migration in project.migrations)}
        for role in sorted(name for name in named if name is not None):
            if role not in self._scratch.roles() and self._scratch.add_role(role):
                with psycopg.connect(self._scratch.server, autocommit=True) as connection:
                    owner = identifier(connection.info.user)
                    connection.execute(f"grant {owner} to {identifier(role)}".encode())


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
    effect = "it was run on a scratch database, which is gone; nothing else was touched"
    return type(error)(*(_moved(problem, effect) for problem in error.problems))


def _moved(problem: Problem, effect: str) -> Problem:
    return replace(problem, message=f"on a scratch database, {problem.message}", effect=effect)
