"""Files that look like migrations, in the folders of migrations, that no entry names: lost in a merge, most often."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from zmig.project.migrationfile import undoes

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_NUMBERED = re.compile(r"[0-9]+[^/]*\.(?:sql|SQL)")
"""How migrations are called; other files beside them may be anything."""


def files(named: Iterable[Path]) -> list[Path]:
    """Return the SQL files with a number in front that stand beside the files `named` and are none of them.

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
