"""The command palette and the help: what is listed, what typing narrows it to, and that enter does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig_tui.models.finder import MOST_FOUND, Choice, Group, narrowed
from zmig_tui.screens import keys
from zmig_tui.screens.finder import FinderDialog

from tests.support.console import console

if TYPE_CHECKING:
    from tests.support.console import Console
    from tests.support.shop import Shop


def _listed(zmig: Console) -> list[str]:
    assert isinstance(zmig.top, FinderDialog)
    return [text.strip() for text in zmig.top.list.texts]


async def test_the_help_has_every_key_once_and_those_first_that_fit(shop: Shop) -> None:
    shop.add(1, "one", "select nothing;")
    async with console(shop.path, size=(80, 24)) as zmig:
        await zmig.agree_to("a")
        await zmig.until_states(one="failed")
        await zmig.press("escape")
        await zmig.open(FinderDialog, "question_mark")
        await zmig.until(lambda: len(_listed(zmig)) > len(keys.RUNNING))
        listed = _listed(zmig)
        assert listed[0] == "now"
        assert listed[1].startswith("r ")
        for binding in (*keys.RUNNING, *keys.LOOKING):
            shown = f"{binding.key_display or binding.key} "
            assert len([text for text in listed if text.startswith(shown) and binding.description in text]) == 1, shown
        assert any("not now: nothing is running" in text for text in listed)
        await zmig.type("what apply would do and lock")
        assert len(_listed(zmig)) == 1
        assert "1 migration to run" in await zmig.plan("enter")


async def test_a_command_that_can_do_nothing_says_why(shop: Shop) -> None:
    shop.add(1, "one", "select 1;")
    async with console(shop.path) as zmig:
        await zmig.open(FinderDialog, "ctrl+p")
        await zmig.type("kill")
        assert "nothing is running" in _listed(zmig)[0]
        await zmig.press("enter")
        await zmig.until(lambda: zmig.top is zmig.main)
        await zmig.until(lambda: "nothing is running" in zmig.toasts)


async def test_the_palette_goes_to_a_migration_that_the_filter_hides(shop: Shop) -> None:
    for version, name in enumerate(("alpha", "beta", "gamma"), start=1):
        shop.add(version, name, "select 1;")
    async with console(shop.path) as zmig:
        await zmig.press("slash")
        await zmig.type("alpha")
        await zmig.open(FinderDialog, "enter", "ctrl+p")
        await zmig.type("gam")
        await zmig.press("enter")
        await zmig.until(lambda: zmig.top is zmig.main)
        await zmig.until(lambda: zmig.main.row is not None and zmig.main.row.name == "gamma")


async def test_the_palette_has_no_name_twice_changes_the_theme_and_takes_a_click(shop: Shop) -> None:
    shop.add(1, "one", "select 1;")
    async with console(shop.path) as zmig:
        await zmig.open(FinderDialog, "ctrl+p")
        await zmig.until(lambda: "themes" in _listed(zmig))
        listed = [text for text in _listed(zmig) if text]
        assert len(listed) == len(set(listed))
        await zmig.type("theme nord")
        await zmig.press("enter")
        await zmig.until(lambda: zmig.app.theme == "nord")
        await zmig.open(FinderDialog, "ctrl+p")
        await zmig.type("sort")
        await zmig.until(lambda: len(_listed(zmig)) < 5)
        order = zmig.main.model.table.order
        await zmig.pilot.click("#finder-list", offset=(5, 0))
        await zmig.until(lambda: zmig.main.model.table.order is not order)


async def test_what_fits_nothing_is_said_and_enter_does_nothing(shop: Shop) -> None:
    shop.add(1, "one", "select 1;")
    async with console(shop.path) as zmig:
        await zmig.open(FinderDialog, "ctrl+p")
        await zmig.type("zebra crossing")
        assert _listed(zmig) == ["nothing fits"]
        await zmig.press("down", "enter")
        assert isinstance(zmig.top, FinderDialog)
        await zmig.press("ctrl+p")
        assert "close this first: commands are the main screen's" in zmig.toasts


def test_a_key_is_found_before_what_has_its_letter_in_it() -> None:
    groups = [Group("", [Choice("Apply", "all", "a"), Choice("Accept", "a file", "A"), Choice("Pause", "wait", "z")])]
    assert narrowed(groups, "A").groups[0].choices[0].key == "A"
    assert narrowed(groups, "a").groups[0].choices[0].key == "a"
    assert [choice.key for choice in narrowed(groups, "pau").groups[0].choices] == ["z"]


def test_of_very_many_only_some_are_listed_and_the_others_counted() -> None:
    groups = [Group("migrations", [Choice(f"m{number}") for number in range(10_000)])]
    assert narrowed(groups, "").left_out == 10_000 - MOST_FOUND
    assert narrowed(groups, "m9999").groups[0].choices == [Choice("m9999")]
