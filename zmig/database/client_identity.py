"""Which process a run belongs to, so that somebody else on the same machine can prove that it is gone.

A server cannot distinguish a client that was killed from one that is silent; the machine it ran on can. The proof holds
only within one boot of one machine and one process namespace, so both are part of the identity.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import cast

from zmig.database.lock_holder import ClientState

_PROC = Path("/proc")
_START_FIELD = 19
"""Where `/proc/PID/stat` has the start time, counted after the command's closing bracket."""


def identity() -> dict[str, object] | None:
    """Return what a `started` fact says of this process; None where the system does not say."""
    return _identity(os.getpid())


@cache  # once for each process, also for a forked one
def _identity(pid: int) -> dict[str, object] | None:
    space, started = _space(), _started(pid)
    if space is None or started is None:
        return None
    return {"pid": pid, "started": started, "space": space}


def state(recorded: object) -> ClientState:
    """Return what can be proved, on this machine, of the process that recorded its identity."""
    if not isinstance(recorded, dict):
        return ClientState.UNKNOWN
    known = cast("dict[str, object]", recorded)
    pid, space = known.get("pid"), known.get("space")
    if not isinstance(pid, int) or space is None or space != _space():
        return ClientState.UNKNOWN
    return ClientState.ALIVE if _started(pid) == known.get("started") else ClientState.GONE


def _space() -> str | None:
    """Return a name for the process ids that are valid here: of this boot, in this namespace."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot}/{(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return None


def _started(pid: int) -> str | None:
    """Return when a process began, in the system's clock ticks; None where there is none, or only its exit status."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[_START_FIELD]
