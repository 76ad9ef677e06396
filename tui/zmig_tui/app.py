"""The application: its start, its end, the signals and the terminal between them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

from textual.app import App, SystemCommand

from zmig_tui.controller import Controller
from zmig_tui.events import ConsoleEvent, EventReceived
from zmig_tui.models.console import ConsoleModel
from zmig_tui.models.key_hints import KeyHints
from zmig_tui.screens import keys
from zmig_tui.screens.commands import ActionCommands
from zmig_tui.screens.main import MainScreen
from zmig_tui.target import Target
from zmig_tui.widgets import themes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from textual.command import Provider
    from textual.driver import Driver
    from textual.screen import Screen

    from zmig.presentation.hints import CommandLine

_WIDE_CELLS = 120
_READING_SECONDS = 0.4
"""Longer than a key takes that was on its way when a question came up, shorter than the question takes to be read."""
_SECONDS_BETWEEN_TERMINAL_CHECKS = 1.0
_ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_HANGUP = 128 + signal.SIGHUP


class _DetachableDriver(Protocol):
    """A driver whose terminal or page may go away."""

    @property
    def is_gone(self) -> bool: ...

    def abandon(self) -> None: ...


class _PageDriver(Protocol):
    """The driver of a page of `zmig tui --web`."""

    def send_run_state(self, *, is_running: bool) -> None: ...


class ConsoleApp(App[int]):
    """The application around the main screen."""

    CSS_PATH = "console.tcss"
    TITLE = "zmig"
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = App.COMMANDS | {ActionCommands}
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (_WIDE_CELLS, "-wide")]  # noqa: RUF012 - as Textual declares it

    def __init__(
        self,
        target: Target,
        *,
        clock: Callable[[], float] = time.monotonic,
        controller: type[Controller] = Controller,
        reading_seconds: float = _READING_SECONDS,
        uses_processes: bool = True,
    ) -> None:
        """`clock` gives the seconds that lengths of time are measured in; `controller` is where the work is done.

        `reading_seconds` is how long a question is on the screen before a key may agree to it. Without
        `uses_processes` a run is done in a thread, and so ends with the console.
        """
        super().__init__()
        self._target = target
        self._clock = clock
        self._reading_seconds = reading_seconds
        self._is_terminating = False
        self._is_detached = False
        self.controller = controller(target, self._send, clock, uses_processes=uses_processes)

    def on_mount(self) -> None:
        """Choose the colours, and show the main screen."""
        themes.register(self, os.environ)
        manifest = self._target.hints.manifest or str(self._target.manifest)
        hints = KeyHints(self._target.hints, keys.KEYS)
        self.main = MainScreen(
            self,
            self.controller,
            ConsoleModel(manifest, hints, self._clock),
            reading_seconds=self._reading_seconds,
            report_run=self._report_run,
        )
        self.push_screen(self.main)
        loop = asyncio.get_running_loop()
        for number in _ENDING_SIGNALS:
            loop.add_signal_handler(number, self._terminate, number)
        loop.add_signal_handler(signal.SIGHUP, self.continue_detached)
        self.set_interval(_SECONDS_BETWEEN_TERMINAL_CHECKS, self._check_terminal)

    def get_driver_class(self) -> type[Driver]:
        """Return the driver; that of a terminal in the form that outlives it, as the page's own does."""
        chosen = super().get_driver_class()
        if sys.platform == "win32":
            return chosen
        from zmig_tui.terminal import TerminalDriver

        return TerminalDriver if issubclass(TerminalDriver, chosen) else chosen

    @property
    def _detachable_driver(self) -> _DetachableDriver | None:
        """The driver, where what it draws on may go away."""
        driver = self._driver
        return cast("_DetachableDriver", driver) if driver is not None and not driver.is_headless else None

    def _check_terminal(self) -> None:
        driver = self._detachable_driver
        if driver is not None and driver.is_gone:
            self.continue_detached()

    def continue_detached(self) -> None:
        """End after the terminal or the page went away; a run that would end with the console is carried to its end."""
        driver = self._detachable_driver
        if driver is not None:
            driver.abandon()
        if self._is_terminating or self._is_detached:
            return
        self._is_detached = True
        if self.controller.is_running and not self.controller.run_outlives_console:
            self.main.actions.leave_after_run(_HANGUP)
        else:
            self.exit(_HANGUP)

    def refresh_all(self) -> None:
        """Draw everything anew: something that was drawn has not been read."""
        self.screen.refresh(layout=True)

    def _report_run(self, *, is_running: bool) -> None:
        """Send the page of the console, if it has one, whether a run is in progress."""
        if self._driver is not None and self._driver.is_web:
            cast("_PageDriver", self._driver).send_run_state(is_running=is_running)

    async def action_quit(self) -> None:
        """Quit as `q` does, whichever screen is on top: Textual's own ctrl+q would ask nothing."""
        self.main.actions.leave()

    def action_help_quit(self) -> None:
        """Answer ctrl+c: ask what is to become of a run, else name the key that quits."""
        if self.controller.is_running:
            self.main.actions.leave()
        else:
            self.main.prompts.notify("q quits")

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Return Textual's own commands but for its way to quit; the main screen's key has the same name."""
        commands = super().get_system_commands(screen)  # pyright: ignore[reportUnknownMemberType] - a bare Screen
        return (command for command in commands if command.callback != self.action_quit)

    def _send(self, event: ConsoleEvent) -> None:
        """Post an event of a thread; after the end there is nobody to receive it."""
        if self.is_running:
            self.main.post_message(EventReceived(event))

    def _terminate(self, number: signal.Signals) -> None:
        """End as a signal asks: a run that was begun here is cancelled first, and what it left is recorded.

        A second signal waits not.
        """
        if self._is_terminating:
            os._exit(128 + number)
        self._is_terminating = True
        if self.controller.is_run_begun_here:
            self.main.actions.leave_after_run(128 + number)
            self.controller.cancel()
        else:
            self.exit(128 + number)

    async def on_unmount(self) -> None:
        """Let the threads end, while signals are still handled."""
        await asyncio.to_thread(self.controller.stop)


def run(manifest: Path, *, database_url: str | None, hints: CommandLine, environ: dict[str, str] | None = None) -> int:
    """Show the console until somebody quits; return the exit code."""
    target = Target(manifest, database_url, hints, os.environ if environ is None else environ)
    return ConsoleApp(target).run() or 0
