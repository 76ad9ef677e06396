"""Textual's driver for a terminal that may be closed, or take no output, at any time.

Neither stops the console: what nobody can read is thrown away, and the app is notified once the terminal is gone.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys

from textual.drivers.linux_driver import LinuxDriver

from zmig_tui import sgr, window
from zmig_tui.output import SECONDS_TO_FLUSH, open_output

_WITHOUT_WINDOW = "linux"
"""`$TERM` of the system's own console, which has neither titles nor notifications."""
_HANGUP = select.POLLHUP | select.POLLERR | select.POLLNVAL


class TerminalDriver(LinuxDriver):
    """A terminal."""

    _title = ""
    """What sets the title, again after the terminal was somebody else's for a while."""

    def start_application_mode(self) -> None:
        """Take the terminal over."""
        file = sys.__stderr__
        assert file is not None
        self._output = open_output(self, self._app, file.fileno())
        super().start_application_mode()
        self._has_window = os.environ.get("TERM") != _WITHOUT_WINDOW
        if self._has_window:
            self.write(window.SAVE_TITLE + self._title)

    def stop_application_mode(self) -> None:
        """Give the terminal back as it was."""
        if self._has_window:
            self.write(window.RESTORE_TITLE)
        super().stop_application_mode()

    def show_title(self, text: str, mood: str) -> None:
        """Set the title of the window; `mood` is for those that have a picture."""
        if self._has_window:
            self._title = window.title(text)
            self.write(self._title)

    def show_ending(self, text: str) -> None:
        """Ring the bell, and say on the desktop that a run has ended."""
        self.write(window.notification(text) if self._has_window else window.BELL)

    def write(self, data: str) -> None:
        """Write soon."""
        self._output.write(sgr.shorten(data).encode("utf-8", "replace"))

    def close(self) -> None:
        """Write what is left, if the terminal takes it."""
        super().close()
        self._output.close(wait_seconds=SECONDS_TO_FLUSH)

    def run_input_thread(self) -> None:
        """Read keys; a terminal that went away ends that."""
        with contextlib.suppress(OSError):
            super().run_input_thread()

    @property
    def is_gone(self) -> bool:
        """Whether the terminal went away: not every one of them sends a signal then."""
        poll = select.poll()
        poll.register(self.fileno, 0)
        return any(events & _HANGUP for _, events in poll.poll(0))

    def abandon(self) -> None:
        """Neither read nor write any more."""
        self.exit_event.set()
        self._output.abandon()
