"""Textual's driver for a page of `zmig tui --web`, which may be closed, or take no output, at any time."""

from __future__ import annotations

import contextlib
from typing import cast

from textual.drivers.web_driver import WebDriver

from zmig_tui.output import SECONDS_TO_FLUSH, DetachableApp, open_output


class PageDriver(WebDriver):
    """A page of `zmig tui --web`."""

    def start_application_mode(self) -> None:
        """Begin to draw."""
        self._output = open_output(self, self._app, self.fileno)
        self._write = self._output.write
        super().start_application_mode()

    def close(self) -> None:
        """Write what is left, if the page takes it."""
        self._output.close(wait_seconds=SECONDS_TO_FLUSH)

    def run_input_thread(self) -> None:
        """Read what the page sends; its end is treated like the server's `quit`."""
        super().run_input_thread()
        if not self.exit_event.is_set():
            self._detach()

    def on_meta(self, packet_type: str, payload: dict[str, object]) -> None:
        """Handle a message of the server: `quit` says that the page was closed, which must not end a run."""
        if packet_type == "quit":
            self._detach()
        else:
            super().on_meta(packet_type, payload)

    def _detach(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(cast("DetachableApp", self._app).continue_detached)

    @property
    def is_gone(self) -> bool:
        """Always false: the server, or the end of what it sends, says when the page is closed."""
        return False

    def abandon(self) -> None:
        """Write nothing any more."""
        self._output.abandon()

    def show_title(self, text: str, mood: str) -> None:
        """Set the title of the page, and its picture by the mood."""
        self.write_meta({"type": "title", "text": text, "mood": mood})

    def show_ending(self, text: str) -> None:
        """Do nothing: the title says how a run has ended."""

    def send_run_state(self, *, is_running: bool) -> None:
        """Send the page whether a run is in progress, so that the browser asks before it is closed."""
        self.write_meta({"type": "run", "value": is_running})
