"""One process, measured from outside: wall seconds and peak memory, by the operating system's own account."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_LAUNCH = Path(__file__).with_name("launch.py")


@dataclass(frozen=True, slots=True)
class Sample:
    """What one run of a command cost."""

    seconds: float
    peak_bytes: int
    """Not below some 10 MB, which the process that starts it has."""
    cpu_seconds: float = 0.0
    """Of the process itself, in user mode and in the kernel; not the server's."""


class CommandFailed(Exception):
    """A measured command ended with an error, so its time means nothing."""

    def __init__(self, command: Sequence[str], code: int, said: str) -> None:
        super().__init__(f"{' '.join(command[:4])} ended with {code}: {said[-600:]}")
        errors = [line.strip() for line in said.splitlines() if "error" in line.lower() or "memory" in line.lower()]
        self.reason = errors[-1][:120] if errors else f"exit code {code}"
        """What it said last of an error, on one line."""


def run(command: Sequence[str], *, log: Path, environ: dict[str, str] | None = None) -> Sample:
    """Run a command to its end; its output goes to `log`.

    Raises:
        CommandFailed: it ended with another code than 0.
    """
    cost = log.with_suffix(".cost")
    launcher = [sys.executable, "-I", "-S", str(_LAUNCH), str(cost), *command]
    with log.open("wb") as output:
        ended = subprocess.run(
            launcher,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=_environ() | (environ or {}),
        )
    if ended.returncode != 0:
        raise CommandFailed(command, ended.returncode, log.read_text(errors="replace"))
    seconds, peak, cpu_seconds = cost.read_text().split()
    return Sample(float(seconds), int(peak), float(cpu_seconds))


def _environ() -> dict[str, str]:
    """Return the environment in which Python keeps what it compiled, as it does for an installed program."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
