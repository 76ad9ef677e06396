"""The application: its start, its end, the signals and the terminal between them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Protocol, cast

from textual.app import App
from textual.message import Message

from zmig.hints import command
from zmig.text.secrets import redact
from zmig_tui import background, preferences
from zmig_tui.clipboard import clipboard_program, give
from zmig_tui.controller import Controller
from zmig_tui.events import RunEnded
from zmig_tui.models import notice
from zmig_tui.models.console import ConsoleModel
from zmig_tui.models.key_hints import KeyHints
from zmig_tui.open_database import OpenDatabase
from zmig_tui.preferences import Preferences
from zmig_tui.screens import keys
from zmig_tui.screens.databases import DatabasesScreen
from zmig_tui.screens.main import MainScreen
from zmig_tui.widgets import themes
from zmig_tui.widgets.parts import LOW_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from textual.actions import ActionParseResult
    from textual.dom import DOMNode
    from textual.driver import Driver
    from textual.theme import Theme

    from zmig_tui.events import ConsoleEvent
    from zmig_tui.models.notice import Title
    from zmig_tui.target import Target
    from zmig_tui.widgets.splitter import Splitter

_WIDE_CELLS = 120
_HUGE_CELLS = 180
_READING_SECONDS = 0.4
"""Longer than a key takes that was on its way when a question came up, shorter than the question takes to be read."""
_SECONDS_BETWEEN_TERMINAL_CHECKS = 1.0
_SECONDS_BETWEEN_TITLES = 0.5
_DETAIL_SHARE = "detail_share"
_ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_HANGUP = 128 + signal.SIGHUP


class _WindowDriver(Protocol):
    """A driver whose terminal or page may go away, and has a title."""

    @property
    def is_gone(self) -> bool: ...

    def abandon(self) -> None: ...

    def show_title(self, text: str, mood: str) -> None: ...

    def show_ending(self, text: str) -> None: ...


class _PageDriver(Protocol):
    """The driver of a page of `zmig tui --web`."""

    def send_run_state(self, *, is_running: bool) -> None: ...


class DatabaseEvent(Message):
    """A thread of one of the databases has sent an event."""

    def __init__(self, database: OpenDatabase, event: ConsoleEvent) -> None:
        super().__init__()
        self.database = database
        self.event = event


class ConsoleApp(App[int]):
    """The application around the main screen."""

    CSS_PATH = "console.tcss"
    TITLE = "zmig"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (_WIDE_CELLS, "-wide"), (_HUGE_CELLS, "-huge")]  # noqa: RUF012 - as Textual declares it
    VERTICAL_BREAKPOINTS = [(0, "-low"), (LOW_ROWS, "-high")]  # noqa: RUF012 - as Textual declares it

    def __init__(
        self,
        *targets: Target,
        clock: Callable[[], float] = time.monotonic,
        controller: type[Controller] = Controller,
        reading_seconds: float = _READING_SECONDS,
        uses_processes: bool = True,
        preferences: Preferences | None = None,
        has_light_background: bool | None = None,
    ) -> None:
        """The first target is shown first.

        `clock` gives the seconds that lengths of time are measured in; `controller` is where the work is done.
        `reading_seconds` is how long a question is on the screen before a key may agree to it. Without
        `uses_processes` a run is done in a thread, and so ends with the console. `preferences` are what was chosen
        before; `has_light_background` is what the terminal says, if it does.
        """
        super().__init__()
        self._preferences = preferences if preferences is not None else Preferences(None)
        self._has_light_background = has_light_background
        self._clock = clock
        self._reading_seconds = reading_seconds
        self._is_terminating = False
        self._is_detached = False
        self._leaving: int | None = None
        """What to end with once no run is left that would end with the console, or was cancelled for that."""
        self._title: Title | None = None
        make = partial(controller, uses_processes=uses_processes)
        self.databases = [self._open(target, make) for target in targets]
        for database in self.databases:
            database.model.neighbours = [other.model for other in self.databases if other is not database]
        self._place = 0

    def _open(self, target: Target, make: Callable[..., Controller]) -> OpenDatabase:
        def send(event: ConsoleEvent) -> None:
            if self.is_running:  # after the end there is nobody to receive it
                self.post_message(DatabaseEvent(database, event))

        manifest = target.hints.manifest or str(target.manifest)
        hints = KeyHints(target.hints, keys.KEYS)
        model = ConsoleModel(manifest, hints, self._clock, is_read_only=target.is_read_only)
        database = OpenDatabase(make(target, send, self._clock), model)
        return database

    @property
    def controller(self) -> Controller:
        """What does the work for the database that is shown."""
        return self.databases[self._place].controller

    @property
    def main(self) -> MainScreen:
        """The screen of the database that is shown."""
        screen = self.databases[self._place].screen
        assert screen is not None
        return screen

    def on_mount(self) -> None:
        """Choose the colours, and show the main screen."""
        themes.register(
            self,
            os.environ,
            chosen=self._preferences.text("theme"),
            has_light_background=self._has_light_background,
        )
        fitting = self.theme

        def keep(theme: Theme) -> None:
            if self._preferences.text("theme") or theme.name != fitting:
                self._preferences.keep("theme", theme.name)

        self.theme_changed_signal.subscribe(self, keep)
        for database in self.databases[1:]:
            database.hide()
            database.controller.start()
        self.push_screen(self._shown())
        loop = asyncio.get_running_loop()
        for number in _ENDING_SIGNALS:
            loop.add_signal_handler(number, self._terminate, number)
        loop.add_signal_handler(signal.SIGHUP, self.continue_detached)
        self.set_interval(_SECONDS_BETWEEN_TERMINAL_CHECKS, self._check_terminal)
        self.set_interval(_SECONDS_BETWEEN_TITLES, self._update_window)

    def _shown(self) -> MainScreen:
        """Return the screen of the database that is shown now, which is kept when another one is."""
        database = self.databases[self._place]

        def make() -> MainScreen:
            screen = MainScreen(
                self,
                database.controller,
                database.model,
                reading_seconds=self._reading_seconds,
                report_run=self._report_run,
                detail_share=self._preferences.number(_DETAIL_SHARE) or None,
            )
            self.install_screen(screen, f"database {self._place}")  # pyright: ignore[reportUnknownMemberType] - a bare Screen
            return screen

        return database.show(make)

    def on_splitter_moved(self, event: Splitter.Moved) -> None:
        """Keep how the width is shared."""
        self._preferences.keep(_DETAIL_SHARE, round(event.share or 0, 3))

    def action_databases(self) -> None:
        """List all databases, and show the one that is chosen."""
        for place, database in enumerate(self.databases):
            if place != self._place:
                database.hide(is_listed=True)
        models = [database.model for database in self.databases]
        self.push_screen(DatabasesScreen(models, self._place), self._show_database)

    def _show_database(self, place: int | None) -> None:
        if place is not None and place != self._place:
            self._place = place
            self.switch_screen(self._shown())  # pyright: ignore[reportUnknownMemberType] - a bare Screen
        for other, database in enumerate(self.databases):
            if other != self._place:
                database.hide()

    def on_database_event(self, message: DatabaseEvent) -> None:
        """Hand an event on to the database that it is about."""
        message.database.receive(message.event)
        if isinstance(message.event, RunEnded):
            self._leave_if_nothing_is_left()

    def _update_window(self) -> None:
        """Have the window's title say how the shown database is, and ring where a run has ended out of sight."""
        driver = self._window_driver
        shown = notice.title(self.databases[self._place].model)
        if driver is not None and shown != self._title:
            self._title = shown
            driver.show_title(shown.text, shown.mood)
        for place, database in enumerate(self.databases):
            is_shown = place == self._place
            ending = database.endings.look(is_watched=is_shown and self.app_focus)
            if ending is None:
                continue
            if driver is not None:
                driver.show_ending(ending.text)
            if not is_shown:
                self.notify(ending.text, severity="error" if ending.is_bad else "information", markup=False)

    def get_driver_class(self) -> type[Driver]:
        """Return the driver; that of a terminal in the form that outlives it, as the page's own does."""
        chosen = super().get_driver_class()
        if sys.platform == "win32":
            return chosen
        from zmig_tui.terminal import TerminalDriver

        return TerminalDriver if issubclass(TerminalDriver, chosen) else chosen

    @property
    def _window_driver(self) -> _WindowDriver | None:
        """The driver, where there is a terminal or a page."""
        driver = self._driver
        return cast("_WindowDriver", driver) if driver is not None and not driver.is_headless else None

    def _check_terminal(self) -> None:
        driver = self._window_driver
        if driver is not None and driver.is_gone:
            self.continue_detached()

    def continue_detached(self) -> None:
        """End after the terminal or the page went away; a run that would end with the console is carried to its end."""
        driver = self._window_driver
        if driver is not None:
            driver.abandon()
        if self._is_terminating or self._is_detached:
            return
        self._is_detached = True
        self._leave_once_runs_have_ended(_HANGUP)

    def _leave_once_runs_have_ended(self, exit_code: int) -> None:
        self._leaving = exit_code
        self._leave_if_nothing_is_left()

    def _leave_if_nothing_is_left(self) -> None:
        if self._leaving is not None and not any(map(self._is_waited_for, self.databases)):
            self.exit(self._leaving)

    def _is_waited_for(self, database: OpenDatabase) -> bool:
        """Whether a run has to end before the console may; a signal that cancelled it waits until that is recorded."""
        controller = database.controller
        is_cancelled = self._is_terminating and controller.is_cancelling
        return controller.is_running and (is_cancelled or not controller.run_outlives_console)

    def refresh_all(self) -> None:
        """Draw everything anew: something that was drawn has not been read."""
        self.screen.refresh(layout=True)

    def _report_run(self, *, is_running: bool) -> None:
        """Send the page of the console, if it has one, whether a run is in progress, in whatever database."""
        if self._driver is not None and self._driver.is_web:
            others = any(database.controller.is_running for database in self.databases)
            cast("_PageDriver", self._driver).send_run_state(is_running=is_running or others)

    async def run_action(
        self,
        action: str | ActionParseResult,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """Do what a key asks for, or say why that cannot be done now."""
        if isinstance(action, str) and isinstance(default_namespace, MainScreen):
            reason = default_namespace.why_not(action)
            if reason is not None:
                default_namespace.prompts.notify(reason, is_warning=True)
                return True
        return await super().run_action(action, default_namespace, namespaces)

    async def action_quit(self) -> None:
        """Quit as `q` does, whichever screen is on top: Textual's own ctrl+q would ask nothing."""
        self.main.actions.leave()

    def action_help_quit(self) -> None:
        """Answer ctrl+c: ask what is to become of a run, else name the key that quits."""
        if self.controller.is_running:
            self.main.actions.leave()
        else:
            self.main.prompts.notify("q quits")

    def copy_to_clipboard(self, text: str) -> None:
        """Copy a text, without passwords, to the clipboard of the terminal or the page, and to that of the desktop."""
        text = redact(text)
        super().copy_to_clipboard(text)
        if self._driver is not None and self._driver.is_web:
            return  # whoever reads the page has a clipboard of his own
        words = clipboard_program(os.environ, shutil.which)
        if words is not None:
            self.run_worker(partial(self._give, words, text), group="clipboard", exclusive=True)

    async def _give(self, words: Sequence[str], text: str) -> None:
        problem = await asyncio.to_thread(give, words, text)
        if problem is not None:
            self.notify(f"only the terminal was asked to copy: {problem}", severity="warning", markup=False)

    def action_command_palette(self) -> None:
        """Open zmig's own palette; Textual's has other commands, and another look."""
        if self.screen is self.main:
            self.main.action_commands()
        else:
            self.main.prompts.notify("close this first: commands are the main screen's", is_warning=True)

    def _terminate(self, number: signal.Signals) -> None:
        """End as a signal asks: runs that were begun here are cancelled first, and what they left is recorded.

        A second signal waits not.
        """
        if self._is_terminating:
            os._exit(128 + number)
        self._is_terminating = True
        for database in self.databases:
            if database.controller.is_run_begun_here:
                database.controller.cancel()
        self._leave_once_runs_have_ended(128 + number)

    async def on_unmount(self) -> None:
        """Let the threads end, while signals are still handled."""
        await asyncio.gather(*(asyncio.to_thread(database.controller.stop) for database in self.databases))


def run(targets: Sequence[Target]) -> int:
    """Show the console until somebody quits; return the exit code."""
    app = ConsoleApp(*targets, preferences=preferences.of_user(os.environ), has_light_background=background.is_light())
    exit_code = app.run() or 0
    for database in app.databases:
        if database.controller.is_running:
            with contextlib.suppress(OSError):  # the terminal may be gone
                sys.stderr.write(
                    f"a run goes on; {database.model.hints.commands.phrase(command('tui'))} attaches to it\n"
                )
                sys.stderr.flush()
    return exit_code
