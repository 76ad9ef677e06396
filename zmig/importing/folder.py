"""The files of a project on disk, as tools' modules ask for them.

What you may rely on: nothing outside of the folder is looked at, whatever links lead to; what version control, package
managers and builds keep beside a project's own files is left out; every error says which file, and why.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from zmig.errors import Location, ManifestError, Problem, UsageError
from zmig.other_tools import registry
from zmig.project import migration_file, text_file
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

_LEFT_OUT = frozenset(
    {
        ".bzr",
        ".cache",
        ".direnv",
        ".git",
        ".gradle",
        ".hg",
        ".idea",
        ".mypy_cache",
        ".next",
        ".nox",
        ".nuxt",
        ".pytest_cache",
        ".ruff_cache",
        ".svn",
        ".terraform",
        ".tox",
        ".turbo",
        ".venv",
        ".vscode",
        ".yarn",
        ".zmig",
        "__pycache__",
        "_build",
        "bower_components",
        "build",
        "deps",
        "dist",
        "node_modules",
        "target",
        "venv",
    }
)
"""Folders that hold no migrations of the project itself."""
_MARK_OF_ENVIRONMENT = "pyvenv.cfg"
_MOST_FILES = 100_000
_DEEPEST = 24
_LARGEST = 256 << 20


class FolderFiles:
    """The files of a folder, which are read when they are asked for, once each."""

    def __init__(self, root: Path) -> None:
        """Take a folder. Raises UsageError where there is none."""
        self.root = root
        self._paths: Sequence[str] | None = None
        self._texts: dict[str, str] = {}
        self.passed_over: dict[str, str] = {}
        """What may hold migrations and could not be looked at, with the reason, once `paths` was asked for."""
        problem = _no_folder(root)
        if problem is not None:
            raise UsageError(problem)

    @property
    def paths(self) -> Sequence[str]:
        """All files, sorted as text. Raises UsageError where there are more than any project has."""
        if self._paths is None:
            self._paths = sorted(self._walk())
        return self._paths

    def hide(self, paths: Iterable[Path]) -> None:
        """Leave files out that are none of the other tool's, wherever they are."""
        root = os.path.realpath(self.root)
        hidden = {os.path.relpath(os.path.realpath(path), root) for path in paths}
        self._paths = [path for path in self.paths if path not in hidden]

    def read(self, path: str) -> bytes:
        """Return what a file holds. Raises UsageError for one that cannot be read."""
        place = self.path(path)
        try:
            status = place.stat()
            if not stat.S_ISREG(status.st_mode):
                raise _unreadable(place, "it is no ordinary file")
            if status.st_size > _LARGEST:
                raise _unreadable(place, f"it is larger than {_LARGEST >> 20} MiB")
            return place.read_bytes()
        except (OSError, ValueError) as error:
            raise _unreadable(place, _reason(error)) from None

    def text(self, path: str) -> str:
        """Return a text without its byte order mark, line ends as they are. Raises UsageError for other than UTF-8."""
        if (text := self._texts.get(path)) is None:
            place = self.path(path)
            try:
                text = text_file.read_small(place)
                if text is None:
                    self.read(path)  # the size of it
                    text = text_file.read(place)
            except ManifestError as error:
                raise UsageError(*error.problems) from None
            self._texts[path] = text
        return text

    def size(self, path: str) -> int:
        """Return how many octets a file has. Raises UsageError."""
        place = self.path(path)
        try:
            return place.stat().st_size
        except (OSError, ValueError) as error:
            raise _unreadable(place, _reason(error)) from None

    def holds(self, path: Path) -> bool:
        """Whether a file is in the folder, by its name or where links lead to."""
        is_there = _is_inside(*(os.path.normpath(one.absolute()) for one in (path, self.root)))
        return is_there or _is_inside(os.path.realpath(path), os.path.realpath(self.root))

    def path(self, path: str) -> Path:
        """Return where a file is, fit to be opened, and to be shown where zmig was called."""
        return migration_file.shown(self.root / path)

    def located(self, location: Location) -> Location:
        """Return a place of a message with the path that fits the current folder."""
        return replace(location, path=str(self.path(location.path)))

    def _walk(self) -> Iterator[str]:
        root = os.path.realpath(self.root)
        waiting: list[tuple[str, str, frozenset[str]]] = [("", root, frozenset({root}))]
        count = 0
        while waiting:
            prefix, real, above = waiting.pop()
            for entry in self._entries(prefix):
                name = f"{prefix}{entry.name}"
                is_folder = self._is_folder(entry)
                if is_folder is None:
                    is_link = entry.is_symlink()
                    self._pass_over(name, "a link that leads nowhere" if is_link else "no ordinary file")
                    continue
                if not _is_text(entry.name):
                    _refuse_migration(self.root / name)
                    continue
                target = os.path.realpath(entry.path) if entry.is_symlink() else f"{real}/{entry.name}"
                if not _is_inside(target, root):
                    outside = "a link that leads out of the folder, and is not followed"
                    self._pass_over(name, outside, is_folder=is_folder)
                    continue
                if not is_folder:
                    count += 1
                    if count > _MOST_FILES:
                        raise _too_many(self.root)
                    yield name
                elif entry.name not in _LEFT_OUT and target not in above and len(above) < _DEEPEST:
                    waiting.append((f"{name}/", target, above | {target}))

    def _pass_over(self, name: str, reason: str, *, is_folder: bool = False) -> None:
        """Remember what is not read, if it may be a migration or hold some."""
        last = name.rpartition("/")[2]
        if (last not in _LEFT_OUT if is_folder else last.lower().endswith(".sql")) and _is_text(name):
            self.passed_over[name] = reason

    def _entries(self, prefix: str) -> list[os.DirEntry[str]]:
        folder = self.root / prefix
        try:
            with os.scandir(folder) as entries:
                found = list(entries)
        except OSError as error:
            if prefix:
                self._pass_over(
                    prefix.rstrip("/"), f"a folder that cannot be looked into: {_reason(error)}", is_folder=True
                )
                return []
            raise _unreadable(folder, _reason(error)) from None
        if prefix and any(entry.name == _MARK_OF_ENVIRONMENT for entry in found):
            return []
        return found

    @staticmethod
    def _is_folder(entry: os.DirEntry[str]) -> bool | None:
        """Whether it is a folder; None for what is neither that nor a file, such as a link that leads nowhere."""
        try:
            return True if entry.is_dir() else False if entry.is_file() else None
        except OSError:
            return None


def _is_text(name: str) -> bool:
    """Whether the octets of a name are text."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_migration(path: Path) -> None:
    """Raise UsageError for what may be a migration, and has a name that can be written nowhere."""
    if path.suffix.lower() == ".sql":
        shown = os.fsencode(path).decode(errors="replace")
        raise UsageError(Problem("file-unreadable", f"the name of `{shown}` is not UTF-8", hint="rename the file"))


def _is_inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder if folder.endswith("/") else f"{folder}/")


def _no_folder(root: Path) -> Problem | None:
    try:
        if root.is_dir():
            return None
        is_there = root.exists()
    except (OSError, ValueError) as error:
        return Problem("folder-missing", f"`{root}` cannot be looked at: {_reason(error)}", hint="name a folder")
    message = f"`{root}` is no folder" if is_there else f"the folder `{root}` does not exist"
    hint = "name the project's folder, or the one that holds its migrations"
    if str(root).lower() in registry.NAMES:
        hint = f"a tool is named with `--from`: `zmig import --from {str(root).lower()}`"
    return Problem("folder-missing", message, hint=hint)


def _too_many(root: Path) -> UsageError:
    message = f"`{root}` holds more than {_MOST_FILES:,} files"
    return UsageError(Problem("folder-too-large", message, hint="name the folder that holds the migrations"))


def _unreadable(path: Path, reason: str) -> UsageError:
    message = f"`{path}` cannot be read: {reason}"
    return UsageError(Problem("file-unreadable", message, hint=f"run `ls -ld {path}`"))


def _reason(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return reason.lower()
