"""Builds on a scratch database what the migrations of a manifest make, by the engine that builds every other one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.errors import MigrationFailed, Problem, ZmigError
from zmig.migrator import Migrator
from zmig.planning.request import Apply
from zmig.process.interrupts import Interrupted
from zmig.valueclass import replace, valueclass
from zmig.verification import scratch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from zmig.model import Migration
    from zmig.project.project import Project
    from zmig.verification.scratch import Scratch

_EFFECT = "it was run on a scratch database, which is gone; nothing else was touched"


@valueclass
class Built:
    """A database that was built."""

    url: str
    migrator: Migrator


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
        """Return a new database in which a project is applied, or only some of its migrations. Raises ZmigError.

        A role that the migrations only name is made, and the database begun anew: on a private server nobody else did.
        """
        self._make_roles(project)
        wanted = project.migrations if only is None else tuple(filter(only, project.migrations))
        # What a run records of the schema is for drift, which there is none of here.
        project = replace(project, migrations=wanted, verify=replace(project.verify, record=False))
        roles = self._scratch.roles()
        while True:
            url = self._scratch.create()
            migrator = Migrator(manifest, database_url=url, environ=self._environ)
            try:
                with migrator.open(project=project) as opened:
                    opened.run(Apply())
            except MigrationFailed as error:
                missing = scratch.missing_role(error)
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


def _on_scratch(error: ZmigError) -> ZmigError:
    """Return an error that says where it happened: nothing but a scratch database was touched."""
    return type(error)(*map(_moved, error.problems))


def _moved(problem: Problem) -> Problem:
    hint = "correct it, then run the same command again" if problem.code == "migration-failed" else problem.hint
    return replace(problem, message=f"on a scratch database, {problem.message}", effect=_EFFECT, hint=hint)
