"""File names as other programs want them: relative to the root of the repository."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def from_repository(folder: Path) -> Callable[[str], str]:
    """Return a function that makes a path, relative to `folder`, relative to the git repository around it.

    Outside of a repository, and for files elsewhere, paths stay as they are.
    """
    root = root_of(folder)

    def shown(path: str) -> str:
        if root is None:
            return Path(path).as_posix()
        inside = os.path.relpath(os.path.realpath(folder / path), root)
        return Path(path if inside.startswith("..") else inside).as_posix()

    return shown


def root_of(folder: Path) -> str | None:
    """Return the real path of the git repository that holds a folder; None outside of one."""
    real = Path(os.path.realpath(folder))
    return next((str(parent) for parent in (real, *real.parents) if (parent / ".git").exists()), None)
