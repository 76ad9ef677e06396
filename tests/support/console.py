"""Presses real keys in the real console, against a real database, and waits for what they bring about."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from textual.widgets import Input
from zmig_tui.app import ConsoleApp
from zmig_tui.screens.dialogs import ConfirmDialog, Dialog, TextDialog
from zmig_tui.screens.plan import PlanScreen
from zmig_tui.target import Target
from zmig_tui.widgets.banner import Banner
from zmig_tui.widgets.lines import Lines

from zmig.presentation.hints import CommandLine

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from textual.message import Message
    from textual.pilot import Pilot
    from textual.screen import Screen
    from zmig_tui.screens.main import MainScreen

PATIENCE_SECONDS = 120


class Console:
    """A console that runs without a terminal."""

    def __init__(self, app: ConsoleApp, pilot: Pilot[int], heard: asyncio.Event) -> None:
        self.app = app
        self.pilot = pilot
        self._heard = heard

    @property
    def has_left(self) -> bool:
        """Whether it is over, or about to be."""
        return self.app._exit or not self.app.is_running  # pyright: ignore[reportPrivateUsage] - the result may be None

    @property
    def main(self) -> MainScreen:
        return self.app.main

    @property
    def top(self) -> Screen[object]:
        return self.app.screen

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def type(self, text: str) -> None:
        await self.pilot.press(*("space" if character == " " else character for character in text))

    async def until(self, is_reached: Callable[[], object]) -> None:
        """Wait for messages until something holds."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not is_reached():
                    self._heard.clear()
                    await self._heard.wait()
        except TimeoutError:
            raise AssertionError(f"never reached; the screen is\n{self.screen_text}") from None
        await self.pilot.pause()

    async def ready(self) -> None:
        """Wait for the first observation."""
        await self.until(lambda: self.main.model.observation is not None)

    def states(self) -> dict[str, str]:
        """The state of every migration in the table, as it is shown."""
        return {row.name: row.glyph + " " + row.state.value for row in self.main.table.rows}

    async def until_states(self, **states: str) -> None:
        """Wait until the table shows these states."""

        def is_so() -> bool:
            shown = {row.name: row.state.value for row in self.main.table.rows}
            return all(shown.get(name) == state for name, state in states.items())

        await self.until(is_so)

    async def go_to(self, name: str) -> None:
        """Move the cursor, with keys, to a migration."""
        names = [row.name for row in self.main.table.rows]
        await self.press("home", *["down"] * names.index(name))

    async def agree_to(self, *keys: str) -> None:
        """Press keys that bring up a question, and agree to it."""
        await self.question(*keys)
        await self.press("enter")

    async def question(self, *keys: str) -> None:
        """Press keys, and wait for a question that may be agreed to."""
        await self.press(*keys)
        await self.until(lambda: isinstance(self.top, ConfirmDialog | PlanScreen) and self.top.may_be_agreed_to)

    async def plan(self, *keys: str) -> str:
        """Press keys, wait until a plan is there or refused, and return its heading and its list."""
        await self.press(*keys)
        await self.until(lambda: isinstance(self.top, PlanScreen) and not self.top.model.is_planning)
        return self.dialog()

    @property
    def plan_screen(self) -> PlanScreen:
        """The plan's screen, which is on top."""
        assert isinstance(self.top, PlanScreen)
        return self.top

    @property
    def step_page(self) -> str:
        """The page about the step under the cursor of the plan's screen."""
        return "\n".join(self.plan_screen.page.texts)

    async def until_step_page(self, text: str) -> None:
        """Wait until the page about the step shows a text."""
        await self.until(lambda: text in self.step_page)

    @property
    def plan_head(self) -> str:
        """The heading of the plan's screen."""
        return "\n".join(self.plan_screen.query_one("#plan-head", Banner).texts)

    async def open(self, dialog: type[Screen[Any]], *keys: str) -> None:
        """Press keys, and wait for the dialog they open."""
        await self.press(*keys)
        await self.until(lambda: isinstance(self.top, dialog))

    def dialog(self) -> str:
        """The title and the text of the dialog on top, or of the plan."""
        if isinstance(self.top, PlanScreen):
            return "\n".join([self.plan_head, *self.top.items.texts])
        assert isinstance(self.top, Dialog)
        title = self.top.query_one("#dialog-title", Banner).texts
        return "\n".join([*title, *self.top.query_one("#dialog-text", Lines).texts])

    async def reading(self, *keys: str) -> str:
        """Press keys, wait for a text to read, and return it."""
        await self.open(TextDialog, *keys)
        return self.dialog()

    def texts(self, selector: str) -> str:
        """What a part of the main screen shows."""
        part = self.main.query_one(selector)
        if isinstance(part, Input):
            return part.value
        assert isinstance(part, Banner | Lines)
        return "\n".join(part.texts)

    async def until_text(self, selector: str, text: str) -> None:
        """Wait until a part of the main screen shows a text."""
        await self.until(lambda: text in self.texts(selector))

    @property
    def page(self) -> str:
        """The page about the migration under the cursor."""
        return "\n".join(self.main.detail.page.texts)

    @property
    def toasts(self) -> list[str]:
        """What was told in passing, and is still shown."""
        return [one.message for one in self.app._notifications]  # pyright: ignore[reportPrivateUsage] - Textual shows them only on the screen

    @property
    def screen_text(self) -> str:
        """Everything on the screen, line by line, as a terminal would show it."""
        width, height = self.app.size
        strips = self.top._compositor.render_strips()  # pyright: ignore[reportPrivateUsage] - Textual shows it only as SVG
        return "\n".join(strip.text[:width].rstrip() for strip in strips[:height])


@asynccontextmanager
async def console(
    manifest: Path,
    *others: Path,
    size: tuple[int, int] = (120, 36),
    database_url: str | None = None,
    reading_seconds: float = 0,
    begins_observed: bool = True,
    uses_processes: bool = False,
    is_read_only: bool = False,
) -> AsyncGenerator[Console]:
    """Open the console on manifests, and unless that cannot be, wait for the first observation.

    With `uses_processes` its runs are in processes of their own, and outlive it, as they do for people.
    """
    heard = asyncio.Event()

    def hook(_message: Message) -> None:
        heard.set()

    app = ConsoleApp(
        *(
            Target(one, database_url, CommandLine(one.name), os.environ, is_read_only=is_read_only)
            for one in (manifest, *others)
        ),
        reading_seconds=reading_seconds,
        uses_processes=uses_processes,
    )
    async with app.run_test(size=size, message_hook=hook) as pilot:
        zmig = Console(app, pilot, heard)
        try:
            if begins_observed:
                await zmig.ready()
            yield zmig
        finally:
            # The console waits for a run that nobody cancelled; a test that failed must not.
            if not uses_processes:
                for database in app.databases:
                    database.controller.cancel()
