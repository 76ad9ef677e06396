"""Textual's drivers, for a terminal or a page that may go away, or take no output, at any time.

Neither stops the console: what nobody can read is thrown away, and the app is told once nobody is there.
"""

from __future__ import annotations

import contextlib
import select
import sys
from typing import TYPE_CHECKING, Protocol, cast

from textual.drivers.linux_driver import LinuxDriver
from textual.drivers.web_driver import WebDriver

from zmig_tui.output import Output

if TYPE_CHECKING:
    from textual.app import App
    from textual.driver import Driver

_SECONDS_TO_WRITE_THE_REST = 2.0
_HANGUP = select.POLLHUP | select.POLLERR | select.POLLNVAL


class Unwatched(Protocol):
    """What an app does that can be left alone."""

    def go_on_unwatched(self) -> None:
        """Nobody sees the app any more."""
        ...

    def refresh_all(self) -> None:
        """Draw everything: something that was drawn has not been read."""
        ...


def _open(driver: Driver, app: App[int], descriptor: int) -> Output:
    """Return an output that tells the app, in its own thread, what becomes of its readers."""
    told = cast("Unwatched", app)

    def tell(what: str) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            driver._loop.call_soon_threadsafe(getattr(told, what))  # pyright: ignore[reportPrivateUsage] - Textual's drivers use it so

    output = Output(descriptor, lost=lambda: tell("go_on_unwatched"), skipped=lambda: tell("refresh_all"))
    output.start()
    return output


class TerminalDriver(LinuxDriver):
    """A terminal."""

    def start_application_mode(self) -> None:
        """Take the terminal over."""
        file = sys.__stderr__
        assert file is not None
        self._output = _open(self, self._app, file.fileno())
        super().start_application_mode()

    def write(self, data: str) -> None:
        """Write soon."""
        self._output.write(data.encode("utf-8", "replace"))

    def close(self) -> None:
        """Write what is left, if the terminal takes it."""
        super().close()
        self._output.close(wait_seconds=_SECONDS_TO_WRITE_THE_REST)

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


class PageDriver(WebDriver):
    """A page of `zmig tui --web`."""

    def start_application_mode(self) -> None:
        """Begin to draw."""
        self._output = _open(self, self._app, self.fileno)
        self._write = self._output.write
        super().start_application_mode()

    def close(self) -> None:
        """Write what is left, if the page takes it."""
        self._output.close(wait_seconds=_SECONDS_TO_WRITE_THE_REST)

    def run_input_thread(self) -> None:
        """Read what the page sends; its end is told as the server's word for it would be."""
        super().run_input_thread()
        if not self.exit_event.is_set():
            self._end()

    def on_meta(self, packet_type: str, payload: dict[str, object]) -> None:
        """Take in what the server tells: a page that is closed is no wish to end a run."""
        if packet_type == "quit":
            self._end()
        else:
            super().on_meta(packet_type, payload)

    def _end(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(cast("Unwatched", self._app).go_on_unwatched)

    @property
    def is_gone(self) -> bool:
        """Whether nobody is there: that is told by the server, or by the end of what it sends."""
        return False

    def abandon(self) -> None:
        """Write nothing any more."""
        self._output.abandon()

    def tell(self, word: str, *, of: bool) -> None:
        """Tell the page something that is not drawn."""
        self.write_meta({"type": word, "value": of})
