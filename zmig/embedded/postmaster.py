"""Who owns a data folder, by PostgreSQL's own `postmaster.pid`, and what to do when that file is wrong.

After a crash or a reboot the file names a process that is gone, or, with small process numbers as in containers,
another one altogether; and whatever runs as the folder's owner may have written it. PostgreSQL then refuses to start;
here the process is looked at instead: it must belong to the folder's owner, and have the folder as its own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from zmig.embedded import own_file

_PID_FILE = "postmaster.pid"
_TOO_LONG = 10
"""No process number has so many digits."""


def find(data: Path) -> int | None:
    """Return the process number of the server that has `data` open; None if it cannot be proved that there is one."""
    number = (own_file.read_in(data, _PID_FILE) or "").partition("\n")[0].strip()
    if not (number.isascii() and number.isdecimal() and len(number) < _TOO_LONG):
        return None
    return int(number) if _serves(int(number), data) else None


def interrupt(process: int, data: Path) -> bool:
    """Ask the server of `data` to end its sessions and stop; return False where it is that process no more.

    The process is held by a descriptor while it is looked at, so that none that gets its number later is meant.
    """
    if not hasattr(os, "pidfd_open"):
        os.kill(process, signal.SIGINT)
        return True
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return False
    try:
        if not _serves(process, data):
            return False
        signal.pidfd_send_signal(descriptor, signal.SIGINT)
    finally:
        os.close(descriptor)
    return True


def forget_stale(data: Path) -> None:
    """Make left-over lock files harmless; to be called only when `find` found no server.

    They are not removed, because PostgreSQL also learns from them whether backends of a killed server still write.
    Only the process number is replaced, by this process's own: a server never mistakes the process that starts it
    for another server.
    """
    for name in (_PID_FILE, *(path.name for path in data.glob(".s.PGSQL.*.lock"))):
        with (
            contextlib.suppress(FileNotFoundError),
            os.fdopen(own_file.open_in(data, name, os.O_RDWR), "r+", encoding="utf-8") as file,
        ):
            rest = file.read().partition("\n")[2]
            file.seek(0)
            file.truncate()
            file.write(f"{os.getpid()}\n{rest}")


def _serves(process: int, data: Path) -> bool:
    owner = data.stat().st_uid
    if sys.platform != "linux":
        return _is_postgres_by_ps(process, owner)
    try:
        folder = Path(f"/proc/{process}")
        return folder.stat().st_uid == owner and (folder / "cwd").samefile(data)
    except FileNotFoundError:
        return False
    except PermissionError:
        return _is_postgres_by_proc(process)


def _is_postgres_by_proc(process: int) -> bool:
    """Look at what everybody may read; a killed server that nobody has reaped is a zombie, in state `Z`."""
    try:
        name, _, rest = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(") ")
    except FileNotFoundError:
        return False
    return name.endswith("(postgres") and not rest.startswith("Z")


def _is_postgres_by_ps(process: int, owner: int) -> bool:
    listed = subprocess.run(
        ["ps", "-o", "uid=,stat=,comm=", "-p", str(process)], check=False, capture_output=True, text=True
    ).stdout
    user, state, name, *_ = (*listed.split(maxsplit=2), "", "", "")
    return user == str(owner) and name.strip().endswith("postgres") and not state.startswith("Z")
