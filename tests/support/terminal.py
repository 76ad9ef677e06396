"""A pseudo-terminal with a command in it, and a person who reads and types."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING, Self

from tests.support.process import ROOT, note

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

_PATIENCE_SECONDS = 120.0
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


def environment() -> dict[str, str]:
    """The variables of a `zmig` on a terminal."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    return inherited | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tui"))), "TERM": "xterm-256color"}


class Terminal:
    """A `zmig` process whose standard streams are one terminal."""

    def __init__(self, *words: str, cwd: Path, columns: int = 100, variables: Mapping[str, str] | None = None) -> None:
        self._name = " ".join(("zmig", *words))
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "zmig", *words],
            cwd=cwd,
            env=environment() | dict(variables or {}),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.raw = ""
        """Everything that was written so far."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        code = self.process.poll()
        if code is None:
            self.process.kill()
        self.process.wait()
        os.close(self._ours)
        note(error, self._name, code, screen=self.text)

    @property
    def text(self) -> str:
        """What was written, without the terminal's control sequences."""
        return _CONTROL.sub("", self.raw)

    def wait_for(self, text: str) -> None:
        """Read until `text` was written."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while text not in self.text:
            assert time.monotonic() < deadline, f"{text!r} did not come; there is {self.text!r}"
            assert self._read(), f"it ended without {text!r}; there is {self.text!r}"

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self._ours, f"{text}\n".encode())

    def end(self) -> int:
        """Read to the end and return the exit code."""
        while self._read():
            pass
        return self.process.wait(_PATIENCE_SECONDS)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._ours], [], [], _PATIENCE_SECONDS)
        assert ready, f"nothing more came; there is {self.text!r}"
        with contextlib.suppress(OSError):  # Linux says so when the other side was closed
            data = os.read(self._ours, 65536)
            self.raw += data.decode(errors="replace")
            return bool(data)
        return False
