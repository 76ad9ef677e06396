"""A manifest on disk while somebody edits it: read again when one of its files changes, never half-read."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from zmig.errors import ManifestError
from zmig.project import project

if TYPE_CHECKING:
    from collections.abc import Mapping

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

    def look(self, *, at_once: bool = False) -> bool:
        """Read everything again if a file changed; return whether the project is a new one.

        Unless that is to be known `at_once`, files are looked at once a second.
        """
        if not at_once and time.monotonic() - self._checked_at < _SECONDS_BETWEEN_CHECKS:
            return False
        self._checked_at = time.monotonic()
        stamps = {path: _stamp(path) for path in self._stamps or (self._manifest,)}
        if self._stamps and stamps == self._stamps:
            return False
        try:
            self._project = project.load(self._manifest, environ=self._environ)
            self.problems = ()
        except ManifestError as error:
            self.problems = error.problems
        # What is wrong with an included manifest is corrected there.
        places = (problem.location for problem in self.problems)
        paths = {self._manifest, *(Path(place.path) for place in places if place is not None)}
        if self._project is not None:
            paths.update(self._project.manifests)
            paths.update(path for one in self._project.migrations for path in one.files)
        self._stamps = {path: _stamp(path) for path in paths}
        return not self.problems

    def require(self) -> Project:
        """Return the last usable project. Raises ManifestError where there was none."""
        if self._project is None:
            raise ManifestError(*self.problems)
        return self._project


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
