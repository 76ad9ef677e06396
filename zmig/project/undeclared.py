"""Files that look like migrations, in the folders of migrations, that no entry names: lost in a merge, most often."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from zmig.project.migration_file import undoes
from zmig.text import listing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zmig.project.project import Project

_NUMBERED = re.compile(r"[0-9][^/]*\.(?:sql|SQL)")
"""How migrations are called; other files beside them may be anything."""

_SHOWN = 3


def files(named: Iterable[Path]) -> list[Path]:
    """Return the SQL files with a number in front that are beside the files `named` and are none of them.

    A file that is called as one that undoes another is left out.
    """
    beside: dict[str, set[str]] = {}
    for path in named:
        folder, name = os.path.split(path)
        beside.setdefault(folder, set()).add(name)
    others = [
        Path(folder, name) for folder in sorted(beside) for name in _fitting(folder) if name not in beside[folder]
    ]
    # A link may lead to a file that is named, and a file that is named may be a link.
    known = {os.path.realpath(Path(folder, name)) for folder in beside for name in beside[folder]} if others else ()
    return [path for path in others if os.path.realpath(path) not in known]


def _fitting(folder: str) -> list[str]:
    """Return the names of the files in a folder that look like migrations."""
    try:
        with os.scandir(folder or ".") as entries:
            names = sorted(entry.name for entry in entries if _NUMBERED.fullmatch(entry.name) and entry.is_file())
    except OSError:
        return []
    return [name for name in names if not undoes(name)]


def of_project(project: Project) -> list[str]:
    """Return the same for a project, as paths are shown; none where its manifest has the rule of `zmig lint` off."""
    if not project.reports_undeclared:
        return []
    return [str(path) for path in files(path for migration in project.migrations for path in migration.files)]


def sentence(paths: Sequence[str]) -> str:
    """Return what is reported of such files, of the first few by name."""
    names = listing.quoted(paths, _SHOWN)
    if len(paths) == 1:
        return f"{names} looks like a migration, and no entry names it, so it is never applied"
    return f"{len(paths)} files look like migrations, and no entry names them, so they are never applied: {names}"
