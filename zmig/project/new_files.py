"""Writes files that are not there yet. All of them, or none: what was begun is taken back."""

from __future__ import annotations

import errno
import os
import shlex
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from zmig.errors import Problem, UsageError
from zmig.project import written_file

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping


@contextmanager
def written(contents: Mapping[Path, str | bytes], *, instead: str, folder: Path | None = None) -> Generator[None]:
    """Write new files with the folders they need, and remove them again where the block raises.

    `folder` is one that is to be there without a file in it. `instead` is the hint where a file exists already. Raises
    UsageError for that, and for what cannot be written.
    """
    with ExitStack() as undo:
        if folder is not None:
            try:
                _create_folder(folder, undo)
            except OSError as error:
                raise UsageError(unwritable(folder, error)) from None
        for path, content in contents.items():
            try:
                _create_folder(path.parent, undo)
                written_file.create(path, content.encode() if isinstance(content, str) else content)
            except FileExistsError:
                raise UsageError(taken(path, instead)) from None
            except OSError as error:
                raise UsageError(unwritable(path, error)) from None
            undo.callback(path.unlink, missing_ok=True)
        yield
        undo.pop_all()


def taken(path: Path, instead: str) -> Problem:
    """Return what to say of a new file whose name is that of one that is there."""
    return Problem("file-exists", f"`{path}` exists already", hint=instead)


def unwritable(path: Path, error: OSError) -> Problem:
    """Return the problem of a file that cannot be written, which a folder in its path may be the reason of."""
    named = Path(os.fsdecode(error.filename)) if error.filename is not None else path
    place = named if path.is_relative_to(named) else path
    reason = (error.strerror or str(error)).lower()
    look = "df" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "ls -ld"
    hint = f"run `{look} {shlex.quote(str(_nearest(place)))}`"
    return Problem("file-unwritable", f"`{place}` cannot be written: {reason}", hint=hint)


def _nearest(path: Path) -> Path:
    """Return a path, or the folder around it that is there."""
    return next((one for one in (path, *path.parents) if os.path.lexists(one)), Path())


def _create_folder(folder: Path, undo: ExitStack) -> None:
    if folder.is_dir():
        return
    if folder.exists():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    _create_folder(folder.parent, undo)
    folder.mkdir()
    undo.callback(_remove_if_empty, folder)


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
