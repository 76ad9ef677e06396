"""Writes a file at once: whoever reads it meanwhile sees the whole text from before, or the whole new one."""

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


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
