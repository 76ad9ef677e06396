"""Every way out of the console: while a run goes on, each asks, and none ends the run unasked."""

from __future__ import annotations

import os
import queue
import threading
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from zmig_tui.controller import Controller
from zmig_tui.screens.dialogs import ConfirmDialog, QuitDialog
from zmig_tui.screens.finder import FinderDialog
from zmig_tui.screens.log import LogScreen
from zmig_tui.target import Target

from tests.support.console import Console, console
from zmig.planning.request import Apply
from zmig.presentation.hints import CommandLine

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import psycopg
    from zmig_tui.events import ConsoleEvent

    from tests.support.shop import Shop

ENDS_THE_RUN = {
    (QuitDialog, "c"): "cancels it, then quits",
    (ConfirmDialog, "enter"): "agrees to cancelling it",
    (ConfirmDialog, "y"): "agrees to cancelling it",
}
"""What may end a run: answers to a question about it, and nothing else."""

PLACES = {
    "table": [],
    "detail": ["enter"],
    "filter": ["slash"],
    "log": ["l"],
    "waits": ["w"],
    "keys": ["question_mark"],
    "question": ["c"],
    "quitting": ["q"],
    "palette": ["ctrl+p"],
}
"""Keys that lead from the table to each place where keys mean something else."""


@asynccontextmanager
async def _in_a_run(shop: Shop, connection: psycopg.Connection) -> AsyncGenerator[Console]:
    """Show a console whose run goes on until this block ends."""
    shop.add(1, "one", "select pg_advisory_lock(1);", lock_timeout="10min")
    connection.execute("select pg_advisory_lock(1)")
    async with console(shop.path, size=(80, 24)) as zmig:
        await zmig.agree_to("a")
        await zmig.until_text("#panel", "statement 1 of 1")
        yield zmig
        connection.execute("select pg_advisory_unlock(1)")
        await zmig.until(lambda: not zmig.app.controller.is_running)


def _goes_on(zmig: Console) -> bool:
    return zmig.app.controller.is_running and not zmig.app.controller.is_cancelling and not zmig.has_left


def _keys(zmig: Console, pressed: set[tuple[type, str]]) -> list[str]:
    """One key for each thing a key does here that was not `pressed` elsewhere, and those that lead out anywhere."""
    keys = {"ctrl+q", "ctrl+c", "escape"}
    for key, active in zmig.top.active_bindings.items():
        thing = (type(active.node), active.binding.action)
        if thing not in pressed:
            pressed.add(thing)
            keys.add(key)
    return sorted(keys)


async def _go_to(zmig: Console, keys: list[str]) -> None:
    """Come back to the table, whatever was opened, and go where `keys` lead."""
    while (top := zmig.top) is not zmig.main:
        await zmig.press("escape")
        await zmig.until(lambda top=top: zmig.top is not top or isinstance(top, LogScreen))
    zmig.main.actions.leaves_after_run = False
    zmig.main.action_back()
    zmig.main.action_back()
    zmig.main.table.focus()
    await zmig.press(*keys)


@pytest.mark.slow
async def test_no_key_of_any_screen_ends_a_run_unasked(shop: Shop, connection: psycopg.Connection) -> None:
    pressed: set[tuple[type, str]] = set()

    async with _in_a_run(shop, connection) as zmig:
        for place, way in PLACES.items():
            await _go_to(zmig, way)
            top, here = type(zmig.top), (zmig.top, zmig.app.focused)
            for key in _keys(zmig, pressed):
                if (top, key) in ENDS_THE_RUN:
                    continue
                await zmig.press(key)
                assert _goes_on(zmig), f"{key} on {place}"
                if (zmig.top, zmig.app.focused) != here or zmig.main.actions.leaves_after_run:
                    await _go_to(zmig, way)
                    here = (zmig.top, zmig.app.focused)
    assert len(pressed) > 60
    assert [fact.type.label for fact in shop.migrator().history()[-2:]] == ["done", "observed"]


async def test_every_way_out_asks_in_a_run_and_asks_once(shop: Shop, connection: psycopg.Connection) -> None:
    async with _in_a_run(shop, connection) as zmig:
        for key in ("q", "ctrl+q", "ctrl+c"):
            await zmig.open(QuitDialog, key)
            await zmig.press("ctrl+q", "ctrl+c")
            assert sum(isinstance(screen, QuitDialog) for screen in zmig.app.screen_stack) == 1
            await zmig.press("escape")
            await zmig.until(lambda: zmig.top is zmig.main)
        await zmig.open(FinderDialog, "ctrl+p")
        await zmig.type("quit")
        await zmig.open(QuitDialog, "enter")
        await zmig.press("escape")


async def test_without_a_run_the_keys_that_quit_quit_and_ctrl_c_tells_which_they_are(shop: Shop) -> None:
    shop.add(1, "one", "select 1;")

    for key in ("q", "ctrl+q"):
        async with console(shop.path) as zmig:
            await zmig.press("ctrl+c")
            assert not zmig.has_left
            assert zmig.toasts == ["q quits"]
            await zmig.press(key)
            await zmig.until(lambda: zmig.has_left)
            assert zmig.app.return_value == 0


def test_the_console_ends_only_after_a_run_in_a_thread_of_its_own(shop: Shop, connection: psycopg.Connection) -> None:
    shop.add(1, "one", "select pg_advisory_lock(1);", lock_timeout="10min")
    connection.execute("select pg_advisory_lock(1)")
    told: queue.Queue[ConsoleEvent] = queue.Queue()
    target = Target(shop.path, None, CommandLine(shop.path.name), os.environ)
    controller = Controller(target, told.put, time.monotonic, uses_processes=False)
    controller.start()
    controller.run(Apply(), shop.migrator().plan())
    while _waiting(connection) == 0:
        told.get(timeout=60)
    ending = threading.Thread(target=controller.stop)
    ending.start()
    ending.join(0.5)
    assert ending.is_alive()
    assert not controller.is_cancelling
    connection.execute("select pg_advisory_unlock(1)")
    ending.join()
    assert [fact.type.label for fact in shop.migrator().history()[-2:]] == ["done", "observed"]


def _waiting(connection: psycopg.Connection) -> int:
    query = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
    row = connection.execute(query).fetchone()
    return row[0] if row is not None else 0
