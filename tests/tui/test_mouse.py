"""What the mouse does: tabs, heads of columns, the edge between table and detail, rows."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from zmig_tui.app import ConsoleApp
from zmig_tui.models.details import Tab
from zmig_tui.preferences import Preferences
from zmig_tui.target import Target
from zmig_tui.widgets.splitter import width_of
from zmig_tui.widgets.table import MigrationTable

from tests.support.console import Console, console
from zmig.presentation.hints import CommandLine

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.shop import Shop


def _names(zmig: Console) -> list[str]:
    return [row.name for row in zmig.main.table.rows]


async def _click_head(zmig: Console, head: str) -> None:
    column = zmig.main.table.texts[0].index(head)
    await zmig.pilot.click(MigrationTable, offset=(column, 0))
    await zmig.pilot.pause()


async def test_tabs_heads_of_columns_and_rows_take_clicks(shop: Shop) -> None:
    for version, name in enumerate(("beta", "alpha", "gamma"), start=1):
        shop.add(version, name, "select 1;")
    shop.migrator().migrate(to=1)
    async with console(shop.path) as zmig:
        tabs = zmig.texts("#tabs")
        await zmig.pilot.click("#tabs", offset=(tabs.index("events"), 0))
        await zmig.until(lambda: zmig.main.detail.tab is Tab.EVENTS)
        assert zmig.main.detail.has_focus_within
        await zmig.pilot.click("#tabs", offset=(tabs.index("2 file"), 0))
        await zmig.until(lambda: zmig.main.detail.tab is Tab.FILE)

        await _click_head(zmig, "name")
        assert _names(zmig) == ["alpha", "beta", "gamma"]
        await _click_head(zmig, "name")
        assert _names(zmig) == ["gamma", "beta", "alpha"]
        await _click_head(zmig, "ver")
        assert _names(zmig) == ["beta", "alpha", "gamma"]
        await _click_head(zmig, "state")
        assert _names(zmig) == ["alpha", "gamma", "beta"]
        await _click_head(zmig, "kind")
        assert zmig.toasts[-1].startswith("the table is sorted by")
        assert _names(zmig) == ["alpha", "gamma", "beta"]

        await zmig.press("escape")
        await zmig.pilot.click(MigrationTable, offset=(10, 2))
        assert zmig.main.row is not None
        assert zmig.main.row.name == "gamma"
        await zmig.pilot.click(MigrationTable, offset=(10, 3), times=2)
        await zmig.until(lambda: zmig.main.detail.has_focus_within)
        assert zmig.main.row.name == "beta"


async def test_the_edge_between_table_and_detail_is_dragged_within_limits(shop: Shop) -> None:
    shop.add(1, "one", "select 1;")
    async with console(shop.path) as zmig:
        detail = zmig.main.detail
        usual, right = detail.region.width, detail.region.right

        async def drag(to: int) -> None:
            y = detail.region.y + 5
            await zmig.pilot.mouse_down(None, offset=(detail.region.x, y))
            await zmig.pilot.hover(None, offset=(to, y))
            await zmig.pilot.mouse_up(None, offset=(to, y))
            await zmig.pilot.pause()

        await drag(70)
        assert detail.region.x == 70
        assert zmig.main.get_selected_text() is None
        await drag(5)
        assert detail.region.width == right - 40
        await drag(115)
        assert detail.region.width == 30
        await zmig.pilot.resize_terminal(80, 24)
        await zmig.press("enter")
        await zmig.until(lambda: detail.region.width == 80)
        await zmig.press("escape")
        await zmig.pilot.resize_terminal(120, 36)
        await zmig.until(lambda: detail.region.width == 30)
        await zmig.pilot.click(None, offset=(detail.region.x, 10), times=2)
        await zmig.until(lambda: detail.region.width == usual)


async def test_where_the_edge_was_dragged_to_is_kept(shop: Shop, tmp_path: Path) -> None:
    shop.add(1, "one", "select 1;")
    kept = tmp_path / "kept" / "console.json"

    def app() -> ConsoleApp:
        target = Target(shop.path, None, CommandLine(shop.path.name), os.environ)
        return ConsoleApp(target, uses_processes=False, preferences=Preferences(kept))

    for before, to in ((66, 50), (50, 80)):
        zmig = app()
        async with zmig.run_test(size=(120, 36)) as pilot:
            await pilot.pause()
            detail = zmig.main.detail
            assert detail.region.x == before
            await pilot.mouse_down(None, offset=(before, 10))
            await pilot.hover(None, offset=(to, 10))
            await pilot.mouse_up(None, offset=(to, 10))
            await pilot.pause()
            assert detail.region.x == to
    assert json.loads(kept.read_text()) == {"detail_share": 0.333}


@pytest.mark.parametrize(("share", "cells", "expected"), [(0.5, 200, 100), (0.01, 200, 30), (0.99, 200, 160)])
def test_a_share_of_the_width_has_limits(share: float, cells: int, expected: int) -> None:
    assert width_of(share, cells) == expected
