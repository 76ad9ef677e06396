"""Where clients find the socket of a server that listens inside its own data folder.

The server names its socket relative to the folder, so it never minds how long or odd the folder's path is. Clients do:
a socket's path has about a hundred bytes, and libpq splits a host at commas. They get a short symbolic link then.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from zmig.errors import Problem, ServerError

_LONGEST = 103
"""Bytes in a socket's path: 103 on macOS and the BSDs, 107 on Linux."""


def socket_folder(data: Path, port: int) -> Path:
    """Return the folder to name as libpq's `host`, for the socket of `port` in `data`.

    Raises `ServerError` if a link is needed and its folder in /tmp belongs to somebody else.
    """
    path = os.fsencode(data / f".s.PGSQL.{port}")
    if len(path) <= _LONGEST and b"," not in path:
        return data
    link = private_folder(Path(f"/tmp/zmig-{os.geteuid()}")) / hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
    if not link.is_symlink() or link.readlink() != data:
        fresh = link.with_name(f"{link.name}.{os.getpid()}")
        fresh.symlink_to(data)
        fresh.replace(link)
    return link


def private_folder(folder: Path) -> Path:
    """Create a folder in a place open to all, or check that nobody else can have put anything into it.

    Raises `ServerError` if somebody can.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise ServerError(
            Problem(
                "embedded-folder-unusable",
                f"{folder} is needed for a short path to the server's socket, and is not private to this account",
                hint=f"remove {folder}, or name a folder with a shorter path in `database.embedded`",
            )
        )
    return folder
