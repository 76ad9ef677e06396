"""From a project's files to a plan: the tool is found, its migrations are read, converted, numbered and named."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from zmig.errors import Problem, UsageError
from zmig.importing import detection, numbering
from zmig.importing.plan import ImportPlan, PlannedFile, PlannedMigration
from zmig.model import Kind
from zmig.project import inclusion
from zmig.text.nearest import nearest
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from zmig.importing.folder import FolderFiles
    from zmig.other_tools.source import Remark, Source, SourceMigration
    from zmig.project.inclusion import Inclusion


def plan_of(
    files: FolderFiles,
    tool_name: str | None = None,
    *,
    manifest: Path,
    leave_out: Collection[str] = (),
    given: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> ImportPlan:
    """Return what importing a project would write; nothing is written here.

    `leave_out` are migrations by their ids or names; `given` is how the folder was named.

    Raises:
        UsageError: the tool is not known for certain, it has no migrations there, or what is left out is none of them.
        ManifestError: the manifest is there, and has problems.
    """
    found = detection.choose(files, tool_name, given=given)
    source = _read(files, found)
    declared = _declared(manifest, environ)
    left_out = _left_out(source, leave_out)
    kept = [one for one in source.migrations if one not in left_out]
    versions = {} if declared is None else {one.name: one.version for one in declared.declarations}
    known = {name: version for name, version in versions.items() if name is not None and version is not None}
    planned = [
        _planned(files, one, identity, is_declared=identity.name in known)
        for one, identity in zip(kept, numbering.identities(kept, known), strict=True)
    ]
    return ImportPlan(
        source,
        found.tool.title,
        manifest,
        tuple(planned),
        is_declared=declared is not None,
        variables=source.variables,
        left_out=left_out,
        remarks=_located(files, source.remarks),
    )


def default_manifest(folder: Path, cwd: Path) -> Path:
    """Return the manifest that an import writes where none is named: after the project's folder."""
    inside = folder.resolve().is_relative_to(cwd.resolve())
    name = re.sub(r"[^\w.-]+", "-", (cwd if inside else folder).resolve().name).strip("-.")
    return Path("manifests", f"{name or 'database'}.yaml")


def _read(files: FolderFiles, found: detection.Found) -> Source:
    try:
        return found.tool.read(files, found.folder)
    except UsageError as error:
        raise UsageError(*(_shown(files, problem) for problem in error.problems)) from None


def _shown(files: FolderFiles, problem: Problem) -> Problem:
    return problem if problem.location is None else replace(problem, location=files.located(problem.location))


def _located(files: FolderFiles, remarks: Iterable[Remark]) -> tuple[Remark, ...]:
    return tuple(replace(remark, location=files.located(remark.location)) for remark in remarks)


def _declared(manifest: Path, environ: Mapping[str, str]) -> Inclusion | None:
    """Return the manifest as it is; None where there is none. Raises ManifestError."""
    if not manifest.exists():
        return None
    found = inclusion.read(manifest, environ=environ)
    found.raise_for_problems()
    return found


def _left_out(source: Source, names: Collection[str]) -> tuple[SourceMigration, ...]:
    every = {name for one in source.migrations for name in (one.id, one.name)}
    for name in names:
        if name not in every:
            near = nearest(name, every)
            message = f"`{name}` is no migration of `{source.folder}`, so it cannot be left out"
            hint = f"write `--leave-out {near}`" if near is not None else "see them with `zmig import`"
            raise UsageError(Problem("unknown-migration", message, hint=hint))
    return tuple(one for one in source.migrations if one.id in names or one.name in names)


def _planned(
    files: FolderFiles, migration: SourceMigration, identity: numbering.Identity, *, is_declared: bool
) -> PlannedMigration:
    up = migration.up
    path = files.path(up.path) if up is not None else Path(migration.name)
    return PlannedMigration(
        migration,
        identity.version,
        identity.name,
        file=PlannedFile(path),
        kind=Kind.SQL if migration.repeats is None else Kind.REPEATABLE,
        description=migration.description,
        remarks=_located(files, migration.remarks),
        is_declared=is_declared,
    )
