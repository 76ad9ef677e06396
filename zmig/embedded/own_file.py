"""Opens files in a folder that another account may write to, as whom root must not be led elsewhere.

The account that the server runs as owns the data folder. Whatever runs as that account can put a link, a pipe or a file
of somebody else's there, so root opens nothing there by following a link, and uses only what belongs to the account.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_LONGEST_BYTES = 1 << 16
_SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def open_in(folder: Path, name: str, flags: int, *, mode: int = 0o600) -> int:
    """Open an ordinary file of a folder that belongs to the folder's owner or to the caller; return its descriptor.

    Raises `OSError` if it is anything else but an ordinary file, has another name, or belongs to somebody else.
    """
    descriptor = os.open(folder / name, flags | _SAFELY, mode)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise OSError(f"`{name}` is not an ordinary file")
        if status.st_uid not in (folder.stat().st_uid, os.geteuid()):
            raise OSError(f"`{name}` belongs to another account")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_in(folder: Path, name: str) -> str | None:
    """Return the text of a small file of a folder; None where there is no such file, or not one to be trusted."""
    with contextlib.suppress(OSError):
        descriptor = open_in(folder, name, os.O_RDONLY)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(_LONGEST_BYTES).decode("utf-8", "replace")
    return None
