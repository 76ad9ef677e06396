"""Files that look like migrations, in the folders of migrations, that no entry names: lost in a merge, most often."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from zmig.project.migration_file import undoes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from zmig.project.project import Project

_NUMBERED = re.compile(r"[0-9][^/]*\.(?:sql|SQL)")
"""How migrations are called; other files beside them may be anything."""

_SHOWN = 3


def files(named: Iterable[Path]) -> list[Path]:
    """Return the SQL files with a number in front that are beside the files `named` and are none of them.

    A file that is called as one that undoes another is left out.
    """
    paths = list(named)
    known = {os.path.realpath(path) for path in paths}
    found: list[Path] = []
    for folder in sorted({path.parent for path in paths}):
        try:
            names = sorted(entry.name for entry in os.scandir(folder) if entry.is_file())
        except OSError:
            continue
        fitting = (folder / name for name in names if _NUMBERED.fullmatch(name) and not undoes(name))
        found += (path for path in fitting if os.path.realpath(path) not in known)
    return found


def of_project(project: Project) -> list[str]:
    """Return the same for a project, as paths are shown; none where its manifest has the rule of `zmig lint` off."""
    if not project.reports_undeclared:
        return []
    pairs = ((migration.file, migration.rollback_file) for migration in project.migrations)
    return [str(path) for path in files(path for pair in pairs for path in pair if path is not None)]


def sentence(paths: Sequence[str]) -> str:
    """Return what is reported of such files, of the first few by name."""
    names = ", ".join(f"`{path}`" for path in paths[:_SHOWN])
    if len(paths) == 1:
        return f"{names} looks like a migration, and no entry names it, so it is never applied"
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return f"{len(paths)} files look like migrations, and no entry names them, so they are never applied: {names}{more}"
