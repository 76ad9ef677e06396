"""Every key of the main screen, pressed wherever it may be pressed: it does something, or says why it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from zmig_tui.screens import keys
from zmig_tui.widgets.key_bar import KeyBar

from tests.support import backends
from tests.support.console import console

if TYPE_CHECKING:
    import psycopg

    from tests.support.console import Console
    from tests.support.shop import Shop

WAYS_OUT = {"leave"}
SHOWN_ALREADY = {"detail", "turn_to('overview')"}
"""What keeps the detail as it is where it is open at its first page."""


def _seen(zmig: Console) -> object:
    """What a key may change, as far as somebody sees it; clocks go on by themselves."""
    main = zmig.main
    return (
        zmig.top,
        zmig.app.focused,
        tuple(zmig.toasts),
        main.model.table.order,
        main.model.table.is_reversed,
        main.table.index,
        main.detail.tab,
        main.has_class("-detail"),
        main.field.display,
        main.model.table.filter.text,
        main.model.runs.shown is None,
    )


async def _press_all(zmig: Console, where: str, *way: str, but: set[str] = WAYS_OUT) -> None:
    """Press each key where `way` leads to from the table."""
    for binding in (*keys.RUNNING, *keys.LOOKING):
        if binding.action in but:
            continue
        zmig.app.clear_notifications()
        await zmig.press(*way)
        before = _seen(zmig)
        await zmig.press(binding.key)
        await zmig.pilot.pause()
        assert _seen(zmig) != before, f"{binding.key} ({binding.action}) is silent {where}"
        while (top := zmig.top) is not zmig.main:
            await zmig.press("escape")
            await zmig.until(lambda top=top: zmig.top is not top)
        zmig.main.action_back()
        zmig.main.action_back()
        zmig.main.table.focus()


async def test_no_key_is_silent_at_rest(shop: Shop) -> None:
    shop.add(1, "one", "select 1;")
    async with console(shop.path) as zmig:
        await _press_all(zmig, "before anything is applied")
        await zmig.agree_to("a")
        await zmig.until_states(one="done")
        await zmig.press("escape")
        await _press_all(zmig, "after everything is applied")
        await _press_all(zmig, "in the detail", "enter", but=WAYS_OUT | SHOWN_ALREADY)
        shop.add(2, "two", "select 2;")
        shop.add(3, "three", "select nothing;")
        await zmig.until(lambda: len(zmig.main.table.rows) == 3)
        await zmig.agree_to("a")
        await zmig.until_states(three="failed")
        await zmig.go_to("three")
        await _press_all(zmig, "on a failure")
        await zmig.press("slash")
        await zmig.type("nowhere")
        await zmig.press("enter")
        assert zmig.main.row is None
        await _press_filtered(zmig)


async def _press_filtered(zmig: Console) -> None:
    for binding in (*keys.RUNNING, *keys.LOOKING):
        if binding.action in WAYS_OUT | {"back"}:
            continue
        zmig.app.clear_notifications()
        before = _seen(zmig)
        await zmig.press(binding.key)
        await zmig.pilot.pause()
        assert _seen(zmig) != before, f"{binding.key} ({binding.action}) is silent where nothing is shown"
        while (top := zmig.top) is not zmig.main:
            await zmig.press("escape")
            await zmig.until(lambda top=top: zmig.top is not top)
        if zmig.main.field.has_focus:
            await zmig.press("enter")
        zmig.main.table.focus()


async def test_no_key_is_silent_before_the_database_answers(shop: Shop) -> None:
    shop.add(1, "one", "select 1;")
    url = "host=127.0.0.1 port=1 dbname=nowhere user=nobody connect_timeout=5"
    async with console(shop.path, database_url=url, begins_observed=False) as zmig:
        await _press_all(zmig, "without a database")


@pytest.mark.slow
async def test_no_key_is_silent_in_a_run_and_the_most_useful_ones_are_offered(
    shop: Shop, connection: psycopg.Connection
) -> None:
    shop.add(1, "one", "create table one ();")
    shop.add(2, "two", "lock table one;", lock_timeout="10min")
    shop.migrator().migrate(to=1)
    with connection.transaction():
        connection.execute("lock table one")
        async with console(shop.path) as zmig:
            assert _offered(zmig)[0] == "a"
            await zmig.agree_to("a")
            backends.wait_for(connection, 1, "wait_event_type = 'Lock'")
            await zmig.until(lambda: zmig.main.model.work is not None and zmig.main.model.work.blockers)
            await zmig.until(lambda: _offered(zmig)[0] == "K")
            assert "K Kill blocker" in zmig.screen_text.splitlines()[-1]
            await _press_all(zmig, "in a run that is blocked")
            zmig.app.controller.cancel()
            await zmig.until_states(two="failed")
            await zmig.go_to("two")
            await zmig.press("escape")
            assert _offered(zmig)[0] == "r"


def _offered(zmig: Console) -> list[str]:
    return [offer.key for offer in zmig.main.query_one(KeyBar).offers]


async def test_a_click_on_the_bar_presses_the_key(shop: Shop) -> None:
    shop.add(1, "one", "select 1;")
    async with console(shop.path) as zmig:
        column = zmig.screen_text.splitlines()[-1].index("a Apply")
        await zmig.pilot.click(KeyBar, offset=(column, 0))
        await zmig.question()
        assert "apply: 1 migration to run" in zmig.dialog()
