"""The console: `run` shows a manifest and its database on the terminal until somebody quits."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.app import App, SystemCommand

from zmig_tui import themes
from zmig_tui.commands import ActionCommands
from zmig_tui.desk import Controller, Subject
from zmig_tui.news import Heard, News
from zmig_tui.screens.main import MainScreen
from zmig_tui.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from textual.command import Provider
    from textual.driver import Driver
    from textual.screen import Screen

    from zmig.invocation import Invocation
    from zmig_tui.drivers import PageDriver, TerminalDriver

_WIDE_CELLS = 120
_READING_SECONDS = 0.4
"""Longer than a key takes that was on its way when a question came up, shorter than the question takes to be read."""
_SECONDS_BETWEEN_LOOKS_FOR_THE_TERMINAL = 1.0
_ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_HANGUP = 128 + signal.SIGHUP


class ConsoleApp(Stage):
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
        desk: type[Controller] = Controller,
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
        self._is_unwatched = False
        self.desk = desk(subject, self._tell, clock)

    def on_mount(self) -> None:
        """Choose the colours, and show the main screen."""
        themes.register(self, os.environ)
        manifest = self._subject.invocation.manifest or str(self._subject.manifest)
        self.main = MainScreen(self, self.desk, manifest, self._clock, reading_seconds=self._reading_seconds)
        self.push_screen(self.main)
        loop = asyncio.get_running_loop()
        for number in _ENDING_SIGNALS:
            loop.add_signal_handler(number, self._terminate, number)
        loop.add_signal_handler(signal.SIGHUP, self.go_on_unwatched)
        self.set_interval(_SECONDS_BETWEEN_LOOKS_FOR_THE_TERMINAL, self._look_for_the_terminal)

    def get_driver_class(self) -> type[Driver]:
        """Return the driver that fits, in the form that outlives its terminal or page."""
        found = super().get_driver_class()
        if sys.platform == "win32":
            return found
        from zmig_tui.drivers import PageDriver, TerminalDriver

        return next((ours for ours in (TerminalDriver, PageDriver) if issubclass(ours, found)), found)

    @property
    def _unreliable(self) -> TerminalDriver | PageDriver | None:
        """The driver, where what it draws on may go away."""
        driver = self._driver
        return cast("TerminalDriver | PageDriver", driver) if driver is not None and not driver.is_headless else None

    def _look_for_the_terminal(self) -> None:
        driver = self._unreliable
        if driver is not None and driver.is_gone:
            self.go_on_unwatched()

    def go_on_unwatched(self) -> None:
        """Go on after the terminal or the page went away: with a run to its end, and else to the console's own."""
        driver = self._unreliable
        if driver is not None:
            driver.abandon()
        if self._is_terminating or self._is_unwatched:
            return
        self._is_unwatched = True
        if self.desk.is_running:
            self.main.leaves_after_run = True
            self.main.exit_code = _HANGUP
        else:
            self.exit(_HANGUP)

    def refresh_all(self) -> None:
        """Draw everything anew: something that was drawn has not been read."""
        self.screen.refresh(layout=True)

    def tell_page(self, *, is_running: bool) -> None:
        """Tell the page of the console, if it has one, whether a run goes on."""
        if self._driver is not None and self._driver.is_web:
            cast("PageDriver", self._driver).tell("run", of=is_running)

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
