"""Writes a file at once: whoever reads it meanwhile sees the whole text from before, or the whole new one.

So does whoever comes after a crash: nothing is ever half there.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path


def write(path: Path, content: bytes) -> None:
    """Put a content in the place of a file, with its rights; one that is not there is made. Raises OSError.

    A link is followed: the file it leads to is the one that is written.
    """
    path = path.resolve()
    try:
        status = path.stat()
    except FileNotFoundError:
        status = None
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with ExitStack() as undo:
        undo.callback(os.unlink, name)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        if status is None:
            Path(name).chmod(0o666 & ~_umask())
        else:
            Path(name).chmod(status.st_mode)
            with suppress(OSError, AttributeError):
                os.chown(name, status.st_uid, status.st_gid)
        Path(name).replace(path)
        undo.pop_all()


def create(path: Path, content: bytes) -> None:
    """Make a file that is not there yet. Raises FileExistsError where it is, and other OSErrors.

    If the process is killed meanwhile, a hidden file is left beside it, and nothing under its own name.
    """
    unnamed = path.parent / f".zmig-{os.urandom(6).hex()}"
    with unnamed.open("xb") as file, ExitStack() as undo:
        undo.callback(unnamed.unlink, missing_ok=True)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        try:
            path.hardlink_to(unnamed)  # unlike a renaming, it never takes the place of another file
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            _write_new(path, content)


def _write_new(path: Path, content: bytes) -> None:
    """Write a file under its own name, and take it away again where it cannot be written in full."""
    with ExitStack() as undo:
        with path.open("xb") as file:
            undo.callback(path.unlink, missing_ok=True)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        undo.pop_all()


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
