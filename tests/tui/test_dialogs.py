"""Dialogs and keys that were pressed before they came up, or before they could be read."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from zmig_tui.screens.dialogs import QuitDialog
from zmig_tui.screens.plan import PlanScreen

from tests.support.console import console
from zmig import Migrator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.console import Console
    from tests.support.shop import Shop
    from zmig.planning.plan import Plan
    from zmig.planning.request import Request

_FOR_EVER = 3600.0


class Gate:
    """Holds the planning until it is opened."""

    def __init__(self) -> None:
        self.plans = 0
        self.opened = threading.Event()

    def plan(self, request: Request, migrator: Migrator) -> Plan:
        self.plans += 1
        assert self.opened.wait(60)
        return migrator.plan_request(request)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate()

    def plan(migrator: Migrator, request: Request, _watcher: object) -> Plan:
        return gate.plan(request, migrator)

    monkeypatch.setattr(Migrator, "plan_watched", plan)
    yield gate
    gate.opened.set()


def _dialogs(zmig: Console) -> list[str]:
    return [type(screen).__name__ for screen in zmig.app.screen_stack[2:]]


async def test_impatient_keys_end_in_the_screen_that_stands_at_once(shop: Shop, gate: Gate) -> None:
    shop.add(1, "one", "select 1;")
    async with console(shop.path, reading_seconds=_FOR_EVER) as zmig:
        await zmig.open(PlanScreen, "a")
        assert "planning" in zmig.plan_head
        await zmig.press("a", "a", "enter", "y", "enter")
        assert _dialogs(zmig) == ["PlanScreen"]
        gate.opened.set()
        await zmig.plan()
        await zmig.press("enter", "y", "a", "enter", "R")
        assert _dialogs(zmig) == ["PlanScreen"]
        assert not zmig.plan_screen.may_be_agreed_to
        await zmig.press("escape")
        assert zmig.top is zmig.main
        assert not zmig.app.controller.is_running
    assert gate.plans == 1
    assert shop.migrator().history() == []


async def test_a_question_may_be_agreed_to_once_it_has_stood_for_a_moment(shop: Shop) -> None:
    shop.add(1, "one", "select 1;")
    async with console(shop.path, reading_seconds=0.05) as zmig:
        await zmig.agree_to("a")
        await zmig.until_states(one="done")


async def test_in_production_enter_does_not_agree_to_an_apply(shop: Shop) -> None:
    shop.environment = "production"
    shop.add(1, "one", "select 1;")
    async with console(shop.path) as zmig:
        await zmig.question("a")
        await zmig.until(lambda: "y Yes, do it" in zmig.screen_text)
        assert "enter Yes" not in zmig.screen_text
        await zmig.press("enter")
        assert isinstance(zmig.top, PlanScreen)
        await zmig.press("y")
        await zmig.until_states(one="done")


async def test_a_plan_that_nobody_waits_for_any_more_is_not_shown(shop: Shop, gate: Gate) -> None:
    shop.add(1, "one", "select 1;")
    async with console(shop.path) as zmig:
        await zmig.open(PlanScreen, "a")
        await zmig.until(lambda: gate.plans == 1)
        await zmig.open(PlanScreen, "escape", "a", "escape", "p")
        gate.opened.set()
        assert "1 migration to run" in await zmig.plan()
        assert _dialogs(zmig) == ["PlanScreen"]
    assert gate.plans == 2, "the one in the middle was wanted by nobody when its turn came"


async def test_a_plan_that_cannot_be_made_says_why_where_it_was_waited_for(shop: Shop, gate: Gate) -> None:
    shop.add(1, "one", "select 1;")
    async with console(shop.path) as zmig:
        await zmig.open(PlanScreen, "a")
        shop.path.write_text("manifest: 1\nmigrations: 7\n")
        gate.opened.set()
        assert "shop.yaml:2:13" in _unbroken(await zmig.plan())
        assert "enter Yes" not in zmig.screen_text
        await zmig.press("enter")
        assert _dialogs(zmig) == ["PlanScreen"]
        shop.declare()
        assert "1 migration to run" in await zmig.plan("ctrl+r")
        await zmig.press("escape")
        assert zmig.top is zmig.main


async def test_a_plan_that_comes_below_another_dialog_is_read_once_that_is_closed(shop: Shop, gate: Gate) -> None:
    shop.add(1, "one", "select 1;")
    async with console(shop.path) as zmig:
        await zmig.open(PlanScreen, "a")
        screen = zmig.plan_screen
        await zmig.app.push_screen(QuitDialog("apply", can_outlive=True))
        gate.opened.set()
        await zmig.until(lambda: screen.model.plan is not None)
        assert isinstance(zmig.top, QuitDialog)
        await zmig.press("enter", "y")
        assert not zmig.app.controller.is_running
        await zmig.question("escape")
        assert _dialogs(zmig) == ["PlanScreen"]


def _unbroken(text: str) -> str:
    """Return a text as it was before it was wrapped."""
    return "".join(text.split())
