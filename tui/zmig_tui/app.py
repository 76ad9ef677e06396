"""The console: `run` shows a manifest and its database on the terminal until somebody quits."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import App, SystemCommand

from zmig_tui import themes
from zmig_tui.commands import ActionCommands
from zmig_tui.desk import Desk, Subject
from zmig_tui.news import Heard, News
from zmig_tui.screens.main import MainScreen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from textual.command import Provider
    from textual.screen import Screen

    from zmig.invocation import Invocation

_WIDE_CELLS = 120
_READING_SECONDS = 0.4
"""Longer than a key takes that was on its way when a question came up, shorter than the question takes to be read."""
_ENDING_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class ConsoleApp(App[int]):
    """The application around the main screen."""

    CSS_PATH = "console.tcss"
    TITLE = "zmig"
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = App.COMMANDS | {ActionCommands}
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (_WIDE_CELLS, "-wide")]  # noqa: RUF012 - as Textual declares it

    def __init__(
        self,
        subject: Subject,
        *,
        clock: Callable[[], float] = time.monotonic,
        desk: type[Desk] = Desk,
        reading_seconds: float = _READING_SECONDS,
    ) -> None:
        """`clock` gives the seconds that lengths of time are measured in; `desk` is where the work is done.

        `reading_seconds` is how long a question stands on the screen before a key may agree to it.
        """
        super().__init__()
        self._subject = subject
        self._clock = clock
        self._reading_seconds = reading_seconds
        self._is_terminating = False
        self.desk = desk(subject, self._tell, clock)

    def on_mount(self) -> None:
        """Choose the colours, and show the main screen."""
        themes.register(self, os.environ)
        manifest = self._subject.invocation.manifest or str(self._subject.manifest)
        self.main = MainScreen(self, self.desk, manifest, self._clock, reading_seconds=self._reading_seconds)
        self.push_screen(self.main)
        for number in _ENDING_SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._terminate, number)

    async def action_quit(self) -> None:
        """Quit as `q` does, whichever screen is on top: Textual's own ctrl+q would ask nothing."""
        self.main.action_leave()

    def action_help_quit(self) -> None:
        """Answer ctrl+c: ask what is to become of a run, else tell the key that quits."""
        if self.desk.is_running:
            self.main.action_leave()
        else:
            self.main.say("q quits")

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Return Textual's own commands but for its way to quit; the main screen's key has the same name."""
        commands = super().get_system_commands(screen)  # pyright: ignore[reportUnknownMemberType] - a bare Screen
        return (command for command in commands if command.callback != self.action_quit)

    def _tell(self, news: News) -> None:
        """Pass on what a thread tells; after the end nobody listens any more."""
        if self.is_running:
            self.main.post_message(Heard(news))

    def _terminate(self, number: signal.Signals) -> None:
        """End as a signal asks: a run is cancelled first, and what it left is recorded. A second signal waits not."""
        if self._is_terminating:
            os._exit(128 + number)
        self._is_terminating = True
        if self.desk.is_running:
            self.main.leaves_after_run = True
            self.main.exit_code = 128 + number
            self.desk.cancel()
        else:
            self.exit(128 + number)

    async def on_unmount(self) -> None:
        """Let the threads end, while signals are still heard."""
        await asyncio.to_thread(self.desk.stop)


def run(
    manifest: Path, *, database_url: str | None, invocation: Invocation, environ: dict[str, str] | None = None
) -> int:
    """Show the console until somebody quits; return the exit code."""
    subject = Subject(manifest, database_url, invocation, os.environ if environ is None else environ)
    return ConsoleApp(subject).run() or 0
