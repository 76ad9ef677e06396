"""The console as a process on a pseudo-terminal, whose screen is read back, and which may be closed at any time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING, Self

from tests.support.process import note
from tests.support.screen import Screen

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

_WIDTH, _HEIGHT = 100, 30
_PATIENCE_SECONDS = 120
_SECONDS_TO_BE_HEARD = 1.0
"""After a key that a question did not take, since it was not on the screen for long enough."""
_ATTRIBUTES_QUESTION = b"\x1b[c"


class FullScreen:
    """A `zmig tui` on a terminal of its own."""

    def __init__(
        self,
        manifest: Path,
        *,
        is_controlling: bool = True,
        size: tuple[int, int] = (_WIDTH, _HEIGHT),
        background: str = "rgb:1616/1818/1f1f",
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """`background` is what the terminal says of its own; empty where it says nothing.

        With `is_controlling` the terminal is the process's own, and SIGHUP tells of its end; else nothing does."""
        # pytest-xdist tells a size of its own in the environment, which goes before the terminal's.
        inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        environment = inherited | {
            "XDG_CONFIG_HOME": str(manifest.parent / "config"),
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            **(environ or {}),
        }
        self._background = background
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *reversed(size), 0, 0))
        control = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); " if is_controlling else ""
        program = f"{control}import sys; from zmig.cli.main import program; sys.exit(program())"
        self._process = subprocess.Popen(
            [sys.executable, "-c", program, "tui", str(manifest)],
            env=environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.screen = Screen(*size)
        self.written = b""
        """Everything that was written to the terminal and read by a test."""

    def _feed(self, data: bytes) -> bytes:
        self.written += data
        self.screen.feed(data)
        if _ATTRIBUTES_QUESTION in data:
            answer = f"\x1b]11;{self._background}\x1b\\" if self._background else ""
            self.press(answer + "\x1b[?62;22c")
        return data

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        code = self._process.poll()
        if error is not None:
            self._read_what_is_there()
        if code is None:
            self._process.kill()
        self._process.wait()
        self.close()
        note(error, "zmig tui", code, screen=self.screen.text)

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def close(self) -> None:
        """Let the terminal go away, as the end of a window or of a connection does."""
        if self._ours >= 0:
            os.close(self._ours)
            self._ours = -1

    def until(self, is_reached: Callable[[str], bool]) -> None:
        """Read what is drawn until the screen looks as wanted."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while not is_reached(self.screen.text):
            if time.monotonic() > end:
                raise AssertionError(f"never reached; the screen is\n{self.screen.text}")
            if select.select([self._ours], [], [], 0.2)[0]:
                self._feed(os.read(self._ours, 1 << 16))

    def _read_what_is_there(self) -> None:
        with contextlib.suppress(OSError):  # Linux says so when the other side was closed
            while self._ours >= 0 and select.select([self._ours], [], [], 0)[0]:
                self._feed(os.read(self._ours, 1 << 16))

    def shows(self, *texts: str) -> None:
        self.until(lambda screen: all(text in screen for text in texts))

    def agree(self) -> None:
        """Agree to the question on the screen, as soon as that is possible; the key means something else after it."""
        question = "Yes, do it"
        self.shows(question)
        end = time.monotonic() + _PATIENCE_SECONDS
        while question in self.screen.text:
            assert time.monotonic() < end, self.screen.text
            self.press("y")
            again_at = time.monotonic() + _SECONDS_TO_BE_HEARD
            while question in self.screen.text and (left := again_at - time.monotonic()) > 0:
                if select.select([self._ours], [], [], left)[0]:
                    self._feed(os.read(self._ours, 1 << 16))

    def end(self, *, reads: bool = True) -> int:
        """Wait for the end, as a rule reading what is drawn; return the exit code."""
        with contextlib.suppress(OSError):
            while reads and self._ours >= 0 and self._feed(os.read(self._ours, 1 << 16)):
                pass
        return self._process.wait(_PATIENCE_SECONDS)
