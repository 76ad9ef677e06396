"""Where the files of an import are put, and what they are called."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from zmig.project import draft, migration_file

if TYPE_CHECKING:
    from pathlib import Path

    from zmig.importing.numbering import Identity

_FOLDER_APART = "zmig-migrations"
"""For a project whose other tool has its own files where zmig's would be: it would take them for its own."""
_LONGEST = 100
_FEWEST_DIGITS = 3


class FileNames:
    """Gives names to new files, none of them twice."""

    def __init__(self, manifest: Path, tool_folder: Path, *, highest: int) -> None:
        """`tool_folder` is where the other tool looks for files; `highest` is the highest version."""
        self.folder = _folder(manifest, tool_folder)
        self._digits = max(_FEWEST_DIGITS, len(str(highest)))
        self._taken: set[str] = set()

    def stem(self, identity: Identity, *, number: int | None = None) -> str:
        """Return a file's name without its suffix: the version, and the name, which may begin with that `number`."""
        slug = re.sub(r"[^\w.-]+", "_", identity.name).strip("._-")[:_LONGEST].rstrip("._-")
        digits = re.match(r"[0-9]+", slug)
        is_numbered = digits is not None and int(digits[0]) == identity.version == number
        version = f"{identity.version:0{self._digits}}"
        stem = slug if is_numbered else f"{version}_{slug}" if slug else version
        if stem.casefold() in self._taken:
            stem = f"{version}_{len(self._taken)}_{slug}"
        self._taken.add(stem.casefold())
        return stem


def _folder(manifest: Path, tool_folder: Path) -> Path:
    """Return the folder of new files: beside that of the manifest, and never the other tool's own."""
    usual = manifest.parent / draft.usual_folder(manifest)
    theirs, ours = os.path.realpath(tool_folder), os.path.realpath(usual)
    if ours == theirs or (ours.startswith(f"{theirs}/") and not _holds(theirs, os.path.realpath(manifest))):
        usual = usual.with_name(_FOLDER_APART) if usual.name != ".." else usual / _FOLDER_APART
    return migration_file.shown(usual)


def _holds(folder: str, path: str) -> bool:
    """Whether a folder is so far up that the manifest is in it, too: then it is the project, not its migrations."""
    return path.startswith(f"{folder}/")
