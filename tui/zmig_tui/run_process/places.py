"""Where the processes of runs listen: sockets in a folder that belongs to one account alone.

The folder is in the account's runtime directory, or where temporary files are. The former goes away when the account
logs out, so who looks for runs looks in all of them.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import stat
import struct
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from zmig.manifest.declaration import EmbeddedDatabase
from zmig.project import project

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LONGEST_PATH = 100
"""Bytes; a socket's path has 103 on macOS and the BSDs, 107 on Linux."""
_SUFFIX = ".run"
_SECONDS_TO_CONNECT = 2.0
_LOCAL_PEERCRED = 1
_XUCRED = struct.Struct("=II")


def identity(manifest: Path, database_url: str | None, environ: Mapping[str, str]) -> str:
    """Return what names a manifest with its database; nobody learns a URL from it. Starts no server.

    Raises:
        ManifestError: which database is meant cannot be said.
    """
    if database_url is None:
        _, declared = project.database(manifest, environ=environ)
        is_embedded = isinstance(declared, EmbeddedDatabase)
        database_url = str(declared.folder.absolute()) if is_embedded else declared.resolve(environ)
    words = f"{os.path.realpath(manifest)}\0{database_url}"
    return hashlib.sha256(words.encode("utf-8", "replace")).hexdigest()[:16]


def _folders() -> Iterator[Path]:
    """Yield where the folder may be, the best first."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/"):
        yield Path(runtime, "zmig")
    name = f"zmig-runs-{os.geteuid()}"
    yield Path(tempfile.gettempdir(), name)
    yield Path("/tmp", name)


def usable_folders() -> list[Path]:
    """Return the folders that are there, and private."""
    return list(dict.fromkeys(folder for folder in _folders() if _is_private(folder)))


def _is_private(folder: Path) -> bool:
    try:
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077


def listen(identity: str) -> tuple[socket.socket, Path] | None:
    """Return a socket that consoles find by this identity, and its path; None where no folder is private."""
    name = f"{identity}-{os.getpid()}{_SUFFIX}"
    for folder in _folders():
        path = folder / name
        if len(os.fsencode(path)) > _LONGEST_PATH:
            continue
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, exist_ok=True)
            if _is_private(folder):
                return _bound(path), path
    return None


def _bound(path: Path) -> socket.socket:
    """Return a socket that listens before it has the name that others look for."""
    early = path.with_suffix("")
    early.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(str(early))
        listening.listen(16)
        early.replace(path)
    except OSError:
        listening.close()
        raise
    return listening


def sockets(identity: str) -> list[Path]:
    """Return the sockets of the runs of a manifest and database."""
    found: list[Path] = []
    for folder in usable_folders():
        with contextlib.suppress(OSError):
            found += [path for path in folder.iterdir() if path.name.startswith(f"{identity}-")]
    return sorted(path for path in found if path.suffix == _SUFFIX)


def connect(path: Path) -> socket.socket | None:
    """Return a connection to the process that listens there; None where there is none, and clean up after it."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_SECONDS_TO_CONNECT)
    try:
        connection.connect(str(path))
    except ConnectionRefusedError:  # who listened was killed
        connection.close()
        with contextlib.suppress(OSError):
            path.unlink()
        return None
    except OSError:
        connection.close()
        return None
    if not is_own(connection):
        connection.close()
        return None
    connection.settimeout(None)
    return connection


def is_own(connection: socket.socket) -> bool:
    """Whether the process at the other end belongs to this account; true where the system does not say."""
    if hasattr(socket, "SO_PEERCRED"):
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("iII"))
        return struct.unpack("iII", credentials)[1] == os.geteuid()
    if sys.platform == "darwin":
        credentials = connection.getsockopt(0, _LOCAL_PEERCRED, 76)
        return _XUCRED.unpack_from(credentials)[1] == os.geteuid()
    return True
