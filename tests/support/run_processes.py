"""The processes of the console's runs: found as a console finds them."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from zmig_tui.run_process import attachment, places

if TYPE_CHECKING:
    from zmig_tui.run_process.messages import Hello, Outcome

_PATIENCE_SECONDS = 120


def found(manifest: Path) -> list[Hello]:
    """What each process says that runs this manifest."""
    said: list[Hello] = []
    for path in places.sockets(places.identity(manifest, None, os.environ)):
        attached = attachment.attach(path)
        if attached is not None:
            attached[0].leave()
            said.append(attached[1])
    return said


def pid(manifest: Path) -> int:
    """The one process that runs this manifest."""
    (hello,) = found(manifest)
    return hello.pid


def outcome(manifest: Path) -> Outcome:
    """What came of the one run of this manifest, as soon as it has ended; its process ends then, too."""
    (path,) = places.sockets(places.identity(manifest, None, os.environ))
    attached = attachment.attach(path)
    assert attached is not None
    found = attached[0].listen("a run", lambda _progress, _moment: None)
    assert found is not None
    return found


def wait_for_end(manifest: Path, pid: int | None = None) -> None:
    """Wait until no process runs this manifest, or has an outcome of it; nor is `pid` there."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while found(manifest) or (pid is not None and _is_there(pid)):
        assert time.monotonic() < end, "it never ended"
        time.sleep(0.01)


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    os.kill(pid, number)


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:  # one that nobody waits for is left in the table of a container
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return True
