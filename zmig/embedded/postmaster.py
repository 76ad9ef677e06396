"""Who owns a data folder, by PostgreSQL's own `postmaster.pid`, and what to do when that file is wrong.

After a crash or a reboot the file names a process that is gone, or, with small process numbers as in containers,
another one altogether. PostgreSQL then refuses to start; here the process is looked at instead.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

_PID_FILE = "postmaster.pid"


def find(data: Path, *, answers: bool) -> int | None:
    """Return the process number of the server that has `data` open; None if there is none.

    `answers` says that the server's socket answers, which proves that the number in the file is right.
    """
    process = _recorded(data)
    if process is None or answers or _serves(process, data):
        return process
    return None


def forget_stale(data: Path) -> None:
    """Make left-over lock files harmless; to be called only when `find` found no server.

    They are not removed, because PostgreSQL also learns from them whether backends of a killed server still write.
    Only the process number is replaced, by this process's own: a server never mistakes the process that starts it
    for another server.
    """
    for name in (_PID_FILE, *(path.name for path in data.glob(".s.PGSQL.*.lock"))):
        with contextlib.suppress(FileNotFoundError):
            _replace_process(data / name)


def _replace_process(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
        rest = file.read().partition("\n")[2]
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n{rest}")


def _recorded(data: Path) -> int | None:
    try:
        return int((data / _PID_FILE).read_text(encoding="utf-8").partition("\n")[0])
    except (FileNotFoundError, ValueError):
        return None


def _serves(process: int, data: Path) -> bool:
    if sys.platform != "linux":
        return _is_postgres_by_ps(process)
    try:
        return Path(f"/proc/{process}/cwd").samefile(data)
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


def _is_postgres_by_ps(process: int) -> bool:
    listed = subprocess.run(
        ["ps", "-o", "stat=,comm=", "-p", str(process)], check=False, capture_output=True, text=True
    ).stdout
    state, _, name = listed.strip().partition(" ")
    return name.endswith("postgres") and not state.startswith("Z")
