"""Reads a manifest and those it includes, each once, and gathers what is wrong with them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from zmig.errors import Location, ManifestError, Problem
from zmig.manifest import reader as manifest
from zmig.manifest import semantic_checks, yaml_parser
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
            raise ManifestError(*sorted(self.problems, key=lambda problem: _place(problem, files)))


def _place(problem: Problem, files: dict[str, int]) -> tuple[int, int, int]:
    location = problem.location or Location("")
    return (files.get(location.path, len(files)), location.line, location.column)


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
            inclusion.problems.append(_cycle(pending.include))
        elif real not in seen:
            seen.add(real)
            stack += reversed(_read(pending, (*pending.chain, real), inclusion, environ))
    inclusion.problems += semantic_checks.repeated(inclusion.declarations)
    return inclusion


def _read(
    pending: _Pending, chain: tuple[str, ...], inclusion: Inclusion, environ: Mapping[str, str]
) -> list[_Pending]:
    path = shown(pending.path)
    try:
        text = _text(path)
    except ManifestError as error:
        inclusion.problems += (_relabelled(problem, path, pending.include) for problem in error.problems)
        return []
    found = manifest.read(text, label=str(path), environ=environ, is_included=pending.include is not None)
    folder = Folder(path.parent)
    folder.declare(found.declarations)
    inclusion.opened.append(LoadedManifest(path, found, folder))
    inclusion.problems += found.problems
    return [_Pending(folder.path(include.path), include, chain) for include in found.includes]


def _text(path: Path) -> str:
    size = text_file.size(path)
    if size > yaml_parser.SIZE_LIMIT:
        raise ManifestError(yaml_parser.too_large(str(path), size))
    return text_file.read(path)


def _relabelled(problem: Problem, path: Path, include: Include | None) -> Problem:
    """Return the problem of a manifest's file in terms of what asks for it."""
    where = None if include is None else include.declared_at
    if problem.code != "file-missing":
        return replace(problem, location=problem.location or where or Location(str(path)))
    link = Problem("manifest-missing", f"the manifest `{path}` is a link to nothing", where)
    if (led := text_file.led_nowhere(path, link)) is not None:
        return led
    found = nearest_file(path)
    message = f"the manifest `{path}` does not exist"
    if found is None:
        return Problem("manifest-missing", message, where, hint=f"create `{path}`")
    hint = f"name `{path.parent / found}`"
    if include is not None:
        hint = f"write `{include.path.removesuffix(path.name)}{found}`"
    return Problem("manifest-missing", message, where, (f"nearest file: {path.parent / found}",), hint=hint)


def _cycle(include: Include) -> Problem:
    message = f"the manifest includes itself through `{include.path}`"
    return Problem("include-cycle", message, include.declared_at, hint="remove this line of `include`")
