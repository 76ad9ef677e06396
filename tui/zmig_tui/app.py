"""The console: `run` shows a manifest and its database on the terminal until somebody quits."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import TYPE_CHECKING, ClassVar

from textual.app import App

from zmig_tui import themes
from zmig_tui.commands import ActionCommands
from zmig_tui.desk import Desk, Subject
from zmig_tui.news import Heard, News
from zmig_tui.screens.main import MainScreen

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from textual.command import Provider

    from zmig.invocation import Invocation

_WIDE_CELLS = 120
_TERMINATED = 128 + signal.SIGTERM


class ConsoleApp(App[int]):
    """The application around the main screen."""

    CSS_PATH = "console.tcss"
    TITLE = "zmig"
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = App.COMMANDS | {ActionCommands}
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (_WIDE_CELLS, "-wide")]  # noqa: RUF012 - as Textual declares it

    def __init__(
        self, subject: Subject, *, clock: Callable[[], float] = time.monotonic, desk: type[Desk] = Desk
    ) -> None:
        """`clock` gives the seconds that lengths of time are measured in; `desk` is where the work is done."""
        super().__init__()
        self._subject = subject
        self._clock = clock
        self.desk = desk(subject, self._tell, clock)

    def on_mount(self) -> None:
        """Choose the colours, and show the main screen."""
        themes.register(self, os.environ)
        manifest = self._subject.invocation.manifest or str(self._subject.manifest)
        self.main = MainScreen(self, self.desk, manifest, self._clock)
        self.push_screen(self.main)
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._terminate)

    def _tell(self, news: News) -> None:
        """Pass on what a thread tells; after the end nobody listens any more."""
        if self.is_running:
            self.main.post_message(Heard(news))

    def _terminate(self) -> None:
        """End as a signal asks: a run is cancelled first, and what it left is recorded."""
        if self.desk.is_running:
            self.main.leaves_after_run = True
            self.main.exit_code = _TERMINATED
            self.desk.cancel()
        else:
            self.exit(_TERMINATED)

    def on_unmount(self) -> None:
        """Let the threads end."""
        self.desk.stop()


def run(
    manifest: Path, *, database_url: str | None, invocation: Invocation, environ: dict[str, str] | None = None
) -> int:
    """Show the console until somebody quits; return the exit code."""
    subject = Subject(manifest, database_url, invocation, os.environ if environ is None else environ)
    return ConsoleApp(subject).run() or 0
