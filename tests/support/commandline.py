"""The `zmig` command, run as people run it: inside this process where that is enough, else as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """What it wrote to stdout, as JSON."""
        return json.loads(self.out)


def command(*words: str) -> list[str]:
    """Return the command line of a `zmig` process."""
    return [sys.executable, "-m", "zmig", *words]


def environment(**variables: str) -> dict[str, str]:
    """Return the environment of such a process: this one's, with the project importable."""
    paths = os.pathsep.join((str(ROOT), str(ROOT / "tui")))
    return {**os.environ, "PYTHONPATH": paths, "PYTHONWARNINGS": "error", **variables}


def spawn(*words: str, cwd: Path | None = None, **variables: str) -> Ran:
    """Run a process to its end, without a terminal."""
    ended = subprocess.run(
        command(*words),
        cwd=cwd,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    return Ran(ended.returncode, ended.stdout, ended.stderr)
