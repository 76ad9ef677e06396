"""A manifest on disk while somebody edits it: read again when one of its files changes, never half-read."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from zmig.errors import ManifestError
from zmig.project import project

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zmig.errors import Problem
    from zmig.project.project import Project

_SECONDS_BETWEEN_CHECKS = 1.0


class Files:
    """The manifest and the files it names, read again when one of them changes."""

    def __init__(self, manifest: Path, environ: Mapping[str, str]) -> None:
        self._manifest = manifest
        self._environ = environ
        self._project: Project | None = None
        self._stamps: dict[Path, tuple[int, int] | None] = {}
        self._checked_at = float("-inf")
        self.problems: tuple[Problem, ...] = ()
        """What is wrong with the manifest as it is now."""

    def look(self) -> bool:
        """Read everything again if a file changed; return whether the project is a new one."""
        if time.monotonic() - self._checked_at < _SECONDS_BETWEEN_CHECKS:
            return False
        self._checked_at = time.monotonic()
        stamps = {path: _stamp(path) for path in self._stamps or (self._manifest,)}
        if self._stamps and stamps == self._stamps:
            return False
        return self._load()

    def require(self) -> Project:
        """Return the last usable project. Raises ManifestError where there was none."""
        if self._project is None:
            raise ManifestError(*self.problems)
        return self._project

    def _load(self) -> bool:
        try:
            loaded = project.load(self._manifest, environ=self._environ)
        except ManifestError as error:
            self.problems = error.problems
            loaded = None
        else:
            self.problems = ()
            self._project = loaded
        paths = set(_paths(self._project)) | {self._manifest} | set(_named(self.problems))
        self._stamps = {path: _stamp(path) for path in paths}
        return loaded is not None


def _paths(loaded: Project | None) -> Iterable[Path]:
    if loaded is None:
        return
    yield from loaded.manifests
    for migration in loaded.migrations:
        yield from (path for path in (migration.file, migration.rollback_file) if path is not None)


def _named(problems: Iterable[Problem]) -> Iterable[Path]:
    """Yield the files that problems are in: an included manifest is corrected there."""
    return (Path(problem.location.path) for problem in problems if problem.location is not None)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
