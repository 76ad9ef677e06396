"""A project's files as a tool's module sees them: names relative to the project's folder, and texts."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Protocol

from zmig.errors import Location

if TYPE_CHECKING:
    from collections.abc import Sequence

_TESTS = frozenset({"test", "tests", "it", "integrationTest", "testFixtures", "testdata"})


class ProjectFiles(Protocol):
    """The files of a project, wherever they are kept. Paths are relative to its folder, with `/` between parts."""

    @property
    def paths(self) -> Sequence[str]:
        """All files that may be of interest, sorted as text. Folders as `.git` and `node_modules` are left out."""
        ...

    def read(self, path: str) -> bytes:
        """Return what a file holds. Raises UsageError for one that cannot be read."""
        ...

    def text(self, path: str) -> str:
        """Return a text without its byte order mark, line ends as they are. Raises UsageError for other than UTF-8."""
        ...


def children(files: ProjectFiles, folder: str) -> list[str]:
    """Return the files directly in a folder; `.` is the project's own."""
    start = len(prefix_of(folder))
    return [path for path in below(files, folder) if "/" not in path[start:]]


def below(files: ProjectFiles, folder: str) -> list[str]:
    """Return the files in a folder and in those inside of it."""
    prefix, paths = prefix_of(folder), files.paths
    if not prefix:
        return list(paths)
    # They follow one another, and a tool may ask of each of thousands of folders; `0` comes after `/`.
    return list(paths[bisect_left(paths, prefix) : bisect_left(paths, f"{prefix[:-1]}0")])


def name_of(path: str) -> str:
    """Return the last part of a path."""
    return path.rpartition("/")[2]


def location(path: str, text: str, offset: int, *, width: int = 1, first: int = 1) -> Location:
    """Return a place in a file for a message; `offset` is 0-based, in characters.

    `first` is the line in which the text begins, where it is a part of the file.
    """
    start = text.rfind("\n", 0, offset) + 1
    line = text[start:].partition("\n")[0].rstrip("\r")
    return Location(path, text.count("\n", 0, offset) + first, offset - start + 1, text=line, width=width)


def prefix_of(folder: str) -> str:
    """Return what the paths in a folder begin with: nothing in the project's own."""
    return "" if folder in ("", ".") else f"{folder.rstrip('/')}/"


def is_for_tests(path: str) -> bool:
    """Return whether a file is in a folder that holds what tests need, as the names of such folders are."""
    return not _TESTS.isdisjoint(path.split("/")[:-1])
