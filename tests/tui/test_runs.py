"""Runs of this console and of others: their ends, their clocks, who was in the way."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from tests.support.console import console
from zmig.errors import MigrationFailed

if TYPE_CHECKING:
    import psycopg

    from tests.support.shop import Shop


def _fails(shop: Shop) -> None:
    with pytest.raises(MigrationFailed):
        shop.migrator().migrate()


async def test_a_short_run_elsewhere_is_shown_in_every_console_and_covers_an_older_success(shop: Shop) -> None:
    shop.add(1, "one", "select 1;")
    async with console(shop.path) as zmig, console(shop.path, size=(80, 24)) as other:
        await zmig.agree_to("a")
        await zmig.until_text("#panel", "✓ apply: 1 done")
        await other.until_text("#panel", "✓ ")
        shop.add(2, "two", "select * from nowhere;")
        await asyncio.to_thread(_fails, shop)
        for each in (zmig, other):
            await each.until_text("#panel", "✗ a run by ")
            assert '`two`: relation "nowhere" does not exist' in each.texts("#panel")
        shop.migrator().resolve("two", "done", reason="by hand")
        for each in (zmig, other):
            await each.until_states(two="done")
            assert "✗ a run by " in each.texts("#panel")
            await each.press("escape")
            await each.until(lambda each=each: not each.main.query_one("#panel").display)
        shop.add(3, "three", "select 3;")
        await asyncio.to_thread(shop.migrator().migrate)
        for each in (zmig, other):
            await each.until_text("#panel", ": 1 done")
            assert "✓ a run by " in each.texts("#panel")


async def test_tries_and_blockers_of_a_run_elsewhere_are_told_while_it_waits_and_afterwards(
    shop: Shop, connection: psycopg.Connection
) -> None:
    connection.execute("create table a ()")
    connection.execute("set application_name = 'nightly-report'")
    connection.autocommit = False
    connection.execute("lock table a")
    pid = connection.info.backend_pid
    retry = "{attempts: 2, backoff: 4s, max_backoff: 4s}"
    shop.add(1, "fine", "select 1;")
    shop.add(2, "busy", "alter table a add column b int;", lock_timeout="2s", retry=retry)
    run = threading.Thread(target=_fails, args=(shop,))
    async with console(shop.path, size=(140, 40)) as zmig:
        run.start()
        await zmig.until_text("#panel", f"blocked by pid {pid} nightly-report; tries again in 0:0")
        assert "lock timeout, blocked by" in zmig.texts("#panel")
        assert "try 2 of 2" in zmig.texts("#panel")
        assert "the server waits" not in zmig.texts("#panel")
        await zmig.until_text("#panel", "busy  try 2 of 2 · statement 1 of 1, line 1")
        await zmig.until_text("#panel", "✗ a run by ")
        assert f"blocked by pid {pid} nightly-report" in zmig.texts("#panel")
        took = zmig.main.model.runs.shown
        assert took is not None
        assert took.seconds(0) >= 2 + 2 + 2  # two waits for the lock, and a pause of 2 s at least
        await zmig.until(lambda: f"blocked by pid {pid} nightly-report, user" in zmig.page)
        await zmig.press("4")
        await zmig.until(lambda: zmig.page.count(f"blocked by pid {pid} nightly-report, user") == 2)
    connection.rollback()
    run.join()
