"""Reads a manifest and those it includes, each once, and gathers what is wrong with them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from zmig.errors import Location, ManifestError, Problem
from zmig.manifest import reader, semantic_checks, yaml_parser
from zmig.project import text_file
from zmig.project.migration_file import Folder, nearest_file, shown
from zmig.valueclass import field, replace, slotted, valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from zmig.manifest.declaration import Declaration, Include, Manifest


@valueclass
class LoadedManifest:
    """A manifest that was read."""

    path: Path
    """Fit to be shown."""
    manifest: Manifest
    folder: Folder

    def variables(self, root: LoadedManifest) -> dict[str, str]:
        """Return the values of variables in its files, of which those of the manifest that a command was given win."""
        known = {**self.manifest.variables, **root.manifest.variables}
        return {name: variable.value for name, variable in known.items()}


@slotted
class Inclusion:
    """The manifest that was asked for, first, and those that come with it."""

    opened: list[LoadedManifest] = field(default_factory=list[LoadedManifest])
    problems: list[Problem] = field(default_factory=list[Problem])

    @property
    def declarations(self) -> Iterator[Declaration]:
        """All entries of all manifests."""
        for opened in self.opened:
            yield from opened.manifest.declarations

    def raise_for_problems(self) -> None:
        """Raise ManifestError with all problems, by manifest and line, if there are any."""
        if self.problems:
            files = {str(opened.path): number for number, opened in enumerate(self.opened)}

            def place(problem: Problem) -> tuple[int, int, int]:
                location = problem.location or Location("")
                return files.get(location.path, len(files)), location.line, location.column

            raise ManifestError(*sorted(self.problems, key=place))


@valueclass
class _Pending:
    """A manifest that is still to be read."""

    path: Path
    include: Include | None = None
    """What asks for it; None for the one that was given."""
    chain: tuple[str, ...] = ()
    """The real paths of the manifests that lead to it."""


def read(path: Path, *, environ: Mapping[str, str]) -> Inclusion:
    """Return the manifest at `path` with those it includes; the files they declare are not opened."""
    inclusion = Inclusion()
    seen: set[str] = set()
    stack = [_Pending(path)]
    while stack:
        pending = stack.pop()
        real = os.path.realpath(pending.path)
        if pending.include is not None and real in pending.chain:
            message = f"the manifest includes itself through `{pending.include.path}`"
            place, hint = pending.include.declared_at, "remove this line of `include`"
            inclusion.problems.append(Problem("include-cycle", message, place, hint=hint))
        elif real not in seen:
            seen.add(real)
            stack += reversed(_read(pending, (*pending.chain, real), inclusion, environ))
    inclusion.problems += semantic_checks.repeated(inclusion.declarations)
    return inclusion


def _read(
    pending: _Pending, chain: tuple[str, ...], inclusion: Inclusion, environ: Mapping[str, str]
) -> list[_Pending]:
    """Read one manifest, and return those that it includes."""
    path = shown(pending.path)
    try:
        if (size := text_file.size(path)) > yaml_parser.SIZE_LIMIT:
            raise ManifestError(yaml_parser.too_large(str(path), size))
        text = text_file.read(path)
    except ManifestError as error:
        inclusion.problems += (_relabelled(problem, path, pending.include) for problem in error.problems)
        return []
    manifest = reader.read(text, label=str(path), environ=environ, is_included=pending.include is not None)
    folder = Folder(path.parent)
    folder.declare(manifest.declarations)
    inclusion.opened.append(LoadedManifest(path, manifest, folder))
    inclusion.problems += manifest.problems
    return [_Pending(folder.path(include.path), include, chain) for include in manifest.includes]


def _relabelled(problem: Problem, path: Path, include: Include | None) -> Problem:
    """Return the problem of a manifest's file in terms of what asks for it."""
    where = None if include is None else include.declared_at
    if problem.code != "file-missing":
        return replace(problem, location=problem.location or where or Location(str(path)))
    link = Problem("manifest-missing", f"the manifest `{path}` is a link to nothing", where)
    if (led := text_file.led_nowhere(path, link)) is not None:
        return led
    near = nearest_file(path)
    message = f"the manifest `{path}` does not exist"
    if near is None:
        return Problem("manifest-missing", message, where, hint=f"create `{path}`")
    hint = f"name `{path.parent / near}`"
    if include is not None:
        hint = f"write `{include.path.removesuffix(path.name)}{near}`"
    return Problem("manifest-missing", message, where, facts=(f"nearest file: {path.parent / near}",), hint=hint)
