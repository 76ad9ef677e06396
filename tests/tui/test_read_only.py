"""`zmig tui --read-only`: no key changes anything or ends anybody's work, and neither does what is behind the keys."""

from __future__ import annotations

import contextlib
import inspect
import os
import queue
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from zmig_tui.controller import Controller
from zmig_tui.events import ActionRefused
from zmig_tui.screens import keys
from zmig_tui.screens.finder import FinderDialog
from zmig_tui.target import Target

from tests.support import backends
from tests.support.console import console
from zmig.errors import MigrationFailed
from zmig.planning.request import Apply
from zmig.presentation.hints import CommandLine

if TYPE_CHECKING:
    import psycopg
    from zmig_tui.events import ConsoleEvent

    from tests.support.console import Console
    from tests.support.shop import Shop

READING = {
    "find_blockers",
    "listen_to_found_run",
    "observe_every",
    "plan",
    "refresh",
    "request_detail",
    "request_run",
    "request_runs",
    "start",
    "stop",
    "take_progress",
}
"""Of the controller; everything else it does refuses."""


async def test_no_key_changes_anything_and_the_heading_says_so(shop: Shop, connection: psycopg.Connection) -> None:
    shop.add(1, "one", "select 1;", rollback="select 2;")
    shop.add(2, "two", "select pg_advisory_lock(1);", lock_timeout="10min")
    shop.add(3, "three", "select 3;")
    shop.migrator().migrate(to=1)
    connection.execute("select pg_advisory_lock(1)")
    async with console(shop.path, uses_processes=True) as other:
        await other.agree_to("a")
        await other.until_text("#panel", "statement 1 of 1")
        backends.wait_for(connection, 1, "wait_event_type = 'Lock'")
        facts = shop.migrator().history()
        async with console(shop.path, uses_processes=True, is_read_only=True) as zmig:
            await zmig.until_text("#panel", "statement 1 of 1")
            assert "READ-ONLY" in zmig.texts("#heading")
            await _press_everything(zmig)
            assert shop.migrator().history() == facts
            backends.wait_for(connection, 1, "wait_event_type = 'Lock'")
            # It has no say in what becomes of the run, so it is not asked.
            await zmig.press("q")
            await zmig.until(lambda: zmig.has_left)
        connection.execute("select pg_advisory_unlock(1)")
        await other.until_text("#panel", "✓ apply: 2 done")
    shop.add(4, "four", "select nothing;")
    with contextlib.suppress(MigrationFailed):
        shop.migrator().migrate()
    facts = shop.migrator().history()
    async with console(shop.path, is_read_only=True) as zmig:
        await zmig.until_states(four="failed")
        await _press_everything(zmig)
        await zmig.press("p")
        await zmig.until(lambda: zmig.top is not zmig.main)
    assert shop.migrator().history() == facts


async def _press_everything(zmig: Console) -> None:
    """Press each key that would change something, and choose it in the palette: nothing comes up but a refusal."""
    for binding in keys.RUNNING:
        if binding.action not in keys.CHANGING:
            continue
        await zmig.press(binding.key)
        assert zmig.top is zmig.main, binding.key
        await zmig.open(FinderDialog, "ctrl+p")
        await zmig.type(binding.description)
        await zmig.press("enter")
        await zmig.until(lambda: not isinstance(zmig.top, FinderDialog))
        assert zmig.top is zmig.main, binding.key


def test_what_is_behind_the_keys_refuses_too(shop: Shop) -> None:
    shop.add(1, "one", "select 1;")
    told: queue.Queue[ConsoleEvent] = queue.Queue()
    target = Target(shop.path, None, CommandLine(shop.path.name), os.environ, is_read_only=True)
    controller = Controller(target, told.put, time.monotonic, uses_processes=False)
    given: dict[str, Any] = {
        "request": Apply(),
        "plan": shop.migrator().plan(),
        "backend": SimpleNamespace(pid=1),
    }
    done = [
        (name, method)
        for name, method in inspect.getmembers(Controller, inspect.isfunction)
        if not name.startswith("_") and name not in READING
    ]
    assert {"run", "cancel", "resolve", "pause", "resume", "terminate"} <= {name for name, _ in done}
    for name, method in done:
        wanted = list(inspect.signature(method).parameters)[1:]
        method(controller, **{word: given.get(word, "one") for word in wanted})
        refused = told.get_nowait()
        assert isinstance(refused, ActionRefused), name
        assert refused.problems[0].code == "console-read-only"
    controller.plans.rehearse("question", Apply())
    refused = told.get_nowait()
    assert isinstance(refused, ActionRefused)
    assert (refused.problems[0].code, refused.question) == ("console-read-only", "question")
    assert not controller.is_running
    assert shop.migrator().history() == []
