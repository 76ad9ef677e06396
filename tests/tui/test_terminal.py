"""The console in a real pseudo-terminal: what is drawn is read back as a terminal would show it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.shop import Shop

_WIDTH, _HEIGHT = 100, 30
_PATIENCE_SECONDS = 120


class Terminal:
    """A process on a terminal of its own."""

    def __init__(self, manifest: Path) -> None:
        # pytest-xdist tells a size of its own in the environment, which goes before the terminal's.
        inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        environment = inherited | {
            "TERM": "xterm-256color",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.execve(sys.executable, [sys.executable, "-m", "zmig", "tui", str(manifest)], environment)
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", _HEIGHT, _WIDTH, 0, 0))
        self.screen = Screen(_WIDTH, _HEIGHT)

    def press(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def until(self, is_reached: Callable[[str], bool]) -> None:
        """Read what is drawn until the screen looks as wanted."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while not is_reached(self.screen.text):
            if time.monotonic() > end:
                raise AssertionError(f"never reached; the screen is\n{self.screen.text}")
            if select.select([self._terminal], [], [], 0.2)[0]:
                self.screen.feed(os.read(self._terminal, 1 << 16))

    def shows(self, *texts: str) -> None:
        self.until(lambda screen: all(text in screen for text in texts))

    def wait(self) -> int:
        """Read to the end; return the exit code."""
        while True:
            try:
                if not os.read(self._terminal, 1 << 16):
                    break
            except OSError:
                break
        os.close(self._terminal)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_start_apply_fail_retry_quit(shop: Shop) -> None:
    shop.add(1, "one", "create table one ();")
    shop.add(2, "two", "select 1;\nselect * from nowhere;\n")
    terminal = Terminal(shop.path)
    terminal.shows("DEVELOPMENT", "· 2 pending", "a Apply")
    terminal.press("a")
    terminal.shows("apply: 2 migrations to run", "Yes, do it")
    terminal.press("\r")
    terminal.shows("✓ done", "✗ failed", 'relation "nowhere" does not exist')
    shop.write("two.sql", "select 1;")
    terminal.press("r")
    terminal.shows("retry two: 1 migration to run")
    terminal.press("\r")
    terminal.shows("✓ 2 done", "✓ retry two: 1 done")
    terminal.press("q")
    assert terminal.wait() == 0
    assert [entry.state.value for entry in shop.migrator().status().migrations] == ["done", "done"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_a_signal_cancels_the_run_records_that_and_ends(shop: Shop) -> None:
    import signal

    shop.add(1, "one", "select pg_sleep(60);")
    terminal = Terminal(shop.path)
    terminal.shows("· 1 pending", "a Apply")
    terminal.press("a")
    terminal.shows("Yes, do it")
    terminal.press("\r")
    terminal.shows("statement 1 of 1")
    os.kill(terminal.pid, signal.SIGTERM)
    assert terminal.wait() == 128 + signal.SIGTERM
    assert shop.migrator().history()[-1].error_message == "interrupted by request"
