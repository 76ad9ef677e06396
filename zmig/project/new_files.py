"""Writes files that are not there yet. All of them, or none: what was begun is taken back."""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from zmig.errors import Problem, UsageError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path


@contextmanager
def written(contents: Mapping[Path, str | bytes], *, instead: str) -> Generator[None]:
    """Write new files with the folders they need, and remove them again where the block raises.

    `instead` is the hint where one exists already. Raises UsageError for that, and for one that cannot be written.
    """
    with ExitStack() as undo:
        try:
            for path, content in contents.items():
                _create_folder(path.parent, undo)
                with path.open("xb") as opened:
                    undo.callback(path.unlink, missing_ok=True)
                    opened.write(content.encode() if isinstance(content, str) else content)
            yield
        except FileExistsError as error:
            message = f"`{error.filename}` exists already"
            raise UsageError(Problem("file-exists", message, hint=instead)) from None
        except OSError as error:
            message = f"`{error.filename}` cannot be written: {(error.strerror or str(error)).lower()}"
            raise UsageError(Problem("file-unwritable", message, hint=f"run `ls -ld {error.filename}`")) from None
        undo.pop_all()


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
